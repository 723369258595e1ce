# SPDX-License-Identifier: Apache-2.0
"""Sessions of the MQTT client: what is sent again, what is not, in which order, and when it is
acknowledged."""
from kit.config import bridge
from kit.fake import wire
from kit.routes import KEPT, QUICK, inward, kept, outward
from kit.suite import cases, test
from kit.waiting import require, until

COUNT = 60
CUT_AT = {b"7", b"20", b"21", b"45"}


def numbered(count, first=0):
    return [b"%d" % n for n in range(first, first + count)]


def offer_all(target, payloads, **named):
    for payload in payloads:
        target.offer(payload, **named)


def bodies(sink):
    return [bytes(m.body) for m in sink.messages]


def unique(payloads):
    return list(dict.fromkeys(payloads))


# ---- out, over broken connections -------------------------------------------------------------

def cutter(server, kind, point):
    """Breaks the connection once for each message of CUT_AT; → the list of those still to come."""
    left, ids = set(CUT_AT), {}

    def on_publish(connection, packet):
        ids[packet.id] = packet.payload
        if kind == wire.PUBLISH and packet.payload in left:
            left.discard(packet.payload)
            if point == "seen":
                connection.answer(wire.PUBREC if packet.qos == 2 else wire.PUBACK, packet.id, lost=True)
            else:
                connection.cut()
            return True
        return False

    def on_pubrel(connection, packet):
        payload = ids.get(packet.id)
        if kind == wire.PUBREL and payload in left:
            left.discard(payload)
            if point == "seen":
                connection.answer(wire.PUBCOMP, packet.id, lost=True)
            else:
                connection.cut()
            return True
        return False

    server.on(wire.PUBLISH, on_publish)
    server.on(wire.PUBREL, on_pubrel)
    return left


@cases(publish_stored=(wire.PUBLISH, "cut", 5), pubrec_lost=(wire.PUBLISH, "seen", 5),
       pubrel_lost=(wire.PUBREL, "cut", 5), pubcomp_lost=(wire.PUBREL, "seen", 5),
       pubrec_lost_old_version=(wire.PUBLISH, "seen", 4), pubcomp_lost_old_version=(wire.PUBREL, "seen", 4))
def exactly_once_out(rig, kind, point, level):
    """QoS 2 with a kept session: whatever is lost with a connection, each arrives once."""
    feed, server = rig.peer(), rig.mqtt_peer()
    left = cutter(server, kind, point)
    gw = rig.gateway(outward(feed, server, qos=2, **kept(level)))
    gw.wait_up()
    offer_all(feed, numbered(COUNT))
    until(lambda: feed.outcomes["accepted"] == COUNT, lambda: f"{feed.outcomes} {gw.route()} {server.violations}")
    require(not left, f"never cut at {left}")
    require(server.payloads() == numbered(COUNT), f"each once, in order: {server.payloads()}")
    require(len(server.connections) > len(CUT_AT), f"{len(server.connections)} connections")
    gw.settled()


@cases(v5=(5, "seen"), v5_unseen=(5, "cut"), v311=(4, "seen"))
def at_least_once_out(rig, level, point):
    feed, server = rig.peer(), rig.mqtt_peer()
    left = cutter(server, wire.PUBLISH, point)
    gw = rig.gateway(outward(feed, server, qos=1, **kept(level)))
    gw.wait_up()
    offer_all(feed, numbered(COUNT))
    until(lambda: feed.outcomes["accepted"] == COUNT, lambda: f"{feed.outcomes} {gw.route()} {server.violations}")
    require(not left, f"never cut at {left}")
    require(unique(server.payloads()) == numbered(COUNT), f"first arrivals in order: {server.payloads()}")
    again = [p for p in server.received if p.dup]
    rig.note(f"{len(server.received) - COUNT} duplicates, {len(again)} marked")
    gw.settled()


@cases(qos1=(1,), qos2=(2,))
def the_server_has_forgotten_the_session(rig, qos):
    """Sent anew, without DUP, in order: at QoS 2, too, this may double what the server had taken."""
    feed, server = rig.peer(), rig.mqtt_peer()
    taken = []

    def forget(connection, packet):
        taken.append(packet.payload)
        if len(taken) in (15, 30):
            connection.cut()
            server.forget_sessions()
            return True
        return False

    server.on(wire.PUBLISH, forget)
    gw = rig.gateway(outward(feed, server, qos=qos, **KEPT))
    gw.wait_up()
    offer_all(feed, numbered(COUNT))
    until(lambda: feed.outcomes["accepted"] == COUNT, lambda: f"{feed.outcomes} {gw.route()} {server.violations}")
    require(unique(server.payloads()) == numbered(COUNT), f"first arrivals in order: {server.payloads()}")
    require(not any(p.dup for p in server.received), "nothing is marked as a repetition")
    gw.settled()


@test
def a_session_that_is_not_kept_releases(rig):
    """clean_start without expiry: the route, not the client, sends again what was not confirmed."""
    feed, server = rig.peer(), rig.mqtt_peer()
    left = cutter(server, wire.PUBLISH, "cut")
    gw = rig.gateway(outward(feed, server, qos=1))
    gw.wait_up()
    offer_all(feed, numbered(COUNT))
    until(lambda: feed.outcomes["accepted"] == COUNT, lambda: f"{feed.outcomes} {gw.route()} {server.violations}")
    require(not left, f"never cut at {left}")
    require(unique(server.payloads()) == numbered(COUNT), f"first arrivals in order: {server.payloads()}")
    gw.settled()


# ---- in, over broken connections --------------------------------------------------------------

@cases(pubrec_lost=("pubrec lost", 5), pubrel_lost=("pubrel lost", 5), pubcomp_lost=("pubcomp lost", 5),
       pubrec_lost_old_version=("pubrec lost", 4), pubcomp_lost_old_version=("pubcomp lost", 4))
def exactly_once_in(rig, point, level):
    sink, server = rig.peer(), rig.mqtt_peer()
    cuts = [0]

    def cut_now(connection):
        cuts[0] += 1
        connection.cut()
        return True

    # The server knows from the check of PUBREC that it has to release; what follows is lost.
    if point == "pubrel lost":
        server.on(wire.PUBREC, lambda c, p: cuts[0] < 4 and len(server.acks) % 13 == 7 and cut_now(c))
    gw = rig.gateway(inward(server, sink, qos=2, version=level))
    gw.wait_up()
    for index in range(4):
        if point != "pubrel lost":
            server.unseen(wire.PUBREC if point == "pubrec lost" else wire.PUBCOMP)
        offer_all(server, numbered(COUNT // 4, index * COUNT // 4), qos=2)
        server.wait_finished()
    until(lambda: sink.count >= COUNT, lambda: f"{sink.count} at the sink: {gw.route()}")
    require(bodies(sink) == numbered(COUNT), f"each once, in order: {bodies(sink)}")
    require(len(server.connections) >= 4, f"{len(server.connections)} connections")
    gw.settled()


@cases(v5=(5,), v311=(4,))
def at_least_once_in(rig, level):
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, version=level))
    gw.wait_up()
    for index in range(4):
        server.unseen(wire.PUBACK)
        offer_all(server, numbered(COUNT // 4, index * COUNT // 4))
        server.wait_finished()
    until(lambda: len(set(bodies(sink))) == COUNT, lambda: f"{sink.count} at the sink: {gw.route()}")
    require(unique(bodies(sink)) == numbered(COUNT), f"first arrivals in order: {bodies(sink)}")
    gw.settled()
    rig.note(f"{sink.count - COUNT} duplicates")


# ---- when it is acknowledged ------------------------------------------------------------------

@cases(qos1=(1,), qos2=(2,))
def acknowledged_after_the_sink_in_the_order_of_arrival(rig, qos):
    """The sink confirms backwards; acknowledgements go in the order of arrival (§4.6)."""
    held, server = [], rig.mqtt_peer()

    def keep(connection, packet):
        held.append((connection, packet.id))
        return True

    other = rig.mqtt_peer()
    other.on(wire.PUBLISH, keep)
    gw = rig.gateway("bridges:\n" + bridge("m", server, **KEPT) + bridge("o", other) + f"""
routes:
  r:
    from: {{ bridge: m, topic: in, qos: {qos} }}
    to: {{ bridge: o, topic: out, qos: 1 }}
    delivery: {{ guarantee: direct }}
""")
    offer_all(server, numbered(20), qos=qos)
    until(lambda: len(held) == 20, lambda: f"{len(held)} at the sink")
    require(not server.acks, "nothing is acknowledged yet")
    with other.lock:
        for connection, number in reversed(held[1:]):
            connection.answer(wire.PUBACK, number)
    until(lambda: gw.route()["in_flight"] == 1, lambda: f"{gw.route()}")
    require(not server.acks, "the first holds those behind it")
    with other.lock:
        held[0][0].answer(wire.PUBACK, held[0][1])
    server.wait_finished()
    require(server.acked() == numbered(20), "in the order of arrival")
    gw.settled()


@cases(qos1=(1,), qos2=(2,))
def what_the_sink_rejects_is_acknowledged_with_a_reason(rig, qos):
    sink = rig.peer(answer=lambda message, count: "rejected" if bytes(message.body) == b"3" else "accepted")
    server = rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, qos=qos))
    offer_all(server, numbered(10), qos=qos)
    server.wait_finished()
    reasons = {a.message.payload: a.packet.reason for a in server.acks}
    require(reasons.pop(b"3") >= 0x80, "the rejected one says why")
    require(set(reasons.values()) == {0}, f"the others do not: {reasons}")
    gw.settled()


@test
def a_second_source_flows_beside_a_full_one(rig):
    stuck, free = rig.peer(answer=lambda message, count: None), rig.peer()
    server = rig.mqtt_peer()
    gw = rig.gateway("bridges:\n" + bridge("m", server, keep_alive="1s", **KEPT) + bridge("s", stuck)
                     + bridge("f", free) + """
routes:
  stuck:
    from: { bridge: m, topic: a, qos: 1 }
    to: { bridge: s, address: sink }
    delivery: { guarantee: direct, window: 5 }
  free:
    from: { bridge: m, topic: b, qos: 1 }
    to: { bridge: f, address: sink }
    delivery: { guarantee: direct, window: 5 }
""", settings="  drain_timeout: 1s\n")
    gw.wait_up()
    for n in range(100):
        server.offer(b"a%d" % n, topic="a")
        server.offer(b"b%d" % n, topic="b")
    until(lambda: free.count == 100, lambda: f"{free.count} of the free route: {gw.ledger()['routes']}")
    require(stuck.count == 5, f"{stuck.count} at the stuck sink")
    gw.balanced()
    gw.term()
    require(not any(a.message.payload.startswith(b"a") for a in server.acks), "none of the stuck ones is acknowledged")


# ---- the gateway dies -------------------------------------------------------------------------

@cases(qos1_v5=(1, 5), qos2_v5=(2, 5), qos1_v311=(1, 4))
def a_killed_gateway_loses_nothing_in(rig, qos, level):
    sink, server = rig.peer(), rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, qos=qos, window=50, version=level, **({"receive_maximum": 100} if level == 5 else {})))
    gw.wait_up()
    total = 0
    for _ in range(4):
        offer_all(server, numbered(300, total), qos=qos)
        total += 300
        until(lambda: sink.count > total - 250, lambda: f"events flow: {sink.count} of {total}")
        gw.kill()
        offer_all(server, numbered(50, total), qos=qos)
        total += 50
        gw.start()
    server.wait_finished()
    until(lambda: len(set(bodies(sink))) == total, lambda: f"{len(set(bodies(sink)))} of {total}: {gw.route()}")
    require(unique(bodies(sink)) == numbered(total), "first arrivals in order")
    rig.note(f"{sink.count - total} duplicates of {total} over 4 kills")
    gw.settled()


@cases(qos1=(1,), qos2=(2,))
def a_new_process_takes_the_session_over(rig, qos):
    """After a SIGKILL it does not know what the server still holds of the old one: that does no harm."""
    feed, server = rig.peer(), rig.mqtt_peer()
    # To be sure that nothing of the old process is left, the new one releases every identifier; that
    # the server may not know it is no error then (MQTT 5 §3.6.2.1).
    server.tolerated += ["without a PUBREC"] if qos == 2 else []
    gw = rig.gateway(outward(feed, server, qos=qos, window=50, **KEPT))
    gw.wait_up()
    total = 0
    for _ in range(3):
        offer_all(feed, numbered(300, total))
        total += 300
        until(lambda: len(server.received) > total - 250, lambda: f"events flow: {gw.route()}")
        gw.kill()
        gw.start()
    # The feed is an AMQP peer that does not offer again what an ended link had not settled.
    gw.wait_up()
    offer_all(feed, [b"end"])
    until(lambda: b"end" in server.payloads(), lambda: f"events flow: {gw.route()} {server.violations}")
    gw.settled()
    gw.balanced()


@test
def an_orderly_end_gives_back_what_is_in_hand(rig):
    """SIGTERM with an unconfirmed window: nothing is acknowledged, the next process gets it again."""
    answers = ["keep"]
    sink = rig.peer(answer=lambda message, count: None if answers[0] == "keep" else "accepted")
    server = rig.mqtt_peer()
    gw = rig.gateway(inward(server, sink, window=10), settings="  drain_timeout: 1s\n")
    offer_all(server, numbered(40))
    until(lambda: sink.count == 10, lambda: f"{sink.count} at the sink")
    gw.term()
    require(not server.acks, f"{server.acked()} were acknowledged")
    answers[0] = "accept"
    gw.start()
    server.wait_finished()
    until(lambda: len(set(bodies(sink))) == 40, lambda: f"{gw.route()}")
    require(bodies(sink)[10:] == numbered(40), "all again, in order")
    require(all(c.connect.client_id == server.connections[0].connect.client_id for c in server.connections),
            "under the same identifier")
    gw.settled()
