# SPDX-License-Identifier: Apache-2.0
"""The harness finds what there is to find."""
from checker import Found
from ends import MqttEnd
from kit.proxy import FORWARD, HALF_OPEN
from kit.waiting import require, until
from path import WINDOW, Path
from suite import scenario


@scenario()
def best_effort_loses(world):
    """A gateway that promises nothing is killed with events in hand: the checker says so."""
    path = Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True), guarantee="best-effort").start()
    (gateway,) = path.gateways
    path.sink.link.mode(HALF_OPEN)
    until(lambda: gateway.route()["in_flight"] >= WINDOW, lambda: f"events wait: {gateway.route()}")
    world.do("kill gw with a full window")
    gateway.kill()
    path.sink.link.cut()
    path.sink.link.mode(FORWARD)
    gateway.start()
    path.flows(50)
    path.load.stop()
    gateway.settled()
    try:
        path.drained(lambda: path.checker.missing() == 0, stuck_s=2)
        path.checker.check()
    except Found as found:
        require("lost" in found.complaints[0], f"{found}")
        world.note(f"found: {path.checker.missing()} of {path.checker.sent} lost")
        return
    require(False, "a best-effort gateway was killed, and nothing was found to be lost")
