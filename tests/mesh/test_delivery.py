# SPDX-License-Identifier: Apache-2.0
"""What `direct` promises: outcomes reach the source, and no kill loses an event."""
import os
import threading

from proton import Message

from kit.config import bridge, rabbit
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import require, until
from test_faults import QUICK, direct, run_load

KILLS = int(os.environ.get("MESH_KILLS", "20"))


@test
def gateway_killed_again_and_again(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b", persist=True)
    queue = rig.unique("kill")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, reconnect=QUICK) + bridge("b", b, reconnect=QUICK)
                     + direct(queue, "out/{property.key}"))
    gw.wait_up()
    run_load(rig, gw, b, queue, KILLS, gw.kill, gw.start)


@test
def mqtt_broker_killed_again_and_again(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b", persist=True)
    queue = rig.unique("kill")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, reconnect=QUICK) + bridge("b", b, reconnect=QUICK)
                     + direct(queue, "out/{property.key}"))
    gw.wait_up()
    run_load(rig, gw, b, queue, KILLS)


@test
def amqp_broker_killed_again_and_again(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b", persist=True)
    queue = rig.unique("kill")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, reconnect=QUICK) + bridge("b", b, reconnect=QUICK)
                     + direct(queue, "out/{property.key}"))
    gw.wait_up()
    q.settle()
    gw.wait_up()
    run_load(rig, gw, b, queue, int(os.environ.get("MESH_RABBIT_KILLS", str(KILLS))), q.kill, q.start)


@cases(rejected=("rejected",), released=("released",), modified=("modified",))
def an_amqp_broker_that_refuses(rig, outcome):
    """Rejected goes back at once; released and modified are tried again until it is taken."""
    attempts = {}

    def answer(message, _count):
        body = bytes(message.body)
        attempts[body] = attempts.get(body, 0) + 1
        if body.endswith(b"3") and (outcome == "rejected" or attempts[body] < 3):
            return outcome
        return "accepted"

    feed, sink = rig.peer(), rig.peer(answer=answer)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink) + f"""
routes:
  r:
    from: {{ bridge: p, address: feed }}
    to: {{ bridge: s, address: sink }}
    delivery: {{ guarantee: direct, retry: {{ first: 20ms, most: 100ms }} }}
""")
    gw.wait_up()
    for n in range(100):
        feed.offer(b"%02d" % n)
    until(lambda: sum(feed.outcomes.values()) == 100, lambda: f"{feed.outcomes}: {gw.route()}")
    gw.settled()
    line = gw.route()
    if outcome == "rejected":
        require(feed.outcomes == {"accepted": 90, "rejected": 10}, f"{feed.outcomes}")
        require(line["delivered"] == 90 and line["returned"] == 10, f"{line}")
    else:
        require(feed.outcomes == {"accepted": 100}, f"{feed.outcomes}")
        require(line["delivered"] == 100 and line["retries"] >= 20, f"{line}")
        require(all(attempts[b"%d3" % n] == 3 for n in range(10)), f"{attempts}")


@test
def attempts_end_at_the_limit(rig):
    """Modified counts as an attempt (released does not: nobody tried)."""
    feed, sink = rig.peer(), rig.peer(answer=lambda message, count: "modified")
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink) + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: s, address: sink }
    delivery: { guarantee: direct, retry: { max_attempts: 3, first: 20ms, most: 50ms } }
""")
    gw.wait_up()
    feed.offer(b"x")
    until(lambda: sum(feed.outcomes.values()) >= 1, lambda: f"{feed.outcomes}: {gw.route()}")
    require(sink.count == 3, f"{sink.count} attempts")
    require(feed.outcomes["accepted"] == 0, f"{feed.outcomes}")
    gw.settled()


@test
def the_source_waits_for_the_sink(rig):
    """Nothing is acknowledged before the sink has confirmed."""
    feed, sink = rig.peer(), rig.peer(answer=lambda message, count: None)
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("s", sink) + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: s, address: sink }
    delivery: { guarantee: direct, window: 20 }
""", settings="  drain_timeout: 1s\n")
    gw.wait_up()
    for n in range(100):
        feed.offer(b"%d" % n)
    until(lambda: sink.count == 20, lambda: f"the window fills: {sink.count}")
    require(gw.route()["in_flight"] == 20, f"{gw.route()}")
    require(not feed.outcomes, f"nothing is settled yet: {feed.outcomes}")
    require(len(feed.offers) == 80, f"back-pressure holds the rest: {len(feed.offers)}")
    gw.balanced()
    gw.term()
    until(lambda: sum(feed.outcomes.values()) == 20, lambda: f"all are given back: {feed.outcomes}")
    require(feed.outcomes["accepted"] == 0 and feed.outcomes["rejected"] == 0, f"{feed.outcomes}")


@test
def sigterm_under_load_settles_or_releases(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b")
    queue = rig.unique("drain")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + direct(queue))
    gw.wait_up()
    seen, sent, stop = Seen(), Sent(), threading.Event()
    rig.subscriber(b.port, "out", keep=False, on_message=lambda m: seen.add(m.payload))
    source = rig.sender(f"/queue/{queue}")

    def produce():
        while not stop.is_set():
            if sent.total - seen.unique > 2000:
                stop.wait(0.002)
                continue
            source.send(Message(body=sent.next()[1], durable=True, inferred=True))

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    rounds = 5
    for _ in range(rounds):
        before = seen.unique
        until(lambda: seen.unique > before + 300, lambda: f"events flow: {gw.route()}")
        gw.term()
        gw.start()
    stop.set()
    producer.join(30)
    source.done()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total}: {gw.route()}", 60)
    seen.check(sent, ordered=False)
    gw.settled()
    rig.note(f"{sent.total} events over {rounds} orderly ends, {seen.duplicates} duplicates")


@test
def order_is_kept_per_source(rig):
    feed, b = rig.peer(), rig.mosquitto()
    gw = rig.gateway("bridges:\n" + bridge("q", feed) + bridge("b", b) + direct("feed"))
    gw.wait_up()
    seen, sent = Seen(), Sent()
    out = rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload))
    for _ in range(5000):
        feed.offer(sent.next()[1])
    out.wait(5000, 40)
    seen.check(sent, duplicates=0)
    gw.settled()
