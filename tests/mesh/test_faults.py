# SPDX-License-Identifier: Apache-2.0
"""Peers that are away, die, come back, hang or refuse, while events flow."""
import os
import socket
import threading

from kit import proxy as proxies
from kit.config import bridge, rabbit
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import free_port, require, until

QUICK = "{ first: 50ms, most: 500ms }"


def direct(queue, topic="out", more=""):
    """RabbitMQ to MQTT QoS 1 under an obligation."""
    return f"""
routes:
  down:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    to: {{ bridge: b, topic: "{topic}", qos: 1 }}
    delivery: {{ guarantee: direct, retry: {QUICK}{more} }}
"""


@test
def starts_with_every_peer_down(rig):
    b = rig.mosquitto(start=False)
    peer_port = free_port()
    gw = rig.gateway("bridges:\n" + bridge("q", None, type="amqp", url=f"amqp://127.0.0.1:{peer_port}",
                                           reconnect=QUICK)
                     + bridge("b", b, reconnect=QUICK) + direct("any"))
    status = gw.status()
    require(status.returncode in (0, 1), f"status answers: {status}")
    require(not gw.up("q") and not gw.up("b"), "nothing is up")
    reasons = [c["why"] for br in gw.ledger()["bridges"] for c in br["connections"]]
    require(all(reasons), f"each says why: {reasons}")
    b.start()
    peer = rig.peer(port=peer_port)
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    for n in range(100):
        peer.offer(b"%d" % n)
    out.wait(100)
    require([m.payload for m in out.messages] == [b"%d" % n for n in range(100)], "all, in order")
    gw.settled()


@test
def mqtt_sink_killed_and_restarted_under_load(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b", persist=True)
    queue = rig.unique("load")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, reconnect=QUICK) + bridge("b", b, reconnect=QUICK)
                     + direct(queue, "out/{property.key}"))
    gw.wait_up()
    run_load(rig, gw, b, queue, kills=3)


def run_load(rig, gw, b, queue, kills, kill=None, back=None):
    """Sends without pause; kills (default: Mosquitto) after progress; nothing may be lost."""
    from proton import Message
    seen, sent, stop = Seen(), Sent(), threading.Event()
    # QoS 0: a subscriber that has to write a PUBACK to a dead broker would lose what it has not read.
    out = rig.subscriber(b.port, "out/#", client_id="watch", clean=False, keep=False, qos=0,
                         on_message=lambda m: seen.add(m.payload))
    saved = os.path.join(b.folder, "mosquitto.db")
    until(lambda: os.path.exists(saved) and b"watch" in open(saved, "rb").read(),
          "Mosquitto has saved the subscriber's session")
    source = rig.sender(f"/queue/{queue}", window=200)

    def produce():
        while not stop.is_set():
            # A load that never ends, but no backlog: what Mosquitto has acknowledged and could not yet
            # write to a slow subscriber would die with it.
            if sent.total - seen.unique > 200:
                stop.wait(0.002)
                continue
            key, payload = sent.next()
            source.send(Message(body=payload, durable=True, inferred=True, properties={"key": key}))

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    for _ in range(kills):
        before = seen.unique
        until(lambda: seen.unique > before + 300 and out.connected.is_set(),
              lambda: f"events flow again: {seen.unique} of {sent.total}, {gw.route()}", 60)
        if kill:
            kill()
        else:
            b.kill()
        (back or b.start)()
        until(out.connected.is_set, "the subscriber is back", 20)
    before = seen.unique
    until(lambda: seen.unique > before + 100, lambda: f"events flow at the end: {gw.route()}", 60)
    stop.set()
    producer.join(30)
    source.done(60)
    until(lambda: seen.unique >= sent.total,
          lambda: f"all arrive: {seen.unique} of {sent.total}, {gw.route()}", 60)
    seen.check(sent, ordered=False)
    gw.settled()
    rig.note(f"{sent.total} events, {kills} kills, {seen.duplicates} duplicates, "
             f"{seen.reordered} out of order")
    return seen


@test
def rabbitmq_killed_and_restarted_under_load(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b", persist=True)
    queue = rig.unique("load")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, reconnect=QUICK) + bridge("b", b, reconnect=QUICK)
                     + direct(queue, "out/{property.key}"))
    gw.wait_up()
    q.settle()
    gw.wait_up()
    run_load(rig, gw, b, queue, 1, q.kill, q.start)


@test
def amqp_sink_restarted_under_load(rig):
    """RabbitMQ as a sink dies: under direct nothing of an AMQP source's events is lost."""
    q, source_peer = rig.rabbitmq, rig.peer()
    queue = rig.unique("sink")
    gw = rig.gateway("bridges:\n" + bridge("p", source_peer, reconnect=QUICK)
                     + rabbit("q", q, reconnect=QUICK) + f"""
routes:
  r:
    from: {{ bridge: p, address: feed }}
    to: {{ bridge: q, address: "/queue/{queue}" }}
    delivery: {{ guarantee: direct, retry: {QUICK} }}
""")
    gw.wait_up()
    q.settle()
    gw.wait_up()
    seen, sent = Seen(), Sent()
    out = rig.receiver(f"/queue/{queue}", keep=False, on_message=lambda m: seen.add(bytes(m.body)))
    for _ in range(3000):
        source_peer.offer(sent.next()[1])
    until(lambda: seen.unique > 300, "events flow")
    q.kill()
    q.start()
    until(lambda: seen.unique >= sent.total,
          lambda: f"{seen.unique} of {sent.total} arrive: {gw.route()} {out.errors[-2:]}", 60)
    seen.check(sent, ordered=False)
    gw.settled()
    until(lambda: source_peer.outcomes["accepted"] == sent.total, lambda: f"{source_peer.outcomes}")
    rig.note(f"{seen.duplicates} duplicates, {seen.reordered} out of order")


@test
def connection_cut_under_load(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b")
    front, side = rig.proxy(b.port), rig.proxy(q.port)
    queue = rig.unique("cut")
    gw = rig.gateway("bridges:\n" + rabbit("q", side, reconnect=QUICK)
                     + bridge("b", front, type="mqtt", reconnect=QUICK) + direct(queue))
    gw.wait_up()
    seen, sent = Seen(), Sent()
    rig.subscriber(b.port, "out", keep=False, on_message=lambda m: seen.add(m.payload))
    source = rig.sender(f"/queue/{queue}")
    for n in range(3000):
        source.send(sent.next()[1])
        if n in (500, 1500, 2500):
            front.cut()
        if n in (1000, 2000):
            side.cut()
    source.done()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of 3000: {gw.route()}", 60)
    seen.check(sent, ordered=False)
    gw.settled()
    rig.note(f"{seen.duplicates} duplicates, {seen.reordered} out of order")


@cases(mqtt=("mqtt",), amqp=("amqp",))
def peer_that_accepts_and_never_answers(rig, kind):
    """TCP is open, the protocol is dead: the bridge says so and the gateway still ends on SIGTERM."""
    mute = socket.socket()
    mute.bind(("127.0.0.1", 0))
    mute.listen(16)
    rig.own(mute)
    feed = rig.peer()
    gw = rig.gateway("bridges:\n" + bridge("p", feed)
                     + bridge("m", None, type=kind, url=f"{kind}://127.0.0.1:{mute.getsockname()[1]}",
                              connect_timeout="1s", reconnect=QUICK) + f"""
routes:
  r:
    from: {{ bridge: p, address: feed }}
    to: {{ bridge: m, {'topic' if kind == 'mqtt' else 'address'}: out }}
    delivery: {{ guarantee: direct, retry: {QUICK} }}
""", settings="  drain_timeout: 2s\n")
    gw.wait_up("p")
    for n in range(10):
        feed.offer(b"%d" % n)
    until(lambda: gw.route()["in_flight"] == 10, lambda: f"ten wait: {gw.route()}")
    mute.settimeout(10)
    mute.accept()
    mute.accept()  # a second attempt: the first was given up
    require(not gw.up("m"), "the bridge is not called up")
    gw.balanced()
    gw.term()
    until(lambda: sum(feed.outcomes.values()) == 10, lambda: f"released: {feed.outcomes}")
    require(feed.outcomes["released"] + feed.outcomes["modified"] == 10, f"{feed.outcomes}")


@test
def half_open_mqtt_sink(rig):
    """The network swallows everything without closing: keep-alive or a deadline ends it."""
    feed, b = rig.peer(), rig.mosquitto()
    front = rig.proxy(b.port)
    gw = rig.gateway("bridges:\n" + bridge("q", feed) + bridge("b", front, type="mqtt", keep_alive="2s",
                                                                reconnect=QUICK) + direct("feed"))
    gw.wait_up()
    seen, sent = Seen(), Sent()
    rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload))
    for _ in range(50):
        feed.offer(sent.next()[1])
    until(lambda: seen.unique == 50, "events flow")
    front.mode = proxies.HALF_OPEN
    for _ in range(50):
        feed.offer(sent.next()[1])
    until(lambda: not gw.up("b"), "the dead connection is noticed", 30, 0.1)
    front.mode = proxies.FORWARD
    front.cut()
    until(lambda: seen.unique == 100, lambda: f"{seen.unique} of 100: {gw.route()}", 30)
    seen.check(sent, ordered=False)
    gw.settled()
    rig.note(f"{seen.duplicates} duplicates")


@test
def half_open_amqp_source(rig):
    feed, b = rig.peer(), rig.mosquitto()
    front = rig.proxy(feed.port)
    gw = rig.gateway("bridges:\n" + bridge("q", front, type="amqp", idle_timeout="2s", reconnect=QUICK)
                     + bridge("b", b) + direct("feed"))
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    feed.offer(b"1")
    out.wait(1)
    front.mode = proxies.HALF_OPEN
    until(lambda: not gw.up("q"), "the dead connection is noticed", 30, 0.1)
    front.mode = proxies.FORWARD
    front.cut()
    gw.wait_up("q")
    feed.offer(b"2")
    until(lambda: any(m.payload == b"2" for m in out.messages), "events flow again")
    gw.settled()


@test
def one_stalled_sink_does_not_stop_another_route(rig):
    feed, b, c = rig.peer(), rig.mosquitto("b"), rig.mosquitto("c")
    other = rig.peer()
    front = rig.proxy(c.port)
    gw = rig.gateway("bridges:\n" + bridge("q", feed) + bridge("p", other) + bridge("b", b)
                     + bridge("c", front, type="mqtt") + direct("feed") + """  slow:
    from: { bridge: p, address: feed }
    to: { bridge: c, topic: out, qos: 1 }
    delivery: { guarantee: direct, window: 10 }
""")
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    front.mode = proxies.STALL
    for n in range(100):
        other.offer(b"s%d" % n)
        feed.offer(b"f%d" % n)
    out.wait(100)
    until(lambda: gw.route("slow")["in_flight"] == 10, lambda: f"{gw.route('slow')}")
    until(lambda: gw.route("down")["delivered"] == 100, lambda: f"{gw.route('down')}")
    front.mode = proxies.FORWARD
    gw.settled()
    until(lambda: gw.route("slow")["delivered"] == 100, lambda: f"{gw.route('slow')}")


@test
def link_detached_with_an_error_comes_back(rig):
    feed, b = rig.peer(), rig.mosquitto()
    gw = rig.gateway("bridges:\n" + bridge("q", feed, reconnect=QUICK) + bridge("b", b) + direct("feed"))
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    feed.offer(b"1")
    out.wait(1)
    feed.detach()
    until(lambda: "resource-deleted" in gw.log() or "detached this link" in gw.log(),
          "the log says why the link went")
    until(lambda: feed.senders, "the link is attached again")
    feed.offer(b"2")
    out.wait(2)
    gw.settled()


@test
def wrong_password_is_said_and_retried_with_care(rig):
    b = rig.mosquitto(extra=f"allow_anonymous false\npassword_file {make_password(rig)}")
    gw = rig.gateway("bridges:\n" + rabbit("q", rig.rabbitmq, password="wrong") + bridge(
        "b", b, user="edge", password="wrong", reconnect="{ first: 100ms, most: 5s }") + direct("x"))
    until(lambda: all(c["why"] for br in gw.ledger()["bridges"] for c in br["connections"]),
          "both bridges say why")
    until(lambda: b.process.text().count("not authorised") >= 2, "it is tried again")
    require(not gw.up(), "nothing is up")
    require("wrong" not in gw.log(), "the password is not in the log")
    require(b.process.text().count("not authorised") < 50, "no storm of attempts")


def make_password(rig):
    import subprocess
    path = os.path.join(rig.folder, "passwords")
    subprocess.run(["mosquitto_passwd", "-b", "-c", path, "edge", "secret"], check=True,
                   capture_output=True)
    os.chmod(path, 0o644)
    return path
