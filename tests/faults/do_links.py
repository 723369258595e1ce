# SPDX-License-Identifier: Apache-2.0
"""Networks that swallow, stall, reset, refuse, or accept and never answer, on either side."""
import moves
from ends import MqttEnd, RabbitEnd
from path import Path
from suite import scenario

MOVES = [moves.link_half_open, moves.link_mute, moves.link_stalled, moves.link_reset, moves.link_refused]


def broken(world, source, sink, ordered=True):
    path = Path(world, source, sink).start()
    moves.apply(world, path, MOVES, world.cycles, order=True)
    path.finish(ordered=ordered)


@scenario(0.1, 5)
def mqtt_mqtt(world):
    """Between two Mosquittos."""
    broken(world, MqttEnd(world, "a", linked=True), MqttEnd(world, "b", linked=True))


@scenario(0.1, 5)
def mqtt_amqp(world):
    """From Mosquitto to RabbitMQ."""
    broken(world, MqttEnd(world, "a", linked=True), RabbitEnd(world, linked=True))


@scenario(0.1, 5, slow=True)
def amqp_mqtt(world):
    """From RabbitMQ, which may give what it gets back behind what it has given out since, to Mosquitto."""
    broken(world, RabbitEnd(world, linked=True), MqttEnd(world, "b", linked=True), ordered=False)
