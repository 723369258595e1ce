# SPDX-License-Identifier: Apache-2.0
"""Many stored events: brokers that log nothing, load tools in C, and a sink's link that is down."""
import os

import rigs
from kit.config import bridge
from kit.mqtt import Subscriber
from kit.waiting import until
from path import config, delivery, route
from ends import KEPT, QUICK

KEYS = 256  # one event of each may be under way
WINDOW = 1000


class Backlog:
    """a → gateway → c, and → b where `both`; the link to c is down at first."""

    def __init__(self, world, both=False, qos=1):
        self.world, self.both = world, both
        self.tools = rigs.Tools(os.path.abspath(world.options.tools or world.options.build), world.folder)
        self.a, self.b, self.c = (self._broker(name) for name in ("a", "b", "c"))
        self.link = world.link(self.c.port, up=False)
        sinks = [f'{{ bridge: {name}, topic: "bench/{{n}}/{{kind}}", qos: {sink_qos} }}'
                 for name, sink_qos in [("b", 1)] * both + [("c", qos)]]
        bridges = [bridge(name, end, type="mqtt", reconnect=QUICK, **KEPT)
                   for name, end in [("a", self.a)] + [("b", self.b)] * both + [("c", self.link)]]
        policy = delivery(world, window=WINDOW, dedup=False, order='"{n}"')
        self.gateway = world.subject(config(bridges, [route(
            "r", '{ bridge: a, topic: "bench/{n}/{kind}", qos: 1 }', sinks, policy)]))
        self.gateway.start()
        self.gateway.wait_up("a")
        if both:
            self.gateway.wait_up("b")

    def _broker(self, name):
        broker = rigs.Broker(self.world.folder, name)
        self.world.ends.append(broker.process)
        return broker

    def load(self, count, kind, *more, timeout_s):
        """Publishes, and where there are two sinks receives from the one that works; its line of results."""
        arguments = [self.tools.mqtt_load, "-p", self.a.port, "-n", count, "-q", 1, "-w", WINDOW, "-k", KEYS,
                     "-t", f"bench/{{n}}/{kind}", "-f", f"bench/+/{kind}", "-W", 60]
        arguments += ["-s", self.b.port] if self.both else ["-y"]
        return self.tools.result(self.tools.start([*arguments, *more], f"load-{kind}"), timeout_s)

    def stored(self):
        return self.gateway.route()["stored"]

    def wait_stored(self, count):
        until(lambda: self.stored() >= count, lambda: f"{count} are stored: {self.gateway.route()}", 60)

    def receiver(self, count, kind):
        """Counts at c what the drain brings, and whether it is in order."""
        process = self.tools.start([self.tools.mqtt_load, "-x", "-s", self.c.port, "-n", count, "-q", 1, "-k", KEYS,
                                    "-t", f"bench/{{n}}/{kind}", "-f", f"bench/+/{kind}", "-W", 60], "drain")
        self.world.ends.append(process)
        rigs.until_ready(process)
        return process

    def first(self, kind):
        """Notes when the first event is at c."""
        return self.world.own(First(self.c.port, f"bench/+/{kind}"))

    def drained(self, process, count, timeout_s):
        found = self.tools.result(process, timeout_s)
        said = [f"{found[what]} {text}" for what, text in (("lost", "lost"), ("out_of_order", "out of order"),
                                                           ("dup", "twice")) if found[what]]
        until(lambda: self.stored() == 0, lambda: f"nothing is left in the store: {self.gateway.route()}", 30)
        return found, said


class First(Subscriber):
    def __init__(self, port, topic):
        self.at = None
        super().__init__(port, topic, qos=0, keep=False, on_message=self._note)

    def _note(self, _message):
        if self.at is None:
            import time
            self.at = time.monotonic()
            self.client.unsubscribe(self.topics)
