# SPDX-License-Identifier: Apache-2.0
"""A path: a load, a broker, one gateway or two behind each other, a broker, a watch; and the two
oracles over it, the checker of what arrived and the gateways' books."""
import time

from checker import Books, Checker
from ends import QUICK, Load, MqttEnd
from kit.waiting import PATIENCE, Failure, until

WINDOW = 100
STUCK_S = 45  # without any progress

# What comes in twice goes on once.  A short memory, so that a run of minutes sees it full.
DEDUP = 'dedup: { by: field, field: "{property.id}", count: 5000 }'


def delivery(world, guarantee=None, window=WINDOW, dedup=True, order='"{property.key}"', more=""):
    """poison_after: 0, because here it is not the event that kills the gateway."""
    guarantee = guarantee or world.options.guarantee
    parts = [f"guarantee: {guarantee}", f"window: {window}", f"retry: {QUICK}"]
    if guarantee == "stored":
        parts += [f"order_by: {order}", "poison_after: 0", "dead_letter: true"] + [DEDUP] * dedup
    return f"    delivery: {{ {', '.join(parts)}{more} }}\n"


def route(name, from_, to, policy):
    """to: one sink or several."""
    to = f"[ {', '.join(to)} ]" if isinstance(to, list) else to
    return f"  {name}:\n    from: {from_}\n    to: {to}\n{policy}"


def config(bridges, routes):
    return "bridges:\n" + "".join(bridges) + "routes:\n" + "".join(routes)


class Path:
    """middle: a broker between two gateways.  in_hand: events that a kill may send twice."""

    def __init__(self, world, source, sink, middle=None, guarantee=None, dedup=True, shims=(),
                 store=None, window=WINDOW, more_bytes=0):
        self.world, self.source, self.sink = world, source, sink
        self.checker, self.load = Checker(more_bytes=more_bytes), None
        self.in_hand = max(window, (middle or sink).in_hand, sink.in_hand)
        kept = (guarantee or world.options.guarantee) == "stored"

        def gateway(name, ins, outs, dedup):
            text = config([ins[0].bridge("in"), outs[0].bridge("out")],
                          [route("r", ins[1], outs[1], delivery(world, guarantee, window, dedup))])
            subject = world.subject(text, name, store=store)
            return subject.shim(*shims) if shims else subject

        ins, outs = (source, source.from_("in")), (sink, sink.to("out"))
        if middle is None:
            self.gateways = [gateway("gw", ins, outs, dedup)]
        else:
            self.gateways = [gateway("gw1", ins, (middle, middle.to("out", "mid")), False),
                             gateway("gw2", (middle, middle.from_("in", "mid")), outs, True)]
        self.books = {gw: Books(gw.name, kept) for gw in self.gateways}

    def start(self, settle=False):
        """settle: RabbitMQ is going to be killed."""
        for gateway in self.gateways:
            gateway.start()
        for gateway in self.gateways:
            gateway.wait_up()
        if settle:
            for end in (self.source, self.sink):
                if end.kind == "amqp":
                    end.settle()
            for gateway in self.gateways:
                gateway.wait_up()
        self.sink.open_watch(self.checker)
        self.source.open_source()
        if isinstance(self.source, MqttEnd):
            self.source.broker.save()
        self.load = Load(self.checker, self.source)
        self.flows(50)
        return self

    def ledgers(self):
        return {gw.name: gw.ledger()["routes"] for gw in self.gateways if gw.process.alive()}

    def where(self):
        return f"{self.checker.unique} of {self.checker.sent} arrived, ledgers {self.ledgers()}"

    def flows(self, more=100, timeout_s=60):
        """Waits until so many more have arrived."""
        goal = self.checker.unique + more

        def enough():
            if self.load.error:
                raise Failure(f"the load: {self.load.error}")
            return self.checker.unique >= goal
        until(enough, lambda: f"events flow: {self.where()}", timeout_s)

    def look(self):
        """The second oracle, in between."""
        for gateway in self.gateways:
            self.books[gateway].look(gateway.ledger()["routes"])

    def drained(self, condition, stuck_s=STUCK_S):
        """Waits for it as long as something arrives."""
        last, since = None, time.monotonic()
        while not condition():
            if last != (state := (self.checker.unique, self.checker.duplicates)):
                last, since = state, time.monotonic()
            if time.monotonic() - since > stuck_s * PATIENCE:
                return
            time.sleep(0.02)

    def finish(self, **expected):
        """Ends the load, waits for what is under way, and lets both oracles speak."""
        self.flows(50)
        self.load.stop()
        self.drained(lambda: self.checker.missing() == 0)
        self.checker.check(ordered=expected.pop("ordered", True))
        for gateway in self.gateways:
            self.drained(lambda gw=gateway: all(r["in_flight"] + r["stored"] == 0 for r in gw.ledger()["routes"]))
            self.books[gateway].end(gateway.ledger()["routes"], self.checker.sent)
        self.checker.check(ordered=False, **expected)
        self.world.note(self.checker.summary())
