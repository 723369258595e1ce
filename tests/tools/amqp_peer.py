#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted AMQP 1.0 peer for the tests of the amqp bridge.

Prints its port, then a line for each thing that it sees.  The mode says how it misbehaves."""
import collections
import socket
import sys
import threading

from proton import Condition, Delivery, Link, Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import Container


def say(*words):
    print(*words, flush=True)


class Peer(MessagingHandler):
    def __init__(self, mode, port):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False)
        self.mode, self.port, self.attaches, self.received, self.sent = mode, port, 0, 0, 0
        self.accepted, self.load = 0, mode == "load"

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{self.port}")
        say(relay(self.port) if self.load else self.port)

    def on_connection_opening(self, event):
        if self.mode == "anonymous":
            event.connection.offered_capabilities = symbol("ANONYMOUS-RELAY")
        say("open", event.connection.remote_container)

    def on_link_opening(self, event):
        link = event.link
        self.attaches += 1
        if link.is_sender:
            link.source.address = "made/by/peer" if link.remote_source.dynamic else link.remote_source.address
            link.target.address = link.remote_target.address
            say("source", link.source.address, link.remote_source.durability, link.remote_source.expiry_policy,
                link.remote_source.distribution_mode, link.name, int(link.remote_snd_settle_mode))
        else:
            link.target.address = link.remote_target.address
            link.source.address = link.remote_source.address
            say("target", link.target.address, link.remote_target.durability)
        if link.is_sender:
            link.snd_settle_mode = link.remote_snd_settle_mode
        if self.mode == "small":
            link.max_message_size = 1000

    def on_link_opened(self, event):
        link = event.link
        if self.mode == "refuse" and self.attaches <= 2:
            link.condition = Condition("amqp:not-found", "no such node here")
            link.close()
            return
        if link.is_receiver and self.mode != "nocredit":
            link.flow(1000 if self.load else 100)

    def on_sendable(self, event):
        """Plays a queue with five messages, or a thousand."""
        link = event.link
        while self.sent < (1000 if self.load else 5) and link.credit > 0:
            body = f"m{self.sent}"
            if self.mode == "garbage" and self.sent == 1:
                link.delivery("bad")
                link.stream(b"\x00\x53\x75\xa0\x7fshort")
                link.advance()
            elif self.mode == "aborted" and self.sent == 1:
                delivery = link.delivery("cut")
                link.stream(b"\x00\x53\x75\xa0\x7fhalf")
                delivery.abort()
            elif self.mode == "toolarge" and self.sent == 1:
                link.send(Message(body=b"x" * 5000, inferred=True))
            else:
                delivery = link.send(Message(body=body, address="plant/" + body, delivery_count=self.sent))
                if link.snd_settle_mode == Link.SND_SETTLED:
                    delivery.settle()
            self.sent += 1
            if self.mode == "detach" and self.sent == 2:
                link.condition = Condition("amqp:resource-deleted", "gone")
                link.close()
                return

    def on_session_closing(self, event):
        if self.load:
            say("accepted", self.accepted)
        say("end")

    def on_delivery(self, event):
        delivery, link = event.delivery, event.link
        if link.is_sender:
            if delivery.updated and self.load:
                self.accepted += delivery.remote_state == Delivery.ACCEPTED
                delivery.settle()
            elif delivery.updated and delivery.remote_state:
                condition = delivery.remote.condition
                say("outcome", str(delivery.remote_state), delivery.remote.failed,
                    condition.name if condition else "-", condition.description if condition else "-")
                delivery.settle()
            return
        if not delivery.readable or delivery.partial:
            return
        message = Message()
        message.decode(link.recv(delivery.pending))
        link.advance()
        self.received += 1
        if self.load:
            self.settle(delivery, link)
            return
        say("message", message.body if isinstance(message.body, str) else bytes(message.body).decode(),
            message.address, delivery.settled, link.target.address)
        link.flow(1)
        self.settle(delivery, link)

    def settle(self, delivery, link):
        mode = self.mode
        if mode == "unconfirmed" and self.received == 1:
            return
        if mode == "vanish" and self.received <= 3:
            if self.received == 3:
                link.condition = Condition("amqp:resource-deleted", "gone")
                link.close()
            return
        if mode == "drop" and self.received == 3:
            link.connection.close()
            return
        if mode == "drop" and self.received < 3:
            return
        if mode == "reject":
            delivery.local.condition = Condition("amqp:precondition-failed", "not on a Sunday")
            delivery.update(Delivery.REJECTED)
        elif mode == "release":
            delivery.update(Delivery.RELEASED)
        elif mode == "modify":
            delivery.local.failed = True
            delivery.update(Delivery.MODIFIED)
        elif mode != "nostate":
            delivery.update(Delivery.ACCEPTED)
        delivery.settle()

    def on_link_closing(self, event):
        event.link.close()

    def on_connection_closed(self, event):
        say("closed")


def relay(port):
    """Stands before the peer's port, and at the end of a connection says which frames it brought."""
    performatives = {0x13: "flow", 0x14: "transfer", 0x15: "disposition"}
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source, target, counts):
        left = b""
        while data := source.recv(1 << 16):
            target.sendall(data)
            left += data
            while len(left) >= 8:
                if left[:4] == b"AMQP":  # a protocol header: eight bytes (AMQP 1.0 part 2 §2.2)
                    left = left[8:]
                    continue
                size = int.from_bytes(left[:4], "big")  # §2.3.1; type 0 is AMQP, 1 SASL
                if len(left) < size:
                    break
                if size > 10 and left[5] == 0:
                    counts[performatives.get(left[left[4] * 4 + 2], "other")] += 1
                left = left[size:]
        target.shutdown(socket.SHUT_WR)

    def serve():
        while True:
            client = listener.accept()[0]
            counts = collections.Counter()
            with client, socket.create_connection(("127.0.0.1", port)) as peer:
                back = threading.Thread(target=carry, args=(peer, client, collections.Counter()))
                back.start()
                carry(client, peer, counts)
                back.join()
            say("frames", counts["transfer"], counts["disposition"], counts["flow"])

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def silent(port):
    """Takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", port))
    say(port)
    held = []
    while True:
        held.append(listener.accept())
        say("open")


def main():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mode = sys.argv[1]
    if mode == "silent":
        silent(port)
    Container(Peer(mode, port)).run()


main()
