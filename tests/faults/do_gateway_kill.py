# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of a gateway at random instants under continuous load, on every kind of path."""
from ends import MqttEnd, RabbitEnd
from path import Path
from suite import scenario

SHARE = 1 / 6  # six paths


def kill_again_and_again(world, path, duplicates=True, victims=2, in_start=True):
    """Kills come while a gateway starts (in_start), soon after it is ready, or after some progress.
    victims: so many of the path's gateways."""
    path.start()
    dice, checker, in_vain = world.dice, path.checker, 0
    for _ in range(world.cycles):
        gateway = dice.choice(path.gateways[:victims])
        unique, again, kills = checker.unique, checker.duplicates, gateway.kills
        moment = dice.random() * (1 if in_start else 0.9)
        if moment < 0.45 or in_vain > 5:
            path.flows(dice.randint(1, 150))
        if moment < 0.9:
            world.pause(0, 0.4)
        world.do(f"kill {gateway.name} at {checker.unique} of {checker.sent} events")
        gateway.kill()
        gateway.begin()
        if moment >= 0.9:
            # It dies again before it has got up: nothing may depend on an orderly start.
            world.pause(0, 0.1)
            world.do(f"kill {gateway.name} in its start")
            gateway.kill()
            gateway.begin()
        gateway.wait_ready()
        path.look()
        in_vain = 0 if checker.unique > unique else in_vain + 1
        # Once more: what the kill before has left under way may have come just now.
        more, allowed = checker.duplicates - again, (gateway.kills - kills + 1) * path.in_hand
        if world.stored and more > allowed:
            checker.note("unexplained", f"{more} duplicates after {gateway.kills - kills} kills")
    kills = sum(gateway.kills for gateway in path.gateways)
    finish(world, path, kills, duplicates)


def finish(world, path, kills, duplicates):
    if not world.stored:
        # What a source gives again is not marked; and a gateway that has forgotten what it had sent at
        # QoS 2 keeps no order there.
        path.finish(ordered=path.source.ordered and path.sink.qos < 2)
    elif duplicates:
        path.finish(duplicates=kills * path.in_hand, deepest=4 * path.in_hand, all_marked=True)
    else:
        path.finish(duplicates=0)
    world.note(f"{kills} kills, a duplicate at most {path.checker.deepest} events late")


@scenario(SHARE, 2)
def mqtt_mqtt(world):
    """MQTT QoS 1 to MQTT QoS 1."""
    kill_again_and_again(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b")))


@scenario(SHARE, 2)
def mqtt_amqp(world):
    """MQTT QoS 1 to AMQP 1.0."""
    kill_again_and_again(world, Path(world, MqttEnd(world, "a"), RabbitEnd(world)))


@scenario(SHARE, 2)
def amqp_mqtt(world):
    """AMQP 1.0 to MQTT QoS 1."""
    kill_again_and_again(world, Path(world, RabbitEnd(world), MqttEnd(world, "b")))


@scenario(SHARE, 2)
def exactly_once(world):
    """MQTT QoS 2 to MQTT QoS 2, without dedup: no duplicate leaves.

    Not while the gateway starts: Mosquitto 2.0.11 says PUBLISH again, after PUBREL, where a client is
    lost once more before the PUBREL of its new connection has got out (reconnect_reset_outgoing in its
    database.c takes mosq_ms_resend_pubrel for unpublished).  both_of_two_gateways kills at QoS 2 then."""
    kill_again_and_again(world, Path(world, MqttEnd(world, "a", 2), MqttEnd(world, "b", 2), dedup=False),
                         duplicates=False, in_start=False)


@scenario(SHARE, 2)
def second_gateway_dedups(world):
    """Two gateways behind each other, QoS 1 between them, dedup at the second; the first is killed: no
    duplicate leaves the second."""
    kill_again_and_again(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b"), MqttEnd(world, "m")),
                         duplicates=False, victims=1)


@scenario(SHARE, 2)
def both_of_two_gateways(world):
    """The same with QoS 2 behind the second, and both are killed."""
    kill_again_and_again(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", 2), MqttEnd(world, "m")),
                         duplicates=False)
