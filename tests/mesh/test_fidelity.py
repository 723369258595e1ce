# SPDX-License-Identifier: Apache-2.0
"""What an event carries arrives as it was: properties, retain, expiry, every byte, there and back."""
import os

from proton import Message

from kit.config import bridge, rabbit
from kit.mqtt import V311
from kit.suite import cases, test
from kit.waiting import require, until

PROPERTIES = {
    "UserProperty": [("site", "Graz"), ("site", "Linz"), ("", "empty name"), ("ü", "€ 漢"),
                     ("x-opt-mg", "looks reserved"), ("a%2Fb", "percent")],
    "ContentType": "application/json", "ResponseTopic": "reply/to/me",
    "CorrelationData": b"\x00\x01\xff", "PayloadFormatIndicator": 1,
}
NAMES = ("UserProperty", "ContentType", "ResponseTopic", "CorrelationData", "PayloadFormatIndicator",
         "MessageExpiryInterval")


def said(message):
    """The PUBLISH properties of a received message, less what belongs to one hop."""
    return {name: getattr(message.properties, name) for name in NAMES
            if hasattr(message.properties, name)}


def route(source, sink, name="r", delivery="guarantee: best-effort"):
    return f"  {name}:\n    from: {source}\n    to: {sink}\n    delivery: {{ {delivery} }}\n"


@test
def mqtt5_properties_survive(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + "routes:\n" + route(
        '{ bridge: a, topic: "in/#" }', '{ bridge: b, topic: "out" }'))
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out"), rig.publisher(a.port)
    pub.publish("in/x", b'{"a":1}', **PROPERTIES)
    pub.publish("in/x", b"bare")
    pub.publish("in/x", b"", CorrelationData=b"")
    first, bare, empty = out.wait(3)
    require(said(first) == PROPERTIES, f"{said(first)}")
    require(first.payload == b'{"a":1}', f"{first.payload}")
    require(said(bare) == {}, f"{said(bare)}")
    require(empty.payload == b"" and said(empty) == {"CorrelationData": b""}, f"{said(empty)}")
    gw.settled()


@cases(through_rabbitmq=("amqp",), through_local=("local",))
def there_and_back_is_identical(rig, between):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    queue = rig.unique("trip")
    if between == "amqp":
        middle = rabbit("m", rig.rabbitmq)
        into, out_of = f'{{ bridge: m, address: "/queue/{queue}" }}', f'{{ bridge: m, address: "/queue/{queue}" }}'
    else:
        middle = "  m: { type: local }\n"
        into, out_of = '{ bridge: m, topic: "trip" }', '{ bridge: m, topic: "trip" }'
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + middle + "routes:\n"
                     + route('{ bridge: a, topic: "in/#", qos: 1 }', into, "there")
                     + route(out_of, "{ bridge: b, topic: out, qos: 1 }", "back"))
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out"), rig.publisher(a.port)
    payloads = [b'{"a":1}', b"", bytes(range(256)), "ünïcödé".encode(), os.urandom(4096), b"\x00"]
    for payload in payloads:
        pub.publish("in/x", payload, **{**PROPERTIES, "PayloadFormatIndicator": 0})
        pub.publish("in/x", payload)
    pub.publish("in/x", "ünïcödé".encode(), **PROPERTIES)
    pub.publish("in/x", b"soon", MessageExpiryInterval=600)
    pub.done()
    got = out.wait(2 * len(payloads) + 2)
    for index, payload in enumerate(payloads):
        full, bare = got[2 * index], got[2 * index + 1]
        require(full.payload == payload and bare.payload == payload, f"payload {index} changed")
        require(said(full) == {**PROPERTIES, "PayloadFormatIndicator": 0}, f"{said(full)}")
        require(said(bare) == {}, f"{said(bare)}")
    require(said(got[-2]) == PROPERTIES, f"{said(got[-2])}")
    require(590 <= said(got[-1])["MessageExpiryInterval"] <= 600, f"{said(got[-1])}")
    gw.settled()


@test
def amqp_there_and_back_through_mqtt(rig):
    q, b = rig.rabbitmq, rig.mosquitto()
    one, two = rig.unique("a"), rig.unique("b")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + rabbit("p", q) + bridge("b", b) + bridge("c", b)
                     + "routes:\n"
                     + route(f'{{ bridge: q, address: "/queue/{one}" }}', "{ bridge: b, topic: trip, qos: 1 }",
                             "there", "guarantee: direct")
                     + route("{ bridge: c, topic: trip, qos: 1 }", f'{{ bridge: p, address: "/queue/{two}" }}', "back"))
    gw.wait_up()
    out, source = rig.receiver(f"/queue/{two}"), rig.sender(f"/queue/{one}")
    sent = Message(body=b"\x00body", inferred=True, durable=True, priority=7, id="id-1",
                   correlation_id="c-1", content_type="text/plain", reply_to="/queue/answers",
                   properties={"text": "ü", "int": -5, "bool": True, "float": 1.5})
    source.send(sent)
    got = out.wait(1)[0]
    for name in ("durable", "priority", "id", "correlation_id", "content_type", "reply_to"):
        require(getattr(got, name) == getattr(sent, name), f"{name}: {getattr(got, name)!r}")
    require(bytes(got.body) == sent.body, f"{got.body!r}")
    require({k: got.properties.get(k) for k in sent.properties} == sent.properties, f"{got.properties}")
    gw.settled()


@test
def awkward_topics_survive_routing_keys(rig):
    a, b, q = rig.mosquitto("a"), rig.mosquitto("b"), rig.rabbitmq
    word = rig.unique("k")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + rabbit("m", q) + "routes:\n"
                     + route(f'{{ bridge: a, topic: "{word}/{{rest...}}", qos: 1 }}',
                             f'{{ bridge: m, address: "/exchange/amq.topic/{word}.{{rest}}" }}', "there")
                     + route(f'{{ bridge: m, address: "/exchange/amq.topic/{word}.#", match: "{word}/{{rest...}}" }}',
                             '{ bridge: b, topic: "out/{rest}", qos: 1 }', "back"))
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out/#"), rig.publisher(a.port)
    topics = ["spBv1.0/G/NDATA/e1", "a.b/c*d", "100%/x%2Ey", "sp ace/ü", "x//y", "a/", "q?r&s=t"]
    for topic in topics:
        pub.publish(f"{word}/{topic}", topic.encode())
    got = [(m.topic, m.payload.decode()) for m in out.wait(len(topics))]
    require(got == [("out/" + t, t) for t in topics], f"{got}")
    gw.settled()


@cases(keep=("keep", True, True), set=("set", False, True), clear=("clear", True, False))
def retain(rig, policy, sent, expected):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + "routes:\n" + route(
        '{ bridge: a, topic: "in/#", retain_as_published: true }',
        f'{{ bridge: b, topic: "out", retain: {policy} }}'))
    gw.wait_up()
    now = rig.subscriber(b.port, "out")
    rig.publisher(a.port).publish("in/x", b"v", retain=sent)
    require(now.wait(1)[0].retain == expected, f"retain flag {now.messages[0].retain}")
    gw.settled()
    later = rig.subscriber(b.port, ["out", "marker"])
    rig.publisher(b.port).publish("marker", b"m")
    until(lambda: any(m.topic == "marker" for m in later.messages), "the marker arrives")
    require(any(m.topic == "out" for m in later.messages) == expected, "kept at the broker or not")


@test
def retain_survives_amqp(rig):
    a, b, q = rig.mosquitto("a"), rig.mosquitto("b"), rig.rabbitmq
    queue = rig.unique("retain")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + rabbit("m", q) + "routes:\n"
                     + route('{ bridge: a, topic: "in", retain_as_published: true }', f'{{ bridge: m, address: "/queue/{queue}" }}', "there")
                     + route(f'{{ bridge: m, address: "/queue/{queue}" }}', "{ bridge: b, topic: out, retain: keep }", "back"))
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out"), rig.publisher(a.port)
    pub.publish("in", b"kept", retain=True)
    pub.publish("in", b"not", retain=False)
    got = [(m.payload, m.retain) for m in out.wait(2)]
    require(got == [(b"kept", True), (b"not", False)], f"{got}")
    gw.settled()


@test
def expired_while_waiting_is_not_sent(rig):
    q, b = rig.rabbitmq, rig.mosquitto(start=False)
    queue = rig.unique("old")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + "routes:\n" + route(
        f'{{ bridge: q, address: "/queue/{queue}" }}', "{ bridge: b, topic: out, qos: 1 }", "r",
        "guarantee: direct, retry: { first: 50ms, most: 100ms }"))
    gw.wait_up("q")
    source = rig.sender(f"/queue/{queue}")
    for n in range(10):
        source.send(Message(body=b"old%d" % n, ttl=1.0, inferred=True, durable=True))
    source.done()
    until(lambda: gw.route()["expired"] + gw.route()["returned"] >= 10 or gw.route()["expired"] >= 10
          or gw.route()["received"] == gw.route()["expired"] > 0,
          lambda: f"events expire: {gw.route()}", 20, 0.1)
    b.start()
    out = rig.subscriber(b.port, "out")
    source.send(b"fresh")
    require(out.wait(1)[0].payload == b"fresh", f"{out.messages[0].payload}")
    gw.settled()


@test
def route_ttl_expires(rig):
    q, b = rig.rabbitmq, rig.mosquitto(start=False)
    queue = rig.unique("ttl")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + "routes:\n" + route(
        f'{{ bridge: q, address: "/queue/{queue}" }}', "{ bridge: b, topic: out, qos: 1 }", "r",
        "guarantee: direct, ttl: 500ms"))
    gw.wait_up("q")
    source = rig.sender(f"/queue/{queue}")
    for n in range(20):
        source.send(b"x%d" % n)
    source.done()
    until(lambda: gw.route()["expired"] == 20, lambda: f"20 expire: {gw.route()}", 20, 0.1)
    gw.settled()


@cases(mqtt_to_mqtt=("mqtt",), mqtt_to_amqp=("amqp",))
def sixteen_megabytes(rig, kind):
    a, size = rig.mosquitto("a"), 16 * 1000 * 1000
    payload = os.urandom(1000) * (size // 1000)
    if kind == "mqtt":
        b = rig.mosquitto("b")
        sink, to = bridge("b", b), "{ bridge: b, topic: out, qos: 1 }"
    else:
        queue = rig.unique("big")
        sink, to = rabbit("b", rig.rabbitmq), f'{{ bridge: b, address: "/queue/{queue}" }}'
    gw = rig.gateway("bridges:\n" + bridge("a", a) + sink + "routes:\n"
                     + route("{ bridge: a, topic: in, qos: 1 }", to))
    gw.wait_up()
    out = rig.subscriber(b.port, "out") if kind == "mqtt" else rig.receiver(f"/queue/{queue}")
    pub = rig.publisher(a.port)
    pub.publish("in", payload)
    pub.publish("in", b"after")
    got = [bytes(m.payload if kind == "mqtt" else m.body) for m in out.wait(2, 60)]
    require(got[0] == payload, f"{len(got[0])} bytes, other content")
    require(got[1] == b"after", "the next event follows")
    gw.settled()


@test
def version_311_loses_only_what_it_cannot_say(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b, version='"3.1.1"') + "routes:\n" + route(
        '{ bridge: a, topic: "in/#", qos: 1 }', "{ bridge: b, topic: out, qos: 1 }"))
    said_by_check = gw.check()
    text = said_by_check.stdout + said_by_check.stderr
    require("propert" in text, f"check says what is lost:\n{text}")
    gw.wait_up()
    out = rig.subscriber(b.port, "out", version=V311)
    rig.publisher(a.port).publish("in/x", bytes(range(256)), **{**PROPERTIES, "PayloadFormatIndicator": 0})
    require(out.wait(1)[0].payload == bytes(range(256)), "the payload is whole")
    gw.settled()
