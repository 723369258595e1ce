# SPDX-License-Identifier: Apache-2.0
"""The two ends of a path: a real broker, what is sent into it or what comes out of it, and how it
is killed so that what is lost afterwards is the gateway's fault and not the broker's."""
import os
import signal
import threading

from proton import Message

from kit.config import bridge, rabbit
from kit.proxy import FORWARD, STALL
from kit.waiting import Failure, until

QUICK = "{ first: 20ms, most: 200ms }"
KEPT = {"clean_start": "false", "session_expiry": "1h"}
MARK = "meshgate-redelivered"
UNDER_WAY = 500  # events that may be between the sender and the watch
IN_HAND = 100  # events that a Mosquitto takes without having confirmed them
EXPIRY_S = 30 * 86400


class Load:
    """Sends numbered events without pause, but never more than `most` that have not arrived."""

    def __init__(self, checker, end, most=UNDER_WAY):
        self.checker, self.end, self.most = checker, end, most
        self.lock, self.over, self.paused, self.error = threading.Lock(), threading.Event(), False, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.over.is_set():
                with self.lock:
                    held = self.paused or self.checker.sent - self.checker.unique >= self.most
                    if not held:
                        self.end.send(*self.checker.next())
                if held:
                    self.over.wait(0.002)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def pause(self):
        """Returns when the broker has confirmed all that was sent."""
        with self.lock:
            self.paused = True
        self.end.confirmed()

    def resume(self):
        self.paused = False

    def stop(self):
        self.over.set()
        self.thread.join(70)
        if self.error or self.thread.is_alive():
            raise Failure(f"the load hangs: {self.error}")
        self.end.confirmed()


class MqttEnd:
    """A Mosquitto.  It acknowledges before it saves: what survives its SIGKILL is what it was told to
    save, and what it had handed out."""

    kind, ordered, in_hand = "mqtt", True, IN_HAND

    def __init__(self, world, name, qos=1, linked=False):
        self.world, self.name, self.qos = world, name, qos
        self.broker = world.mosquitto(name, persist=True, autosave=False, log="none",
                                      extra=f"max_inflight_messages {IN_HAND}")
        self.link = world.link(self.broker.port) if linked else None
        self.publisher = self.watcher = None

    def bridge(self, name):
        quick = {"keep_alive": "2s", "connect_timeout": "1s"} if self.link else {}
        return bridge(name, self.link or self.broker, type="mqtt", reconnect=QUICK, **KEPT, **quick)

    def from_(self, name, topic="in"):
        return f'{{ bridge: {name}, topic: "{topic}/+", qos: {self.qos} }}'

    def to(self, name, topic="out"):
        return f'{{ bridge: {name}, topic: "{topic}/{{property.key}}", qos: {self.qos} }}'

    # What goes in.

    def open_source(self):
        # paho-mqtt does not keep to the broker's Receive Maximum by itself.
        self.publisher = self.world.publisher(self.broker.port, window=IN_HAND * 9 // 10, client_id="load",
                                              clean=False)

    def send(self, key, number, payload):
        self.publisher.publish(f"in/{key}", payload, self.qos, MessageExpiryInterval=EXPIRY_S,
                               UserProperty=[("key", key), ("id", f"{key}-{number}")])

    def confirmed(self):
        self.publisher.done(60)

    # What comes out.

    def open_watch(self, checker, filter_="out/#"):
        def arrived(message):
            marked = any(name == MARK for name, _ in getattr(message.properties, "UserProperty", []))
            expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
            if expiry_s is not None and not 0 < expiry_s <= EXPIRY_S:
                checker.note("expiry", f"{expiry_s} s left of {EXPIRY_S}")
            checker.arrived(message.payload, marked)

        # QoS 0: a subscriber that has to write a PUBACK to a dead broker would lose what it has not read.
        self.watcher = self.world.subscriber(self.broker.port, filter_, client_id="watch", clean=False,
                                             keep=False, qos=0, on_message=arrived)
        self.broker.save()

    # What is done to it.

    def pids(self):
        return [self.broker.process.pid]

    def kill_source(self, load):
        """All that it has confirmed is on its disk; it dies while it hands it out."""
        load.pause()
        self.broker.save()
        self.world.pause(0, 0.2)
        self.broker.kill()

    def back_source(self, load):
        self.broker.start()
        until(self.publisher.connected.is_set, "the publisher is back")
        load.resume()

    def kill_sink(self):
        """It dies when it likes, but the gateway gets to it again only when the watch is there: it
        writes an event to who is there before it confirms it."""
        self.broker.kill()
        self.link.mode(STALL)

    def back_sink(self):
        connects = self.watcher.connects
        self.broker.start()
        until(lambda: self.watcher.connects > connects, "the watch is back")
        self.link.mode(FORWARD)


class RabbitEnd:
    """A queue of the RabbitMQ that the scenarios share."""

    kind, ordered, qos, in_hand = "amqp", False, 1, 2 * UNDER_WAY

    def __init__(self, world, linked=False):
        self.world, self.broker, self.name = world, world.rabbitmq, "rabbitmq"
        self.queue = world.unique("faults")
        self.link = world.link(self.broker.port) if linked else None
        self.sender = self.receiver = None

    def bridge(self, name):
        quick = {"idle_timeout": "2s", "connect_timeout": "2s"} if self.link else {}
        return rabbit(name, self.link or self.broker, reconnect=QUICK, **quick)

    def from_(self, name):
        return f'{{ bridge: {name}, address: "/queue/{self.queue}" }}'

    to = from_

    def open_source(self):
        self.sender = self.world.sender(f"/queue/{self.queue}", window=200)

    def send(self, key, number, payload):
        self.sender.send(Message(body=payload, durable=True, inferred=True,
                                 properties={"key": key, "id": f"{key}-{number}"}))

    def confirmed(self):
        self.sender.done(60)

    def open_watch(self, checker):
        self.receiver = self.world.receiver(
            f"/queue/{self.queue}", keep=False,
            on_message=lambda m: checker.arrived(bytes(m.body), MARK in (m.properties or {})))

    def settle(self):
        """Its queues outlive a SIGKILL only once their declaration is on its disk."""
        self.broker.settle()

    def pids(self):
        group = os.getpgid(self.broker.process.pid)
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _group(pid) == group]

    def kill_source(self, _load):
        self.broker.kill()

    def back_source(self, _load):
        self.broker.start()

    def kill_sink(self):
        self.broker.kill()

    def back_sink(self):
        self.broker.start()


def _group(pid):
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None


def stop(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def cont(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
