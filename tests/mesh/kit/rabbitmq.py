# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ with AMQP 1.0 on loopback ports, and an epmd of its own."""
import os
import signal
import socket
import ssl

from .process import Process
from .waiting import Failure, connectable, free_port, until


class RabbitMQ:
    def __init__(self, folder, certs=None):
        self.certs = certs
        self.folder = os.path.join(folder, "rabbitmq")
        os.makedirs(self.folder, exist_ok=True)
        self.port, self.tls_port = free_port(), free_port()
        self.dist_port, self.epmd_port = free_port(), free_port()
        self.mqtt_ports = {scheme: free_port() for scheme in ("mqtt", "mqtts", "ws", "wss")}
        self.plugins = ["rabbitmq_amqp1_0", "rabbitmq_mqtt", "rabbitmq_web_mqtt"]
        self.config = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "loopback_users = none",
                       "disk_free_limit.absolute = 1MB", "log.file.level = info",
                       f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.mqtt_ports['mqtt']}",
                       "web_mqtt.tcp.ip = 127.0.0.1", f"web_mqtt.tcp.port = {self.mqtt_ports['ws']}"]
        if certs:
            self.plugins.append("rabbitmq_auth_mechanism_ssl")
            self.config += [
                f"mqtt.listeners.ssl.1 = 127.0.0.1:{self.mqtt_ports['mqtts']}",
                "web_mqtt.ssl.ip = 127.0.0.1", f"web_mqtt.ssl.port = {self.mqtt_ports['wss']}",
                f"web_mqtt.ssl.cacertfile = {certs.ca}", f"web_mqtt.ssl.certfile = {certs.server_cert}",
                f"web_mqtt.ssl.keyfile = {certs.server_key}",
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                f"ssl_options.cacertfile = {certs.ca}",
                f"ssl_options.certfile = {certs.server_cert}",
                f"ssl_options.keyfile = {certs.server_key}",
                "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = false",
                "auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = AMQPLAIN",
                "auth_mechanisms.3 = EXTERNAL", "ssl_cert_login_from = common_name"]
        self._write("enabled_plugins", "[" + ",".join(self.plugins) + "].\n")
        self._write("rabbitmq.conf", "\n".join(self.config) + "\n")
        self.env = {
            "HOME": self.folder, "LANG": "C.UTF-8", "HOSTNAME": "localhost",
            "RABBITMQ_NODENAME": f"mg-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": os.path.join(self.folder, "db"),
            "RABBITMQ_LOG_BASE": os.path.join(self.folder, "log"),
            "RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "enabled_plugins"),
            "RABBITMQ_PID_FILE": os.path.join(self.folder, "pid"),
            "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Busy-waiting schedulers would take the cores from what is tested.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "+sbwt none +sbwtdcpu none +sbwtdio none +S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.epmd = Process(["epmd", "-port", self.epmd_port, "-address", "127.0.0.1"],
                            os.path.join(self.folder, "epmd.out"), self.env)
        self.process = Process(["/usr/lib/rabbitmq/bin/rabbitmq-server"],
                               os.path.join(self.folder, "out"), self.env)

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as out:
            out.write(text)

    @property
    def url(self):
        return f"amqp://127.0.0.1:{self.port}"

    @property
    def user_url(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def tail(self, lines=30):
        """The end of its own log."""
        try:
            with open(os.path.join(self.folder, "log", self.env["RABBITMQ_NODENAME"] + ".log"),
                      encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return self.process.tail(lines)

    def start(self, wait=True):
        if not self.epmd.alive():
            self.epmd.start()
            until(lambda: connectable(self.epmd_port), "epmd listens")
        open(self.process.log, "wb").close()
        self.process.start()
        if wait:
            self.wait_ready()
        return self

    def ready(self):
        return "completed with" in self.process.text() and connectable(self.port)

    def wait_ready(self):
        until(lambda: self.ready() or not self.process.alive(),
              lambda: "RabbitMQ starts:\n" + self.process.tail(), 120)
        if not self.process.alive():
            raise RuntimeError("RabbitMQ did not start:\n" + self.process.tail())

    def secured(self):
        """Itself, once a client that is not the gateway's gets through its TLS.  One that closes every such
        connection, as was seen once, says nothing about the gateway, and is started again."""
        try:
            until(self._answers_tls, "RabbitMQ answers TLS", 5, 0.2)
        except Failure:
            print("rabbitmq: answers no TLS, is started again:\n" + self.tail(), flush=True)
            self.settle()
            until(self._answers_tls, lambda: "RabbitMQ answers TLS:\n" + self.tail())
        return self

    def _answers_tls(self):
        context = ssl.create_default_context(cafile=self.certs.ca)
        try:
            for port in (self.tls_port, self.mqtt_ports["mqtts"], self.mqtt_ports["wss"]):
                with socket.create_connection(("127.0.0.1", port), timeout=2) as plain:
                    context.wrap_socket(plain, server_hostname="localhost").close()
            return True
        except OSError:
            return False

    def kill(self):
        """SIGKILL of the whole broker, as a power cut would do it."""
        self.process.kill()

    def settle(self):
        """Restarts in good order.  RabbitMQ 3.10 writes a queue's declaration to the disk lazily: killed
        within seconds of it, it loses the queue and all that it had accepted for it."""
        self.stop()
        self.start()

    def stop(self):
        if self.process.alive():
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                until(lambda: not self.process.alive(), "RabbitMQ ends", 30)
            finally:
                self.process.kill()

    def destroy(self):
        self.process.kill()
        self.epmd.kill()
