# SPDX-License-Identifier: Apache-2.0
"""What the benchmark runs: brokers, forwarders between them, load tools, and their CPU and memory.

Every process is in a session of its own: the kernel shares the processor out by session, and a
forwarder that shares the load tool's session measures differently."""
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mesh"))
from kit.gateway import Build, Gateway  # noqa: E402
from kit.process import Process  # noqa: E402
from kit.waiting import connectable, free_port, until  # noqa: E402

NATIVE, PAHO = "native", "paho"


def cpu_seconds(pid):
    """User and system time of a process with all its threads, past and present: the clock that
    clock_getcpuclockid(3) names, finer than /proc."""
    return time.clock_gettime((~pid << 3) | 2)


def children_seconds():
    """User and system time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory_kib(pid):
    """Resident memory, and the part of it that is the process's own (not files mapped)."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "RssAnon"):
                found[key] = int(value.split()[0])
    return found["VmRSS"], found["RssAnon"]


def disk_bytes(folder):
    """What the files of a folder take on the disk, holes not counted."""
    return 512 * sum(os.stat(os.path.join(at, name)).st_blocks
                     for at, _, names in os.walk(folder) for name in names)


def sync_us(folder, count=100):
    """How long the disk takes to write a page and to say that it is there, in order of length."""
    path, found = os.path.join(folder, "sync-test"), []
    with open(path, "wb", buffering=0) as out:
        for number in range(count):
            out.seek(4096 * (number % 16))
            started = time.monotonic()
            out.write(bytes(4096))
            os.fdatasync(out.fileno())
            found.append((time.monotonic() - started) * 1e6)
    os.unlink(path)
    return sorted(found)


def until_ready(process, timeout_s=20):
    until(lambda: "ready" in process.text() or not process.alive(),
          lambda: f"{process.arguments[0]} is ready:\n{process.tail()}", timeout_s)
    if "ready" not in process.text():
        raise RuntimeError(f"{' '.join(process.arguments)} ended at once:\n{process.tail()}")


class Broker:
    """A Mosquitto that drops nothing and logs nothing; `bridge_to` makes it forward bench/# itself;
    `keeps`: what it has accepted outlives a stop by SIGTERM."""

    def __init__(self, folder, name, bridge_to=None, qos=0, keeps=False):
        self.port = free_port()
        lines = ["log_type error", "allow_anonymous true",
                 "max_queued_messages 0", "max_inflight_messages 1000", "set_tcp_nodelay true",
                 "user root" if os.getuid() == 0 else "", f"listener {self.port} 127.0.0.1",
                 f"persistence {'true' if keeps else 'false'}"]
        if keeps:
            lines += [f"persistence_location {folder}/", f"persistence_file {name}-{self.port}.db",
                      "autosave_interval 0"]
        if bridge_to:
            lines += [f"connection {name}", f"address 127.0.0.1:{bridge_to.port}",
                      f"topic bench/# out {qos}", "bridge_protocol_version mqttv311",
                      "cleansession true", "notifications false", "restart_timeout 1"]
        path = os.path.join(folder, f"{name}-{self.port}.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = Process([binary, "-c", path], path + ".log")
        self.start()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        self.process.start()
        until(lambda: connectable(self.port), lambda: "Mosquitto listens:\n" + self.process.tail(), 10)

    def forget(self, client_id):
        """Ends the session of a client that is gone, which would go on to queue events for it."""
        name = client_id.encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(bytes([0x10, 12 + len(name)]) + b"\0\4MQTT\4\2\0\0" +
                         len(name).to_bytes(2, "big") + name)
            if len(link.recv(4)) < 4:
                raise RuntimeError(f"the broker did not forget {client_id}")
            link.sendall(b"\xe0\0")

    def term(self):
        self.process.term(20)

    def stop(self):
        self.process.kill()


class Tools:
    """The load tools and yardsticks: the project's own, or those of a folder where it has them."""

    def __init__(self, build, folder, yardsticks=None):
        bench = os.path.join(build, "tests", "bench")
        self.folder = folder
        self.mqtt_load = os.path.join(bench, "mqtt_load")
        self.amqp_load = os.path.join(bench, "amqp_load")
        self.index = os.path.join(bench, "bench_index")
        self.core = os.path.join(bench, "bench_core")
        self.floor = os.path.join(bench, "floor_forward")
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
        """Starts a tool; the JSON line of a load tool is read by `result`."""
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

    def probe(self, subject, load):
        """Waits until an event comes through."""
        done = subprocess.run(
            [str(a) for a in (self.mqtt_load, "-P", "-p", subject.publish_port, "-s",
                              subject.subscribe_port, "-q", load.qos, "-t",
                              load.topic.replace("{n}", "0"), "-f", load.filter, "-W", 15)],
            capture_output=True, text=True, check=False, start_new_session=True)
        if done.returncode:
            raise RuntimeError("nothing comes through: " + done.stderr)
        time.sleep(0.1)  # what is left of the probe passes before anything is counted

    def mqtt(self, subject, count, load, timeout_s=120):
        """Publishes to the subject and receives from it; one line of results."""
        tool = self.mqload if self.mqload and load.is_plain() else self.mqtt_load
        return self.result(self.start([tool, "-p", subject.publish_port, "-s", subject.subscribe_port,
                                       "-n", count, *load.arguments()], "mqtt"), timeout_s)


class Load:
    """What the load tool is told."""

    def __init__(self, qos, size=256, rate=None, topics=1, ways=1, resume=False):
        self.qos, self.size, self.rate, self.topics, self.ways = qos, size, rate, topics, ways
        self.resume = resume
        self.topic = "bench/{n}/value" if topics > 1 else "bench/0/a"
        self.filter = "+/bench/#" if ways > 1 else "bench/#"
        # At most 1,000 events, copies or 32 MiB are under way, so that no queue on the way overflows.
        self.window = max(4, min(1000, 1000 // ways, (32 << 20) // size))

    def is_plain(self):
        """Nothing that only the project's own tool can do."""
        return not self.rate and self.topics == 1 and self.ways == 1 and self.size >= 128 \
            and not self.resume

    def arguments(self):
        more = ["-r", self.rate] if self.rate else []
        more += ["-k", self.topics] if self.topics > 1 else []
        more += ["-F", self.ways] if self.ways > 1 else []
        more += ["-R"] if self.resume else []
        return ["-q", self.qos, "-l", self.size, "-w", self.window, "-t", self.topic,
                "-f", self.filter, "-W", 30 if self.resume else 5, *more]


class Subject:
    """Something between a port to publish to and one to subscribe at.  `own`: the process whose CPU
    is the forwarder's, or None; `others`: name → process that takes part."""

    def __init__(self, publish_port, subscribe_port, own=None, others=None):
        self.publish_port, self.subscribe_port = publish_port, subscribe_port
        self.own, self.others = own, others or {}

    def wait_up(self):
        pass

    def stop(self):
        pass


def brokers(source, sink):
    return {"source broker": source.pid, "sink broker": sink.pid}


class Nothing(Subject):
    """No forwarder: one broker hands the events on, as a mark of what broker and tool can do."""

    def __init__(self, broker):
        super().__init__(broker.port, broker.port, None, {"broker": broker.pid})


class Forwarder(Subject):
    """A small program that forwards from one broker to the other and says when it is ready."""

    def __init__(self, tools, program, source, sink, qos, *more, filter_="bench/#"):
        self.process = tools.start([program, source.port, sink.port, filter_, qos, *more],
                                   os.path.basename(program))
        super().__init__(source.port, sink.port, self.process.pid, brokers(source, sink))

    def wait_up(self):
        until_ready(self.process)

    def stop(self):
        self.process.kill()


class BrokerBridge(Subject):
    """Mosquitto's own bridge: the source broker forwards by itself, so there is one hop fewer."""

    def __init__(self, folder, sink, qos):
        self.broker = Broker(folder, "bridging", sink, qos)
        super().__init__(self.broker.port, sink.port, None,
                         {"bridging broker": self.broker.pid, "sink broker": sink.pid})

    def stop(self):
        self.broker.stop()


class Meshgate(Subject):
    """The gateway with one configuration.  source, sink: brokers, or None."""

    def __init__(self, build, folder, config, source, sink, others=None):
        self.source, self.config = source, config
        self.store = tempfile.mkdtemp(prefix="store-", dir=folder) if config.store else None
        self.gateway = Gateway(Build(build), folder, config.text(), "bench", config.settings(self.store))
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
        self.pid = self.gateway.process.pid
        if others is None:
            others = brokers(source, sink)
        super().__init__(source and source.port, sink and sink.port, self.pid, others)

    def wait_up(self):
        self.gateway.wait_up(timeout_s=30)

    def stop(self):
        try:
            self.gateway.process.term(20)
        except Exception:
            self.gateway.kill()
            raise
        finally:
            for port, client_id in self.config.sessions:
                if self.source and port == self.source.port:
                    self.source.forget(client_id)
            if self.store:
                shutil.rmtree(self.store)


def clients_of(build, folder):
    """Which MQTT clients this build has: what `check` accepts."""
    found = []
    for client in (NATIVE, PAHO):
        text = ("bridges:\n  a: { type: mqtt, url: \"mqtt://127.0.0.1:1\", client: " + client + " }\n"
                "routes:\n  r:\n    from: { bridge: a, topic: a, qos: 0 }\n"
                "    to: { bridge: a, address: b, qos: 0 }\n"
                "    delivery: { guarantee: best-effort }\n")
        gateway = Gateway(Build(build), folder, text, "which-client")
        if gateway.command("check", "-c", gateway.config, check=False).returncode == 0:
            found.append(client)
    return found
