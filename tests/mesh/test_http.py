# SPDX-License-Identifier: Apache-2.0
"""The enricher "http" between real brokers: a server that dies and comes back, one that hangs, nginx over TLS."""
import json

from kit.config import bridge
from kit.http import HttpServer, Nginx
from kit.suite import test
from kit.waiting import require, until

SESSION = {"clean_start": "false", "session_expiry": "1h", "client_id": "gateway"}
STORE = "  store: {{ path: {0}/store, sync: never }}\n"


def path_of(path, _body):
    return 200, json.dumps({"path": path}).encode()


def world(rig, options, delivery="guarantee: direct", settings="", steps="{0}"):
    """Mosquitto, a gateway that asks, Mosquitto."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    step = f"enrich: {{ type: http, into: got, {options} }}"
    gw = rig.gateway(
        "bridges:\n" + bridge("a", a, **SESSION) + bridge("b", b)
        + 'routes:\n  r:\n    from: { bridge: a, topic: "m/{machine}", qos: 1 }\n'
        f"    steps: [ {steps.format(step)} ]\n"
        '    to: { bridge: b, topic: "out/{machine}", qos: 1, tags: none }\n'
        f"    delivery: {{ {delivery}, retry: {{ first: 20ms, most: 200ms }} }}\n", settings=settings.format(rig.folder))
    gw.wait_up()
    return gw, rig.publisher(a.port), rig.subscriber(b.port, "out/#")


def numbers(messages, topic=None):
    return [json.loads(m.payload)["n"] for m in messages if topic in (None, m.topic)]


@test
def server_dies_and_returns(rig):
    """All events wait for it, and go on in their order, each with the answer to its own question."""
    server = rig.own(HttpServer(path_of))
    gw, pub, out = world(rig, f'url: "{server.url}/hall/{{machine}}?n=1", cache: 0s, timeout: 2s')
    total = 0

    def publish_some():
        nonlocal total
        for _ in range(50):
            pub.publish(f"m/m{total % 5}", json.dumps({"n": total}).encode())
            total += 1

    for life in range(1, 4):
        publish_some()
        until(lambda: server.requests, "the server is asked")
        server.stop()
        publish_some()
        # It is said once for each time that the server is away.
        until(lambda: gw.log().count("failures are only counted") >= life, "the gateway misses it")
        server.start()
        out.wait(total)
        server.requests.clear()
    pub.done()
    messages = out.wait(total)
    require(numbers(messages) == list(range(total)), f"each once, in order: {numbers(messages)}")
    for message in messages:
        machine = message.topic.partition("/")[2]
        require(json.loads(message.payload)["got"] == {"path": f"/hall/{machine}?n=1"}, message.payload)
    ledger = gw.settled()["routes"][0]
    require(ledger["delivered"] == total, f"{ledger}")
    require(gw.log().count("answers again") >= 3, "its return is said")


@test
def equal_questions_are_few(rig):
    server = rig.own(HttpServer(path_of))
    gw, pub, out = world(rig, f'url: "{server.url}/{{machine}}"')
    for n in range(500):
        pub.publish(f"m/m{n % 3}", json.dumps({"n": n}).encode())
    pub.done()
    require(numbers(out.wait(500)) == list(range(500)), "in order")
    gw.settled()
    require(len(server.requests) <= 3 * 8, f"{len(server.requests)} requests, one a machine and shard")


@test
def refused_goes_to_the_dead_letters(rig):
    server = rig.own(HttpServer(lambda path, _: (500, b"") if "bad" in path else path_of(path, None)))
    gw, pub, out = world(rig, f'url: "{server.url}/{{machine}}", on_failure: reject', "guarantee: stored", STORE)
    for n in range(20):
        pub.publish("m/bad" if n % 4 == 3 else "m/good", json.dumps({"n": n}).encode())
    pub.done()
    require(numbers(out.wait(15)) == [n for n in range(20) if n % 4 != 3], "the good ones")
    until(lambda: gw.route()["dead_lettered"] == 5, lambda: f"{gw.route()}")
    gw.settled()
    letters = json.loads(gw.command("dlq", "ls", "--json", "-c", gw.config).stdout)
    require(all("status 500" in letter["reason"] for letter in letters), f"{letters}")
    server.answer = path_of
    gw.command("dlq", "retry", "--all", "-c", gw.config)
    out.wait(20)
    gw.settled()


@test
def a_stop_gives_back_what_waits(rig):
    """The gateway ends well with requests under way; what it has not delivered comes again."""
    server = rig.own(HttpServer(path_of))
    gw, pub, out = world(rig, f'url: "{server.url}/{{machine}}", timeout: 60s',
                         settings="  drain_timeout: 1s\n")
    server.gate.clear()
    for n in range(50):
        pub.publish(f"m/m{n}", json.dumps({"n": n}).encode())
    pub.done()
    until(lambda: len(server.requests) >= 16, lambda: f"{len(server.requests)} requests are under way")
    gw.term()
    require(out.count == 0, "nothing was answered")
    server.gate.set()
    gw.start()
    messages = out.wait(50)
    require(sorted(numbers(messages)) == list(range(50)), f"{numbers(messages)}")
    gw.settled()


@test
def nginx_over_tls_knows_who_asks(rig):
    nginx = Nginx(rig, {"m1": '{ "hall" : 1.50 }', "text": "no json"})
    certs = rig.certs
    tls = f"tls: {{ ca: {certs.ca}, cert: {certs.client_cert}, key: {certs.client_key} }}"
    gw, pub, out = world(rig, f'url: "https://localhost:{nginx.port}/{{machine}}", cache: 0s, on_failure: pass, {tls}')
    for n in range(60):
        pub.publish(f"m/{('m1', 'none', 'text')[n % 3]}", json.dumps({"n": n}).encode())
    pub.done()
    messages = out.wait(60)
    require(numbers(messages) == list(range(60)), "in order")
    for message in messages:
        expected = message.topic == "out/m1"
        require((b'"got":{"hall":1.50}}' in message.payload) == expected, f"{message.topic} {message.payload}")
    gw.settled()
    asked = nginx.asked()
    require(set(asked) == {"200", "404"}, f"{set(asked)}")


@test
def nginx_refuses_a_stranger(rig):
    nginx = Nginx(rig, {"m1": "1"})
    gw, pub, out = world(rig, f'url: "https://localhost:{nginx.port}/m1", on_failure: pass, tls: {{ ca: {rig.certs.ca} }}')
    pub.publish("m/1", b'{"n":1}')
    require(out.wait(1)[0].payload == b'{"n":1}', "it passes as it is")
    require("status 400" in gw.log(), "nginx wants a certificate")
    gw.settled()


@test
def a_server_that_nobody_vouches_for(rig):
    nginx = Nginx(rig, {"m1": "1"})
    gw, pub, out = world(rig, f'url: "https://localhost:{nginx.port}/m1", on_failure: pass')
    pub.publish("m/1", b'{"n":1}')
    require(out.wait(1)[0].payload == b'{"n":1}', "it passes as it is")
    require("certificate" in gw.log(), "the gateway does not know who signed nginx's")
    gw.settled()
