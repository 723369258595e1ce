# SPDX-License-Identifier: Apache-2.0
"""What the benchmark runs: brokers, forwarders between them, load tools, and their CPU and memory.

Every process is in a session of its own: the kernel shares the processor out by session, and a
forwarder that shares the load tool's session measures differently."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mesh"))
from kit.gateway import Build, Gateway  # noqa: E402
from kit.process import Process  # noqa: E402
from kit.waiting import connectable, free_port, until  # noqa: E402


def cpu_seconds(pids):
    """User and system time of processes with all their threads, past and present."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    """Resident memory, and the part of it that is the process's own (not files mapped)."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "RssAnon"):
                found[key] = int(value.split()[0])
    return found["VmRSS"], found["RssAnon"]


class Broker:
    """A Mosquitto that drops nothing and logs nothing; `bridge_to` makes it forward bench/# itself."""

    def __init__(self, folder, name, bridge_to=None, qos=0):
        self.port = free_port()
        lines = ["log_type error", "persistence false", "allow_anonymous true",
                 "max_queued_messages 0", "max_inflight_messages 1000", "set_tcp_nodelay true",
                 "user root" if os.getuid() == 0 else "", f"listener {self.port} 127.0.0.1"]
        if bridge_to:
            lines += [f"connection {name}", f"address 127.0.0.1:{bridge_to.port}",
                      f"topic bench/# out {qos}", "bridge_protocol_version mqttv311",
                      "cleansession true", "notifications false", "restart_timeout 1"]
        path = os.path.join(folder, f"{name}-{self.port}.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = Process([binary, "-c", path], path + ".log").start()
        until(lambda: connectable(self.port), lambda: "Mosquitto listens:\n" + self.process.tail(), 10)

    def stop(self):
        self.process.kill()


class Tools:
    """The load tools: the project's own, or those of a folder of yardsticks where it has them."""

    def __init__(self, build, folder, yardsticks=None):
        bench = os.path.join(build, "tests", "bench")
        self.folder = folder
        self.mqtt_load = os.path.join(bench, "mqtt_load")
        self.amqp_load = os.path.join(bench, "amqp_load")
        self.index = os.path.join(bench, "bench_index")
        self.core = os.path.join(bench, "bench_core")
        self.paho = os.path.join(bench, "paho_forward")
        self.mqload = self.amqpload = self.rawfwd = None
        for name, extra in (("mqload", []), ("rawfwd", []), ("amqpload", ["-lqpid-proton"])):
            source = os.path.join(yardsticks or "", name + ".c")
            if yardsticks and os.path.exists(source):
                target = os.path.join(folder, name)
                subprocess.run(["cc", "-O2", "-w", "-D_GNU_SOURCE", "-o", target, source, *extra],
                               check=True)
                setattr(self, name, target)

    @staticmethod
    def lines(arguments):
        """Runs a tool that prints a JSON line for each case."""
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=120,
                              start_new_session=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments[0]} failed: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, arguments, name):
        """Starts a load tool; its JSON line is read by `result`."""
        log = os.path.join(self.folder, f"{name}.log")
        if os.path.exists(log):
            os.unlink(log)
        return Process(arguments, log).start()

    @staticmethod
    def result(process, timeout_s):
        try:
            process.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError(f"{process.arguments[0]} did not end:\n{process.tail()}") from None
        for line in reversed(process.text().splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{' '.join(process.arguments)} failed:\n{process.tail()}")

    def probe(self, publish_port, subscribe_port, qos=0, topic="bench/a"):
        """Waits until an event comes through."""
        done = subprocess.run([self.mqtt_load, "-P", "-p", str(publish_port), "-s",
                               str(subscribe_port), "-q", str(qos), "-t", topic, "-W", "15"],
                              capture_output=True, text=True, check=False, start_new_session=True)
        if done.returncode:
            raise RuntimeError("nothing comes through: " + done.stderr)
        time.sleep(0.1)  # what is left of the probe passes before anything is counted

    def mqtt(self, publish_port, subscribe_port, count, qos, rate=None, many=None):
        """Publishes to one port, receives on another; one line of results."""
        tool = self.mqload if self.mqload and not many and not rate else self.mqtt_load
        arguments = [tool, "-p", publish_port, "-s", subscribe_port, "-n", count, "-q", qos,
                     "-w", 1000, "-l", 256, "-W", 5]
        arguments += ["-r", rate] if rate else []
        arguments += ["-t", "bench/{n}/value", "-k", many] if many else []
        return self.result(self.start(arguments, "mqtt"), 120)


class Nothing:
    """No forwarder: one broker hands the events on, as a mark of what brokers and tools can do."""
    name = "no forwarder (one broker)"

    def __init__(self, broker):
        self.publish_port = self.subscribe_port = broker.port
        self.own, self.chain = [], [broker.process.pid]

    def stop(self):
        pass


class Alone:
    """Nothing to start: the load tools talk to each other, or to a broker that runs already."""

    def stop(self):
        pass


class RawForwarder:
    """The floor: copies packets and does nothing else."""
    name = "floor (rawfwd)"

    def __init__(self, tools, source, sink, qos):
        self.publish_port, self.subscribe_port = source.port, sink.port
        self.process = tools.start([tools.rawfwd, source.port, sink.port, "bench/#", qos], "rawfwd")
        self.own = [self.process.pid]
        self.chain = self.own + [source.process.pid, sink.process.pid]

    def stop(self):
        self.process.kill()


class PahoForwarder:
    """A bare loop on the client library that meshgate's MQTT bridge uses."""
    name = "bare Paho loop"

    def __init__(self, tools, source, sink, qos):
        self.publish_port, self.subscribe_port = source.port, sink.port
        self.process = tools.start([tools.paho, source.port, sink.port, "bench/#", qos], "paho")
        self.own = [self.process.pid]
        self.chain = self.own + [source.process.pid, sink.process.pid]

    def stop(self):
        self.process.kill()


class BrokerBridge:
    """Mosquitto's own bridge: the source broker forwards by itself, so there is one hop fewer."""
    name = "Mosquitto's bridge"

    def __init__(self, folder, sink, qos):
        self.broker = Broker(folder, "bridging", sink, qos)
        self.publish_port, self.subscribe_port = self.broker.port, sink.port
        self.own, self.chain = [], [self.broker.process.pid, sink.process.pid]

    def stop(self):
        self.broker.stop()


class Meshgate:
    """The gateway with one configuration."""
    name = "meshgate"

    def __init__(self, build, folder, config, ports=(0, 0), chain=()):
        self.gateway = Gateway(Build(build), folder, config, "bench")
        if os.path.exists(self.gateway.process.log):
            os.unlink(self.gateway.process.log)
        started = time.monotonic()
        self.gateway.start(wait=False)
        while "gateway ready" not in self.gateway.process.text():
            if not self.gateway.process.alive():
                raise RuntimeError("the gateway ended at once:\n" + self.gateway.process.tail())
            if time.monotonic() - started > 60:
                self.gateway.kill()
                raise RuntimeError("the gateway is not ready:\n" + self.gateway.process.tail())
            time.sleep(0.001)
        self.start_ms = (time.monotonic() - started) * 1000
        self.publish_port, self.subscribe_port = ports
        self.pid = self.gateway.process.pid
        self.own = [self.pid]
        self.chain = self.own + list(chain)

    def wait_up(self):
        self.gateway.wait_up(timeout_s=20)

    def ledger(self):
        return self.gateway.ledger()["routes"]

    def stop(self):
        try:
            self.gateway.process.term(20)
        except Exception:
            self.gateway.kill()
            raise


def mqtt_bridge(name, broker, version="3.1.1"):
    return f"  {name}: {{ type: mqtt, url: \"mqtt://127.0.0.1:{broker.port}\", version: {version} }}\n"


def amqp_bridge(name, port, user=False):
    login = ", user: guest, password: guest" if user else ""
    return f"  {name}: {{ type: amqp, url: \"amqp://127.0.0.1:{port}\"{login} }}\n"


def mqtt_to_mqtt(source, sink, qos):
    return ("bridges:\n" + mqtt_bridge("a", source) + mqtt_bridge("b", sink) +
            "routes:\n  forward:\n"
            f"    from: {{ bridge: a, topic: \"bench/{{rest...}}\", qos: {qos} }}\n"
            f"    to: {{ bridge: b, address: \"bench/{{rest}}\", qos: {qos} }}\n"
            "    delivery: { guarantee: best-effort, window: 10000 }\n")


def many_routes(source, sink, count):
    routes = "".join(
        f"  r{i}:\n"
        f"    from: {{ bridge: a, topic: \"bench/{i}/{{name}}\", qos: 0 }}\n"
        f"    to: {{ bridge: b, address: \"bench/{i}/{{name}}\", qos: 0 }}\n"
        "    delivery: { guarantee: best-effort, window: 10000 }\n" for i in range(count))
    return "bridges:\n" + mqtt_bridge("a", source) + mqtt_bridge("b", sink) + "routes:\n" + routes


def mqtt_to_amqp(source, amqp, address):
    return ("bridges:\n" + mqtt_bridge("a", source) + amqp +
            "routes:\n  forward:\n"
            "    from: { bridge: a, topic: \"bench/#\", qos: 1 }\n"
            f"    to: {{ bridge: q, address: \"{address}\" }}\n"
            "    delivery: { guarantee: best-effort, window: 10000 }\n")


def amqp_to_mqtt(amqp, address, sink):
    return ("bridges:\n" + mqtt_bridge("b", sink) + amqp +
            "routes:\n  forward:\n"
            f"    from: {{ bridge: q, address: \"{address}\" }}\n"
            "    to: { bridge: b, address: \"bench/a\", qos: 1 }\n"
            "    delivery: { guarantee: direct, window: 1000 }\n")
