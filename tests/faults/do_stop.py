# SPDX-License-Identifier: Apache-2.0
"""SIGSTOP and SIGCONT of each party, for 0.1 to 5 s."""
import moves
from ends import MqttEnd, RabbitEnd
from path import Path
from suite import scenario

MOVES = [moves.gateway_stopped, moves.source_stopped, moves.sink_stopped]


def stopped(world, source, sink):
    path = Path(world, source, sink).start()
    moves.apply(world, path, MOVES, world.cycles, order=True)
    path.finish(ordered=source.ordered)


@scenario(0.06, 3)
def mqtt_mqtt(world):
    """The gateway and the Mosquittos on both sides, in turn."""
    stopped(world, MqttEnd(world, "a"), MqttEnd(world, "b"))


@scenario(0.06, 3, slow=True)
def amqp_mqtt(world):
    """The gateway, RabbitMQ and Mosquitto, in turn."""
    stopped(world, RabbitEnd(world), MqttEnd(world, "b"))
