# SPDX-License-Identifier: Apache-2.0
"""The MQTT client with servers of other makers, and beside the client on Paho."""
import itertools
import os
import random
import threading

from kit.brokers import SERVERS
from kit.config import bridge
from kit.proxy import FORWARD, STALL
from kit.routes import KEPT, QUICK
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import require, until

KILLS = int(os.environ.get("MESH_KILLS", "20"))
EACH = {name: (name,) for name in SERVERS}
SCHEMES = {f"{name}_{scheme}": (name, scheme) for name in SERVERS for scheme in ("mqtts", "ws", "wss")}


def numbered(count, first=0):
    return [b"%d" % n for n in range(first, first + count)]


def through(word, qos, window=200, most=2):
    """A route from a server to the same server, which takes QoS `most`."""
    return f"""
routes:
  r:
    from: {{ bridge: m, topic: "{word}/in", qos: {qos} }}
    to: {{ bridge: m, topic: "{word}/out", qos: {min(qos or 1, most)} }}
    delivery: {{ guarantee: {"direct" if qos else "best-effort"}, window: {window}, retry: {QUICK} }}
"""


def subscriber(rig, server, topic, **named):
    return rig.subscriber(server.port, topic, **{**server.client(), **named})


def publisher(rig, server, **named):
    return rig.publisher(server.port, **{**server.client(), **named})


@cases(**{f"{name}_qos{qos}": (name, qos) for name in SERVERS for qos in (0, 1, 2)
          if qos <= SERVERS[name].qos})
def in_and_out(rig, name, qos):
    server = SERVERS[name](rig)
    word = rig.unique("through")
    gw = rig.gateway("bridges:\n" + server.bridge("m", kept=True) + through(word, qos, 2000, server.qos_in))
    gw.wait_up()
    out = subscriber(rig, server, f"{word}/out", qos=server.qos)
    pub = publisher(rig, server)
    for payload in numbered(1000):
        pub.publish(f"{word}/in", payload, qos=qos)
    pub.done()
    out.wait(1000)
    require([m.payload for m in out.messages] == numbered(1000), "each once, in order")
    gw.settled()


@cases(**SCHEMES)
def by_other_transports(rig, name, scheme):
    server = SERVERS[name](rig)
    word = rig.unique("secure")
    gw = rig.gateway("bridges:\n" + server.bridge("m", scheme, rig.certs, kept=True) + through(word, 1))
    gw.wait_up()
    out, pub = subscriber(rig, server, f"{word}/out"), publisher(rig, server)
    large = os.urandom(300_000)
    pub.publish(f"{word}/in", large)
    for payload in numbered(300):
        pub.publish(f"{word}/in", payload)
    out.wait(301)
    require(out.messages[0].payload == large, "a large message, unchanged")
    require([m.payload for m in out.messages[1:]] == numbered(300), "each once, in order")
    gw.settled()


@cases(**EACH)
def retained_messages(rig, name):
    server = SERVERS[name](rig)
    word = rig.unique("kept")
    publisher(rig, server).publish(f"{word}/in", b"there before", retain=True)
    gw = rig.gateway("bridges:\n" + server.bridge("m", kept=True) + through(word, 1).replace(
        f'"{word}/out"', f'"{word}/out", retain: set'))
    gw.wait_up()
    until(lambda: gw.route()["delivered"] == 1, lambda: f"the retained one is delivered: {gw.route()}")
    out = subscriber(rig, server, f"{word}/out")
    require(out.wait(1)[0].payload == b"there before" and out.messages[0].retain, "kept at the server")
    gw.settled()


@cases(**EACH)
def the_will_of_a_killed_gateway(rig, name):
    server = SERVERS[name](rig)
    word = rig.unique("will")
    gw = rig.gateway("bridges:\n" + server.bridge(
        "m", will=f'{{ topic: "{word}/will", payload: gone, qos: 1, retain: true }}') + through(word, 0))
    gw.wait_up()
    out = subscriber(rig, server, f"{word}/will")
    gw.kill()
    require(out.wait(1)[0].payload == b"gone", "the server publishes it")


@test
def shared_subscription_of_two_gateways(rig):
    """Mosquitto alone of the three has shared subscriptions."""
    server = SERVERS["mosquitto"](rig)
    routes = through("share", 1).replace('"share/in"', '"$share/g/share/in"')
    for name in ("one", "two"):
        gw = rig.gateway("bridges:\n" + server.bridge("m", kept=True) + routes, name=name)
        gw.wait_up()
    out, pub = subscriber(rig, server, "share/out"), publisher(rig, server)
    for payload in numbered(1000):
        pub.publish("share/in", payload)
    out.wait(1000)
    require(sorted(m.payload for m in out.messages) == sorted(numbered(1000)), "each once")
    shares = [g.route()["delivered"] for g in rig.gateways]
    require(all(shares), f"both took some: {shares}")
    for gw in rig.gateways:
        gw.settled()


@cases(**EACH)
def a_kept_session_over_a_killed_gateway(rig, name):
    """Events keep coming while the gateway is dead: none is lost, first arrivals are in order (but
    for aedes, which mixes what it had queued with what comes)."""
    server = SERVERS[name](rig)
    word = rig.unique("session")
    gw = rig.gateway("bridges:\n" + server.bridge("m", kept=True) + through(word, 1))
    gw.wait_up()
    seen, sent = Seen(), Sent(keys=1)
    subscriber(rig, server, f"{word}/out", keep=False, on_message=lambda m: seen.add(m.payload))
    pub = publisher(rig, server)
    for _ in range(4):
        before = seen.unique
        for _ in range(500):
            pub.publish(f"{word}/in", sent.next()[1])
        until(lambda: seen.unique > before + 100, lambda: f"events flow: {gw.route()}")
        gw.kill()
        for _ in range(100):
            pub.publish(f"{word}/in", sent.next()[1])
        pub.done()
        gw.start()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total}: {gw.route()}")
    seen.check(sent, ordered=server.ordered)
    gw.settled()
    rig.note(f"{seen.duplicates} duplicates of {sent.total}")


@cases(**EACH)
def the_server_dies_and_comes_back(rig, name):
    """A server with durable sessions loses nothing of what it had saved; aedes forgets everything,
    and the gateway begins anew with it."""
    server = SERVERS[name](rig)
    word = rig.unique("back")
    sink = rig.peer()
    gw = rig.gateway("bridges:\n" + server.bridge("m", kept=True) + bridge("s", sink) + f"""
routes:
  r:
    from: {{ bridge: m, topic: "{word}/in", qos: 1 }}
    to: {{ bridge: s, address: sink }}
    delivery: {{ guarantee: direct, window: 100 }}
""")
    gw.wait_up()
    server.save()
    gw.wait_up()
    payloads = numbered(1000)
    if server.durable:
        gw.kill()  # all are in the server when it dies
    pub = publisher(rig, server)
    for payload in payloads:
        pub.publish(f"{word}/in", payload)
    pub.done()
    if server.durable:
        server.save()
        gw.start()
        until(lambda: sink.count > 100, lambda: f"events flow: {gw.route()}")
    else:
        until(lambda: sink.count == 1000, lambda: f"all arrive: {gw.route()}")
    server.kill()
    until(lambda: not gw.up("m"), "it is noticed")
    server.start()
    gw.wait_up()
    pub = publisher(rig, server)
    until(lambda: (pub.publish(f"{word}/in", b"after"), b"after" in [bytes(m.body) for m in sink.messages])[1],
          lambda: f"events flow again: {gw.route()}", every_s=0.2)
    came = list(dict.fromkeys(bytes(m.body) for m in sink.messages))
    until(lambda: set(payloads) <= {bytes(m.body) for m in sink.messages},
          lambda: f"all arrive: {len(set(payloads) - set(came))} are missing: {gw.route()}")
    came = [b for b in dict.fromkeys(bytes(m.body) for m in sink.messages) if b != b"after"]
    require(came == payloads, "first arrivals in order")
    gw.settled()


# ---- kills under load -------------------------------------------------------------------------

class Load:
    """Numbered events into an MQTT server without pause; what comes out is checked by sequence.  Each
    has a topic of its own, so that the brokers' logs tell what became of it."""

    def __init__(self, rig, source, topic):
        self.seen, self.sent, self.stop, self.paused = Seen(), Sent(), threading.Event(), threading.Event()
        self.publisher = rig.publisher(source.port, window=200)
        self.topic = topic
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def _run(self):
        while not self.stop.is_set():
            if self.paused.is_set() or self.sent.total - self.seen.unique > 1000:
                self.stop.wait(0.002)
            else:
                key, payload = self.sent.next()
                self.publisher.publish(f"{self.topic}/{key}-{self.sent.count[key]}", payload)

    def flows(self, more=300):
        before = self.seen.unique
        until(lambda: self.seen.unique > before + more,
              lambda: f"events flow: {self.seen.unique} of {self.sent.total}", 60)

    def finish(self, rig, gw, kills):
        self.flows(100)
        self.stop.set()
        self.thread.join(30)
        self.publisher.done(60)
        until(lambda: self.seen.unique >= self.sent.total,
              lambda: f"all arrive: {self.seen.unique} of {self.sent.total}, not {self.seen.lost(self.sent)}, "
                      f"{gw.route()}", 60)
        self.seen.check(self.sent)
        gw.settled()
        rig.note(f"{self.sent.total} events, {kills} kills, {self.seen.duplicates} duplicates")


def mqtt_pair(rig, front=None):
    """front: makes what stands between the gateway and the second broker."""
    a, b = (rig.mosquitto(name, persist=True, autosave=False) for name in ("a", "b"))
    before_b = front(b.port) if front else b
    gw = rig.gateway("bridges:\n" + bridge("a", a, reconnect=QUICK, **KEPT)
                     + bridge("b", before_b, type="mqtt", reconnect=QUICK, **KEPT) + f"""
routes:
  r:
    from: {{ bridge: a, topic: "in/{{event}}", qos: 1 }}
    to: {{ bridge: b, topic: "out/{{event}}", qos: 1 }}
    delivery: {{ guarantee: direct, retry: {QUICK} }}
""")
    gw.wait_up()
    return a, b, gw, before_b


def watch(rig, b, load):
    # QoS 0: a subscriber that has to write a PUBACK to a dead broker would lose what it has not read.
    out = rig.subscriber(b.port, "out/#", client_id="watch", clean=False, keep=False, qos=0,
                         on_message=lambda m: load.seen.add(m.payload))
    b.save()
    load.start()
    return out


@test
def mqtt_to_mqtt_gateway_killed(rig):
    a, b, gw, _ = mqtt_pair(rig)
    load = Load(rig, a, "in")
    watch(rig, b, load)
    for _ in range(KILLS):
        load.flows()
        gw.kill()
        gw.start()
    load.finish(rig, gw, KILLS)


@test
def mqtt_to_mqtt_sink_broker_killed(rig):
    """Mosquitto acknowledges before it saves, so that what it had not handed out when it dies is lost by
    it: the gateway gets to it only while the subscriber is there, who is written to first."""
    a, b, gw, front = mqtt_pair(rig, rig.proxy)
    load = Load(rig, a, "in")
    out = watch(rig, b, load)
    for _ in range(KILLS):
        load.flows()
        connects = out.connects
        b.kill()
        front.mode = STALL
        b.start()
        until(lambda: out.connects > connects, "the subscriber is back")
        front.mode = FORWARD
    load.finish(rig, gw, KILLS)


def source_broker_killed(rig, a, gw, load):
    """Mosquitto keeps over a SIGKILL what it has saved: the load pauses, it saves, and dies while it
    hands out the backlog."""
    for _ in range(KILLS):
        load.flows()
        load.paused.set()
        load.publisher.done(60)
        a.save()
        a.kill()
        a.start()
        until(load.publisher.connected.is_set, "the publisher is back")
        load.paused.clear()
    load.finish(rig, gw, KILLS)


@test
def mqtt_to_mqtt_source_broker_killed(rig):
    a, b, gw, _ = mqtt_pair(rig)
    load = Load(rig, a, "in")
    watch(rig, b, load)
    source_broker_killed(rig, a, gw, load)


def mqtt_to_amqp(rig):
    a, sink = rig.mosquitto("a", persist=True, autosave=False), rig.peer()
    gw = rig.gateway("bridges:\n" + bridge("a", a, reconnect=QUICK, **KEPT)
                     + bridge("s", sink, reconnect=QUICK) + f"""
routes:
  r:
    from: {{ bridge: a, topic: "in/#", qos: 1 }}
    to: {{ bridge: s, address: sink }}
    delivery: {{ guarantee: direct, retry: {QUICK} }}
""")
    gw.wait_up()
    load = Load(rig, a, "in")
    sink.answer = lambda message, count: (load.seen.add(bytes(message.body)), "accepted")[1]
    load.start()
    return a, gw, load


@test
def mqtt_to_amqp_gateway_killed(rig):
    _, gw, load = mqtt_to_amqp(rig)
    for _ in range(KILLS):
        load.flows()
        gw.kill()
        gw.start()
    load.finish(rig, gw, KILLS)


@test
def mqtt_to_amqp_source_broker_killed(rig):
    a, gw, load = mqtt_to_amqp(rig)
    source_broker_killed(rig, a, gw, load)


# ---- the two clients --------------------------------------------------------------------------

def random_messages(seed, count):
    """Every kind of PUBLISH property, QoS, retain, sizes from nothing to some kilobytes."""
    dice = random.Random(seed)
    texts = ("", "a", "ü€漢", "x" * 300, "a/b", "100%", "mg:x")
    for number in range(count):
        named = {}
        if dice.random() < .5:
            named["user"] = [(dice.choice(texts), dice.choice(texts)) for _ in range(dice.randrange(4))]
        if dice.random() < .4:
            named["content_type"] = dice.choice(texts[1:])
        if dice.random() < .4:
            named["response_topic"] = dice.choice(("reply", "a/b/ü"))
        if dice.random() < .4:
            named["correlation"] = dice.randbytes(dice.randrange(20))
        if dice.random() < .3:
            named["expiry"] = 3600
        payload = f"{number}:".encode()
        if dice.random() < .5:
            named["payload_format"] = dice.randrange(2)
            payload += dice.choice(texts).encode() * dice.randrange(20)
        else:
            payload += dice.randbytes(dice.choice((0, 1, 10, 5000)))
        yield dict(payload=payload, topic=f"in/a/longer/topic/{dice.randrange(6)}", qos=dice.randrange(3),
                   retain=dice.random() < .3, **named)


@test
def paho_and_native_deliver_the_same(rig):
    """The same traffic through a gateway of each client arrives identical, field by field."""
    arrived = {}
    for client in ("paho", "native"):
        source, sink = rig.mqtt_peer(use_aliases=True), rig.mqtt_peer(grants={"topic_alias_maximum": 3})
        gw = rig.gateway("bridges:\n" + bridge("a", source, client=client) + bridge("b", sink, client=client) + """
routes:
  r:
    from: { bridge: a, topic: "in/{rest...}", qos: 2 }
    to: { bridge: b, topic: "out/{rest}", qos: keep }
    delivery: { guarantee: best-effort, window: 5000 }
""", name=client)
        gw.wait_up()
        for message in random_messages(7, 400):
            source.offer(**message)
        sink.wait_received(400, 30)
        gw.settled()
        arrived[client] = [(p.topic, p.payload, p.qos, p.retain,
                            {k: v for k, v in p.props.items() if k not in ("topic_alias", "expiry")},
                            3500 < p.props.get("expiry", 3600) <= 3600) for p in sink.received]
        aliases = any("topic_alias" in p.props for p in sink.received)
        require(aliases == (client == "native"), f"{client}: aliases {'' if aliases else 'not '}used")
    for index, (one, other) in enumerate(itertools.zip_longest(arrived["paho"], arrived["native"])):
        require(one == other, f"message {index}: paho {one}, native {other}")
