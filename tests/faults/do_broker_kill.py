# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of either broker, of both, of everything, under load."""
import moves
from ends import MqttEnd, RabbitEnd
from path import Path
from suite import scenario


def killed(world, path, move, ordered=True):
    path.start(settle=True)
    moves.apply(world, path, [move], world.cycles)
    path.finish(ordered=ordered)


@scenario(0.1, 2)
def source(world):
    """The Mosquitto that events come from."""
    killed(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b")), moves.source_killed)


@scenario(0.1, 2)
def sink(world):
    """The Mosquitto that events go to."""
    killed(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True)), moves.sink_killed)


@scenario(0.1, 2)
def everything(world):
    """Both Mosquittos and the gateway at once, back in any order."""
    killed(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True)), moves.everything_killed)


@scenario(0.1, 2)
def everything_with_two_gateways(world):
    """The outer brokers and two gateways behind each other at once."""
    killed(world, Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True), MqttEnd(world, "m")),
           moves.everything_killed)


@scenario(0.03, 1, slow=True)
def rabbitmq_source(world):
    """The RabbitMQ that events come from.  What its sender has to give again comes behind what it had."""
    killed(world, Path(world, RabbitEnd(world), MqttEnd(world, "b")), moves.source_killed, ordered=False)


@scenario(0.03, 1, slow=True)
def rabbitmq_sink(world):
    """The RabbitMQ that events go to."""
    killed(world, Path(world, MqttEnd(world, "a"), RabbitEnd(world)), moves.sink_killed, ordered=False)
