# SPDX-License-Identifier: Apache-2.0
"""Everything at random, for as long as one likes."""
import time

import moves
from ends import MqttEnd, RabbitEnd
from path import Path
from suite import scenario

QUICK_MOVES = [moves.gateway_killed, moves.gateway_killed, moves.gateway_ended, moves.gateway_stopped,
               moves.source_stopped, moves.sink_stopped, moves.link_half_open, moves.link_mute, moves.link_stalled,
               moves.link_reset, moves.link_refused, moves.clock_jumps]


def chaos(world, source, sink, more, ordered=True):
    all_moves = QUICK_MOVES + more + [moves.disk_fails] * world.stored
    path = Path(world, source, sink, shims=("clock", "disk")).start()
    end, done = time.monotonic() + world.options.minutes * 60, 0
    while time.monotonic() < end:
        moves.apply(world, path, all_moves, 1)
        done += 1
    path.finish(ordered=ordered)
    world.note(f"{done} faults")


@scenario()
def mqtt_mqtt(world):
    """Between two Mosquittos."""
    chaos(world, MqttEnd(world, "a", linked=True), MqttEnd(world, "b", linked=True),
          [moves.source_killed, moves.sink_killed, moves.everything_killed])


@scenario(slow=True)
def mqtt_amqp(world):
    """From Mosquitto to RabbitMQ, which is not killed: it takes long to come back."""
    chaos(world, MqttEnd(world, "a", linked=True), RabbitEnd(world, linked=True), [moves.source_killed])


@scenario()
def amqp_mqtt(world):
    """From RabbitMQ to Mosquitto."""
    chaos(world, RabbitEnd(world, linked=True), MqttEnd(world, "b", linked=True), [moves.sink_killed],
          ordered=False)
