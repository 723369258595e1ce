# SPDX-License-Identifier: Apache-2.0
"""What is done to a path under load: each move breaks something, mends it, and leaves it to others to
see that events flow again.  Moments and durations come from the dice."""
import errno

from ends import cont, stop
from kit.proxy import HALF_OPEN, SILENT, STALL, FORWARD
from kit.waiting import require, until

AWAY_S = (0.1, 5)
HOUR_S, DAY_S = 3600, 86400


def _ready(path):
    for gateway in path.gateways:
        gateway.wait_ready()


# ---- the gateway -------------------------------------------------------------------------------

def gateway_killed(path):
    gateway = path.world.dice.choice(path.gateways)
    path.world.do(f"kill {gateway.name}")
    gateway.kill()
    gateway.start()


def gateway_ended(path):
    """In good order: it must end with 0, whatever is away or in hand."""
    gateway = path.world.dice.choice(path.gateways)
    path.world.do(f"SIGTERM to {gateway.name}")
    gateway.term(60)
    path.world.counts["orderly ends of a gateway"] += 1
    gateway.start()


def _stopped(path, what, pids):
    away_s = path.world.dice.uniform(*AWAY_S)
    path.world.do(f"SIGSTOP of {what} for {away_s:.2f} s")
    stop(pids)
    try:
        path.world.pause(away_s)
    finally:
        cont(pids)
    path.world.counts["stops (SIGSTOP)"] += 1


def gateway_stopped(path):
    gateway = path.world.dice.choice(path.gateways)
    _stopped(path, gateway.name, [gateway.process.pid])


# ---- the brokers -------------------------------------------------------------------------------

def source_stopped(path):
    _stopped(path, "the source's broker", path.source.pids())


def sink_stopped(path):
    _stopped(path, "the sink's broker", path.sink.pids())


def source_killed(path):
    path.world.do("kill the source's broker")
    path.source.kill_source(path.load)
    path.world.pause(0, 0.5)
    path.source.back_source(path.load)
    path.world.counts["kills of a broker"] += 1


def sink_killed(path):
    path.world.do("kill the sink's broker")
    path.sink.kill_sink()
    path.world.pause(0, 0.5)
    path.sink.back_sink()
    path.world.counts["kills of a broker"] += 1


def everything_killed(path):
    """The gateway and both brokers, which come back in any order."""
    path.world.do("kill everything")
    path.source.kill_source(path.load)
    path.sink.kill_sink()
    for gateway in path.gateways:
        gateway.kill()
    path.world.counts["kills of a broker"] += 2
    back = [lambda: path.source.back_source(path.load), path.sink.back_sink]
    back += [gateway.begin for gateway in path.gateways]
    path.world.dice.shuffle(back)
    for one in back:
        one()
    _ready(path)


# ---- the links ---------------------------------------------------------------------------------

def _link(path):
    return path.world.dice.choice([(name, end.link) for name, end in (("source", path.source), ("sink", path.sink))
                                   if end.link])


def _moded(path, mode, what, cut_before=False):
    name, link = _link(path)
    away_s = path.world.dice.uniform(*AWAY_S)
    path.world.do(f"the link to the {name} {what} for {away_s:.2f} s")
    link.mode(mode)
    if cut_before:
        link.cut()
    path.world.pause(away_s)
    link.mode(FORWARD)
    if mode != STALL:
        link.cut()  # bytes are missing in what went over it
    path.world.counts["link faults"] += 1


def link_half_open(path):
    _moded(path, HALF_OPEN, "swallows everything")


def link_mute(path):
    _moded(path, SILENT, "is accepted and never answers", cut_before=True)


def link_stalled(path):
    _moded(path, STALL, "is not read")


def link_reset(path):
    name, link = _link(path)
    path.world.do(f"the link to the {name} is reset")
    link.cut()
    path.world.counts["link faults"] += 1


def link_refused(path):
    name, link = _link(path)
    away_s = path.world.dice.uniform(*AWAY_S)
    path.world.do(f"the link to the {name} is refused for {away_s:.2f} s")
    link.down()
    path.world.pause(away_s)
    link.up()
    path.world.counts["link faults"] += 1


# ---- disk and clock ----------------------------------------------------------------------------

def disk_fails(path):
    """What fails then is not to be taken for kept: sometimes the gateway dies with it."""
    gateway, dice = path.world.dice.choice(path.gateways), path.world.dice
    what = dice.choice((["sync"], ["write"], ["sync", "write"]))
    code = dice.choice((errno.EIO, errno.ENOSPC))
    path.world.do(f"{' and '.join(what)} of {gateway.name}'s store fail with {errno.errorcode[code]}")
    gateway.break_disk(*(f"{call} {code}" for call in what))
    try:
        path.world.pause(0.05, 1.5)
        if dice.random() < 0.5:
            path.world.do(f"kill {gateway.name} while its disk fails")
            gateway.kill()
            gateway.begin()
            path.world.pause(0, 0.5)
    finally:
        gateway.mend_disk()
    path.world.counts["disk faults"] += 1
    # A store that cannot be opened ends the process with a reason; who watches over it starts it again.
    until(lambda: gateway.is_ready() or not gateway.process.alive(), "the gateway is ready or has ended", 60)
    if not gateway.process.alive():
        require(gateway.process.child.returncode == 1 and "could not be started" in gateway.process.tail(2),
                lambda: "a gateway that cannot be started says why:\n" + gateway.process.tail())
        path.world.do(f"start {gateway.name} again: {gateway.process.tail(1)}")
        gateway.begin()
    gateway.wait_ready()


def clock_jumps(path):
    gateway = path.world.dice.choice(path.gateways)
    off_s = path.world.dice.choice((-DAY_S, -HOUR_S, 0, HOUR_S, DAY_S))
    path.world.do(f"{gateway.name}'s clock is {off_s:+d} s off")
    gateway.set_clock(off_s)
    path.world.counts["clock jumps"] += 1


def clock_jumps_while_it_is_away(path):
    """What was in hand was noted by the old clock, and is looked at by the new one."""
    gateway = path.world.dice.choice(path.gateways)
    gateway.kill()
    clock_jumps(path)
    gateway.start()


def apply(world, path, moves, cycles, settle_s=60, order=None):
    """Moves under load, `cycles` times, each from moves or (order) in turn; events flow after each."""
    for cycle in range(cycles):
        path.flows(world.dice.randint(1, 200), settle_s)
        world.pause(0, 0.2)
        move = moves[cycle % len(moves)] if order else world.dice.choice(moves)
        move(path)
        until(lambda: all(gw.process.alive() for gw in path.gateways), "the gateway lives")
        path.flows(20, settle_s)
        path.look()
