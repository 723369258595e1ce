# SPDX-License-Identifier: Apache-2.0
"""What `stored` promises: kept before it is acknowledged, whoever is away and whatever is killed."""
import os
import shutil

from kit import proxy as proxies
from kit.config import bridge, rabbit
from kit.routes import KEPT, QUICK
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import require, until


def store(rig, sync="always", more=""):
    """Lines for the gateway section."""
    return f"  store: {{ path: {os.path.join(rig.folder, 'store')}, sync: {sync}{more} }}\n"


def stored(source, sink, more=""):
    return f"""
routes:
  r:
    from: {source}
    to: {sink}
    delivery: {{ guarantee: stored, retry: {QUICK}{more} }}
"""


def offer_all(feed, sent, count):
    for _ in range(count):
        feed.offer(sent.next()[1])


def away(rig, broker):
    """A broker that has its subscribers, and that the gateway cannot reach until it is back."""
    front = rig.proxy(broker.port)
    front.mode = proxies.SILENT
    return front


def back(front):
    front.mode = proxies.FORWARD
    front.cut()


def delivered(gw, count, timeout_s=30):
    until(lambda: gw.route()["delivered"] == count, lambda: f"all are delivered: {gw.route()}", timeout_s, 0.1)
    return gw.settled()


@test
def a_sink_that_is_away_holds_no_source(rig):
    """The source is acknowledged while the sink is down; a restart in between loses nothing."""
    feed, b = rig.peer(), rig.mosquitto()
    front = away(rig, b)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("b", front, type="mqtt", reconnect=QUICK)
                     + stored("{ bridge: p, address: feed }", "{ bridge: b, topic: out, qos: 1 }"),
                     settings=store(rig))
    gw.wait_up("p")
    sent, seen = Sent(), Seen()
    rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload))
    offer_all(feed, sent, 3000)
    until(lambda: feed.outcomes["accepted"] == 3000, lambda: f"acknowledged: {feed.outcomes}, {gw.route()}")
    require(gw.route()["stored"] == 3000, f"{gw.route()}")
    gw.kill()
    gw.start()
    gw.balanced()
    require(gw.route()["stored"] == 3000, f"after a kill: {gw.route()}")
    gw.term()
    gw.start()
    back(front)
    until(lambda: seen.unique >= 3000, lambda: f"{seen.unique}: {gw.route()}", 30)
    seen.check(sent, duplicates=0)
    delivered(gw, 3000)


@cases(qos0=(0,), qos1=(1,), qos2=(2,))
def from_mqtt_to_amqp(rig, qos):
    a, sink = rig.mosquitto("a"), rig.peer()
    gw = rig.gateway("bridges:\n" + bridge("m", a, **KEPT) + bridge("s", sink)
                     + stored(f'{{ bridge: m, topic: "in/#", qos: {qos} }}', "{ bridge: s, address: sink }"),
                     settings=store(rig))
    gw.wait_up()
    publisher, sent, seen = rig.publisher(a.port), Sent(), Seen()
    for _ in range(500):
        key, payload = sent.next()
        publisher.publish(f"in/{key}", payload, qos=qos)
    publisher.done()
    until(lambda: sink.count >= 500, lambda: f"{sink.count}: {gw.route()}", 30)
    for message in sink.messages:
        seen.add(bytes(message.body))
    seen.check(sent, duplicates=0)
    delivered(gw, 500)


@test
def paho_acknowledges_what_the_store_has(rig):
    """A Paho source cannot defer, but its callback waits for the store: killed at any time, nothing is lost."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("m", a, client="paho", **KEPT) + bridge("b", b, reconnect=QUICK)
                     + stored('{ bridge: m, topic: "in/#", qos: 1 }',
                              "{ bridge: b, topic: out, qos: 1 }"),
                     settings=store(rig))
    gw.wait_up()
    publisher, sent, seen = rig.publisher(a.port), Sent(), Seen()
    rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload))
    for life in range(4):
        for _ in range(200):
            key, payload = sent.next()
            publisher.publish(f"in/{key}", payload, qos=1)
        publisher.done()
        until(lambda: seen.unique > 200 * life + 20, lambda: f"events flow: {seen.unique}, {gw.route()}", 30)
        gw.kill()
        gw.start()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total}: {gw.route()}", 30)
    seen.check(sent, ordered=False)
    gw.settled()


@test
def what_comes_twice_leaves_once(rig):
    """A second gateway with dedup behind a leg that repeats: nothing leaves it twice."""
    feed, sink = rig.peer(), rig.peer()
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink)
                     + stored("{ bridge: p, address: feed }", "{ bridge: s, address: sink }",
                              ", dedup: { by: message-id }"), settings=store(rig))
    gw.wait_up()
    from proton import Message
    for round_ in range(2):
        for n in range(300):
            feed.offer(Message(body=b"%d" % n, id=f"id-{n}", inferred=True))
        until(lambda: feed.outcomes["accepted"] == 300 * (round_ + 1), lambda: f"{feed.outcomes}")
        if round_ == 0:
            delivered(gw, 300)
            gw.kill()
            gw.start()
            gw.wait_up()
    line = delivered(gw, 300)["routes"][0]
    require(line["duplicates"] == 300 and line["received"] == 600, f"{line}")
    require(sink.count == 300, f"{sink.count} left")


@test
def one_dead_sink_of_two_keeps_its_own_backlog(rig):
    feed, b, c = rig.peer(), rig.mosquitto("b"), rig.mosquitto("c")
    front = away(rig, c)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("b", b)
                     + bridge("c", front, type="mqtt", reconnect=QUICK) + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: [ { bridge: b, topic: out, qos: 1 }, { bridge: c, topic: out, qos: 1 } ]
    delivery: { guarantee: stored }
""", settings=store(rig))
    gw.wait_up("p")
    gw.wait_up("b")
    live, dead, sent = Seen(), Seen(), Sent()
    rig.subscriber(b.port, "out", on_message=lambda m: live.add(m.payload))
    rig.subscriber(c.port, "out", on_message=lambda m: dead.add(m.payload))
    offer_all(feed, sent, 8000)
    until(lambda: live.unique == 8000, lambda: f"the live sink has all: {live.unique}, {gw.route()}", 30)
    line = gw.route()
    require(line["stored"] == 8000 and [s["backlog"] for s in line["sinks"]] == [0, 8000], f"{line}")
    back(front)
    until(lambda: dead.unique == 8000, lambda: f"the other has all: {dead.unique}, {gw.route()}", 40)
    live.check(sent, duplicates=0)
    dead.check(sent, duplicates=0)
    delivered(gw, 8000)


@test
def order_per_key_through_releases(rig):
    """With order_by a released event holds its own key, and no other, and the key's order stands."""
    attempts, seen, sent = {}, Seen(), Sent(keys=5)

    def answer(message, _count):
        body = bytes(message.body)
        attempts[body] = attempts.get(body, 0) + 1
        if sum(body) % 7 == 0 and attempts[body] < 3:
            return "released"
        seen.add(body)
        return "accepted"

    feed, sink = rig.peer(), rig.peer(answer=answer)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink)
                     + stored("{ bridge: p, address: feed }", "{ bridge: s, address: sink }",
                              ', order_by: "{property.key}"'), settings=store(rig))
    gw.wait_up()
    from proton import Message
    for _ in range(1000):
        key, payload = sent.next()
        feed.offer(Message(body=payload, inferred=True, properties={"key": key}))
    delivered(gw, 1000, 60)
    seen.check(sent, duplicates=0)


@test
def a_full_disk_holds_the_source_and_nothing_else(rig):
    """The store's own limit: appends wait, settlements go on, nothing is lost, and all of it flows again."""
    feed, b = rig.peer(), rig.mosquitto()
    front = away(rig, b)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("b", front, type="mqtt", reconnect=QUICK)
                     + stored("{ bridge: p, address: feed }", "{ bridge: b, topic: out, qos: 1 }"),
                     settings=store(rig, more=", size: 16MiB"))
    gw.wait_up("p")
    total, numbers = 400, []
    rig.subscriber(b.port, "out", on_message=lambda m: numbers.append(int(m.payload[:6])))
    for n in range(total):
        feed.offer(b"%06d" % n + b"x" * 100_000)
    until(lambda: gw.ledger()["store"]["waiting"], lambda: f"appends wait: {gw.ledger()['store']}", 30, 0.1)
    taken = feed.outcomes["accepted"]
    require(0 < taken < total, f"{feed.outcomes}")
    gw.balanced()
    back(front)
    until(lambda: len(numbers) >= total, lambda: f"{len(numbers)}: {gw.route()}", 60)
    require(numbers == list(range(total)), "all, once, in order")
    delivered(gw, total)


@test
def a_store_that_is_gone_starts_anew_and_one_in_use_is_refused(rig):
    feed, sink = rig.peer(), rig.peer()
    config = ("bridges:\n" + bridge("p", feed) + bridge("s", sink)
              + stored("{ bridge: p, address: feed }", "{ bridge: s, address: sink }"))
    gw = rig.gateway(config, settings=store(rig))
    gw.wait_up()
    second = rig.gateway(config, name="second", start=False, settings=store(rig))
    second.process.start()
    until(lambda: not second.process.alive(), "the second gateway ends")
    require("another process" in second.log(), f"it says why: {second.log()}")
    gw.term()
    shutil.rmtree(os.path.join(rig.folder, "store"))
    feed.senders.clear()  # the link of the gateway that ended
    gw.start()
    gw.wait_up()
    feed.offer(b"x")
    delivered(gw, 1)


@test
def what_a_route_leaves_behind_is_said_and_kept(rig):
    """A route that is renamed has its old backlog in the store until there is one of its name again."""
    feed, b = rig.peer(), rig.mosquitto()
    front = away(rig, b)

    def config(name):
        return ("bridges:\n" + bridge("p", feed) + bridge("b", front, type="mqtt", reconnect=QUICK)
                + stored("{ bridge: p, address: feed }", "{ bridge: b, topic: out, qos: 1 }")
                ).replace("\n  r:\n", f"\n  {name}:\n")
    gw = rig.gateway(config("old"), settings=store(rig))
    gw.wait_up("p")
    numbers = []
    rig.subscriber(b.port, "out", on_message=lambda m: numbers.append(int(m.payload)))
    for n in range(3):
        feed.offer(b"%d" % n)
    until(lambda: gw.ledger()["routes"][0]["stored"] == 3, lambda: f"{gw.ledger()}")
    gw.term()
    feed.senders.clear()
    gw.rewrite(config("new"))
    gw.start()
    until(lambda: "does not name" in gw.log(), lambda: f"it says so: {gw.log()}")
    require("route=old events=3" in gw.log(), f"which, and how many: {gw.log()}")
    gw.term()
    feed.senders.clear()
    gw.rewrite(config("old"))
    back(front)
    gw.start()
    until(lambda: numbers == [0, 1, 2], lambda: f"{numbers}", 30)
