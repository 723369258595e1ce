# SPDX-License-Identifier: Apache-2.0
"""A wall clock that jumps by an hour or a day, back and forth: nothing is lost, nothing expires that has
a month, nothing waits for the time that was, also where a link comes back or the process begins anew."""
import moves
from ends import MqttEnd
from path import Path
from suite import scenario

MOVES = [moves.clock_jumps, moves.clock_jumps_while_it_is_away, moves.link_reset, moves.link_refused]


@scenario(0.16, 8)
def jumps(world):
    """MQTT to MQTT, with links that go and come in between."""
    source, sink = MqttEnd(world, "a"), MqttEnd(world, "b", linked=True)
    path = Path(world, source, sink, shims=("clock",)).start()
    moves.apply(world, path, MOVES, world.cycles, settle_s=20, order=True)
    path.finish()
