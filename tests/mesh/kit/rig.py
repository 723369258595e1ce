# SPDX-License-Identifier: Apache-2.0
"""One test's world: makes brokers, gateways and clients, and ends them in reverse order."""
import itertools
import os
import shutil
import tempfile
import traceback

from . import amqp, mqtt
from .certs import Certs
from .fake import FakeServer
from .gateway import Build, Gateway
from .mosquitto import Mosquitto
from .proxy import Proxy
from .rabbitmq import RabbitMQ
from .waiting import Failure

_numbers = itertools.count(1)


class Shared:
    """What one run shares: the build, certificates and one RabbitMQ, made when first asked for."""

    def __init__(self, build_folder):
        self.build = Build(os.path.abspath(build_folder))
        self.folder = tempfile.mkdtemp(prefix="rig-")
        self._certs = self._rabbitmq = None

    @property
    def certs(self):
        if self._certs is None:
            self._certs = Certs(self.folder)
        return self._certs

    @property
    def rabbitmq(self):
        if self._rabbitmq is None:
            self._rabbitmq = RabbitMQ(self.folder, self.certs)
        if not self._rabbitmq.process.alive():
            self._rabbitmq.start()
        return self._rabbitmq

    def rabbitmq_log(self):
        """Of one that may be dead, and stays so."""
        return self._rabbitmq.tail() if self._rabbitmq else "not started"

    def close(self):
        if self._rabbitmq is not None:
            self._rabbitmq.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)


class Rig:
    def __init__(self, shared, name):
        self.shared = shared
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="t-", dir=shared.folder)
        self.ends = []
        self.gateways = []
        self.brokers = []
        self.fakes = []
        self.notes = []
        self.asked_rabbitmq = False

    def unique(self, word):
        """A name that no other test of this run uses on the shared broker."""
        return f"{word}-{next(_numbers)}"

    def own(self, thing):
        self.ends.append(thing)
        return thing

    def mosquitto(self, name="mosquitto", start=True, **options):
        broker = Mosquitto(self.folder, name, **options)
        self.brokers.append(broker)
        self.ends.append(broker.process)
        return broker.start() if start else broker

    @property
    def rabbitmq(self):
        self.asked_rabbitmq = True
        return self.shared.rabbitmq

    @property
    def certs(self):
        return self.shared.certs

    def proxy(self, port):
        return self.own(Proxy(port))

    def peer(self, **options):
        return self.own(amqp.Peer(**options))

    def mqtt_peer(self, **options):
        self.fakes.append(FakeServer(**options))
        return self.own(self.fakes[-1])

    def publisher(self, port, **options):
        return self.own(mqtt.Publisher(port, **options))

    def subscriber(self, port, topics, **options):
        return self.own(mqtt.Subscriber(port, topics, **options))

    def sender(self, address, url=None, **options):
        return self.own(amqp.Sender(url or self.rabbitmq.user_url, address, **options))

    def receiver(self, address, url=None, **options):
        return self.own(amqp.Receiver(url or self.rabbitmq.user_url, address, **options))

    def gateway(self, config, name="gw", start=True, settings=""):
        gateway = Gateway(self.shared.build, self.folder, config, name, settings)
        self.gateways.append(gateway)
        self.ends.append(gateway)
        return gateway.start() if start else gateway

    def note(self, text):
        """Said beside the test's result."""
        self.notes.append(text)

    def logs(self):
        texts = [(g.name, g.process.tail(60)) for g in self.gateways]
        texts += [(os.path.basename(b.folder), b.process.tail(15)) for b in self.brokers]
        texts += [(f.url, f.story()) for f in self.fakes]
        if self.asked_rabbitmq:
            texts += [("rabbitmq", self.shared.rabbitmq_log())]
        return "\n".join(f"--- {name}\n{text}" for name, text in texts)

    def close(self):
        """Ends everything; a gateway still running must end well and clean."""
        trouble = []
        for thing in reversed(self.ends):
            try:
                if isinstance(thing, Gateway):
                    if thing.process.alive():
                        thing.term()
                elif hasattr(thing, "close"):
                    thing.close()
                else:
                    thing.kill()
            except Failure as failure:
                trouble.append(str(failure))
            except Exception:  # a client that cannot close must not hide the test's own result
                trouble.append(traceback.format_exc())
        trouble += [text for text in (g.problems() for g in self.gateways) if text]
        return trouble

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)
