# SPDX-License-Identifier: Apache-2.0
"""TLS and mutual TLS with both protocols, and what must be refused."""
from kit.config import bridge, rabbit
from kit.suite import cases, test
from kit.waiting import require, until


def secure_mosquitto(rig, mutual):
    c = rig.certs
    listener = f"cafile {c.ca}\ncertfile {c.server_cert}\nkeyfile {c.server_key}"
    return rig.mosquitto("tls", listener=listener + ("\nrequire_certificate true" if mutual else ""))


def route(source, sink):
    return f"""
routes:
  r:
    from: {source}
    to: {sink}
    delivery: {{ guarantee: best-effort }}
"""


@cases(tls=(False,), mtls=(True,))
def mqtt_tls(rig, mutual):
    a, b, c = rig.mosquitto("a"), secure_mosquitto(rig, mutual), rig.certs
    pair = f", cert: {c.client_cert}, key: {c.client_key}" if mutual else ""
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge(
        "b", b, url=f"mqtts://localhost:{b.port}", tls=f"{{ ca: {c.ca}{pair} }}")
        + route("{ bridge: a, topic: in }", "{ bridge: b, topic: out, qos: 1 }"))
    gw.wait_up()
    out = rig.subscriber(b.port, "out", tls={"ca_certs": c.ca, "certfile": c.client_cert,
                                             "keyfile": c.client_key})
    rig.publisher(a.port).publish("in", b"sealed")
    require(out.wait(1)[0].payload == b"sealed", "it arrives")
    gw.settled()


@cases(unknown_authority=("",), no_client_certificate=("mutual",))
def mqtt_tls_refused(rig, kind):
    a, b, c = rig.mosquitto("a"), secure_mosquitto(rig, bool(kind)), rig.certs
    tls = f"{{ ca: {c.ca} }}" if kind else "{ verify: full }"
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge(
        "b", b, url=f"mqtts://localhost:{b.port}", tls=tls, reconnect="{ first: 100ms, most: 1s }")
        + route("{ bridge: a, topic: in }", "{ bridge: b, topic: out }"))
    until(lambda: any(br["bridge"] == "b" and br["connections"][0]["why"]
                      for br in gw.ledger()["bridges"]), "the bridge says why")
    require(not gw.up("b"), "it does not come up")


@cases(tls_plain=("plain",), mtls_external=("external",))
def amqp_tls(rig, mechanism):
    a, q, c = rig.mosquitto("a"), rig.rabbitmq.secured(), rig.certs
    queue = rig.unique("tls")
    if mechanism == "plain":
        options = {"tls": f"{{ ca: {c.ca} }}"}
        made = rabbit("q", q, url=f"amqps://localhost:{q.tls_port}", **options)
    else:
        made = bridge("q", q, url=f"amqps://localhost:{q.tls_port}", sasl="external",
                      tls=f"{{ ca: {c.ca}, cert: {c.client_cert}, key: {c.client_key} }}")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + made + route(
        "{ bridge: a, topic: in }", f'{{ bridge: q, address: "/queue/{queue}" }}'))
    gw.wait_up()
    out = rig.receiver(f"/queue/{queue}")
    rig.publisher(a.port).publish("in", b"sealed")
    require(bytes(out.wait(1)[0].body) == b"sealed", "it arrives")
    gw.settled()


@test
def amqp_tls_unknown_authority_refused(rig):
    q, b = rig.rabbitmq.secured(), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + rabbit("q", q, url=f"amqps://localhost:{q.tls_port}",
                                           tls="{ verify: name }") + bridge("b", b)
                     + route('{ bridge: q, address: "/queue/x" }', "{ bridge: b, topic: out }"))
    until(lambda: any(br["bridge"] == "q" and br["connections"][0]["why"]
                      for br in gw.ledger()["bridges"]), "the bridge says why")
    require(not gw.up("q"), "it does not come up")


@test
def secrets_stay_out_of_logs_and_dumps(rig):
    a, q = rig.mosquitto("a"), rig.rabbitmq
    gw = rig.gateway("bridges:\n" + bridge("a", a, user="edge", password='"${env:MESH_SECRET}"')
                     + rabbit("q", q) + route("{ bridge: a, topic: in }", '{ bridge: q, address: "/queue/s" }'),
                     start=False)
    gw.process.env["MESH_SECRET"] = "s3cr3t-xyzzy"
    gw.start()
    gw.wait_up()
    texts = [gw.log(), gw.command("status", "-c", gw.config, check=False).stdout]
    require(not any("s3cr3t-xyzzy" in t for t in texts), "the secret is not said")
