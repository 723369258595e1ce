# SPDX-License-Identifier: Apache-2.0
"""MQTT 3.1.1 and 5 packets for the tests' fake server: a strict decoder of what a client may send,
an encoder of what a server may say.  Shares no code with the gateway."""
import struct
from types import SimpleNamespace

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK,
 PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
NAMES = ("", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
         "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")
FROM_CLIENT = {CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ,
               DISCONNECT, AUTH}

WILL = "will"
_ACKS = (PUBACK, PUBREC, PUBREL, PUBCOMP)
# MQTT 5 §2.2.2.2: identifier → name, type, where it may stand.
PROPERTIES = {
    0x01: ("payload_format", "byte", (PUBLISH, WILL)),
    0x02: ("expiry", "u32", (PUBLISH, WILL)),
    0x03: ("content_type", "text", (PUBLISH, WILL)),
    0x08: ("response_topic", "text", (PUBLISH, WILL)),
    0x09: ("correlation", "data", (PUBLISH, WILL)),
    0x0b: ("subscription_id", "varint", (PUBLISH, SUBSCRIBE)),
    0x11: ("session_expiry", "u32", (CONNECT, CONNACK, DISCONNECT)),
    0x12: ("assigned_client_id", "text", (CONNACK,)),
    0x13: ("server_keep_alive", "u16", (CONNACK,)),
    0x15: ("auth_method", "text", (CONNECT, CONNACK, AUTH)),
    0x16: ("auth_data", "data", (CONNECT, CONNACK, AUTH)),
    0x17: ("request_problem", "byte", (CONNECT,)),
    0x18: ("will_delay", "u32", (WILL,)),
    0x19: ("request_response", "byte", (CONNECT,)),
    0x1a: ("response_information", "text", (CONNACK,)),
    0x1c: ("server_reference", "text", (CONNACK, DISCONNECT)),
    0x1f: ("reason_string", "text", (CONNACK, SUBACK, UNSUBACK, DISCONNECT, AUTH) + _ACKS),
    0x21: ("receive_maximum", "u16", (CONNECT, CONNACK)),
    0x22: ("topic_alias_maximum", "u16", (CONNECT, CONNACK)),
    0x23: ("topic_alias", "u16", (PUBLISH,)),
    0x24: ("maximum_qos", "byte", (CONNACK,)),
    0x25: ("retain_available", "byte", (CONNACK,)),
    0x26: ("user", "pair", (CONNECT, CONNACK, PUBLISH, WILL, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK,
                            DISCONNECT, AUTH) + _ACKS),
    0x27: ("maximum_packet", "u32", (CONNECT, CONNACK)),
    0x28: ("wildcard_available", "byte", (CONNACK,)),
    0x29: ("subscription_ids_available", "byte", (CONNACK,)),
    0x2a: ("shared_available", "byte", (CONNACK,)),
}
_IDENTIFIERS = {name: (number, kind) for number, (name, kind, _) in PROPERTIES.items()}
_NOT_ZERO = {"subscription_id", "receive_maximum", "topic_alias", "maximum_packet"}

# MQTT 5 §2.4: reason codes that a client may send.
REASONS = {
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    DISCONNECT: {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99},
    AUTH: {0x18, 0x19},
}


class Malformed(Exception):
    """The client sent what the specification forbids."""


def need(condition, what):
    if not condition:
        raise Malformed(what)


class _Reader:
    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(self.left() >= size, f"{self.what}: ends too early")
        self.at += size
        return bytes(self.data[self.at - size:self.at])

    def byte(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def varint(self):
        value = shift = 0
        for index in range(4):
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(index == 0 or byte, f"{self.what}: a variable byte integer longer than needed")
                return value
        raise Malformed(f"{self.what}: a variable byte integer of more than four bytes")

    def data_field(self):
        return self.take(self.u16())

    def text(self):
        raw = self.data_field()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"{self.what}: not UTF-8: {raw!r}") from error
        need("\0" not in text, f"{self.what}: U+0000 in a text (§1.5.4)")
        return text

    def properties(self, place):
        size = self.varint()
        inner = _Reader(self.take(size), self.what + " properties")
        found = {}
        while inner.left():
            number = inner.varint()
            need(number in PROPERTIES, f"{self.what}: unknown property 0x{number:02x}")
            name, kind, places = PROPERTIES[number]
            need(place in places, f"{self.what}: property {name} does not belong here")
            if kind == "pair":
                found.setdefault(name, []).append((inner.text(), inner.text()))
                continue
            need(name not in found, f"{self.what}: property {name} twice")
            value = {"byte": inner.byte, "u16": inner.u16, "u32": inner.u32, "varint": inner.varint,
                     "text": inner.text, "data": inner.data_field}[kind]()
            need(kind != "byte" or value < 2, f"{self.what}: property {name} is {value}")
            need(name not in _NOT_ZERO or value, f"{self.what}: property {name} is 0")
            found[name] = value
        return found


def varint(value):
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 127
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def properties(named):
    """named: by the names of PROPERTIES; user: a list of pairs; a list repeats the others."""
    out = b""
    for name, value in named.items():
        number, kind = _IDENTIFIERS[name]
        for one in value if isinstance(value, list) else [value]:
            out += bytes([number])
            if kind == "pair":
                out += text(one[0]) + text(one[1])
            elif kind in ("text", "data"):
                out += text(one)
            elif kind == "varint":
                out += varint(one)
            else:
                out += struct.pack({"byte": ">B", "u16": ">H", "u32": ">I"}[kind], one)
    return varint(len(out)) + out


def frame(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connack(v5, reason=0, present=False, **named):
    return frame(CONNACK, bytes([present, reason]) + (properties(named) if v5 else b""))


def ack(v5, kind, packet_id, reason=0, **named):
    """PUBACK, PUBREC, PUBREL, PUBCOMP."""
    body = struct.pack(">H", packet_id)
    if v5 and (reason or named):
        body += bytes([reason]) + (properties(named) if named else b"")
    return frame(kind, body, 2 if kind == PUBREL else 0)


def suback(v5, packet_id, codes, kind=SUBACK, **named):
    return frame(kind, struct.pack(">H", packet_id) + (properties(named) if v5 else b"") + bytes(codes))


def publish(v5, topic, payload, qos=0, packet_id=0, retain=False, dup=False, **named):
    body = text(topic) + (struct.pack(">H", packet_id) if qos else b"")
    return frame(PUBLISH, body + (properties(named) if v5 else b"") + payload,
                 dup << 3 | qos << 1 | bool(retain))


def disconnect(v5, reason=0, **named):
    body = bytes([reason]) + (properties(named) if named else b"") if v5 and (reason or named) else b""
    return frame(DISCONNECT, body)


def auth(reason, **named):
    return frame(AUTH, bytes([reason]) + properties(named))


def split(buffer):
    """The first whole packet of buffer: (first byte, body, size of all), or None."""
    if len(buffer) < 2:
        return None
    size = shift = 0
    for index in range(1, 5):
        if index >= len(buffer):
            return None
        size |= (buffer[index] & 127) << shift
        shift += 7
        if buffer[index] < 128:
            need(index == 1 or buffer[index], "the remaining length is longer than needed")
            whole = index + 1 + size
            return (buffer[0], bytes(buffer[index + 1:whole]), whole) if len(buffer) >= whole else None
    raise Malformed("a remaining length of more than four bytes")


def topic_filter(name, filter_text):
    """MQTT 5 §4.7."""
    need(filter_text, f"{name}: an empty topic filter")
    levels = filter_text.split("/")
    for index, level in enumerate(levels):
        need("#" not in level or (level == "#" and index == len(levels) - 1),
             f"{name}: # in the wrong place: {filter_text}")
        need("+" not in level or level == "+", f"{name}: + in the wrong place: {filter_text}")
    if levels[0] == "$share":
        need(len(levels) > 2 and levels[1] and not set("+#") & set(levels[1]),
             f"{name}: a wrong shared subscription: {filter_text}")


def decode(first, body, v5):
    """One packet of a client; raises Malformed."""
    kind, flags = first >> 4, first & 15
    name = NAMES[kind] if kind else "packet type 0"
    need(kind in FROM_CLIENT and (v5 or kind != AUTH), f"{name}: not for a client to send")
    if kind != PUBLISH:
        need(flags == (2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0), f"{name}: flags {flags:#x}")
    packet = SimpleNamespace(kind=kind, name=name, props={}, reason=0, id=0, size=0)
    reader = _Reader(body, name)
    _DECODERS[kind](packet, reader, v5, flags)
    need(not reader.left(), f"{name}: {reader.left()} bytes too many")
    return packet


def _connect(packet, reader, _v5, _flags):
    need(reader.text() == "MQTT", "CONNECT: the protocol's name")
    packet.level = reader.byte()
    need(packet.level in (4, 5), f"CONNECT: protocol level {packet.level}")
    v5 = packet.level == 5
    flags = reader.byte()
    need(not flags & 1, "CONNECT: the reserved flag is set")
    packet.clean = bool(flags & 2)
    packet.keep_alive = reader.u16()
    packet.props = reader.properties(CONNECT) if v5 else {}
    need("auth_data" not in packet.props or "auth_method" in packet.props, "CONNECT: data without method")
    packet.client_id = reader.text()
    need(packet.client_id or packet.clean or v5, "CONNECT: no client id without a clean session")
    packet.will = None
    will_qos, will_retain = flags >> 3 & 3, bool(flags & 32)
    if flags & 4:
        need(will_qos < 3, "CONNECT: will QoS 3")
        props = reader.properties(WILL) if v5 else {}
        topic = reader.text()
        need(topic and not set("+#") & set(topic), f"CONNECT: will topic {topic!r}")
        packet.will = SimpleNamespace(topic=topic, payload=reader.data_field(), qos=will_qos,
                                      retain=will_retain, props=props)
    else:
        need(not will_qos and not will_retain, "CONNECT: will flags without a will")
    need(v5 or flags & 128 or not flags & 64, "CONNECT: a password without a user name (3.1.1 §3.1.2.9)")
    packet.user = reader.text() if flags & 128 else None
    packet.password = reader.data_field() if flags & 64 else None


def _publish(packet, reader, v5, flags):
    packet.qos, packet.dup, packet.retain = flags >> 1 & 3, bool(flags & 8), bool(flags & 1)
    need(packet.qos < 3, "PUBLISH: QoS 3")
    need(packet.qos or not packet.dup, "PUBLISH: DUP at QoS 0 (§3.3.1.1)")
    packet.topic = reader.text()
    need(not set("+#") & set(packet.topic), f"PUBLISH: a wildcard in the topic {packet.topic!r}")
    if packet.qos:
        packet.id = reader.u16()
        need(packet.id, "PUBLISH: packet identifier 0")
    packet.props = reader.properties(PUBLISH) if v5 else {}
    need("subscription_id" not in packet.props, "PUBLISH: a subscription identifier from a client")
    need(packet.topic or "topic_alias" in packet.props, "PUBLISH: neither topic nor alias")
    need(not set("+#") & set(packet.props.get("response_topic", "")), "PUBLISH: wildcard in response topic")
    packet.payload = reader.take(reader.left())
    if packet.props.get("payload_format") == 1:
        try:
            packet.payload.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("PUBLISH: the payload is not UTF-8 as its format says") from error


def _ack(packet, reader, v5, _flags):
    packet.id = reader.u16()
    need(packet.id, f"{packet.name}: packet identifier 0")
    if v5 and reader.left():
        packet.reason = reader.byte()
        need(packet.reason in REASONS[packet.kind], f"{packet.name}: reason 0x{packet.reason:02x}")
        if reader.left():
            packet.props = reader.properties(packet.kind)


def _subscribe(packet, reader, v5, _flags):
    packet.id = reader.u16()
    need(packet.id, f"{packet.name}: packet identifier 0")
    packet.props = reader.properties(packet.kind) if v5 else {}
    packet.filters = []
    need(reader.left(), f"{packet.name}: no topic filter")
    while reader.left():
        wanted = SimpleNamespace(filter=reader.text(), qos=0, no_local=False, as_published=False, handling=0)
        topic_filter(packet.name, wanted.filter)
        if packet.kind == SUBSCRIBE:
            options = reader.byte()
            need(not options & (0xc0 if v5 else 0xfc), f"SUBSCRIBE: reserved options {options:#x}")
            wanted.qos, wanted.no_local = options & 3, bool(options & 4)
            wanted.as_published, wanted.handling = bool(options & 8), options >> 4 & 3
            need(wanted.qos < 3 and wanted.handling < 3, f"SUBSCRIBE: options {options:#x}")
            need(not wanted.no_local or not wanted.filter.startswith("$share/"),
                 "SUBSCRIBE: No Local on a shared subscription (§3.8.3.1)")
        packet.filters.append(wanted)


def _empty(_packet, _reader, _v5, _flags):
    pass


def _reasoned(packet, reader, v5, _flags):
    if v5 and reader.left():
        packet.reason = reader.byte()
        need(packet.reason in REASONS[packet.kind], f"{packet.name}: reason 0x{packet.reason:02x}")
        if reader.left():
            packet.props = reader.properties(packet.kind)
    if packet.kind == AUTH:
        need("auth_method" in packet.props, "AUTH: no method")


_DECODERS = {CONNECT: _connect, PUBLISH: _publish, PUBACK: _ack, PUBREC: _ack, PUBREL: _ack, PUBCOMP: _ack,
             SUBSCRIBE: _subscribe, UNSUBSCRIBE: _subscribe, PINGREQ: _empty, DISCONNECT: _reasoned,
             AUTH: _reasoned}
