# SPDX-License-Identifier: Apache-2.0
"""MQTT clients of the tests, on paho-mqtt: a publisher with a window and a collecting subscriber."""
import threading

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .waiting import require, until

V311, V5 = paho.MQTTv311, paho.MQTTv5


def publish_properties(**named):
    """MQTT 5 PUBLISH properties by paho's names (UserProperty, ContentType, …)."""
    properties = Properties(PacketTypes.PUBLISH)
    for name, value in named.items():
        setattr(properties, name, value)
    return properties


class _Client:
    def __init__(self, port, version=V5, client_id="", clean=True, user=None, password=None,
                 tls=None):
        self.version = version
        if version == V5:
            self.client = paho.Client(client_id, protocol=paho.MQTTv5)
        else:
            self.client = paho.Client(client_id, clean_session=clean, protocol=version)
        if user:
            self.client.username_pw_set(user, password)
        if tls:
            self.client.tls_set(**tls)
        self.client.max_inflight_messages_set(1000)
        self.client.max_queued_messages_set(0)
        self.client.reconnect_delay_set(0.05, 0.5)
        self.connects = 0
        self.connected = threading.Event()
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self.connected.clear()
        properties = None
        arguments = {}
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.ReceiveMaximum = 65535
            if not clean:
                properties.SessionExpiryInterval = 3600
            arguments = {"clean_start": clean, "properties": properties}
        self.client.connect_async("127.0.0.1", port, keepalive=30, **arguments)

    def begin(self):
        self.client.loop_start()
        require(self.connected.wait(20), "the test's MQTT client connects")
        return self

    def _on_connect(self, _client, _userdata, _flags, code, _properties=None):
        if code == 0:
            self.connects += 1
            self.on_connected()
            self.connected.set()

    def on_connected(self):
        pass

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Publisher(_Client):
    """publish() waits only while the window is full; done() says that every PUBACK/PUBCOMP is in."""

    def __init__(self, port, window=500, **named):
        super().__init__(port, **named)
        self.window = window
        self.lock = threading.Condition()
        self.sent = self.confirmed = 0
        self.client.on_publish = self._on_publish
        self.begin()

    def _on_publish(self, *_):
        with self.lock:
            self.confirmed += 1
            self.lock.notify_all()

    def publish(self, topic, payload, qos=1, retain=False, **properties):
        with self.lock:
            self.lock.wait_for(lambda: self.sent - self.confirmed < self.window, 60)
            self.sent += 1
        self.client.publish(topic, payload, qos, retain,
                            publish_properties(**properties) if properties else None)

    def done(self, timeout_s=30):
        until(lambda: self.confirmed >= self.sent,
              lambda: f"the broker confirms {self.sent} events, has {self.confirmed}", timeout_s)


class Subscriber(_Client):
    def __init__(self, port, topics, qos=1, on_message=None, keep=True, no_local=False,
                 retain_as_published=True, **named):
        """on_message(message): called on the client's thread.  keep: remember the messages."""
        super().__init__(port, **named)
        self.topics = [topics] if isinstance(topics, str) else topics
        self.qos, self.keep, self.hook = qos, keep, on_message
        self.options = (no_local, retain_as_published)
        self.messages = []
        self.count = 0
        self.subscribed = threading.Event()
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.begin()
        require(self.subscribed.wait(20), "the test's subscriber gets its SUBACK")

    def on_connected(self):
        if self.version == V5:
            options = paho.SubscribeOptions(qos=self.qos, noLocal=self.options[0],
                                            retainAsPublished=self.options[1])
            self.client.subscribe([(t, options) for t in self.topics])
        else:
            self.client.subscribe([(t, self.qos) for t in self.topics])

    def _on_message(self, _client, _userdata, message):
        if self.keep:
            self.messages.append(message)
        if self.hook:
            self.hook(message)
        self.count += 1

    def wait(self, count, timeout_s=20):
        until(lambda: self.count >= count, lambda: f"{count} events arrive, came {self.count}",
              timeout_s)
        return self.messages
