# SPDX-License-Identifier: Apache-2.0
"""How soon a gateway works again after a SIGKILL with a large store."""
from backlog import Backlog
from kit.waiting import PATIENCE, require, until
from suite import scenario

MOST_S = 2.0


@scenario(needs="stored")
def after_kill(world):
    """100,000 stored events (--big: 1,000,000): the time until it is ready, and until the first is delivered."""
    count = world.sized(20000, 100000, 1000000)
    limit_s = 120 + count / 500
    backlog = Backlog(world)
    backlog.load(count, "bulk", timeout_s=limit_s)
    backlog.wait_stored(count)
    world.do(f"kill gw with {count} events in its store")
    backlog.gateway.kill()
    first = backlog.first("bulk")
    receiver = backlog.receiver(count, "bulk")
    backlog.link.up()
    backlog.gateway.begin()
    ready_s = backlog.gateway.wait_ready(0.001)
    until(lambda: first.at, lambda: f"events come out of the store: {backlog.gateway.route()}", 60, 0.001)
    first_s = first.at - backlog.gateway.started_at
    _, said = backlog.drained(receiver, count, limit_s)
    require(not said, f"the drain: {'; '.join(said)}")
    backlog.gateway.balanced()
    world.note(f"{count} stored: ready after {ready_s * 1000:.0f} ms, first event after {first_s * 1000:.0f} ms")
    require(first_s <= MOST_S * PATIENCE, f"{first_s:.2f} s are too long, {MOST_S:g} s allowed")
