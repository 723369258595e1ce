# SPDX-License-Identifier: Apache-2.0
"""What no sink or step would take, looked at, set right, sent again or dropped: with the gateway
running, and with the store of the stopped one.  And what passed, sent once more."""
import json
import os

from kit.config import bridge
from kit.suite import cases, test
from kit.waiting import require, until

ROUTE = """
routes:
  r:
    from: {{ bridge: p, address: feed }}
    {steps}
    to: {{ bridge: s, address: sink }}
    delivery: {{ guarantee: stored, retry: {{ first: 20ms, most: 100ms }}, archive: 1h }}
"""


class World:
    """A feed, a sink that rejects what `refuses` says, a gateway with a store between them."""

    def __init__(self, rig, steps="", refuses=lambda body: body.endswith(b"3")):
        self.refuses = refuses
        self.feed = rig.peer()
        self.sink = rig.peer(answer=lambda m, _: "rejected" if self.refuses(bytes(m.body)) else "accepted")
        self.store = f"{rig.folder}/store"
        self.gw = rig.gateway("bridges:\n" + bridge("p", self.feed) + bridge("s", self.sink)
                              + ROUTE.format(steps=steps),
                              settings=f"  store: {{ path: {self.store}, sync: never }}\n")
        self.gw.wait_up()

    def offer(self, *bodies):
        for body in bodies:
            self.feed.offer(body)
        until(lambda: self.feed.outcomes["accepted"] == len(bodies), lambda: f"{self.feed.outcomes}")

    def bodies(self):
        return [bytes(m.body) for m in self.sink.messages]

    def run(self, *words, check=True, stdin=None):
        return self.gw.command(*words, "-c", self.gw.config, check=check, stdin=stdin)

    def dead(self, *filters):
        return json.loads(self.run("dlq", "ls", "--json", *filters).stdout)

    def rest(self, **terms):
        """Until nothing is on its way and the ledger has these terms; it balances."""
        until(lambda: all(self.gw.route()[k] == v for k, v in {"in_flight": 0, "stored": 0, **terms}.items()),
              lambda: f"{terms}: {self.gw.route()}")
        self.gw.balanced()


def ten(world):
    world.offer(*(b"event %d" % n for n in range(10)))
    world.rest(delivered=9, dead_lettered=1)


@test
def listed_and_shown(rig):
    w = World(rig)
    ten(w)
    letters = w.dead()
    require(len(letters) == 1, f"{letters}")
    letter = letters[0]
    require(letter["route"] == "r" and letter["sink"].startswith("s ") and letter["bytes"] == 7
            and letter["attempts"] >= 1 and letter["died"] >= letter["arrived"], f"{letter}")
    table = w.run("dlq", "ls").stdout
    require("1 dead letter" in table and letter["sink"] in table, table)
    shown = json.loads(w.run("dlq", "show", letter["id"], "--json").stdout)
    require(shown["record"]["message"]["payload"] == "event 3", f"{shown}")
    require("event 3" in w.run("dlq", "show", letter["id"]).stdout, "the text, too")
    for filters, count in ((("--route", "r"), 1), (("--route", "x"), 0), (("--sink", "s"), 1),
                           (("--since", "1h"), 1), (("--until", "1h"), 0), (("--id", letter["id"]), 1)):
        require(len(w.dead(*filters)) == count, f"{filters}: not {count}")
    missing = w.run("dlq", "show", 99, check=False)
    require(missing.returncode == 1 and "99" in missing.stderr, f"{missing}")
    wrong = w.run("dlq", "ls", "--since", "soon", check=False)
    require(wrong.returncode == 1 and "2h" in wrong.stderr, f"{wrong}")


@test
def retried_when_the_sink_takes_it(rig):
    w = World(rig)
    ten(w)
    again = w.run("dlq", "retry", "--all").stdout
    require("1 of 1 retried" in again, again)
    until(lambda: w.bodies().count(b"event 3") >= 2, lambda: f"{w.bodies()}")
    w.rest(delivered=9, dead_lettered=1)
    require(w.dead()[0]["id"] == 2, "refused again, it is another letter")
    w.refuses = lambda body: False
    require("1 would be retried" in w.run("dlq", "retry", "--route", "r", "--dry-run").stdout, "dry")
    w.run("dlq", "retry", "--route", "r")
    w.rest(delivered=10, dead_lettered=0)
    require(w.dead() == [], "none is left")


@test
def edited_and_retried(rig):
    w = World(rig)
    ten(w)
    record = json.loads(w.run("dlq", "show", 1, "--json").stdout)
    record["record"]["message"]["payload"] = "event three and a half"
    w.run("dlq", "edit", 1, "--from", "-", stdin=json.dumps(record))
    w.run("dlq", "retry", "--id", 1)
    w.rest(delivered=10, dead_lettered=0)
    require(w.bodies()[-1] == b"event three and a half", f"{w.bodies()}")


@test
def edited_with_an_editor(rig):
    w = World(rig)
    ten(w)
    w.gw.build.env["VISUAL"] = "sed -i s/event.3/event.4/"
    try:
        require("is changed" in w.run("dlq", "edit", 1).stdout, "changed")
        require("nothing was changed" in w.run("dlq", "edit", 1).stdout, "not changed")
        w.gw.build.env["VISUAL"] = "false"
        failed = w.run("dlq", "edit", 1, check=False)
        require(failed.returncode == 1 and "nothing is changed" in failed.stderr, f"{failed}")
    finally:
        del w.gw.build.env["VISUAL"]
    require(json.loads(w.run("dlq", "show", 1, "--json").stdout)["record"]["message"]["payload"] == "event.4",
            "as the editor left it")


@test
def dropped_counts_as_discarded(rig):
    w = World(rig)
    ten(w)
    bare = w.run("dlq", "drop", check=False)
    require(bare.returncode == 1 and "--all" in bare.stderr, f"which? {bare}")
    require("1 of 1 dropped" in w.run("dlq", "drop", "--reason", "", "--sink", "s").stdout, "dropped")
    w.rest(delivered=9, dead_lettered=0, discarded=1)


@test
def the_stopped_gateway_s_letters(rig):
    """Everything but a step's retry works on the store alone, and the ledger says the same as before."""
    w = World(rig, refuses=lambda body: body[-1:] in b"357")
    w.offer(*(b"event %d" % n for n in range(10)))
    w.rest(delivered=7, dead_lettered=3)
    before = w.gw.route()
    w.gw.term()
    stopped = w.run("ledger", "--check", "--json")
    after = json.loads(stopped.stdout)["routes"][0]
    require("store" in stopped.stderr, f"says whom it asked: {stopped.stderr}")
    for term in ("received", "delivered", "dead_lettered", "stored", "discarded"):
        require(before[term] == after[term], f"{term}: {before} {after}")
    require([e["id"] for e in w.dead()] == [1, 2, 3], f"{w.dead()}")
    w.run("dlq", "drop", "--id", "2")
    record = json.loads(w.run("dlq", "show", 3, "--json").stdout)
    record["record"]["message"]["payload"] = "event 7 set right"
    w.run("dlq", "edit", 3, "--from", "-", stdin=json.dumps(record))
    require("2 of 2 retried" in w.run("dlq", "retry", "--all").stdout, "retried")
    w.run("ledger", "--check")
    w.refuses = lambda body: False
    w.gw.start()
    w.rest(delivered=9, dead_lettered=0, discarded=1)
    require(sorted(w.bodies()[-2:]) == [b"event 3", b"event 7 set right"], f"{w.bodies()}")


@test
def a_letter_of_a_step_goes_through_the_steps_again(rig):
    w = World(rig, steps="steps: [ { translate: { type: map, fields: { t: data.temperature } } } ]")
    w.offer(b'{"temperature": 20}', b"not a reading")
    w.rest(delivered=1, dead_lettered=1)
    letter = w.dead()[0]
    require(letter["sink"] is None and letter["step"].startswith("translate"), f"{letter}")
    w.run("dlq", "retry", "--step", "translate")
    w.rest(delivered=1, dead_lettered=1)
    require(w.dead()[0]["id"] == 2, "it died again, as another letter")
    record = json.loads(w.run("dlq", "show", 2, "--json").stdout)
    record["record"]["message"]["payload"] = '{"temperature": 21}'
    w.run("dlq", "edit", 2, "--from", "-", stdin=json.dumps(record))
    w.gw.term()
    skipped = w.run("dlq", "retry", "--all", check=False)
    require(skipped.returncode == 1 and "running" in skipped.stderr, f"{skipped}")
    w.gw.start()
    w.gw.wait_up()
    w.run("dlq", "retry", "--all")
    w.rest(delivered=2, dead_lettered=0)
    require(json.loads(w.bodies()[-1]) == {"t": 21}, f"{w.bodies()}")


@test
def what_breaks_a_schema_is_kept_with_the_place_and_set_right(rig):
    w = World(rig, steps="steps: [ translate: { type: schema, on_invalid: dead-letter, schema: "
                         "{ properties: { t: { type: number, maximum: 400 } } } } ]")
    w.offer(b'{"t": 20.50}', b'{"t": "warm"}', b'{"t": 401}')
    w.rest(delivered=1, dead_lettered=2)
    require(w.bodies() == [b'{"t": 20.50}'], "what fits keeps its bytes")
    reasons = [letter["reason"] for letter in w.dead("--step", "translate:schema")]
    require(any("data.t: must be of type number, is \"warm\"" in r for r in reasons), f"{reasons}")
    require(any("data.t: must be at most 400, is 401" in r for r in reasons), f"{reasons}")
    record = json.loads(w.run("dlq", "show", 2, "--json").stdout)
    record["record"]["message"]["payload"] = '{"t": 400}'
    w.run("dlq", "edit", 2, "--from", "-", stdin=json.dumps(record))
    w.run("dlq", "retry", "--all")
    w.rest(delivered=2, dead_lettered=1)


@cases(as_it_was=((),), as_of_now=(("--as-of-now",),))
def replayed(rig, how):
    w = World(rig, refuses=lambda body: False)
    ten_events = [b"event %d" % n for n in range(10)]
    w.offer(*ten_events)
    w.rest(delivered=10)
    require("10 would be replayed" in w.run("replay", "--route", "r", "--from", "1h", "--dry-run").stdout, "dry")
    require("10 of 10 replayed" in w.run("replay", "--route", "r", "--from", "1h", *how).stdout, "all")
    w.rest(delivered=20)
    require(w.bodies()[10:] == ten_events, f"in their order: {w.bodies()}")
    require("10 would be" in w.run("replay", "--route", "r", "--from", "1h", "--dry-run").stdout,
            "what was replayed is not replayed again")
    require("0 of 0" in w.run("replay", "--route", "r", "--from", "1h", "--address", "other/#").stdout, "none")
    require("0 of 0" in w.run("replay", "--route", "r", "--from", "2h", "--to", "1h").stdout, "none then")
    wrong = w.run("replay", "--route", "x", "--from", "1h", check=False)
    require(wrong.returncode == 1 and "x" in wrong.stderr, f"{wrong}")
    w.gw.term()
    stopped = w.run("replay", "--route", "r", "--from", "1h", check=False)
    require(stopped.returncode == 2 and "running" in stopped.stderr, f"{stopped}")


@test
def replayed_through_steps(rig):
    """As it was: what the steps made of it then.  As of now: what came in, once more through the steps."""
    w = World(rig, steps="steps: [ translate: { type: map, fields: { t: temperature } } ]",
              refuses=lambda body: False)
    w.offer(b'{"temperature": 20}', b'{"temperature": 21}')
    w.rest(delivered=2)
    for how in ((), ("--as-of-now",)):
        require("2 of 2 replayed" in w.run("replay", "--route", "r", "--from", "1h", *how).stdout, f"{how}")
    w.rest(delivered=6)
    require([json.loads(b) for b in w.bodies()] == [{"t": 20}, {"t": 21}] * 3, f"{w.bodies()}")


@test
def paused_and_resumed(rig):
    w = World(rig, refuses=lambda body: False)
    w.run("pause", "r", "--reason", "the sink is being moved")
    w.offer(b"1", b"2", b"3")
    until(lambda: w.gw.route()["stored"] == 3, lambda: f"{w.gw.route()}")
    status = w.run("status", check=False)
    require(status.returncode == 1 and "PAUSED" in status.stdout
            and "the sink is being moved" in status.stdout, f"{status}")
    w.gw.term()
    w.gw.start()
    w.gw.wait_up()
    require("PAUSED" in w.run("status", check=False).stdout, "paused over the restart")
    require(w.bodies() == [], f"nothing was sent: {w.bodies()}")
    w.run("resume", "r")
    w.rest(delivered=3)
    require(w.bodies() == [b"1", b"2", b"3"], f"{w.bodies()}")
    require(w.run("status").returncode == 0, "all is well")
    wrong = w.run("pause", "x", check=False)
    require(wrong.returncode == 1 and '"x"' in wrong.stderr, f"{wrong}")


@test
def the_store_as_a_whole(rig):
    w = World(rig)
    ten(w)
    info = json.loads(w.run("store", "info", "--json").stdout)
    require(info["store"]["healthy"] and info["routes"][0]["sinks"][0]["backlog"] == 0, f"{info}")
    running = w.run("store", "verify", check=False)
    require(running.returncode == 2 and "stop" in running.stderr, f"{running}")
    w.gw.term()
    require(w.run("store", "verify").stdout.strip().endswith("ok"), "sound")
    w.run("store", "info")
    before = w.dead()
    w.run("store", "export", f"{rig.folder}/all.ndjson")
    w.run("store", "compact")
    require(w.dead() == before, "the same after compact")
    os.rename(w.store, w.store + ".old")
    none = w.run("dlq", "ls", check=False)
    require(none.returncode == 2 and not os.path.exists(w.store), f"no store is made by looking: {none}")
    w.run("store", "import", f"{rig.folder}/all.ndjson")
    require(w.dead() == before, "the same after export and import")
    twice = w.run("store", "import", f"{rig.folder}/all.ndjson", check=False)
    require(twice.returncode == 2, f"{twice}")
    w.run("ledger", "--check")
    w.refuses = lambda body: False
    w.gw.start()
    w.gw.wait_up()
    w.run("dlq", "retry", "--all")
    w.rest(delivered=10, dead_lettered=0)
