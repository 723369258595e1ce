# SPDX-License-Identifier: Apache-2.0
"""A fake MQTT server for tests: plays a session by the book or as scripted, and checks every packet
of its client against MQTT 3.1.1 and 5.  What it finds stands in `violations`.

A script is a hook: peer.on(PUBLISH, fn) calls fn(connection, packet) after the check and before the
usual answer; what returns True has dealt with the packet.  peer.once(…) is for the first one alone.
peer.unseen(PUBREC) cuts the connection before the server has seen the first of its kind."""
import collections
import os
import queue
import socket
import struct
import sys
import threading
import time
import traceback
from types import SimpleNamespace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mqtt_wire as wire  # noqa: E402
from mqtt_rules import check  # noqa: E402
from mqtt_wire import CONNECT, PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, UNSUBACK  # noqa: E402

def matches(filter_text, topic):
    """MQTT 5 §4.7."""
    wanted, levels = filter_text.split("/"), topic.split("/")
    if wanted[0] == "$share":
        wanted = wanted[2:]
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


class Session:
    """What the server keeps between connections."""

    def __init__(self):
        self.filters = {}
        self.theirs = collections.OrderedDict()  # the client's publishes that are not finished
        self.finished = {}  # answered for good, but the client may not have heard it
        self.ours = collections.OrderedDict()  # sent to the client, not acknowledged
        self.waiting = collections.deque()
        self.number = 0

    def free_id(self):
        while True:
            self.number = self.number % 65535 + 1
            if self.number not in self.ours:
                return self.number


class Connection:
    def __init__(self, peer, link, index):
        self.peer, self.link, self.index = peer, link, index
        self.v5, self.connect, self.session, self.present = True, None, None, False
        self.accepted = self.closed = self.said_goodbye = False
        self.packets = []
        self.aliases, self.our_aliases = {}, {}
        self.unanswered = set()  # the client's publishes: its use of our Receive Maximum
        self.resending, self.last_resent = False, -1
        self.expect = {PUBACK: collections.deque(), PUBREC: collections.deque(),
                       PUBREL: collections.deque()}
        self.unacknowledged = set()  # our publishes: our use of the client's Receive Maximum
        self.keep_alive = 0
        self.chunk = None  # bytes per segment
        self.out = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    # What a script calls.

    def send(self, data):
        self.out.put(data)

    def close(self):
        """After all that was sent."""
        self.out.put(None)

    def cut(self):
        """At once, with a reset."""
        self.closed = True
        try:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.link.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        self.out.put("cut")

    def answer(self, kind, packet_id, reason=0, lost=False, **named):
        """PUBACK, PUBREC, PUBCOMP to the client, with what that changes in the session.
        lost: it does not get there; the connection breaks."""
        entry = self.session.theirs.get(packet_id)
        last = kind in (PUBACK, PUBCOMP) or reason >= 0x80
        if entry is not None and last:
            entry.finished_on = self.index
            self.session.finished[packet_id] = self.session.theirs.pop(packet_id)
        elif entry is not None:
            entry.received = True
            self.expect[PUBREL].append(packet_id)
        if last:
            self.unanswered.discard(packet_id)
        if lost:
            self.cut()
        else:
            self.send(wire.ack(self.v5, kind, packet_id, reason, **named))

    def disconnect(self, reason=0, **named):
        self.send(wire.disconnect(self.v5, reason, **named))
        self.close()

    def publish(self, message, packet_id=0, dup=False):
        named = dict(message.props)
        topic = message.topic
        if self.peer.use_aliases and self.v5:
            known = self.our_aliases.get(topic)
            most = self.connect.props.get("topic_alias_maximum", 0)
            if known is None and len(self.our_aliases) < most:
                known = self.our_aliases[topic] = len(self.our_aliases) + 1
                named["topic_alias"] = known
            elif known is not None:
                named["topic_alias"], topic = known, ""
        self.send(wire.publish(self.v5, topic, message.payload, message.qos, packet_id, message.retain,
                               dup, **named))

    def pump(self):
        """Sends what waits, as far as the client's Receive Maximum allows."""
        session = self.session
        if not self.accepted or self.closed or self.peer.holding:
            return
        most = self.connect.props.get("receive_maximum", 65535) if self.v5 else self.peer.window
        while session.waiting and (session.waiting[0].qos == 0 or len(self.unacknowledged) < most):
            message = session.waiting.popleft()
            if not message.qos:
                self.publish(message)
                continue
            packet_id = session.free_id()
            session.ours[packet_id] = SimpleNamespace(message=message, released=False)
            self._send_ours(packet_id, False)

    def _send_ours(self, packet_id, dup):
        message = self.session.ours[packet_id].message
        self.unacknowledged.add(packet_id)
        self.expect[PUBACK if message.qos == 1 else PUBREC].append(packet_id)
        self.publish(message, packet_id, dup)

    def accept(self, reason=0, present=None, **named):
        """CONNACK, then what the session holds."""
        peer = self.peer
        grants = {**(peer.grants if self.v5 and not reason else {}), **named}
        self.grants = grants
        self.send(wire.connack(self.v5, reason, bool(present if present is not None else self.present),
                               **(grants if self.v5 else {})))
        if reason:
            self.close()
            return
        self.accepted = True
        self.keep_alive = grants.get("server_keep_alive", self.connect.keep_alive)
        self.resending = self.present
        for packet_id, entry in list(self.session.ours.items()):
            if entry.released:
                self.send(wire.ack(self.v5, PUBREL, packet_id))
            else:
                self._send_ours(packet_id, True)
        self.pump()

    # The two threads.

    def _write(self):
        while True:
            data = self.out.get()
            try:
                if data is None:
                    self.link.shutdown(socket.SHUT_WR)
                    return
                if data == "cut":
                    return
                step = self.chunk or len(data)
                for at in range(0, len(data), step):
                    self.link.sendall(data[at:at + step])
            except OSError:
                return

    def read(self):
        buffer, last = bytearray(), time.monotonic()
        self.link.settimeout(0.2)
        while not self.closed:
            try:
                data = self.link.recv(65536)
            except socket.timeout:
                silent = time.monotonic() - last
                if self.keep_alive and silent > self.keep_alive * 1.5 + self.peer.slack_s:
                    self.peer.violation(f"silent for {silent:.1f} s, keep alive {self.keep_alive} s")
                    self.cut()
                continue
            except OSError:
                break
            if not data:
                break
            buffer += data
            while (found := wire.split(buffer)) is not None and not self.closed:
                first, body, size = found
                del buffer[:size]
                last = time.monotonic()
                with self.peer.lock:
                    self._take(first, body, size)
        with self.peer.lock:
            self._over()

    def _over(self):
        self.closed = True
        self.link.close()
        self.out.put("cut")
        peer = self.peer
        if self.session is not None and peer.current is self:
            peer.current = None
        if self.connect is not None and not self.lasting():
            peer.sessions.pop(self.connect.client_id, None)

    def lasting(self):
        if self.v5:
            return self.connect.props.get("session_expiry", 0) > 0
        return not self.connect.clean

    def _take(self, first, body, size):
        packet = wire.decode(first, body, self.v5)
        packet.size, packet.at = size, time.monotonic()
        if packet.kind == CONNECT:
            self.v5 = packet.level == 5
        if packet.kind == self.peer.blind_to:
            self.peer.blind_to = None
            self.cut()
            return
        self.packets.append(packet)
        try:
            check(self, packet)
        except wire.Malformed as error:
            if not self.peer.tolerates(str(error)):
                raise
        for hooks in (self.peer.first, self.peer.hooks):
            hook = hooks.get(packet.kind)
            if hook:
                if hooks is self.peer.first:
                    del hooks[packet.kind]
                if hook(self, packet):
                    return
        usual = getattr(self, "_usual_" + packet.name.lower(), None)
        if usual:
            usual(packet)

    def _usual_connect(self, _packet):
        self.accept()

    def _usual_publish(self, packet):
        if packet.qos:
            self.answer(PUBACK if packet.qos == 1 else PUBREC, packet.id)

    def _usual_pubrel(self, packet):
        known = packet.id in self.session.theirs
        self.answer(PUBCOMP, packet.id, 0 if known or not self.v5 else 0x92)

    def _usual_pubrec(self, packet):
        if packet.reason < 0x80:
            self.send(wire.ack(self.v5, PUBREL, packet.id))

    def _usual_subscribe(self, packet):
        self.send(wire.suback(self.v5, packet.id, [f.qos for f in packet.filters]))
        self.peer.adopt(self)

    def _usual_unsubscribe(self, packet):
        self.send(wire.suback(self.v5, packet.id, [0] * len(packet.filters) if self.v5 else [], UNSUBACK))

    def _usual_pingreq(self, _packet):
        self.send(wire.frame(PINGRESP))


class Peer:
    def __init__(self, port=0, grants=None, slack_s=1.0, use_aliases=False, window=100):
        """grants: CONNACK properties, by the names of mqtt_wire; they are enforced.
        slack_s: what a busy machine may delay; window: unacknowledged messages towards a 3.1.1 client."""
        self.grants, self.slack_s, self.use_aliases, self.window = grants or {}, slack_s, use_aliases, window
        self.lock = threading.RLock()
        self.hooks, self.first = {}, {}
        self.violations, self.tolerated = [], []
        self.sessions, self.connections, self.current = {}, [], None
        self.received, self.acks = [], []
        self.backlog = collections.deque()
        self.holding, self.blind_to = False, None
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def on(self, kind, hook):
        with self.lock:
            self.hooks[kind] = hook

    def once(self, kind, hook):
        with self.lock:
            self.first[kind] = hook

    def unseen(self, kind):
        self.blind_to = kind

    def session(self, client_id):
        return self.sessions.setdefault(client_id, Session())

    def by_the_book(self):
        """Ends all scripts."""
        with self.lock:
            self.hooks.clear()
            self.first.clear()

    def offer(self, payload, topic="in", qos=1, retain=False, **props):
        """A message for whoever has subscribed or will."""
        message = SimpleNamespace(topic=topic, payload=payload, qos=qos, retain=retain, props=props)
        with self.lock:
            taken = False
            for session in self.sessions.values():
                taken |= self._give(session, message)
            if not taken:
                self.backlog.append(message)
            self.pump()

    def _give(self, session, message):
        levels = [s.qos for f, s in session.filters.items() if matches(f, message.topic)]
        if levels:
            session.waiting.append(SimpleNamespace(**{**vars(message), "qos": min(message.qos, max(levels))}))
        return bool(levels)

    def adopt(self, connection):
        self.backlog = collections.deque(m for m in self.backlog if not self._give(connection.session, m))
        connection.pump()

    def pump(self):
        with self.lock:
            for connection in self.connections:
                if not connection.closed and connection.session is not None:
                    connection.pump()

    def hold(self, holding):
        """While held nothing new is published to the client."""
        self.holding = holding
        self.pump()

    def forget_sessions(self):
        with self.lock:
            self.sessions.clear()

    def cut(self):
        with self.lock:
            for connection in self.connections:
                if not connection.closed:
                    connection.cut()

    def tolerates(self, text):
        return any(word in text for word in self.tolerated)

    def violation(self, text):
        if not self.tolerates(text):
            self.violations.append(text)

    def unfinished(self):
        """What was offered and is not acknowledged."""
        with self.lock:
            return len(self.backlog) + sum(len(s.waiting) + len(s.ours) for s in self.sessions.values())

    def count(self, kind):
        """Packets of a kind, over all connections."""
        with self.lock:
            return sum(p.kind == kind for c in self.connections for p in c.packets)

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(self, link, len(self.connections))
                self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.read()
        except Exception as error:  # also a fault of this file must fail the test
            text = str(error) if isinstance(error, wire.Malformed) else traceback.format_exc()
            self.violation(f"connection {connection.index}: {text}")
            connection.cut()
            with self.lock:
                connection._over()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()
