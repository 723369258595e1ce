# SPDX-License-Identifier: Apache-2.0
"""The claim check: large payloads stay in a folder or in S3, references go through brokers, and all comes back."""
import json
import os
import random
import subprocess

from kit.config import bridge, rabbit
from kit.mqtt import V311
from kit.suite import test
from kit.waiting import require, until

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "s3_peer.py")
TYPE = "application/vnd.meshgate.claim-check+json"
DELIVERY = "    delivery: { guarantee: best-effort, retry: { first: 20ms, most: 200ms } }\n"


class S3:
    """The server that checks each signature; one instance for a test."""

    def __init__(self):
        self.child = subprocess.Popen(["/usr/bin/python3", PEER, "AKID", "secret", "eu-test-1", "claims"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline().split()[1])
        self.yaml = (f'{{ endpoint: "http://127.0.0.1:{self.port}", region: eu-test-1, bucket: claims, '
                     'access_key: AKID, secret_key: secret }')

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def close(self):
        self.child.kill()
        self.child.wait()


def step(mode, store, more=""):
    return f"enrich: {{ type: claim-check, mode: {mode}, {store}{more} }}"


def route(name, source, steps, sink):
    return f"  {name}:\n    from: {source}\n    steps: [ {steps} ]\n    to: {sink}\n{DELIVERY}"


def payloads(count):
    """Bytes of many sizes around the threshold, some equal, two that look like references."""
    chance = random.Random(5)
    made = [chance.randbytes(chance.choice((0, 10, 999, 1000, 1001, 5000, 70000, 400000))) for _ in range(count)]
    made[1] = made[0]
    made[2] = json.dumps({"claimCheck": {"sha256": "0" * 64, "size": 1}}).encode()
    made[3] = b'{"claimCheck":{"sha256":"none"}}'
    return made


@test
def mosquitto_to_rabbitmq_and_back(rig):
    """Byte for byte, in order, with content type and properties; only references went through the queue."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    queue, folder = rig.unique("claims"), f"{rig.folder}/claims"
    store = step("store", f"folder: {folder}", ", threshold: 1000")
    near = rig.gateway("bridges:\n" + bridge("a", a) + rabbit("q", rig.rabbitmq) + bridge("b", b) + "routes:\n"
                       + route("go", "{ bridge: a, topic: in, qos: 1 }", store,
                               f'{{ bridge: q, address: "/queue/{queue}" }}')
                       + route("seen", "{ bridge: a, topic: in, qos: 1 }", store,
                               "{ bridge: b, topic: seen, qos: 1, tags: none }"), "near")
    near.wait_up()
    far = rig.gateway("bridges:\n" + rabbit("q", rig.rabbitmq) + bridge("b", b) + "routes:\n"
                      + route("come", f'{{ bridge: q, address: "/queue/{queue}" }}',
                              step("restore", f"folder: {folder}"), "{ bridge: b, topic: out, qos: 1, tags: none }"),
                      "far")
    far.wait_up()
    out, seen = rig.subscriber(b.port, "out"), rig.subscriber(b.port, "seen")
    pub, sent = rig.publisher(a.port), payloads(60)
    for n, payload in enumerate(sent):
        pub.publish("in", payload, ContentType=f"image/x-{n}", UserProperty=[("n", str(n)), ("n", "again")])
    pub.done()
    messages, references = out.wait(len(sent)), seen.wait(len(sent))
    for n, (message, reference, payload) in enumerate(zip(messages, references, sent)):
        require(message.payload == payload, f"{n}: {len(message.payload)} bytes of {len(payload)}")
        require(message.properties.ContentType == f"image/x-{n}", f"{n}: {message.properties}")
        require(message.properties.UserProperty == [("n", str(n)), ("n", "again")], f"{n}: {message.properties}")
        stored = len(payload) > 1000 or n in (2, 3)
        require((reference.properties.ContentType == TYPE) == stored, f"{n}: {reference.properties}")
        require(len(reference.payload) <= 1000, f"{n}: {len(reference.payload)} bytes went through the broker")
    near.settled()
    far.settled()
    kept = [f for _, _, files in os.walk(folder) for f in files if len(f) == 64]
    require(len(kept) == len({p for n, p in enumerate(sent) if len(p) > 1000 or n in (2, 3)}), f"{len(kept)} files")


@test
def s3_in_trouble_loses_nothing(rig):
    """Over MQTT 3.1.1, which has no content types, while the store fails now and then."""
    a, m, b = rig.mosquitto("a"), rig.mosquitto("m"), rig.mosquitto("b")
    s3 = rig.own(S3())
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("m", m, version='"3.1.1"') + bridge("b", b) + "routes:\n"
                     + route("go", "{ bridge: a, topic: in, qos: 1 }",
                             step("store", f"s3: {s3.yaml}", ", threshold: 1000"),
                             "{ bridge: m, topic: claims, qos: 1, tags: none }")
                     + route("come", "{ bridge: m, topic: claims, qos: 1 }", step("restore", f"s3: {s3.yaml}"),
                             "{ bridge: b, topic: out, qos: 1, tags: none }"))
    gw.wait_up()
    out, between = rig.subscriber(b.port, "out"), rig.subscriber(m.port, "claims", version=V311)
    pub, sent = rig.publisher(a.port), payloads(60)
    for n, payload in enumerate(sent):
        if n % 15 == 0:
            require(s3.tell("fail 5") == "ok", "the store fails")
        pub.publish("in", payload, ContentType="image/png")
    pub.done()
    messages = out.wait(len(sent), 40)
    for n, (message, payload) in enumerate(zip(messages, sent)):
        require(message.payload == payload, f"{n}: {len(message.payload)} bytes of {len(payload)}")
        stored = len(payload) > 1000 or n in (2, 3)
        require((getattr(message.properties, "ContentType", None) == "image/png") == stored, f"{n}")
    require(all(len(m.payload) <= 1000 for m in between.wait(len(sent))), "only references went through")
    gw.settled()


@test
def a_payload_that_comes_late(rig):
    """The reference overtakes the folder's contents; it is tried again until they are there."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    near, far = f"{rig.folder}/near", f"{rig.folder}/far"
    os.mkdir(far)
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + bridge("c", b) + "routes:\n"
                     + route("go", "{ bridge: a, topic: in, qos: 1 }", step("store", f"folder: {near}"),
                             "{ bridge: b, topic: claims, qos: 1, tags: none }")
                     + route("come", "{ bridge: c, topic: claims, qos: 1 }", step("restore", f"folder: {far}"),
                             "{ bridge: b, topic: out, qos: 1, tags: none }"))
    gw.wait_up()
    out, between, pub = rig.subscriber(b.port, "out"), rig.subscriber(b.port, "claims"), rig.publisher(a.port)
    pub.publish("in", b"x" * 100000)
    pub.publish("in", b"small")
    reference = json.loads(between.wait(2)[0].payload)["claimCheck"]
    until(lambda: gw.route("come")["in_flight"] == 2, lambda: f"both wait, the second behind the first: {gw.ledger()}")
    require(out.count == 0, "nothing is out of order")
    name = reference["sha256"]
    os.makedirs(f"{far}/{name[:2]}/{name[2:4]}")
    os.rename(f"{near}/{name[:2]}/{name[2:4]}/{name}", f"{far}/{name[:2]}/{name[2:4]}/{name}")
    require([len(m.payload) for m in out.wait(2)] == [100000, 5], "both, in order")
    gw.settled()
