# SPDX-License-Identifier: Apache-2.0
"""The fake MQTT server itself: it finds what a client does wrong, and accuses nobody who is right."""
import socket
import struct

import paho.mqtt.client as paho

from kit.fake import FakeServer, wire
from kit.suite import cases, test
from kit.waiting import Failure, require, until


def connect(level=5, flags=2, client_id="c", tail=b"", **named):
    body = wire.text("MQTT") + bytes([level, flags]) + struct.pack(">H", 60)
    body += wire.properties(named) if level == 5 else b""
    return wire.frame(wire.CONNECT, body + wire.text(client_id) + tail)


def subscribe(topic, options=1, packet_id=1, **named):
    body = struct.pack(">H", packet_id) + wire.properties(named) + wire.text(topic) + bytes([options])
    return wire.frame(wire.SUBSCRIBE, body, 2)


def publish(qos=0, packet_id=1, topic="t", payload=b"x", **named):
    return wire.publish(True, topic, payload, qos, packet_id, **named)


def ack(kind, packet_id=1, reason=0):
    return wire.ack(True, kind, packet_id, reason)


# name: (what the server grants, what the client sends after CONNECT, words of the violation)
WRONG = {
    "publish_first": ({}, None, "before CONNECT"),
    "connect_twice": ({}, connect(), "CONNECT twice"),
    "receive_maximum": ({"receive_maximum": 1}, publish(2, 1) + publish(2, 2), "Receive Maximum 1"),
    "packet_size": ({"maximum_packet": 50}, publish(payload=bytes(60)), "Maximum Packet Size 50"),
    "maximum_qos": ({"maximum_qos": 0}, publish(1), "Maximum QoS 0"),
    "retain": ({"retain_available": 0}, publish(retain=True), "not available"),
    "alias_too_high": ({"topic_alias_maximum": 1}, publish(topic_alias=2), "the server's maximum is 1"),
    "alias_not_set": ({"topic_alias_maximum": 1}, publish(topic="", topic_alias=1), "was not set"),
    "dup_without_session": ({}, publish(1, dup=True), "DUP without"),
    "identifier_in_use": ({}, publish(2) + publish(2), "is in use"),
    "pubrel_for_nothing": ({}, ack(wire.PUBREL), "without a PUBREC"),
    "puback_for_nothing": ({}, ack(wire.PUBACK), "for nothing"),
    "pubcomp_for_nothing": ({}, ack(wire.PUBCOMP), "without a PUBREL"),
    "pubrel_backwards": ({}, publish(2, 1) + publish(2, 2) + ack(wire.PUBREL, 2), "out of the order"),
    "wrong_reason": ({}, wire.frame(wire.PUBACK, b"\0\1\x8e"), "reason 0x8e"),
    "wildcard_topic": ({}, publish(topic="a/+"), "wildcard"),
    "wildcard_subscription": ({"wildcard_available": 0}, subscribe("a/#"), "not available"),
    "shared_no_local": ({}, subscribe("$share/g/a", 5), "No Local"),
    "options": ({}, subscribe("a", 0x40), "reserved options"),
    "filter": ({}, subscribe("a/#/b"), "wrong place"),
    "property_twice": ({}, publish(content_type=["a", "b"]), "twice"),
    "foreign_property": ({}, publish(receive_maximum=5), "does not belong here"),
    "not_utf8": ({}, publish(topic=b"\xff"), "not UTF-8"),
    "utf8_payload": ({}, publish(payload=b"\xff", payload_format=1), "as its format says"),
    "after_disconnect": ({}, wire.disconnect(True) + publish(), "after DISCONNECT"),
    "raises_expiry": ({}, wire.disconnect(True, 0, session_expiry=5), "expiry"),
    "server_packet": ({}, wire.frame(wire.PINGRESP), "not for a client"),
    "flags": ({}, b"\xc1\x00", "flags"),
}


@cases(**{name: (name,) for name in WRONG})
def finds(rig, name):
    grants, data, words = WRONG[name]
    server = FakeServer(grants=grants)
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(publish() if data is None else connect() + data)
            until(lambda: server.violations, "the violation is found", 5)
    finally:
        try:
            server.close()
            failed = ""
        except Failure as failure:
            failed = str(failure)
    require(words in failed, f"it says: {failed!r}")


@test
def finds_acknowledgements_out_of_order(rig):
    server = FakeServer()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(connect() + subscribe("in"))
        for payload in (b"1", b"2"):
            server.offer(payload)
        until(lambda: server.current and len(server.current.unacknowledged) == 2, "both are sent")
        client.sendall(ack(wire.PUBACK, 2))
        until(lambda: server.violations, "the violation is found", 5)
    require("before 1" in server.violations[0], f"{server.violations}")
    server.violations.clear()
    server.close()


@test
def finds_silence(rig):
    server = FakeServer()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        server.grants["server_keep_alive"] = 1
        client.sendall(connect())
        until(lambda: server.violations, "the violation is found", 10)
    require("silent" in server.violations[0], f"{server.violations}")
    server.violations.clear()
    server.close()


@cases(v5=(paho.MQTTv5,), v311=(paho.MQTTv311,))
def accuses_nobody(rig, version):
    """A well-behaved client of another maker, in both directions and over broken connections."""
    server = rig.mqtt_peer(grants={"topic_alias_maximum": 5})
    out = rig.subscriber(server.port, "in", qos=2, client_id="sub", version=version)
    pub = rig.publisher(server.port, client_id="pub", version=version, clean=False)
    for number in range(300):
        server.offer(b"%d" % number, qos=number % 3)
        pub.publish("t", b"%d" % number, qos=number % 3)
        if number in (100, 200):
            pub.done()
            until(lambda: out.count > number, f"{out.count} come in")
            before = server.count(wire.CONNECT)
            server.cut()
            server.wait_connections(before + 2)
            until(lambda: pub.connected.is_set() and out.connected.is_set(), "both are back")
            until(lambda: all(c.session.filters for c in server.connections
                              if not c.closed and c.connect.client_id == "sub"), "subscribed again")
    pub.done()
    out.wait(300)
    for qos in range(3):  # a QoS 2 message is handed over when it is released, behind later ones
        came = [m.payload for m in out.messages if m.qos == qos]
        require(came == [b"%d" % n for n in range(qos, 300, 3)], f"QoS {qos}: all, in order: {came}")
    require(sorted(set(server.payloads()), key=int) == [b"%d" % n for n in range(300)], "all, the other way")
