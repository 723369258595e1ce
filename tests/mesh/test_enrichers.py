# SPDX-License-Identifier: Apache-2.0
"""Enrichers with real brokers: state that comes over another topic, tables that change, stamps on the way."""
import json
import re
import sqlite3
import threading

from kit.config import bridge
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import require, until

KEPT = {"version": 5, "clean_start": "false", "session_expiry": "1d"}


@test
def an_event_waits_for_its_state_and_has_it_again_after_a_restart(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("states", a, version=5) + bridge("events", a, **KEPT)
                     + bridge("b", b, version=5) + """
routes:
  states:
    from: { bridge: states, topic: "state/{machine}", qos: 1 }
    steps:
      - enrich: { type: last-value, remember: shift, key: "{machine}", then: drop }
    to: { bridge: b, topic: "nowhere" }
    delivery: { guarantee: best-effort }
  events:
    from: { bridge: events, topic: "event/{machine}", qos: 1 }
    steps:
      - enrich: { type: last-value, recall: shift, key: "{machine}", into: shift, on_missing: retry }
    to: { bridge: b, topic: "out/{machine}", qos: 1 }
    delivery: { guarantee: direct, retry: { first: 10ms, most: 50ms } }
""")
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out/#"), rig.publisher(a.port)
    pub.publish("event/m1", '{"n":1}')
    pub.done()
    until(lambda: gw.route("events")["in_flight"] == 1, "the event waits for its state")
    pub.publish("state/m1", '{"who":"ann", "badge":12345678901234567890}', retain=True)
    out.wait(1)
    pub.publish("state/m1", '{"who":"bob"}', retain=True)
    until(lambda: gw.route("states")["dropped"] == 2, "both states have come")
    pub.publish("event/m1", '{"n":2.0}')
    out.wait(2)
    gw.settled()
    gw.term()
    gw.start()  # empty, until the broker brings the retained state
    gw.wait_up()
    pub.publish("event/m1", '{"n":3}')
    got = [m.payload.decode() for m in out.wait(3)]
    require(got == ['{"n":1,"shift":{"who":"ann","badge":12345678901234567890}}',
                    '{"n":2.0,"shift":{"who":"bob"}}', '{"n":3,"shift":{"who":"bob"}}'], f"{got}")
    gw.settled()
    require(gw.route("events")["delivered"] == 1, f"{gw.route('events')}")


class Writer(threading.Thread):
    """Commits the next version of all rows again and again, each in one transaction."""

    def __init__(self, path):
        super().__init__()
        self.path, self.version, self.stop = path, 1, threading.Event()

    def commit(self, db):
        self.version += 1
        with db:
            db.execute("UPDATE rows SET version = ?", (self.version,))

    def run(self):
        db = sqlite3.connect(self.path, timeout=30)
        while not self.stop.wait(0.01):
            self.commit(db)
        self.commit(db)
        db.close()


@cases(rollback_journal=("delete",), write_ahead_log=("wal",))
def a_database_changes_under_load(rig, journal):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    path = f"{rig.folder}/table.db"
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute("CREATE TABLE rows(key TEXT, part INT, version INT)")
    db.executemany("INSERT INTO rows VALUES(?, ?, 1)",
                   [(f"k{key}", part) for key in range(4) for part in range(50)])
    db.commit()
    db.close()
    gw = rig.gateway("bridges:\n" + bridge("a", a, **KEPT) + bridge("b", b, version=5) + """
routes:
  r:
    from: { bridge: a, topic: "in/{key}", qos: 1 }
    steps:
      - enrich:
          type: lookup
          table: table.db
          query: "SELECT key, version FROM rows ORDER BY part"
          column: version
          key: "{key}"
          multiple: list
          into: versions
          reload: 20ms
    to: { bridge: b, topic: "out/{key}", qos: 1 }
    delivery: { guarantee: direct }
""")
    gw.wait_up()
    out, pub, seen, sent = rig.subscriber(b.port, "out/#"), rig.publisher(a.port), Seen(), Sent()
    writer = Writer(path)
    writer.start()
    try:
        until(lambda: send(pub, sent) and out.messages and versions(out.messages[-1])[0] > 20,
              "twenty versions of the table have been seen", every_s=0.001)
    finally:
        writer.stop.set()
        writer.join()
    until(lambda: send(pub, sent) and versions(out.messages[-1])[0] == writer.version,
          "the last version is seen", every_s=0.05)
    pub.done()
    last = 0
    for m in out.wait(sent.total):
        seen.add(m.payload)
        found = versions(m)
        require(len(found) == 50 and len(set(found)) == 1, f"one table, not a half of two: {found}")
        require(found[0] >= last, f"version {found[0]} behind version {last}")
        last = found[0]
    seen.check(sent, duplicates=0)
    gw.settled()
    require(gw.route()["delivered"] == sent.total, f"{gw.route()}")
    rig.note(f"{sent.total} events, {writer.version} versions")


def send(pub, sent):
    key, payload = sent.next()
    pub.publish(f"in/{key}", payload)
    return True


def versions(message):
    return json.loads(message.payload)["versions"]


@test
def a_circle_of_gateways_ends(rig):
    """Each hop is stamped; the trace that begins at the first is the same all the way.  In and out go over
    connections of their own, since what comes back on one is never taken."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    config = "bridges:\n" + "".join(bridge(f"{name}_{way}", broker, version=5)
                                    for name, broker in (("a", a), ("b", b)) for way in ("in", "out")) + """
routes:
  there:
    loops: allow
    from: { bridge: a_in, topic: "loop", qos: 1 }
    steps: [ enrich: { type: stamp, properties: { hops: hops, first: time.ms }, max_hops: 9, trace: child } ]
    to: { bridge: b_out, topic: "loop", qos: 1 }
    delivery: { guarantee: best-effort }
  back:
    loops: allow
    from: { bridge: b_in, topic: "loop", qos: 1 }
    steps: [ enrich: { type: stamp, properties: { hops: hops, first: time.ms }, max_hops: 9, trace: child } ]
    to: { bridge: a_out, topic: "loop", qos: 1 }
    delivery: { guarantee: best-effort }
"""
    gw = rig.gateway(config)
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "loop"), rig.publisher(a.port)
    pub.publish("loop", "x")
    messages = out.wait(5)  # hops 1, 3, 5, 7, 9; the tenth is refused
    until(lambda: sum(r["discarded"] + r["returned"] for r in gw.ledger()["routes"]) == 1,
          lambda: f"the tenth hop is refused: {gw.ledger()['routes']}")
    gw.settled()
    found = [dict(m.properties.UserProperty) for m in messages]
    require([int(p["hops"]) for p in found] == [1, 3, 5, 7, 9], f"{found}")
    require(len({p["first"] for p in found}) == 1, f"the first time stays: {found}")
    parents = [re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-01", p["traceparent"]) for p in found]
    require(all(parents), f"{found}")
    require(len({m[1] for m in parents}) == 1 and len({m[2] for m in parents}) == 5, f"one trace, five spans: {found}")
    require(out.count == 5, f"{out.count} came")
