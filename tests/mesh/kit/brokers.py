# SPDX-License-Identifier: Apache-2.0
"""MQTT servers of three makers behind one face, with what each of them can do."""
import json
import os

from . import mqtt
from .mosquitto import Mosquitto
from .process import Process
from .waiting import connectable, free_port, until

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "node")


class _Broker:
    """ports: by scheme.  v5, qos (the highest it hands out), qos_in (the highest it takes), durable
    (sessions outlive a crash), ordered (also behind what was queued for a client that was away)."""
    v5, qos, qos_in, durable, ordered, user, path = True, 2, 2, True, True, None, "/mqtt"

    def url(self, scheme="mqtt"):
        host = "localhost" if scheme in ("mqtts", "wss") else "127.0.0.1"
        return f"{scheme}://{host}:{self.ports[scheme]}{self.path if scheme.startswith('ws') else ''}"

    @property
    def port(self):
        return self.ports["mqtt"]

    def client(self):
        """Options of the kit's clients."""
        named = {"version": mqtt.V5 if self.v5 else mqtt.V311}
        if self.user:
            named.update(user=self.user, password=self.user)
        return named

    def bridge(self, name, scheme="mqtt", certs=None, kept=False, **options):
        fields = {"type": "mqtt", "url": f'"{self.url(scheme)}"', **options}
        fields.setdefault("reconnect", "{ first: 50ms, most: 300ms }")
        if not self.v5:
            fields["version"] = '"3.1.1"'
        if kept:
            fields["clean_start"] = "false"
            if self.v5:
                fields["session_expiry"] = "1h"
        if self.user:
            fields.update(user=self.user, password=self.user)
        if certs and scheme in ("mqtts", "wss"):
            fields["tls"] = f"{{ ca: {certs.ca}, cert: {certs.client_cert}, key: {certs.client_key} }}"
        return f"  {name}: {{ " + ", ".join(f"{k}: {v}" for k, v in fields.items()) + " }\n"


class MosquittoServer(_Broker):
    def __init__(self, rig):
        c = rig.certs
        tls = f"cafile {c.ca}\ncertfile {c.server_cert}\nkeyfile {c.server_key}\nrequire_certificate true\n"
        self.ports = {scheme: free_port() for scheme in ("mqtt", "mqtts", "ws", "wss")}
        extra = "".join(f"listener {self.ports[scheme]} 127.0.0.1\n{lines}" for scheme, lines in (
            ("mqtts", tls), ("ws", "protocol websockets\n"), ("wss", "protocol websockets\n" + tls)))
        self.broker = Mosquitto(rig.folder, "server", persist=True, autosave=False, extra=extra, port=self.ports["mqtt"])
        rig.brokers.append(self.broker)
        rig.own(self.broker.process)
        self.broker.start()

    def kill(self):
        self.broker.kill()

    def start(self):
        self.broker.start()

    def save(self):
        """What a crash from now on keeps."""
        self.broker.save()


class RabbitServer(_Broker):
    """RabbitMQ 3.10: 3.1.1 only, QoS 2 granted as 1, no shared subscriptions.  Messages between two
    of its MQTT clients keep no flag but retain."""
    v5, qos, qos_in, user, path = False, 1, 1, "guest", "/ws"

    def __init__(self, rig):
        self.broker = rig.rabbitmq.secured()
        self.ports = self.broker.mqtt_ports

    def kill(self):
        self.broker.kill()

    def start(self):
        self.broker.start()

    def save(self):
        """RabbitMQ writes a new queue's declaration lazily."""
        self.broker.settle()


class AedesServer(_Broker):
    """aedes 0.51: 3.1.1 only, no shared subscriptions, everything in memory.  It sends PUBCOMP before it has
    forgotten the packet identifier, and would then forget a message that is sent under it at once."""
    v5, durable, ordered = False, False, False

    def __init__(self, rig):
        c = rig.certs
        self.ports = {scheme: free_port() for scheme in ("mqtt", "mqtts", "ws", "wss")}
        options = {"tcp": self.ports["mqtt"], "tls": self.ports["mqtts"], "ws": self.ports["ws"],
                   "wss": self.ports["wss"], "ca": c.ca, "cert": c.server_cert, "key": c.server_key}
        self.process = rig.own(Process(["node", os.path.join(NODE, "aedes.js"), json.dumps(options)],
                                       os.path.join(rig.folder, "aedes.log")))
        self.start()

    def start(self):
        self.process.start()
        until(lambda: connectable(self.port) and connectable(self.ports["wss"]) or not self.process.alive(),
              "aedes listens")
        if not self.process.alive():
            raise RuntimeError("aedes did not start:\n" + self.process.tail())

    def kill(self):
        self.process.kill()

    def save(self):
        pass


SERVERS = {"mosquitto": MosquittoServer, "rabbitmq": RabbitServer, "aedes": AedesServer}
