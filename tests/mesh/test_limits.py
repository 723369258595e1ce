# SPDX-License-Identifier: Apache-2.0
"""Full is a normal state: windows, back-pressure, overflow and bounded memory."""
import time

from kit import proxy as proxies
from kit.config import bridge, rabbit
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import require, until


@test
def slow_sink_bounds_memory_and_holds_the_source(rig):
    feed, b = rig.peer(), rig.mosquitto()
    front = rig.proxy(b.port)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("b", front, type="mqtt") + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: b, topic: out, qos: 1 }
    delivery: { guarantee: direct, window: 100 }
""")
    gw.wait_up()
    seen, sent = Seen(), Sent()
    rig.subscriber(b.port, "out", keep=False, on_message=lambda m: seen.add(m.payload))
    before = gw.process.rss_kib()
    front.mode = proxies.STALL
    filler = "x" * 10_000
    for _ in range(5000):
        feed.offer(sent.next(filler=filler)[1])  # 50 MB in all
    until(lambda: gw.route()["in_flight"] == 100, lambda: f"the window is full: {gw.route()}")
    require(len(feed.offers) == 4900, f"the source holds the rest: {len(feed.offers)}")
    grown = gw.process.rss_kib() - before
    front.mode = proxies.FORWARD
    until(lambda: seen.unique == 5000, lambda: f"{seen.unique} of 5000: {gw.route()}", 60)
    seen.check(sent, duplicates=0)
    gw.settled()
    rig.note(f"{grown} KiB more in memory for a full window of 1 MB")
    if not gw.build.sanitized:
        require(grown < 20_000, f"memory grew by {grown} KiB")


@test
def flapping_sink_keeps_memory_flat(rig):
    """A link that dies again and again with a full window leaves nothing behind."""
    feed, b = rig.peer(), rig.mosquitto()
    front = rig.proxy(b.port)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge(
        "b", front, type="mqtt", reconnect="{ first: 20ms, most: 100ms }") + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: b, topic: out, qos: 1 }
    delivery: { guarantee: direct, window: 100, retry: { first: 20ms, most: 100ms } }
""")
    gw.wait_up()
    seen, sent = Seen(), Sent()
    rig.subscriber(b.port, "out", keep=False, on_message=lambda m: seen.add(m.payload))
    filler, sizes = "x" * 10_000, []
    for _ in range(12):
        front.mode = proxies.STALL
        for _ in range(100):
            feed.offer(sent.next(filler=filler)[1])
        # The source is given credit in steps, so that the window may lack a few.
        until(lambda: gw.route()["in_flight"] >= 75, lambda: f"the window is full: {gw.route()}")
        front.cut()
        front.mode = proxies.FORWARD
        until(lambda: seen.unique == sent.total, lambda: f"{seen.unique} of {sent.total}: {gw.route()}")
        sizes.append(gw.process.rss_kib())
    seen.check(sent, ordered=False)
    gw.settled()
    grown = sizes[-1] - sizes[3]
    rig.note(f"{grown} KiB more after 8 further cuts of 1 MB each, {seen.duplicates} duplicates")
    if not gw.build.sanitized:
        require(grown < 5_000, f"memory grew by {grown} KiB: {sizes}")


@test
def never_more_than_the_window_is_unsettled(rig):
    most = [0]

    def answer(_message, count):
        most[0] = max(most[0], count - sum(feed.outcomes.values()))
        return "accepted"

    feed, sink = rig.peer(), rig.peer(answer=answer)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink) + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: s, address: sink }
    delivery: { guarantee: direct, window: 50 }
""")
    gw.wait_up()
    for n in range(1000):
        feed.offer(b"%d" % n)
    until(lambda: feed.outcomes["accepted"] == 1000, lambda: f"{feed.outcomes}")
    require(0 < most[0] <= 50, f"{most[0]} events at once, the window is 50")
    gw.settled()


@cases(drop_newest=("drop-newest",), drop_oldest=("drop-oldest",))
def overflow_is_counted(rig, policy):
    a, b = rig.mosquitto("a"), rig.mosquitto("b", start=False)
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b, reconnect="{ first: 50ms, most: 200ms }") + f"""
routes:
  r:
    from: {{ bridge: a, topic: in, qos: 1 }}
    to: {{ bridge: b, topic: out, qos: 1 }}
    delivery: {{ guarantee: best-effort, window: 100, overflow: {policy} }}
""")
    gw.wait_up("a")
    pub = rig.publisher(a.port)
    for n in range(500):
        pub.publish("in", b"%d" % n)
    pub.done()
    until(lambda: gw.route()["received"] == 500, lambda: f"{gw.route()}")
    line = gw.route()
    require(line["discarded"] == 400 and line["in_flight"] == 100, f"{line}")
    gw.balanced()
    b.start()
    gw.settled()
    line = gw.route()
    require(line["delivered"] == 100 and line["discarded"] == 400, f"{line}")


@test
def ten_thousand_queued_drain_to_zero(rig):
    q, b = rig.rabbitmq, rig.mosquitto()
    queue = rig.unique("deep")
    source, sent, seen = rig.sender(f"/queue/{queue}"), Sent(), Seen()
    for _ in range(10_000):
        source.send(sent.next()[1])
    source.done(60)
    out = rig.subscriber(b.port, "out", keep=False, on_message=lambda m: seen.add(m.payload))
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    to: {{ bridge: b, topic: out, qos: 2 }}
    delivery: {{ guarantee: direct }}
""")
    out.wait(10_000, 60)
    seen.check(sent, duplicates=0)
    gw.settled()
    require(gw.route()["delivered"] == 10_000, f"{gw.route()}")


@test
def idle_is_idle(rig):
    a, q = rig.mosquitto(), rig.rabbitmq
    gw = rig.gateway("bridges:\n" + bridge("a", a) + rabbit("q", q) + """
routes:
  r:
    from: { bridge: a, topic: "in/#" }
    to: { bridge: q, address: "/queue/idle" }
    delivery: { guarantee: best-effort }
""")
    gw.wait_up()
    with open(f"/proc/{gw.process.pid}/stat", encoding="ascii") as stat:
        before = sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
    time.sleep(3)  # what is measured is that nothing happens
    with open(f"/proc/{gw.process.pid}/stat", encoding="ascii") as stat:
        spent = sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) - before
    rig.note(f"{gw.process.rss_kib()} KiB, {spent * 10} ms of CPU in 3 s")
    if not gw.build.sanitized:
        require(gw.process.rss_kib() < 15_000, f"{gw.process.rss_kib()} KiB when idle")
        require(spent <= 15, f"{spent * 10} ms of CPU in three idle seconds")
