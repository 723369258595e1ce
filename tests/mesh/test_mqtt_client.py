# SPDX-License-Identifier: Apache-2.0
"""The MQTT client against a server that is strict, strange, slow or wrong."""
import threading
import time

from kit.config import bridge
from kit.fake import wire
from kit.routes import KEPT, QUICK, inward, inward_plain, outward
from kit.scram import METHOD, ScramServer
from kit.suite import cases, test
from kit.waiting import require, until

REFUSALS = (0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
            0x99, 0x9a, 0x9b, 0x9f)
GOODBYES = (0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2)


def numbered(count, first=0):
    return [b"%d" % n for n in range(first, first + count)]


def offer_all(target, payloads, **named):
    for payload in payloads:
        target.offer(payload, **named)


def why(gw, name):
    return " ".join(c["why"] or "" for b in gw.ledger()["bridges"] if b["bridge"] == name
                    for c in b["connections"])


def flows_out(feed, server, gw, word=b"last"):
    """What is offered now arrives, and all is accounted for."""
    feed.offer(word)
    until(lambda: word in server.payloads(), lambda: f"{word} arrives: {gw.route()} {server.violations}")
    gw.settled()


# ---- what CONNACK grants ----------------------------------------------------------------------

@test
def what_connack_grants_is_kept(rig):
    feed = rig.peer()
    server = rig.mqtt_peer(grants={"receive_maximum": 3, "maximum_packet": 300, "maximum_qos": 1,
                                   "topic_alias_maximum": 2, "server_keep_alive": 3,
                                   "user": [("a", "b")], "reason_string": "welcome",
                                   "response_information": "resp"})
    late, stop = [], threading.Event()

    def answer_late(connection, packet):
        late.append((connection, packet.id))
        return True

    def answers():
        while not stop.wait(0.002):
            with server.lock:
                for connection, number in late:
                    connection.answer(wire.PUBACK, number)
                late.clear()

    server.on(wire.PUBLISH, answer_late)
    threading.Thread(target=answers, daemon=True).start()
    gw = rig.gateway(outward(feed, server, qos=2, window=50, keep_alive="60s"))
    gw.wait_up()
    payloads = numbered(200)
    offer_all(feed, payloads)
    feed.offer(b"x" * 1000)
    server.wait_received(200)
    until(lambda: feed.outcomes["rejected"] == 1, lambda: f"too large is rejected: {feed.outcomes}")
    require(server.payloads() == payloads, "all, in order")
    require(all(p.qos == 1 for p in server.received), "the server's Maximum QoS")
    until(lambda: server.count(wire.PINGREQ) >= 1, "the server's keep alive is kept", 10)
    stop.set()
    gw.settled()


@test
def an_identifier_may_be_assigned(rig):
    feed, server = rig.peer(), rig.mqtt_peer(grants={"assigned_client_id": "given-7"})
    gw = rig.gateway(outward(feed, server))
    gw.wait_up()
    flows_out(feed, server, gw)


@test
def retain_that_the_server_does_not_keep(rig):
    feed, server = rig.peer(), rig.mqtt_peer(grants={"retain_available": 0})
    gw = rig.gateway("bridges:\n" + bridge("p", feed) + bridge("m", server) + """
routes:
  r:
    from: { bridge: p, address: feed }
    to: { bridge: m, topic: out, retain: set }
    delivery: { guarantee: direct }
""")
    gw.wait_up()
    feed.offer(b"x")
    until(lambda: feed.outcomes["rejected"] == 1, lambda: f"{feed.outcomes} {gw.route()}")
    require(not server.received, "nothing was sent")
    gw.settled()


@cases(wildcard=("wildcard_available", "in/#"), shared=("shared_available", "$share/g/in"))
def a_subscription_that_is_not_available(rig, what, topic):
    """Said in words, and never asked for."""
    sink, server = rig.peer(), rig.mqtt_peer(grants={what: 0})
    gw = rig.gateway(inward(server, sink, topic=topic))
    word = what.split("_")[0]
    until(lambda: "subscri" in gw.log() and word in gw.log(), "the log says what is missing")
    require(server.count(wire.SUBSCRIBE) == 0, "it was not asked for")


@cases(one_out=(1,), two_out=(2,))
def receive_maximum_of_one(rig, qos):
    feed, server = rig.peer(), rig.mqtt_peer(grants={"receive_maximum": 1})
    gw = rig.gateway(outward(feed, server, qos=qos))
    gw.wait_up()
    offer_all(feed, numbered(100))
    require(server.wait_received(100) == numbered(100), "each once, in order")
    gw.settled()


@test
def our_receive_maximum_holds_the_server(rig):
    sink = rig.peer(answer=lambda message, count: None if count <= 5 else "accepted")
    server = rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, receive_maximum=5), settings="  drain_timeout: 1s\n")
    offer_all(server, numbered(100))
    until(lambda: sink.count == 5, lambda: f"{sink.count} at the sink")
    time.sleep(0.3)  # what is checked is that nothing more happens
    require(sink.count == 5 and not server.acks, f"{sink.count} came, {len(server.acks)} acknowledged")
    gw.term()


# ---- refused, sent away, ended ----------------------------------------------------------------

@test
def every_refusal_is_said_and_tried_again(rig):
    feed, server = rig.peer(), rig.mqtt_peer()
    left = list(REFUSALS)

    def refuse(connection, _packet):
        if left:
            code = left.pop(0)
            connection.accept(code, reason_string=f"because of {code:02x}")
            return True
        return False

    server.on(wire.CONNECT, refuse)
    gw = rig.gateway(outward(feed, server), settings="")
    gw.wait_up(timeout_s=40)
    log = gw.log()
    silent = [f"{code:02x}" for code in REFUSALS if f"because of {code:02x}" not in log]
    require(not silent, f"the log does not say why: {silent}")
    flows_out(feed, server, gw)


@test
def every_return_code_of_the_old_version(rig):
    feed, server = rig.peer(), rig.mqtt_peer()
    left = [1, 2, 3, 4, 5]

    def refuse(connection, _packet):
        if left:
            connection.accept(left.pop(0))
            return True
        return False

    server.on(wire.CONNECT, refuse)
    gw = rig.gateway(outward(feed, server, version='"3.1.1"'))
    gw.wait_up(timeout_s=30)
    log = gw.log()
    for words in ("version", "client identifier", "unavailable", "user name or password", "not authorized"):
        require(words in log, f"the log does not say {words!r}")
    flows_out(feed, server, gw)


@cases(connack=("connack",), disconnect=("disconnect",))
def another_server_is_followed(rig, how):
    feed, server, other = rig.peer(), rig.mqtt_peer(), rig.mqtt_peer()
    reference = f"127.0.0.1:{other.port}"

    def send_away(connection, _packet):
        if how == "connack":
            connection.accept(0x9c, server_reference=reference)
        else:
            connection.accept()
            connection.disconnect(0x9d, server_reference=reference)
        return True

    server.on(wire.CONNECT, send_away)
    gw = rig.gateway(outward(feed, server))
    other.wait_connections(1)
    gw.wait_up()
    flows_out(feed, other, gw)
    require(reference in gw.log(), "the log names the other server")
    before = len(server.connections)
    server.by_the_book()
    other.cut()
    if how == "connack":
        until(lambda: len(server.connections) > before, "0x9c holds for one connection")
    else:
        other.wait_connections(2)
        require(len(server.connections) == before, "0x9d holds until the restart")
    gw.wait_up()


@test
def another_server_is_not_followed_where_forbidden(rig):
    feed, server, other = rig.peer(), rig.mqtt_peer(), rig.mqtt_peer()
    server.once(wire.CONNECT,
                lambda c, p: c.accept(0x9c, server_reference=f"127.0.0.1:{other.port}") or True)
    gw = rig.gateway(outward(feed, server, redirects="refuse"))
    gw.wait_up()
    flows_out(feed, server, gw)
    require(not other.connections, "the other server saw nobody")


@test
def every_disconnect_is_said_and_survived(rig):
    feed, server = rig.peer(), rig.mqtt_peer()
    left, gone = list(GOODBYES), set()

    def send_away(connection, packet):
        if connection.index in gone:
            return True
        if not left:
            return False
        code = left.pop(0)
        gone.add(connection.index)
        if code % 2:  # some are acknowledged before, some are not
            connection.answer(wire.PUBACK, packet.id)
        connection.disconnect(code, reason_string=f"because of {code:02x}")
        return True

    server.on(wire.PUBLISH, send_away)
    gw = rig.gateway(outward(feed, server, session_expiry="1h"))
    gw.wait_up()
    offer_all(feed, numbered(60))
    until(lambda: set(numbered(60)) <= set(server.payloads()),
          lambda: f"all arrive: {gw.route()} {server.violations}", 60)
    gw.settled()
    log = gw.log()
    silent = [f"{code:02x}" for code in GOODBYES if f"because of {code:02x}" not in log]
    require(not silent, f"the log does not say why: {silent}")


# ---- authentication ---------------------------------------------------------------------------

@test
def scram_both_sides_prove_themselves(rig):
    feed, server = rig.peer(), rig.mqtt_peer()
    scram = ScramServer(server, "edge", "s3cr3t")
    gw = rig.gateway(outward(feed, server, user="edge", password="s3cr3t",
                             auth=f"{{ method: {METHOD} }}"))
    gw.wait_up()
    flows_out(feed, server, gw)
    require(scram.seen == [METHOD], f"{scram.seen}")
    require("s3cr3t" not in gw.log(), "the password is not in the log")
    require(all(c.connect.password is None for c in server.connections), "nor on the wire")


@cases(wrong_password=("other", False, "proof"), liar=("s3cr3t", True, "does not prove"))
def scram_refused(rig, password, liar, word):
    feed, server = rig.peer(), rig.mqtt_peer()
    ScramServer(server, "edge", password, liar)
    gw = rig.gateway(outward(feed, server, user="edge", password="s3cr3t",
                             auth=f"{{ method: {METHOD} }}"))
    until(lambda: word in gw.log(), lambda: f"the log says: {word}")
    server.wait_connections(2)
    require(not gw.up("m"), "the bridge does not come up")
    require(server.count(wire.PUBLISH) == 0 and server.count(wire.SUBSCRIBE) == 0, "nothing was sent")


@test
def a_fixed_token_answers_once(rig):
    feed, server = rig.peer(), rig.mqtt_peer()
    seen = []

    def challenge(connection, packet):
        seen.append((packet.props.get("auth_method"), packet.props.get("auth_data")))
        if len(seen) == 1:
            connection.send(wire.auth(0x18, auth_method="TOKEN", auth_data=b"more?"))
            return True
        connection.accept(auth_method="TOKEN")
        return True

    server.on(wire.CONNECT, challenge)
    gw = rig.gateway(outward(feed, server, auth="{ method: TOKEN, data: abc }"))
    gw.wait_up()
    flows_out(feed, server, gw)
    require(seen[0] == ("TOKEN", b"abc") == seen[1], f"{seen}")
    require(server.count(wire.AUTH) == 0, "a further challenge is not answered")


# ---- bytes ------------------------------------------------------------------------------------

def _field(kind, *parts):
    return wire.frame(kind, b"".join(parts))


MALFORMED = {
    "packet type 0": b"\x00\x00",
    "remaining length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a reserved flag of PUBACK": b"\x41\x02\x00\x01",
    "PUBREL with flags 0": b"\x60\x02\x00\x01",
    "a client's packet: CONNECT": wire.frame(1, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"),
    "a client's packet: SUBSCRIBE": b"\x82\x07\x00\x01\x00\x00\x01a\x00",
    "a client's packet: PINGREQ": b"\xc0\x00",
    "a second CONNACK": wire.connack(True),
    "PUBLISH of QoS 3": b"\x36\x06\x00\x01a\x00\x01\x00",
    "PUBLISH with packet identifier 0": b"\x32\x06\x00\x01a\x00\x00\x00",
    "PUBLISH with DUP at QoS 0": b"\x38\x04\x00\x01a\x00",
    "PUBLISH without topic and alias": wire.publish(True, "", b"x"),
    "PUBLISH to a wildcard": wire.publish(True, "a/#", b"x"),
    "PUBLISH with a topic of wrong UTF-8": wire.publish(True, b"a\xff", b"x"),
    "PUBLISH with a surrogate in its topic": wire.publish(True, b"a\xed\xa0\x80", b"x"),
    "PUBLISH with U+0000": wire.publish(True, "a\0b", b"x"),
    "PUBLISH with alias 0": wire.publish(True, "a", b"x", topic_alias=0),
    "PUBLISH with an alias beyond the maximum": wire.publish(True, "a", b"x", topic_alias=60000),
    "PUBLISH with an alias that was never set": wire.publish(True, "", b"x", topic_alias=7),
    "PUBLISH whose topic ends too late": b"\x30\x04\x00\x10a\x00",
    "PUBLISH whose properties end too late": b"\x30\x05\x00\x01a\x7fx",
    "PUBLISH with half a property": b"\x30\x06\x00\x01a\x02\x02\x00",
    "PUBLISH with an unknown property": b"\x30\x06\x00\x01a\x02\x7e\x00",
    "PUBLISH with a foreign property": b"\x30\x07\x00\x01a\x03\x21\x00\x05",
    "PUBLISH with a property twice": wire.publish(True, "a", b"x", content_type=["t", "u"]),
    "PUBLISH with subscription identifier 0": wire.publish(True, "a", b"x", subscription_id=0),
    "PUBACK of one byte": b"\x40\x01\x00",
    "PUBACK with a reason of CONNACK": b"\x40\x03\x00\x01\x88",
    "PUBACK with packet identifier 0": b"\x40\x02\x00\x00",
    "SUBACK that nobody asked for": wire.suback(True, 999, [0]),
    "UNSUBACK that nobody asked for": wire.suback(True, 999, [0], wire.UNSUBACK),
    "PINGRESP with a body": b"\xd0\x01\x00",
    "AUTH without a method agreed": wire.auth(0x18, auth_method="X"),
    "DISCONNECT with flags": b"\xe1\x00",
    "random bytes": bytes((n * 37 + 11) % 256 for n in range(64)),
}


@test
def what_is_malformed_ends_the_connection_alone(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink))
    for number, (name, data) in enumerate(MALFORMED.items()):
        server.wait_connections(number + 1)
        until(lambda: server.current and server.current.session.filters, f"subscribed, before {name}")
        connection = server.current
        with server.lock:
            connection.send(data)
        until(lambda: connection.closed, lambda: f"{name}: the connection ends: {gw.log()[-500:]}", 10)
        goodbye = getattr(connection, "goodbye", None)
        require(goodbye is None or goodbye.reason >= 0x80, f"{name}: DISCONNECT says {goodbye}")
    server.offer(b"after all")
    server.wait_finished()
    until(lambda: sink.count >= 1, "events flow")
    require([bytes(m.body) for m in sink.messages] == [b"after all"], f"{sink.messages}")
    gw.settled()


@cases(publish=(wire.publish(True, "a", b"x"),), garbage=(b"HTTP/1.1 400 Bad Request\r\n\r\n",),
       half=(b"\x20\x7f\x00",), reserved=(b"\x20\x03\x02\x00\x00",), old=(b"\x20\x02\x00\x00",),
       twice=(b"\x20\x09\x00\x00\x06\x21\x00\x05\x21\x00\x05",))
def instead_of_connack(rig, data):
    feed, server = rig.peer(), rig.mqtt_peer()

    def wrong(connection, _packet):
        connection.send(data)
        return True

    server.once(wire.CONNECT, wrong)
    gw = rig.gateway(outward(feed, server, connect_timeout="1s"))
    server.wait_connections(2)
    gw.wait_up()
    flows_out(feed, server, gw)


@test
def one_byte_at_a_time(rig):
    sink, server = rig.peer(), rig.mqtt_peer(use_aliases=True)
    server.on(wire.CONNECT, lambda c, p: setattr(c, "chunk", 1))
    gw = rig.gateway(inward(server, sink, qos=2))
    for n, payload in enumerate(numbered(60)):
        server.offer(payload, qos=n % 3, content_type="text/plain", user=[("a", "ü"), ("a", "")])
    server.wait_finished()
    until(lambda: sink.count >= 60, lambda: f"{sink.count} arrive")
    require([bytes(m.body) for m in sink.messages] == numbered(60), "all, in order")
    gw.settled()


@test
def many_in_one_segment(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, window=5000, receive_maximum=1000))
    server.hold(True)
    for n, payload in enumerate(numbered(3000)):
        server.offer(payload, qos=n % 2)
    until(lambda: server.current and server.current.session.filters, "subscribed")
    server.hold(False)
    server.wait_finished()
    until(lambda: sink.count >= 3000, lambda: f"{sink.count} arrive: {gw.route()}")
    require([bytes(m.body) for m in sink.messages] == numbered(3000), "all, in order")
    gw.settled()


@test
def large_messages_both_ways(rig):
    sink, feed, server = rig.peer(), rig.peer(), rig.mqtt_peer()
    gw = rig.gateway("bridges:\n" + bridge("m", server, **KEPT) + bridge("s", sink) + bridge("p", feed) + """
routes:
  in:
    from: { bridge: m, topic: in, qos: 1 }
    to: { bridge: s, address: sink }
    delivery: { guarantee: direct }
  out:
    from: { bridge: p, address: feed }
    to: { bridge: m, topic: out, qos: 1 }
    delivery: { guarantee: direct }
""")
    gw.wait_up()
    big = bytes(range(256)) * 20_000  # 5 MB
    for payload in (b"before", big, b"after"):
        server.offer(payload)
        feed.offer(payload)
    until(lambda: sink.count == 3, lambda: f"{sink.count} came in: {gw.ledger()}", 30)
    require([bytes(m.body) for m in sink.messages] == [b"before", big, b"after"], "in, unchanged")
    require(server.wait_received(3) == [b"before", big, b"after"], "out, unchanged")
    gw.settled()


@test
def a_packet_larger_than_allowed(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward_plain(server, sink, max_packet="10KiB"))
    until(lambda: server.current and server.current.session.filters, "subscribed")
    before = gw.process.rss_kib()
    first = server.current
    require(first.connect.props["maximum_packet"] == 10240, f"{first.connect.props}")
    first.send(b"\x30\xff\xff\xff\x7f" + b"\x00\x01a\x00" + bytes(5000))  # 256 MiB are announced
    until(lambda: first.closed, "the connection ends")
    require(first.goodbye.reason == 0x95, f"DISCONNECT says {first.goodbye.reason:#x}")
    require(gw.build.sanitized or gw.process.rss_kib() - before < 5000, "without room for it")
    server.wait_connections(2)
    server.offer(b"x")
    until(lambda: sink.count == 1, "events flow")
    gw.settled()


@test
def a_huge_packet_that_never_comes(rig):
    """256 MiB announced, nothing sent: the memory is not taken at once, the keep-alive goes on."""
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward_plain(server, sink, keep_alive="1s"))
    until(lambda: server.current and server.current.session.filters, "subscribed")
    before = gw.process.rss_kib()
    first = server.current
    server.on(wire.PINGREQ, lambda c, p: c is first)  # an answer would stand inside the packet
    first.send(b"\x30\xff\xff\xff\x7f" + b"\x00\x01a\x00" + bytes(100_000))
    server.wait_connections(2)
    require(gw.build.sanitized or gw.process.rss_kib() - before < 20_000, "without room for it")
    server.offer(b"x")
    until(lambda: sink.count == 1, "events flow")
    gw.settled()


# ---- no answer, strange answers ---------------------------------------------------------------

@cases(connect=(wire.CONNECT, {"connect_timeout": "1s"}),
       publish=(wire.PUBLISH, {"confirm_timeout": "1s", "session_expiry": "1h"}),
       pingreq=(wire.PINGREQ, {"keep_alive": "1s"}))
def never_answered(rig, kind, options):
    feed, server = rig.peer(), rig.mqtt_peer()
    server.on(kind, lambda connection, _: connection.index == 0)
    gw = rig.gateway(outward(feed, server, **options))
    if kind == wire.PUBLISH:
        feed.offer(b"first")
    server.wait_connections(2)
    gw.wait_up()
    flows_out(feed, server, gw)
    if kind == wire.PUBLISH:
        require(server.received[0].id == server.received[1].id and server.received[1].dup,
                "it is sent again under its identifier")


@test
def a_subscription_that_is_never_answered(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    server.on(wire.SUBSCRIBE, lambda connection, _: connection.index == 0)
    gw = rig.gateway(inward(server, sink, confirm_timeout="1s"))
    server.wait_connections(2)
    server.offer(b"x")
    server.wait_finished()
    until(lambda: sink.count == 1, "events flow")
    gw.settled()


@test
def a_subscription_that_is_refused(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    server.once(wire.SUBSCRIBE, lambda c, p: c.send(wire.suback(
        True, p.id, [0x87], reason_string="not for you")) or True)
    gw = rig.gateway(inward(server, sink))
    until(lambda: "not authorized" in gw.log(), "the log says why")
    gw.settled()


@test
def acknowledgements_out_of_order(rig):
    """A server must not; the client takes each for what it says, and nothing is lost or doubled."""
    feed, server = rig.peer(), rig.mqtt_peer()
    held = []

    def backwards(connection, packet):
        held.append(packet.id)
        if len(held) == 20:
            for number in reversed(held):
                connection.answer(wire.PUBACK, number)
            held.clear()
        return True

    server.on(wire.PUBLISH, backwards)
    gw = rig.gateway(outward(feed, server))
    gw.wait_up()
    offer_all(feed, numbered(200))
    require(server.wait_received(200) == numbered(200), "each once, in order")
    until(lambda: feed.outcomes["accepted"] == 200, lambda: f"{feed.outcomes}")
    gw.settled()


@cases(unknown_puback=("unknown", wire.PUBACK), unknown_pubrec=("unknown", wire.PUBREC),
       unknown_pubcomp=("unknown", wire.PUBCOMP), unknown_pubrel=("unknown", wire.PUBREL),
       puback_twice=("twice", wire.PUBACK))
def acknowledgements_for_nothing(rig, which, kind):
    """Ignored, answered with 0x92 or the end of the connection: never an event lost or doubled."""
    feed, server = rig.peer(), rig.mqtt_peer()
    server.tolerated += ["without a PUBREL", "without a PUBREC"]

    def strange(connection, packet):
        if packet.payload in (b"10", b"30"):
            number = 4242 if which == "unknown" else packet.id
            connection.send(wire.ack(True, kind, number))
            if which == "twice":
                connection.answer(wire.PUBACK, packet.id)
                return True
        return False

    server.on(wire.PUBLISH, strange)
    gw = rig.gateway(outward(feed, server, session_expiry="1h"))
    gw.wait_up()
    offer_all(feed, numbered(60))
    until(lambda: feed.outcomes["accepted"] == 60, lambda: f"{feed.outcomes} {gw.route()}")
    require(set(server.payloads()) == set(numbered(60)), "all arrive")
    gw.settled()


@cases(puback=(1, wire.PUBACK), pubrec=(2, wire.PUBREC))
def a_publish_that_is_refused(rig, qos, kind):
    """What may pass is sent again, what cannot is rejected once; what was refused does not leak."""
    feed, server = rig.peer(), rig.mqtt_peer()
    codes = {b"2": 0x97, b"4": 0x87, b"6": 0x83, b"8": 0x99, b"10": 0x91, b"12": 0x10}
    refused = []

    def refuse(connection, packet):
        code = codes.get(packet.payload)
        if code is None or packet.payload in refused:
            return False
        refused.append(packet.payload)
        connection.answer(kind, packet.id, code, reason_string="no")
        return True

    server.on(wire.PUBLISH, refuse)
    gw = rig.gateway(outward(feed, server, qos=qos))
    gw.wait_up()
    offer_all(feed, numbered(20))
    until(lambda: sum(feed.outcomes.values()) == 20, lambda: f"{feed.outcomes} {gw.route()}")
    require(feed.outcomes == {"accepted": 17, "rejected": 3}, f"{feed.outcomes}")
    twice = [p for p in set(server.payloads()) if server.payloads().count(p) == 2]
    require(sorted(twice) == [b"10", b"2"], f"sent again: {twice}")
    gw.settled()


@test
def a_release_that_comes_twice(rig):
    sink, server = rig.peer(), rig.mqtt_peer()
    server.tolerated.append("PUBCOMP")

    def release_twice(connection, packet):
        connection.send(wire.ack(True, wire.PUBREL, packet.id) * 2)
        return True

    server.on(wire.PUBREC, release_twice)
    gw = rig.gateway(inward(server, sink, qos=2))
    offer_all(server, numbered(20), qos=2)
    until(lambda: sink.count == 20 and not server.unfinished(), lambda: f"{sink.count} {gw.route()}")
    server.by_the_book()
    server.offer(b"20", qos=2)
    until(lambda: sink.count >= 21, "events flow")
    require([bytes(m.body) for m in sink.messages] == numbered(21), "each once")
    gw.settled()


# ---- the properties of messages ---------------------------------------------------------------

@test
def the_servers_aliases(rig):
    sink, server = rig.peer(), rig.mqtt_peer(use_aliases=True)
    gw = rig.gateway(inward(server, sink, topic="in/{rest...}", topic_aliases=3))
    for n in range(100):
        server.offer(b"%d" % n, topic=f"in/{n % 5}")
    server.wait_finished()
    until(lambda: sink.count >= 100, "all arrive")
    require(server.connections[0].connect.props["topic_alias_maximum"] == 3, "the maximum is announced")
    require(len(server.connections[0].our_aliases) == 3, "the server used them")
    require([bytes(m.body) for m in sink.messages] == numbered(100), "in order")
    server.cut()
    server.wait_connections(2)
    for n in range(100, 120):
        server.offer(b"%d" % n, topic=f"in/{n % 5}")
    server.wait_finished()
    until(lambda: sink.count >= 120, "all arrive on the next connection, whose aliases are its own")
    gw.settled()


@test
def our_aliases(rig):
    """More topics than the server grants aliases, over a broken connection."""
    feed, server = rig.peer(), rig.mqtt_peer(grants={"topic_alias_maximum": 4})
    from proton import Message
    gw = rig.gateway(outward(feed, server, topic="out/somewhere/{property.n}", session_expiry="1h"))
    gw.wait_up()
    for n in range(800):
        feed.offer(Message(body=b"%d" % n, inferred=True, durable=True, properties={"n": str(n * n % 7)}))
        if n == 400:
            server.cut()
    until(lambda: feed.outcomes["accepted"] == 800, lambda: f"{feed.outcomes} {server.violations}")
    for packet in server.received:
        require(packet.topic == f"out/somewhere/{int(packet.payload) ** 2 % 7}", f"{packet}")
    aliased = sum("topic_alias" in p.props for p in server.received)
    rig.note(f"{aliased} of {len(server.received)} with an alias")
    require(aliased > 100, f"{aliased} of {len(server.received)} with an alias")
    gw.settled()


# ---- the keep-alive of a source whose sink is away --------------------------------------------

@test
def pings_go_on_while_the_sink_is_away(rig):
    """`direct` holds the source's window for more than two keep-alive periods; then all arrive."""
    server, b = rig.mqtt_peer(), rig.mosquitto("b", start=False)
    gw = rig.gateway("bridges:\n" + bridge("m", server, keep_alive="1s", receive_maximum=20, **KEPT)
                     + bridge("b", b, reconnect=QUICK) + """
routes:
  r:
    from: { bridge: m, topic: in, qos: 1 }
    to: { bridge: b, topic: out, qos: 1 }
    delivery: { guarantee: direct, window: 10 }
""")
    offer_all(server, numbered(100))
    until(lambda: gw.route()["in_flight"] == 10, lambda: f"{gw.route()}")
    before = server.count(wire.PINGREQ)
    until(lambda: server.count(wire.PINGREQ) >= before + 3, "pings go on", 10)
    require(len(server.connections) == 1 and not server.acks, "one connection, nothing acknowledged")
    require(len(server.current.unacknowledged) == 20, "the Receive Maximum holds the rest back")
    b.start()
    out = rig.subscriber(b.port, "out")
    server.wait_finished(30)
    until(lambda: gw.route()["delivered"] == 100, lambda: f"{gw.route()}")
    require(server.acked() == numbered(100), "acknowledged in order")
    rig.note(f"{out.count} seen by a subscriber that came with the broker")
    gw.settled()
