# SPDX-License-Identifier: Apache-2.0
"""Judges what arrived by what was sent.  It knows nothing of the gateway: events are numbered per
key, and the payload of a number is known, so that each arrival can be judged by itself."""
import collections
import json
import threading

RECENT = 50000  # first arrivals whose place is remembered, to say how far back a duplicate goes
EXAMPLES = 8


class Found(AssertionError):
    """What the checker found; one text for each kind of fault."""

    def __init__(self, complaints):
        super().__init__("; ".join(complaints))
        self.complaints = complaints


def payload(key, number, more=0):
    """Of event `number` of `key`: mostly small, now and then some kilobytes; all `more` bytes larger."""
    size = more + (5000 if number % 97 == 0 else number * 7919 % 200)
    return b'{"key":"%s","n":%d,"pad":"%s"}' % (key.encode(), number, b"x" * size)


class _Line:
    """One key: everything up to `upto` has arrived, and what `beyond` has."""

    def __init__(self):
        self.sent = self.upto = self.most = 0
        self.beyond = set()

    def has(self, number):
        return number <= self.upto or number in self.beyond

    def add(self, number):
        self.beyond.add(number)
        while self.upto + 1 in self.beyond:
            self.upto += 1
            self.beyond.discard(self.upto)
        self.most = max(self.most, number)

    def gaps(self):
        return [n for n in range(self.upto + 1, self.sent + 1) if n not in self.beyond]


class Checker:
    def __init__(self, keys=4, more_bytes=0):
        self.lock, self.more_bytes = threading.Lock(), more_bytes
        self.lines = {f"k{i}": _Line() for i in range(keys)}
        self.names = list(self.lines)
        self.recent = collections.OrderedDict()
        self.examples = collections.defaultdict(list)
        self.sent = self.unique = 0
        self.duplicates = self.unmarked = self.marked = 0
        self.deepest = 0  # how many first arrivals lay between an event and its duplicate
        self.reordered = self.changed = self.invented = self.expiry = self.unexplained = 0

    def next(self):
        """The next event to send: its key, number and payload."""
        with self.lock:
            key = self.names[self.sent % len(self.names)]
            self.sent += 1
            self.lines[key].sent += 1
            number = self.lines[key].sent
        return key, number, payload(key, number, self.more_bytes)

    def arrived(self, body, marked=False):
        """marked: the gateway says that this one may have been delivered before."""
        with self.lock:
            try:
                event = json.loads(body)
                key, number = event["key"], event["n"]
                line = self.lines[key]
            except (ValueError, KeyError, TypeError):
                self.note("changed", repr(body[:60]))
                return
            if not isinstance(number, int) or not 1 <= number <= line.sent:
                self.note("invented", f"{key} {number}")
                return
            if body != payload(key, number, self.more_bytes):
                self.note("changed", f"{key} {number}")
            self.marked += marked
            if line.has(number):
                self._again(key, number, marked)
            else:
                self._first(key, number, line)

    def note(self, kind, text):
        """One fault: reordered, changed, invented, unmarked, expiry, unexplained."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(text)

    def _again(self, key, number, marked):
        self.duplicates += 1
        place = self.recent.get((key, number))
        if len(self.examples["twice"]) < EXAMPLES:
            self.examples["twice"].append(f"{key} {number}{', marked' if marked else ''}, after {self.unique} events")
        self.deepest = max(self.deepest, RECENT if place is None else self.unique - place)
        if not marked:
            self.note("unmarked", f"{key} {number}")

    def _first(self, key, number, line):
        # A re-sent event is a duplicate; a first arrival behind a later one is out of order.
        if number < line.most:
            self.note("reordered", f"{key} {number} after {line.most}")
        line.add(number)
        self.unique += 1
        self.recent[key, number] = self.unique
        if len(self.recent) > RECENT:
            self.recent.popitem(last=False)

    def missing(self):
        with self.lock:
            return self.sent - self.unique

    def lost(self):
        with self.lock:
            return {key: gaps for key, line in self.lines.items() if (gaps := line.gaps())}

    def complaints(self, ordered=True, duplicates=None, deepest=None, all_marked=False):
        """duplicates, deepest: the most that may be; None: any."""
        said = []
        lost = self.lost()
        if lost:
            said.append(f"{sum(map(len, lost.values()))} of {self.sent} lost: "
                        + ", ".join(f"{key} {gaps[:EXAMPLES]}" for key, gaps in lost.items()))
        for kind, what, wrong in (("reordered", "out of order", ordered), ("changed", "changed", True),
                                  ("invented", "never sent", True), ("expiry", "with a wrong expiry", True), ("unexplained", "unexplained", True),
                                  ("unmarked", "twice and not marked", all_marked)):
            if wrong and getattr(self, kind):
                said.append(f"{getattr(self, kind)} {what}: {', '.join(self.examples[kind])}")
        if duplicates is not None and self.duplicates > duplicates:
            said.append(f"{self.duplicates} duplicates of {self.sent} events, allowed: {duplicates}: "
                        + "; ".join(self.examples["twice"]))
        if deepest is not None and self.deepest > deepest:
            said.append(f"a duplicate came {self.deepest} events late, allowed: {deepest}")
        return said

    def check(self, **expected):
        said = self.complaints(**expected)
        if said:
            raise Found(said)

    def summary(self):
        return (f"{self.sent} events, {self.missing()} lost, {self.reordered} out of order, "
                f"{self.duplicates} twice ({self.duplicates - self.unmarked} of them marked)")


class Books:
    """The second oracle: a gateway's ledger, looked at again and again."""

    PARTS = ("delivered", "dropped", "expired", "discarded", "returned", "duplicates", "dead_lettered",
             "in_flight", "stored")
    LASTING = ("received", "delivered", "dropped", "expired", "discarded", "returned", "duplicates")

    def __init__(self, name, kept):
        """kept: the ledger outlives the process."""
        self.name, self.kept = name, kept
        self.before = {}

    def complaints(self, routes):
        """routes: as `meshgate ledger --json` has them."""
        said = []
        for route in routes:
            where = f"{self.name}, {route['route']}"
            total = sum(route.get(part, 0) for part in self.PARTS)
            if not route["balanced"] or route["received"] != total:
                said.append(f"ledger of {where} does not balance: {route}")
            # What was in flight when the process died comes again from its source, and is received then.
            lasting = {part: route.get(part, 0) for part in self.LASTING}
            lasting["received"] -= route.get("in_flight", 0)
            before = self.before.get(route["route"], {})
            said += [f"ledger of {where} went back: {part} from {before[part]} to {lasting[part]}"
                     for part in self.LASTING if self.kept and lasting[part] < before.get(part, 0)]
            self.before[route["route"]] = lasting
        return said

    def look(self, routes):
        said = self.complaints(routes)
        if said:
            raise Found(said)

    def end(self, routes, sent):
        """Everything has arrived: nothing may be left, nothing may have ended otherwise."""
        said = self.complaints(routes)
        for route in routes:
            said += [f"ledger of {self.name}, {route['route']}: {route[part]} {part}"
                     for part in ("in_flight", "stored", "dead_lettered", "discarded", "expired")
                     if route.get(part, 0)]
            if self.kept and route["delivered"] < sent:
                said.append(f"ledger of {self.name}, {route['route']}: {route['delivered']} delivered, {sent} sent")
        if said:
            raise Found(said)
