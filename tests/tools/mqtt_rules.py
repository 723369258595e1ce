# SPDX-License-Identifier: Apache-2.0
"""What a client of the fake MQTT server may do, packet by packet; each check raises Malformed.
The references are to MQTT 5."""
from types import SimpleNamespace

import mqtt_wire as wire
from mqtt_wire import (AUTH, CONNECT, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE,
                       UNSUBSCRIBE)

# What changes from hop to hop or between a message and its repetition.
_ONE_HOP = ("topic_alias", "expiry", "subscription_id")


def check(connection, packet):
    wire.need(packet.kind == CONNECT or connection.connect is not None, f"{packet.name} before CONNECT")
    wire.need(not connection.said_goodbye, f"{packet.name} after DISCONNECT (§3.14.4)")
    if connection.accepted and "maximum_packet" in connection.grants:
        most = connection.grants["maximum_packet"]
        wire.need(packet.size <= most, f"{packet.name} of {packet.size} bytes, Maximum Packet Size {most}")
    waits = connection.connect is not None and not connection.accepted
    wire.need(not waits or packet.kind in (AUTH, DISCONNECT)
              or "auth_method" not in connection.connect.props, f"{packet.name} before CONNACK (§4.12)")
    _CHECKS.get(packet.kind, lambda *_: None)(connection, packet)


def _check_connect(connection, packet):
    wire.need(connection.connect is None, "CONNECT twice (§3.1)")
    peer = connection.peer
    connection.connect = packet
    client_id = packet.client_id
    for other in peer.connections:
        wire.need(other is connection or other.closed or other.connect is None
                  or other.connect.client_id != client_id, f"a second connection of {client_id!r}")
    if packet.clean:
        peer.sessions.pop(client_id, None)
    connection.present = client_id in peer.sessions
    connection.session = peer.session(client_id)
    peer.current = connection


def _fingerprint(packet, topic):
    named = tuple(sorted((k, str(v)) for k, v in packet.props.items() if k not in _ONE_HOP))
    return topic, packet.payload, packet.qos, packet.retain, named


def _resolve(connection, packet):
    """The topic, by way of aliases (§3.3.2.3.4)."""
    alias = packet.props.get("topic_alias")
    if alias is None:
        return packet.topic
    most = connection.grants.get("topic_alias_maximum", 0)
    wire.need(alias <= most, f"topic alias {alias}, the server's maximum is {most}")
    if packet.topic:
        connection.aliases[alias] = packet.topic
    wire.need(alias in connection.aliases, f"topic alias {alias} was not set on this connection")
    return connection.aliases[alias]


def _check_publish(connection, packet):
    wire.need(connection.accepted, "PUBLISH before CONNACK")
    grants, session = connection.grants, connection.session
    packet.topic = topic = _resolve(connection, packet)
    most = grants.get("maximum_qos", 2)
    wire.need(packet.qos <= most, f"PUBLISH of QoS {packet.qos}, Maximum QoS {most}")
    wire.need(not packet.retain or grants.get("retain_available", 1), "PUBLISH with retain: not available")
    if not packet.qos:
        connection.peer.received.append(packet)
        return
    known, seal = session.theirs.get(packet.id), _fingerprint(packet, topic)
    if packet.dup:
        former = _check_repeated(connection, packet, known, seal)
    else:
        former = None
        wire.need(known is None, f"PUBLISH: packet identifier {packet.id} is in use")
        if connection.resending:
            missing = [i for i, e in session.theirs.items() if not e.received and e.connection != connection.index]
            wire.need(not missing, f"a new PUBLISH before {missing[:5]} were sent again (§4.6)")
            connection.resending = False
    connection.unanswered.add(packet.id)
    window = grants.get("receive_maximum", 65535)
    wire.need(len(connection.unanswered) <= window,
              f"{len(connection.unanswered)} unacknowledged PUBLISH, Receive Maximum {window}")
    if known is None:
        session.finished.pop(packet.id, None)
        serial = former.serial if former else len(connection.peer.received)
        session.theirs[packet.id] = SimpleNamespace(seal=seal, received=False, connection=connection.index,
                                                    serial=serial)
        connection.peer.received.append(packet)
    else:
        known.connection = connection.index
        if packet.qos == 1:
            connection.peer.received.append(packet)


def unheard(connection, packet_id):
    """A publish whose last answer went out on an earlier connection, so that it may have been lost."""
    entry = connection.session.finished.get(packet_id)
    return entry if entry is not None and entry.finished_on < connection.index else None


def _check_repeated(connection, packet, known, seal):
    """→ what it repeats; None where the first sending never arrived."""
    wire.need(connection.resending, f"PUBLISH {packet.id}: DUP without a kept session or behind new ones (§4.4)")
    former = known or unheard(connection, packet.id)
    if former is None or (known is None and former.seal != seal):
        return None  # its identifier may have been free by then
    wire.need(former.seal == seal, f"PUBLISH {packet.id} repeated with other content")
    wire.need(known or packet.qos == 1, f"PUBLISH {packet.id} of QoS 2 again, although it was released")
    wire.need(former.serial > connection.last_resent, f"PUBLISH {packet.id}: sent again out of order (§4.6)")
    connection.last_resent = former.serial
    return former


def _check_pubrel(connection, packet):
    entry = connection.session.theirs.get(packet.id)
    if entry is None:
        wire.need(unheard(connection, packet.id), f"PUBREL {packet.id} without a PUBREC")
        return
    wire.need(entry.received, f"PUBREL {packet.id} before its PUBREC")
    expected = connection.expect[PUBREL]
    if packet.id in expected:
        wire.need(expected.popleft() == packet.id, f"PUBREL {packet.id} out of the order of PUBREC (§4.6)")


def _check_received(connection, packet):
    """PUBACK, PUBREC."""
    expected, session = connection.expect[packet.kind], connection.session
    wire.need(packet.id in expected, f"{packet.name} {packet.id} for nothing that was sent on this connection")
    head = expected.popleft()
    wire.need(head == packet.id, f"{packet.name} {packet.id} before {head} (§4.6)")
    entry = session.ours[packet.id]
    connection.peer.acks.append(SimpleNamespace(packet=packet, message=entry.message, at=packet.at))
    if packet.kind == PUBACK or packet.reason >= 0x80:
        _finish(connection, packet.id)
    else:
        entry.released = True


def _check_pubcomp(connection, packet):
    entry = connection.session.ours.get(packet.id)
    wire.need(entry is not None and entry.released, f"PUBCOMP {packet.id} without a PUBREL")
    _finish(connection, packet.id)


def _finish(connection, packet_id):
    del connection.session.ours[packet_id]
    connection.unacknowledged.discard(packet_id)
    connection.pump()


def _check_subscribe(connection, packet):
    grants, v5 = connection.grants, connection.v5
    for wanted in packet.filters:
        shared = wanted.filter.startswith("$share/")
        wire.need(not shared or grants.get("shared_available", 1), "a shared subscription: not available")
        wire.need(not v5 or not set("+#") & set(wanted.filter) or grants.get("wildcard_available", 1),
                  "a wildcard subscription: not available")
        connection.session.filters[wanted.filter] = wanted
    wire.need("subscription_id" not in packet.props or grants.get("subscription_ids_available", 1),
              "a subscription identifier: not available")


def _check_unsubscribe(connection, packet):
    for wanted in packet.filters:
        connection.session.filters.pop(wanted.filter, None)


def _check_disconnect(connection, packet):
    connection.said_goodbye = True
    connection.goodbye = packet
    if "session_expiry" in packet.props:
        before = connection.connect.props.get("session_expiry", 0)
        wire.need(before or not packet.props["session_expiry"], "DISCONNECT raises the session's expiry from 0")
        connection.connect.props["session_expiry"] = packet.props["session_expiry"]


def _check_auth(connection, packet):
    method = connection.connect.props.get("auth_method")
    wire.need(method is not None and packet.props["auth_method"] == method, "AUTH: not the method of CONNECT")


_CHECKS = {CONNECT: _check_connect, PUBLISH: _check_publish, PUBREL: _check_pubrel, PUBACK: _check_received,
           PUBREC: _check_received, PUBCOMP: _check_pubcomp, SUBSCRIBE: _check_subscribe,
           UNSUBSCRIBE: _check_unsubscribe, DISCONNECT: _check_disconnect, AUTH: _check_auth}
