# SPDX-License-Identifier: Apache-2.0
"""CloudEvents of their JavaScript SDK through real brokers: in each mode in and out, wrapped and unwrapped."""
import json
import os

from kit.config import bridge, rabbit
from kit.mqtt import V311
from kit.process import Process
from kit.suite import cases, test
from kit.waiting import require, until

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", "cloudevents.js")
EVENTS = 4  # that the script sends


def sdk(rig, *arguments):
    """Starts the script and waits for its line "ready"."""
    process = Process(["node", SCRIPT, *map(str, arguments)], os.path.join(rig.folder, f"sdk-{len(rig.ends)}.out"))
    rig.own(process)
    process.start()
    until(lambda: "ready" in process.text() or not process.alive(), lambda: process.tail())
    require("ready" in process.text(), f"node {arguments}:\n{process.tail()}")
    return process


def shown(process, count=EVENTS):
    """The events that it has sent or received, by id; it waits for so many."""
    def lines():
        return [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]
    until(lambda: len(lines()) >= count, lambda: f"the SDK has {count} events: {process.tail()}")
    require(not any("error" in e for e in lines()), lambda: f"the SDK refuses one: {process.tail()}")
    require(len(lines()) == count, f"{count} events, no more: {process.tail()}")
    return {event["id"]: event for event in lines()}


def refuses(gw, count, what):
    """That many events; they may still be on their way to the gateway."""
    until(lambda: gw.route()["discarded"] >= count, lambda: f"{what}: {gw.route()}")
    gw.settled()
    require(gw.route()["discarded"] == count, f"{what}: {gw.route()}")


def texts(events):
    """Attributes as MQTT's binary mode has them: all texts."""
    def text(value):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return {k: {n: v if n == "data" else text(v) for n, v in e.items()} for k, e in events.items()}


def route(source, options, sink, name="r"):
    return (f"  {name}:\n    from: {source}\n    steps: [ translate: {{ type: cloudevents, {options} }} ]\n"
            f"    to: {sink}\n    delivery: {{ guarantee: best-effort }}\n")


def ends(rig, protocol, word, role):
    """A broker, what the gateway calls the end of it, what the SDK does, and its bridge."""
    if protocol == "mqtt":
        broker = rig.mosquitto(word)
        # Tags are no attributes: without a prefix, an SDK would take them for such.
        tags = ", tags: none" if role == "out" else ""
        return broker, f"{{ bridge: {word}, topic: {role}, qos: 1{tags} }}", role, bridge(word, broker)
    queue = f"/queue/{rig.unique(word)}"
    return rig.rabbitmq, f'{{ bridge: {word}, address: "{queue}" }}', queue, rabbit(word, rig.rabbitmq)


def exchange(rig, came, mode_in, went, options):
    """The SDK sends, the gateway translates, the SDK receives; what was sent, what was received."""
    a, source, sent_to, bridge_a = ends(rig, came, "a", "in")
    b, sink, received_from, bridge_b = ends(rig, went, "b", "out")
    gw = rig.gateway("bridges:\n" + bridge_a + bridge_b + "routes:\n" + route(source, options, sink))
    gw.wait_up()
    receiver = sdk(rig, "receive", went, b.port, received_from)
    sender = sdk(rig, "send", came, a.port, sent_to, mode_in)
    sent, received = shown(sender), shown(receiver)
    gw.settled()
    return sent, received


CONVERT = "mode: convert, encode: "
AMQP = 'mode: convert, encode: binary, prefix: "cloudEvents:"'


@cases(mqtt_structured_to_mqtt_structured=("mqtt", "structured", "mqtt", CONVERT + "structured"),
       amqp_binary_to_mqtt_structured=("amqp", "binary", "mqtt", CONVERT + "structured"),
       mqtt_structured_to_amqp_binary=("mqtt", "structured", "amqp", AMQP),
       amqp_structured_to_amqp_binary=("amqp", "structured", "amqp", AMQP),
       amqp_binary_to_amqp_structured=("amqp", "binary", "amqp", CONVERT + "structured"),
       mqtt_batch_to_amqp_structured=("mqtt", "batch", "amqp", CONVERT + "structured"),
       mqtt_batch_to_amqp_binary=("mqtt", "batch", "amqp", AMQP),
       amqp_structured_to_mqtt_batch=("amqp", "structured", "mqtt", CONVERT + "batch"),
       mqtt_batch_to_amqp_batch=("mqtt", "batch", "amqp", CONVERT + "batch"),
       amqp_batch_to_mqtt_batch=("amqp", "batch", "mqtt", CONVERT + "batch"))
def an_event_keeps_all(rig, came, mode, went, options):
    sent, received = exchange(rig, came, mode, went, options)
    require(received == sent, f"sent {sent}\nreceived {received}")


@cases(mqtt_binary_to_mqtt_structured=("mqtt", "binary", "mqtt", CONVERT + "structured"),
       mqtt_structured_to_mqtt_binary=("mqtt", "structured", "mqtt", CONVERT + "binary"),
       mqtt_binary_to_amqp_binary=("mqtt", "binary", "amqp", AMQP),
       amqp_binary_to_mqtt_binary=("amqp", "binary", "mqtt", CONVERT + "binary"),
       mqtt_batch_to_mqtt_binary=("mqtt", "batch", "mqtt", CONVERT + "binary"))
def texts_where_mqtt_has_only_those(rig, came, mode, went, options):
    sent, received = exchange(rig, came, mode, went, options)
    require(received == texts(sent), f"sent {sent}\nreceived {received}")


@cases(mqtt_binary=("mqtt", "binary"), amqp_structured=("amqp", "structured"), mqtt_batch=("mqtt", "batch"))
def unwrapped(rig, came, mode):
    a, source, sent_to, bridge_a = ends(rig, came, "a", "in")
    b = rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge_a + bridge("b", b) + "routes:\n" + route(
        source, "mode: unwrap, as_properties: 'was.'", "{ bridge: b, topic: out, qos: 1, tags: none }"))
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    sent = shown(sdk(rig, "send", came, a.port, sent_to, mode))
    for message in out.wait(EVENTS):
        properties = dict(message.properties.UserProperty)
        event = texts(sent)[properties["was.id"]]
        kept = {"was." + name: value for name, value in event.items() if name != "data"}
        require(properties == kept, f"{properties} of {event}")
        payload = message.payload.decode()
        if "data" not in event:
            require(payload == "", payload)
        elif isinstance(event["data"], str):
            require(payload == event["data"], payload)
            require(message.properties.ContentType == "text/plain", f"{message.properties}")
        else:
            require(json.loads(payload) == event["data"], payload)
            require(message.properties.ContentType == "application/json", f"{message.properties}")
    gw.settled()


WRAP = 'mode: wrap, attributes: { id: "{property.serial}", source: "/plants/{line}", type: com.example.reading, line: "{line}" }'


@cases(to_amqp_structured=("amqp", "encode: structured"), to_mqtt_structured=("mqtt", "encode: structured"),
       to_mqtt_binary=("mqtt", "encode: binary"), to_mqtt_batch=("mqtt", "encode: batch"),
       to_amqp_binary=("amqp", 'encode: binary, prefix: "cloudEvents:"'))
def wrapped(rig, went, encode):
    a = rig.mosquitto("a")
    b, sink, received_from, bridge_b = ends(rig, went, "b", "out")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge_b + "routes:\n" + route(
        '{ bridge: a, topic: "plant/{line}", qos: 1 }', f"{WRAP}, {encode}", sink))
    gw.wait_up()
    receiver = sdk(rig, "receive", went, b.port, received_from)
    pub = rig.publisher(a.port)
    pub.publish("plant/l1", b'{"t": 21.50}', UserProperty=[("serial", "1")])
    pub.publish("plant/l2", "heiß".encode(), UserProperty=[("serial", "2")], ContentType="text/plain")
    pub.publish("plant/l2", b"no serial")
    pub.done()
    received = shown(receiver, 2)
    for serial, line, data in (("1", "l1", {"t": 21.5}), ("2", "l2", "heiß")):
        event = received[serial]
        require((event["source"], event["type"], event["line"], event["data"])
                == (f"/plants/{line}", "com.example.reading", line, data), f"{event}")
        require(event["datacontenttype"] == ("application/json" if serial == "1" else "text/plain"), f"{event}")
    refuses(gw, 1, "the one without a serial")


@test
def version_311_has_no_content_type(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a, version='"3.1.1"') + bridge("b", b) + "routes:\n" + route(
        "{ bridge: a, topic: in, qos: 1 }", "mode: convert, encode: binary, decode: structured",
        "{ bridge: b, topic: out, qos: 1, tags: none }"))
    gw.wait_up()
    receiver = sdk(rig, "receive", "mqtt", b.port, "out")
    pub = rig.publisher(a.port, version=V311)
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"big": 1}}
    pub.publish("in", json.dumps(event).encode())
    pub.publish("in", b'{"specversion":"1.0","id":"2"}')
    pub.done()
    got = shown(receiver, 1)["1"]
    require(got["data"] == {"big": 1} and got["datacontenttype"] == "application/json", f"{got}")
    refuses(gw, 1, "the one without a source")
    require("attribute source: it is required" in gw.log(), "the reason is in the log")


@test
def a_batch_stays_one_message(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a, version='"3.1.1"') + bridge("b", b) + "routes:\n" + route(
        "{ bridge: a, topic: in, qos: 1 }", CONVERT + "batch, decode: batch",
        "{ bridge: b, topic: out, qos: 1, tags: none }"))
    gw.wait_up()
    receiver, out = sdk(rig, "receive", "mqtt", b.port, "out"), rig.subscriber(b.port, "out")
    pub = rig.publisher(a.port, version=V311)
    events = [{"specversion": "1.0", "id": str(i), "source": "/s", "type": "t", "data": {"n": i}} for i in range(3)]
    pub.publish("in", json.dumps(events).encode())
    pub.publish("in", json.dumps([*events, {"specversion": "1.0"}]).encode())
    pub.done()
    message = out.wait(1)[0]
    require(message.payload == json.dumps(events).encode(), f"{message.payload}")
    require(message.properties.ContentType == "application/cloudevents-batch+json", f"{message.properties}")
    got = shown(receiver, 3)
    require([got[str(i)]["data"] for i in range(3)] == [{"n": i} for i in range(3)], f"{got}")
    refuses(gw, 1, "the one with an invalid event")
    require(len(out.wait(1)) == 1, "one message, no more")


@cases(to_amqp_binary=("amqp", 'encode: binary, prefix: "cloudEvents:"'), to_mqtt_structured=("mqtt", "encode: structured"))
def wrapped_by_what_the_payload_says(rig, went, encode):
    a = rig.mosquitto("a")
    b, sink, received_from, bridge_b = ends(rig, went, "b", "out")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge_b + "routes:\n" + route(
        '{ bridge: a, topic: "plant/{line}", qos: 1 }',
        'mode: wrap, attributes: { id: "{data.serial}", source: "/plants/{line}/{data.hall}", type: "com.acme.{data.kind}", '
        f'time: "{{data.at}}" }}, {encode}', sink))
    gw.wait_up()
    receiver = sdk(rig, "receive", went, b.port, received_from)
    pub = rig.publisher(a.port)
    data = {"serial": 7, "hall": "Süd 7", "kind": "reading", "at": "2026-01-31T08:30:00.000Z"}
    pub.publish("plant/l1", json.dumps(data).encode())
    pub.publish("plant/l1", b'{"serial": 8, "hall": 1}')
    pub.publish("plant/l1", b"no JSON")
    pub.done()
    event = shown(receiver, 1)["7"]
    require((event["source"], event["type"], event["time"], event["data"])
            == ("/plants/l1/S%C3%BCd%207", "com.acme.reading", data["at"], data), f"{event}")
    refuses(gw, 2, "the one without a kind, the one that is no JSON")
    require("attribute type: the payload has no data.kind" in gw.log(), "the reason is in the log")


@test
def bytes_of_data_stay(rig):
    """Numbers that no parser in between may touch."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    queue = rig.unique("ce")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + rabbit("q", rig.rabbitmq) + "routes:\n"
                     + route("{ bridge: a, topic: in, qos: 1 }", AMQP, f'{{ bridge: q, address: "/queue/{queue}" }}', "there")
                     + route(f'{{ bridge: q, address: "/queue/{queue}" }}', CONVERT + "structured",
                             "{ bridge: b, topic: out, qos: 1, tags: none }", "back"))
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "out"), rig.publisher(a.port)
    data = b'{ "big": 123456789012345678901234567890, "fine": 1.10, "far": 1e400, "a\\u0062": "\\ud800" }'
    pub.publish("in", b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + data + b"}",
                ContentType="application/cloudevents+json")
    message = out.wait(1)[0]
    require(message.payload.endswith(b'"data":' + data + b"}"), f"{message.payload}")
    require(message.properties.ContentType == "application/cloudevents+json", f"{message.properties}")
    gw.settled()
