# SPDX-License-Identifier: Apache-2.0
"""Events from each kind of broker to each, with and without an obligation, and through steps."""
import json

from proton import Message

from kit.config import bridge, rabbit
from kit.mqtt import V5, V311
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import free_port, require, until

COUNT = 1000


def message(key, payload, durable=True):
    return Message(body=payload, durable=durable, inferred=True, content_type="application/json",
                   properties={"key": key})


@cases(v311_qos0=("3.1.1", V311, 0), v311_qos1=("3.1.1", V311, 1), v311_qos2=("3.1.1", V311, 2),
       v5_qos0=("5", V5, 0), v5_qos1=("5", V5, 1), v5_qos2=("5", V5, 2))
def mqtt_to_mqtt(rig, version, protocol, qos):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a, version=version) + bridge("b", b, version=version) + f"""
routes:
  r:
    from: {{ bridge: a, topic: "in/{{key}}/+", qos: {qos} }}
    to: {{ bridge: b, topic: "out/{{key}}", qos: {qos} }}
    delivery: {{ guarantee: best-effort }}
""")
    gw.wait_up()
    seen, sent = Seen(), Sent()
    out = rig.subscriber(b.port, "out/#", qos=2, version=protocol)
    pub = rig.publisher(a.port, version=protocol)
    for _ in range(COUNT):
        key, payload = sent.next()
        pub.publish(f"in/{key}/x", payload, qos)
    pub.done()
    for m in out.wait(COUNT):
        seen.add(m.payload)
        require(m.qos == qos, f"QoS {m.qos} came, {qos} was sent")
        require(m.topic == "out/" + json.loads(m.payload)["key"], m.topic)
    seen.check(sent, duplicates=0)
    gw.settled()
    line = gw.route()
    require(line["received"] == line["delivered"] == COUNT, f"{line}")


@test
def what_nobody_reads_of_a_local_bus_is_settled(rig):
    a = rig.mosquitto("a")
    gw = rig.gateway("bridges:\n" + bridge("a", a, clean_start="false", session_expiry="1h") + """  bus: { type: local }
routes:
  r:
    from: { bridge: a, topic: "in/#", qos: 1 }
    to: { bridge: bus, address: nobody }
    delivery: { guarantee: direct }
""")
    gw.wait_up()
    pub = rig.publisher(a.port)
    for _ in range(300):
        pub.publish("in/x", b"1", 1)
    until(lambda: gw.route()["delivered"] == 300, "the bus takes them", 10)
    gw.settled()
    bus = next(b for b in gw.ledger()["bridges"] if b["bridge"] == "bus")
    require(bus["unmatched"] == 300, f"{bus}")


@test
def mqtt_to_amqp(rig):
    a, q = rig.mosquitto(), rig.rabbitmq
    queue = rig.unique("up")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + rabbit("q", q) + f"""
routes:
  up:
    from: {{ bridge: a, topic: "in/{{key}}", qos: 1 }}
    to: {{ bridge: q, address: "/queue/{queue}", properties: {{ key: "{{key}}" }} }}
    delivery: {{ guarantee: best-effort }}
""")
    gw.wait_up()
    out = rig.receiver(f"/queue/{queue}")
    pub, seen, sent = rig.publisher(a.port), Seen(), Sent()
    for _ in range(COUNT):
        key, payload = sent.next()
        pub.publish(f"in/{key}", payload)
    pub.done()
    for m in out.wait(COUNT):
        seen.add(bytes(m.body))
        require(m.properties["key"] == json.loads(bytes(m.body))["key"], f"{m.properties}")
    seen.check(sent, duplicates=0)
    gw.settled()
    require(gw.route()["delivered"] == COUNT, f"{gw.route()}")


@test
def mqtt_to_amqp_topic_exchange(rig):
    a, q = rig.mosquitto(), rig.rabbitmq
    word = rig.unique("plant")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + rabbit("q", q) + f"""
routes:
  up:
    from: {{ bridge: a, topic: "{word}/{{line}}/{{machine}}/t" }}
    to: {{ bridge: q, address: "/exchange/amq.topic/{word}.{{line}}.{{machine}}" }}
    delivery: {{ guarantee: best-effort }}
""")
    gw.wait_up()
    everything = rig.receiver(f"/exchange/amq.topic/{word}.#")
    one = rig.receiver(f"/exchange/amq.topic/{word}.a.*")
    pub = rig.publisher(a.port)
    for line in "ab":
        for machine in range(50):
            pub.publish(f"{word}/{line}/m{machine}/t", b"{}")
    pub.done()
    everything.wait(100)
    one.wait(50)
    gw.settled()
    require(one.count == 50, f"{one.count} events for line a")


@cases(direct_qos1=("direct", 1), direct_qos2=("direct", 2), best_effort=("best-effort", 1))
def amqp_to_mqtt(rig, guarantee, qos):
    q, b = rig.rabbitmq, rig.mosquitto()
    queue = rig.unique("down")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + f"""
routes:
  down:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    to: {{ bridge: b, topic: "out/{{property.key}}", qos: {qos} }}
    delivery: {{ guarantee: {guarantee} }}
""")
    gw.wait_up()
    out = rig.subscriber(b.port, "out/#", qos=2)
    source, seen, sent = rig.sender(f"/queue/{queue}"), Seen(), Sent()
    for _ in range(COUNT):
        key, payload = sent.next()
        source.send(message(key, payload))
    source.done()
    for m in out.wait(COUNT):
        seen.add(m.payload)
        require(m.topic == "out/" + json.loads(m.payload)["key"], m.topic)
        require(m.qos == qos, f"QoS {m.qos}")
    seen.check(sent, duplicates=0)
    gw.settled()
    require(gw.route()["delivered"] == COUNT, f"{gw.route()}")


@cases(direct=("direct",), best_effort=("best-effort",))
def amqp_to_amqp(rig, guarantee):
    q = rig.rabbitmq
    one, two = rig.unique("one"), rig.unique("two")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + rabbit("p", q) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/queue/{one}" }}
    to: {{ bridge: p, address: "/queue/{two}" }}
    delivery: {{ guarantee: {guarantee} }}
""")
    gw.wait_up()
    out, source = rig.receiver(f"/queue/{two}"), rig.sender(f"/queue/{one}")
    seen, sent = Seen(), Sent()
    for _ in range(COUNT):
        source.send(message(*sent.next()))
    source.done()
    for m in out.wait(COUNT):
        seen.add(bytes(m.body))
    seen.check(sent, duplicates=0)
    gw.settled()
    require(gw.route()["delivered"] == COUNT, f"{gw.route()}")


@test
def steps_filter_enrich_translate(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    with open(f"{rig.folder}/machines.csv", "w", encoding="utf-8") as table:
        table.write("machine,hall,model\nm1,north,press\nm2,south,drill\n")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + """
routes:
  hot:
    from: { bridge: a, topic: "plant/{line}/{machine}" }
    steps:
      - filter: { type: changed, value: data.temperature, deadband: 0.5 }
      - enrich: { type: lookup, table: machines.csv, key: "{machine}", into: machine }
      - translate: { type: map, fields: { tempC: data.temperature, hall: machine.hall, line: "{line}" } }
    to: { bridge: b, topic: "hot/{machine}" }
    delivery: { guarantee: best-effort }
""")
    gw.wait_up()
    out, pub = rig.subscriber(b.port, "hot/#"), rig.publisher(a.port)
    for machine, temperature in (("m1", 20), ("m1", 20.1), ("m1", 30), ("m2", 5), ("m2", 5.2)):
        pub.publish(f"plant/a/{machine}", json.dumps({"data": {"temperature": temperature}}))
    pub.done()
    got = [(m.topic, json.loads(m.payload)) for m in out.wait(3)]
    require(sorted(got, key=repr) == sorted([
        ("hot/m1", {"tempC": 20, "hall": "north", "line": "a"}),
        ("hot/m1", {"tempC": 30, "hall": "north", "line": "a"}),
        ("hot/m2", {"tempC": 5, "hall": "south", "line": "a"})], key=repr), f"{got}")
    until(lambda: gw.route()["received"] == 5, lambda: f"the last one, which goes nowhere, comes, too: {gw.route()}")
    gw.settled()
    line = gw.route()
    require((line["received"], line["delivered"], line["dropped"]) == (5, 3, 2), f"{line}")


@test
def one_event_becomes_several(rig):
    q = rig.rabbitmq
    one, two = rig.unique("whole"), rig.unique("parts")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/queue/{one}" }}
    steps:
      - translate:
          type: map
          split: readings
          fields:
            name: n
            tempC: {{ from: f, unit: {{ from: °F, to: °C }}, round: 1 }}
          properties: {{ part: "{{index}}", parts: "{{count}}" }}
    to: {{ bridge: q, address: "/queue/{two}" }}
""")
    gw.wait_up()
    out, source = rig.receiver(f"/queue/{two}"), rig.sender(f"/queue/{one}")
    body = json.dumps({"readings": [{"n": "oil", "f": 70}, {"n": "air", "f": 32}]}).encode()
    for name in ("x", "y"):
        source.send(Message(body=body, inferred=True, durable=True, id=name))
    source.done()
    got = [(m.id, m.properties["part"], m.properties["parts"], json.loads(bytes(m.body))) for m in out.wait(4)]
    oil, air = {"name": "oil", "tempC": 21.1}, {"name": "air", "tempC": 0.0}
    require(got == [("x/0", "0", "2", oil), ("x/1", "1", "2", air), ("y/0", "0", "2", oil),
                    ("y/1", "1", "2", air)], f"{got}")
    gw.settled()
    require(gw.route()["received"] == 2, f"{gw.route()}")


@test
def poison_is_refused_and_the_rest_goes_on(rig):
    q, b = rig.rabbitmq, rig.mosquitto()
    queue = rig.unique("poison")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    steps:
      - translate: {{ type: map, fields: {{ v: value }} }}
    to: {{ bridge: b, topic: out, qos: 1 }}
""")
    gw.wait_up()
    out, source = rig.subscriber(b.port, "out"), rig.sender(f"/queue/{queue}")
    for body in (b'{"value":1}', b"{not json", b'{"value":2}'):
        source.send(Message(body=body, inferred=True, durable=True))
    source.done()
    require([json.loads(m.payload)["v"] for m in out.wait(2)] == [1, 2], "both good events come")
    gw.settled()
    line = gw.route()
    require(line["received"] == 3 and line["delivered"] == 2, f"{line}")
    require(line["returned"] + line["discarded"] == 1, f"{line}")


@cases(all=("all",), any=("any",))
def fan_out_with_one_dead_sink(rig, rule):
    q, b, c = rig.rabbitmq, rig.mosquitto("b"), rig.mosquitto("c", start=False)
    queue = rig.unique("fan")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + bridge("c", c) + f"""
routes:
  fan:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    to:
      - {{ bridge: b, topic: out, qos: 1 }}
      - {{ bridge: c, topic: out, qos: 1 }}
    delivery: {{ guarantee: direct, require: {rule}, window: 50, retry: {{ first: 50ms, most: 200ms }} }}
""")
    gw.wait_up("q")
    gw.wait_up("b")
    seen, sent = Seen(), Sent()
    out, source = rig.subscriber(b.port, "out"), rig.sender(f"/queue/{queue}")
    for _ in range(40):
        source.send(sent.next()[1])
    source.done()
    if rule == "any":
        out.wait(40)
        gw.settled()
    else:
        until(lambda: gw.route()["in_flight"] == 40, lambda: f"{gw.route()}")
        gw.balanced()
        require(gw.route()["delivered"] == 0, "nothing is delivered while a required sink is away")
        c.start()
        late = rig.subscriber(c.port, "out", client_id="late")
        gw.settled()
        require(late.count <= 40, f"{late.count}")
    for m in out.wait(40):
        seen.add(m.payload)
    seen.check(sent, duplicates=0)  # a sink that has it does not get it again
    require(gw.route()["delivered"] == 40, f"{gw.route()}")


@cases(v311=("3.1.1",), v5=("5",))
def one_event_for_several_routes(rig, version):
    """Overlapping filters on one connection: each route gets the event once."""
    q, b = rig.rabbitmq, rig.mosquitto()
    queue = rig.unique("both")
    gw = rig.gateway("bridges:\n" + bridge("a", rig.mosquitto("a"), version=version) + bridge("b", b)
                     + rabbit("q", q) + f"""
routes:
  all:
    from: {{ bridge: a, topic: "t/#" }}
    to: {{ bridge: b, topic: "all" }}
    delivery: {{ guarantee: best-effort }}
  some:
    from: {{ bridge: a, topic: "t/+/alarm" }}
    to: {{ bridge: q, address: "/queue/{queue}" }}
    delivery: {{ guarantee: best-effort }}
""")
    gw.wait_up()
    out, alarms = rig.subscriber(b.port, "all"), rig.receiver(f"/queue/{queue}")
    pub = rig.publisher(rig.brokers[1].port)
    for n in range(100):
        pub.publish(f"t/{n}/" + ("alarm" if n % 10 == 0 else "value"), b"%d" % n)
    pub.done()
    out.wait(100)
    alarms.wait(10)
    gw.settled()
    require(out.count == 100 and alarms.count == 10, f"{out.count} and {alarms.count}")
    require(gw.route("all")["delivered"] == 100, f"{gw.route('all')}")
    require(gw.route("some")["delivered"] == 10, f"{gw.route('some')}")


def both_ways(a, b, **options):
    return "bridges:\n" + bridge("a", a, **options) + bridge("b", b, **options) + """
routes:
  there:
    from: { bridge: a, topic: "shared/{rest...}", qos: 1 }
    to: { bridge: b, topic: "shared/{rest}", qos: 1 }
    delivery: { guarantee: best-effort }
  back:
    from: { bridge: b, topic: "shared/{rest...}", qos: 1 }
    to: { bridge: a, topic: "shared/{rest}", qos: 1 }
    delivery: { guarantee: best-effort }
"""


@test
def both_directions_on_the_same_topics_do_not_loop(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway(both_ways(a, b))
    gw.wait_up()
    at_a, at_b = rig.subscriber(a.port, "shared/#"), rig.subscriber(b.port, "shared/#")
    pub_a, pub_b = rig.publisher(a.port), rig.publisher(b.port)
    for n in range(100):
        pub_a.publish("shared/x", b"a%d" % n)
        pub_b.publish("shared/y", b"b%d" % n)
    at_a.wait(200)
    at_b.wait(200)
    gw.settled()
    for where in (at_a, at_b):
        require(where.count == 200 and len({m.payload for m in where.messages}) == 200,
                f"{where.count} events, each wanted once")
    require(gw.route("there")["received"] == gw.route("back")["received"] == 100, f"{gw.ledger()['routes']}")


@test
def a_loop_is_refused_at_load(rig):
    gw = rig.gateway(both_ways(rig.mosquitto("a"), rig.mosquitto("b"), version='"3.1.1"'), start=False)
    done = gw.command("check", "-c", gw.config, check=False)
    text = done.stdout + done.stderr
    require(done.returncode == 1 and "there" in text and "back" in text and "no_local" in text,
            f"names the routes and the cure:\n{text}")


@test
def two_gateways_share_a_subscription(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    config = "bridges:\n" + bridge("a", a) + bridge("b", b) + """
routes:
  r:
    from: { bridge: a, topic: "$share/team/in/{key}", qos: 1 }
    to: { bridge: b, topic: "out/{key}", qos: 1 }
    delivery: { guarantee: best-effort }
"""
    both = [rig.gateway(config, name) for name in ("one", "two")]
    for gw in both:
        gw.wait_up()
    seen, sent = Seen(), Sent()
    out = rig.subscriber(b.port, "out/#", on_message=lambda m: seen.add(m.payload))
    pub = rig.publisher(a.port)
    for _ in range(200):
        key, payload = sent.next()
        pub.publish(f"in/{key}", payload)
    out.wait(200)
    for gw in both:
        gw.settled()
    seen.check(sent, duplicates=0, ordered=False)
    shares = [gw.route()["received"] for gw in both]
    require(sum(shares) == 200 and all(shares), f"{shares}")


@test
def the_next_address_is_tried_when_one_is_dead(rig):
    feed, b = rig.peer(), rig.mosquitto()
    dead = free_port()
    gw = rig.gateway(f"""
bridges:
  p:
    type: amqp
    url: ["amqp://127.0.0.1:{dead}", "{feed.url}"]
    reconnect: {{ first: 50ms, most: 500ms }}
  b:
    type: mqtt
    url: ["mqtt://127.0.0.1:{dead}", "{b.url}"]
    reconnect: {{ first: 50ms, most: 500ms }}
routes:
  r:
    from: {{ bridge: p, address: feed }}
    to: {{ bridge: b, topic: out, qos: 1 }}
""")
    gw.wait_up()
    out = rig.subscriber(b.port, "out")
    feed.offer(b"x")
    out.wait(1)
    gw.settled()
