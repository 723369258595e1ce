# SPDX-License-Identifier: Apache-2.0
"""A sink that is away for long: what it is to get waits in the store, the gateway's memory does not grow,
another sink does not notice, and it is drained completely and in order."""
from backlog import Backlog
from kit.waiting import PATIENCE, require
from memory import bounded
from suite import scenario


@scenario(needs="stored")
def another_works(world):
    """50,000 events (--big: 1,000,000) for two sinks, one of which is away."""
    count = world.sized(50000, 50000, 1000000)
    limit_s = 120 + count / 500
    backlog = Backlog(world, both=True)
    backlog.load(5000, "warm", timeout_s=60)
    usual = backlog.load(3000, "slow", "-r", 1000, timeout_s=60)
    before = backlog.gateway.memory_kib()
    sampler = world.sampler(backlog.gateway, 0.1)
    world.do(f"{count} events while c is away")
    found = backlog.load(count, "bulk", timeout_s=limit_s)
    samples = sampler.stop()
    require(found["lost"] == 0 and found["out_of_order"] == 0, f"the sink that works: {found}")
    stored = backlog.stored()
    require(stored >= count, f"{stored} are stored, of {count} that c has not got")
    away = backlog.load(3000, "late", "-r", 1000, timeout_s=60)
    require(away["p99_us"] <= (3 * usual["p99_us"] + 50000) * PATIENCE,
            f"the sink that works suffers: p99 {usual['p99_us']} before, {away['p99_us']} us with a backlog")
    receiver = backlog.receiver(count, "bulk")
    world.do("c is back")
    backlog.link.up()
    drain, said = backlog.drained(receiver, count, limit_s)
    require(not said, f"the drain: {'; '.join(said)}")
    backlog.gateway.balanced()
    world.note(f"{stored} stored at {found['rate']:,.0f}/s, drained at {drain['rate']:,.0f}/s; p99 of the other sink "
               f"{usual['p99_us'] / 1000:.1f} ms before, {away['p99_us'] / 1000:.1f} ms with the backlog")
    world.note(bounded(samples, before, "with it"))


@scenario(needs="stored")
def qos2_drain(world):
    """5,000 events (--big: ten times 65,536) leave at QoS 2: no identifier runs out, nothing comes twice."""
    count = world.sized(5000, 70000, 655360)
    limit_s = 120 + count / 200
    backlog = Backlog(world, qos=2)
    backlog.load(count, "bulk", timeout_s=limit_s)
    backlog.wait_stored(count)
    receiver = backlog.receiver(count, "bulk")
    backlog.link.up()
    drain, said = backlog.drained(receiver, count, limit_s)
    require(not said, f"the drain: {'; '.join(said)}")
    backlog.gateway.balanced()
    world.note(f"{count} drained at {drain['rate']:,.0f}/s")
