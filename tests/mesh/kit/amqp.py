# SPDX-License-Identifier: Apache-2.0
"""AMQP 1.0 clients of the tests and a small peer that answers as it is told, on qpid-proton."""
import collections
import threading

from proton import Condition, Delivery, Endpoint, Message, Terminus
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, ApplicationEvent, Container, EventInjector, LinkOption

from .waiting import free_port, require, until

OUTCOMES = {Delivery.ACCEPTED: "accepted", Delivery.REJECTED: "rejected",
            Delivery.RELEASED: "released", Delivery.MODIFIED: "modified"}
_RETRY_S = 0.2


class Durable(LinkOption):
    """RabbitMQ declares the queue of /queue/NAME as durable as the first link's terminus is."""

    def apply(self, link):
        (link.target if link.is_sender else link.source).durability = Terminus.DELIVERIES


class _Client(MessagingHandler):
    """Runs a container on a thread of its own and reconnects for ever."""

    def __init__(self, url, **connect):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=True)
        self.url, self.connect = url, connect
        self.injector = EventInjector()
        self.container = Container(self)
        self.container.selectable(self.injector)
        self.connection = None
        self.opened = threading.Event()
        self.errors = []
        self.closing = False
        self.thread = threading.Thread(target=self.container.run, daemon=True)

    def begin(self):
        self.thread.start()
        require(self.opened.wait(20), lambda: f"the test's AMQP link opens: {self.errors[-2:]}")
        return self

    def on_start(self, event):
        self._connect()

    def _connect(self):
        # A fresh connection each time: Proton's own reconnect would bring old links back with it.
        self.connection = self.container.connect(
            self.url, reconnect=False, allow_insecure_mechs=True, **self.connect)

    def on_timer_task(self, event):
        if not self.closing:
            self._connect()

    def on_connection_opened(self, event):
        self.attach(event)

    def on_transport_error(self, event):
        self.errors.append(str(event.transport.condition))

    def on_link_error(self, event):
        self.errors.append(str(event.link.remote_condition))
        self.lost()

    def on_session_error(self, event):
        self.errors.append(str(event.session.remote_condition))
        event.connection.close()

    def on_connection_error(self, event):
        self.errors.append(str(event.connection.remote_condition))

    def on_disconnected(self, event):
        if event.connection == self.connection and not self.closing:
            self.lost()
            self.connection = None
            self.container.schedule(_RETRY_S, self)

    def lost(self):
        pass

    def attach(self, event):
        raise NotImplementedError

    def call(self, name, subject=None):
        self.injector.trigger(ApplicationEvent(name, subject=subject))

    def on_finish(self, event):
        self.closing = True
        if self.connection is not None:
            self.connection.close()
        self.injector.close()
        self.container.stop()

    def close(self):
        if self.thread.is_alive():
            self.call("finish")
            self.thread.join(5)


class Receiver(_Client):
    """Collects messages.  answer(message): accepted (default), rejected, released, modified or None
    (keeps it unsettled)."""

    def __init__(self, url, address, credit=1000, on_message=None, keep=True, answer=None, **connect):
        super().__init__(url, **connect)
        self.address, self.credit, self.hook, self.keep = address, credit, on_message, keep
        self.answer = answer or (lambda message: "accepted")
        self.messages = []
        self.count = 0
        self.receiver = None
        self.held = []
        self.begin()

    def attach(self, event):
        self.receiver = event.container.create_receiver(event.connection, self.address,
                                                         options=Durable())
        self.receiver.flow(self.credit)

    def on_link_opened(self, event):
        self.opened.set()

    def on_message(self, event):
        message = event.message
        if self.keep:
            self.messages.append(message)
        outcome = self.answer(message)
        if outcome is None:
            self.held.append(event.delivery)
        else:
            if outcome == "accepted":
                event.delivery.update(Delivery.ACCEPTED)
            elif outcome == "rejected":
                event.delivery.update(Delivery.REJECTED)
            elif outcome == "released":
                event.delivery.update(Delivery.RELEASED)
            else:
                event.delivery.local.failed = True
                event.delivery.update(Delivery.MODIFIED)
            event.delivery.settle()
            event.receiver.flow(1)
        if self.hook:
            self.hook(message)
        self.count += 1

    def on_grant(self, event):
        self.receiver.flow(event.subject)

    def grant(self, credit):
        self.call("grant", credit)

    def wait(self, count, timeout_s=20):
        until(lambda: self.count >= count,
              lambda: f"{count} events arrive over AMQP, came {self.count} {self.errors[-2:]}", timeout_s)
        return self.messages


class Sender(_Client):
    """Sends what send() is given, again after a reconnect until it is settled, in order."""

    def __init__(self, url, address, window=500, presettled=False, **connect):
        super().__init__(url, **connect)
        self.address, self.window, self.presettled = address, window, presettled
        self.sender = None
        self.lock = threading.Condition()
        self.waiting = collections.deque()
        self.unsettled = collections.OrderedDict()
        self.outcomes = collections.Counter()
        self.sent = self.settled = 0
        self.begin()

    def attach(self, event):
        options = [Durable()] + [AtMostOnce()] * self.presettled
        self.sender = event.container.create_sender(event.connection, self.address, options=options)

    def on_link_opened(self, event):
        self.opened.set()

    def lost(self):
        with self.lock:
            self.waiting.extendleft(reversed(list(self.unsettled.values())))
            self.unsettled.clear()
        self.sender = None

    def on_sendable(self, event):
        self._pump()

    def on_more(self, event):
        self._pump()

    def _pump(self):
        while self.sender is not None and self.sender.state & Endpoint.REMOTE_ACTIVE \
                and self.sender.credit > 0:
            with self.lock:
                if not self.waiting:
                    return
                message = self.waiting.popleft()
                delivery = self.sender.send(message)
                if self.presettled:
                    self.settled += 1
                    self.lock.notify_all()
                else:
                    self.unsettled[delivery] = message

    def on_settled(self, event):
        with self.lock:
            if self.unsettled.pop(event.delivery, None) is None:
                return
            self.outcomes[OUTCOMES.get(event.delivery.remote_state, "unknown")] += 1
            self.settled += 1
            self.lock.notify_all()

    def send(self, message):
        if not isinstance(message, Message):
            message = Message(body=message, durable=True, inferred=True)
        with self.lock:
            self.lock.wait_for(lambda: self.sent - self.settled < self.window, 120)
            self.waiting.append(message)
            self.sent += 1
        self.call("more")

    def done(self, timeout_s=30):
        until(lambda: self.settled >= self.sent,
              lambda: f"{self.sent} events settled, are {self.settled} {self.errors[-2:]}", timeout_s)


class Peer(MessagingHandler):
    """An AMQP 1.0 container that a gateway connects to: takes what comes in by `answer`, gives out
    what `offer` adds.  answer(message, count) → outcome, or None to leave it unsettled."""

    def __init__(self, answer=None, credit=1000, port=None):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=True)
        self.answer = answer or (lambda message, count: "accepted")
        self.credit = credit
        self.port = port or free_port()
        self.messages = []
        self.count = 0
        self.offers = collections.deque()
        self.outcomes = collections.Counter()
        self.senders = []
        self.receivers = []
        self.listener = None
        self.listening = threading.Event()
        self.connections = 0
        self.injector = EventInjector()
        self.container = Container(self)
        self.container.selectable(self.injector)
        threading.Thread(target=self.container.run, daemon=True).start()
        require(self.listening.wait(10), "the AMQP peer listens")

    @property
    def url(self):
        return f"amqp://127.0.0.1:{self.port}"

    def on_start(self, event):
        self.listener = event.container.listen(f"127.0.0.1:{self.port}")
        self.listening.set()

    def on_connection_opening(self, event):
        self.connections += 1

    def on_link_opening(self, event):
        link = event.link
        link.source.address = link.remote_source.address
        link.target.address = link.remote_target.address
        link.open()
        if link.is_sender:
            self.senders.append(link)
        else:
            self.receivers.append(link)
            link.flow(self.credit)

    def on_link_closing(self, event):
        for known in (self.senders, self.receivers):
            if event.link in known:
                known.remove(event.link)

    def on_disconnected(self, event):
        self.senders = [s for s in self.senders if s.connection != event.connection]

    def on_message(self, event):
        self.count += 1
        self.messages.append(event.message)
        outcome = self.answer(event.message, self.count)
        if outcome is None:
            return
        delivery = event.delivery
        if outcome == "modified":
            delivery.local.failed = True
        delivery.update({"accepted": Delivery.ACCEPTED, "rejected": Delivery.REJECTED,
                         "released": Delivery.RELEASED, "modified": Delivery.MODIFIED}[outcome])
        delivery.settle()
        event.receiver.flow(1)

    def on_sendable(self, event):
        self._pump()

    def on_more(self, event):
        self._pump()

    def _pump(self):
        for sender in self.senders:
            while self.offers and sender.credit > 0:
                sender.send(self.offers.popleft())

    def on_settled(self, event):
        if event.link.is_sender:
            self.outcomes[OUTCOMES.get(event.delivery.remote_state, "unknown")] += 1

    def offer(self, message):
        if not isinstance(message, Message):
            message = Message(body=message, durable=True, inferred=True)
        self.offers.append(message)
        self.injector.trigger(ApplicationEvent("more"))

    def on_detach(self, event):
        for link in list(self.senders) + list(self.receivers):
            link.condition = Condition("amqp:resource-deleted", "the test detached this link")
            link.close()
        self.senders.clear()
        self.receivers.clear()

    def detach(self):
        self.injector.trigger(ApplicationEvent("detach"))

    def on_finish(self, event):
        self.listener.close()
        self.injector.close()
        self.container.stop()

    def close(self):
        self.injector.trigger(ApplicationEvent("finish"))
