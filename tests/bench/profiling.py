# SPDX-License-Identifier: Apache-2.0
"""Where the gateway's time goes under load: perf samples it, or valgrind counts instructions."""
import glob
import os
import re
import shutil
import subprocess
import threading
import time

import configs
import rigs
from kit.process import Process

SYMBOLS = 25
CALLGRIND_EVENTS = 20000
# What the rows of the benchmark are called here: QoS and client.
NAMES = {"mqtt-qos0": (0, rigs.NATIVE), "mqtt-qos1": (1, rigs.NATIVE),
         "mqtt-qos0-paho": (0, rigs.PAHO), "mqtt-qos1-paho": (1, rigs.PAHO),
         "stored-always": (1, rigs.NATIVE), "stored-interval": (1, rigs.NATIVE),
         "amqp-mqtt": None, "mqtt-amqp": None}
LINE = re.compile(r"^\s*([\d.]+)%\s+\S+\s+(\S+)\s+\[(.)\]\s+(.+?)\s*$")


def perf():
    """perf, where it is there and may sample."""
    path = shutil.which("perf")
    if not path:
        return None
    done = subprocess.run([path, "record", "-q", "-o", "/dev/null", "true"], capture_output=True,
                          check=False)
    return path if done.returncode == 0 else None


class Load:
    """Runs the load tools again and again beside what observes the gateway."""

    def __init__(self, once):
        self.once, self.over, self.error = once, threading.Event(), None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self.over.is_set():
                self.once()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Profile:
    def __init__(self, bench, name):
        self.bench, self.tools, self.name = bench, bench.tools, name
        self.processes = []

    def _amqp(self, source):
        """Load tools on both sides with more events than they will live to carry."""
        port, away = rigs.free_port(), ["-n", 10000000, "-W", 60]
        if self.name == "mqtt-amqp":
            shared = ["-m", os.path.join(self.tools.folder, "progress")]
            peer = self.tools.start([self.tools.amqp_load, "sink", port, *away, *shared], "peer")
            load = ["-y", "-p", source.port, *shared]
            config = configs.mqtt_to_amqp(source, port, "bench")
        else:
            peer = self.tools.start([self.tools.amqp_load, "source", port, *away], "peer")
            load = ["-x", "-s", source.port]
            config = configs.amqp_to_mqtt(port, "bench", source)
        self.processes.append(peer)
        rigs.until_ready(peer)

        def once():
            if len(self.processes) < 2:
                self.processes.append(
                    self.tools.start([self.tools.mqtt_load, "-q", 1, *load, *away], "mqtt"))
            time.sleep(0.1)
        return config, once

    def _store(self):
        kind, _, sync = self.name.partition("-")
        return {"sync": sync, "size": "8GiB"} if kind == "stored" else None

    def _mqtt(self, source, sink):
        qos, client = NAMES[self.name]
        ends = rigs.Subject(source.port, sink.port)
        return configs.mqtt_to_mqtt(source, sink, qos, client, store=self._store()), \
            lambda: self.tools.mqtt(ends, 50000, rigs.Load(qos))

    def _with_load(self, work):
        """work(gateway, once): a gateway that runs, and what puts load on it."""
        def brokers(source, sink):
            config, once = self._amqp(source) if NAMES[self.name] is None \
                else self._mqtt(source, sink)
            subject = self.bench.gateway(config, source, sink)
            try:
                subject.wait_up()
                work(subject, once)
            finally:
                subject.stop()
        try:
            self.bench.with_brokers(brokers)
        finally:
            for process in self.processes:
                process.kill()

    def run(self, seconds):
        """With perf."""
        found, tool = {"name": self.name, "how": "perf, samples of CPU time"}, perf()
        if not tool:
            raise SystemExit("perf is not there or may not sample: install linux-perf, see "
                             "/proc/sys/kernel/perf_event_paranoid, or say --callgrind")
        data = os.path.join(self.bench.folder, "perf.data")

        def work(subject, once):
            with Load(once) as load:
                record = [tool, "record", "-q", "-g", "-F", "1999", "-p", str(subject.pid), "-o", data,
                             "--", "sleep"]
                subprocess.run([*record, "0.3"], check=True)  # by then the load is there
                subprocess.run([*record, str(seconds)], check=True)
            if load.error:
                raise load.error
            report = subprocess.run([tool, "report", "-i", data, "--stdio", "--no-children", "-g",
                                     "none", "--percent-limit", "0.2"], capture_output=True,
                                    text=True, check=True).stdout
            found["symbols"] = [
                {"percent": float(match[1]), "where": "kernel" if match[3] == "k" else match[2],
                 "symbol": match[4]} for match in map(LINE.match, report.splitlines()) if match]
            found["kernel_percent"] = round(sum(s["percent"] for s in found["symbols"]
                                                if s["where"] == "kernel"), 1)
        self._with_load(work)
        return found

    def run_callgrind(self):
        """With valgrind: instructions of the gateway's own for a number of events."""
        if not shutil.which("valgrind"):
            raise SystemExit("valgrind is not there: install it")
        found = {"name": self.name, "how": f"callgrind, instructions, {CALLGRIND_EVENTS:,} events"}
        out = os.path.join(self.bench.folder, "callgrind.out")

        def brokers(source, sink):
            qos, client = NAMES[self.name]
            config = configs.mqtt_to_mqtt(source, sink, qos, client, store=self._store())
            gateway = rigs.Gateway(rigs.Build(self.bench.build), self.bench.folder, config.text(),
                                   "profiled", config.settings(os.path.join(self.bench.folder, "store")))
            gateway.process = Process(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", gateway.build.binary,
                 "run", "-c", gateway.config], gateway.process.log, gateway.build.env)
            gateway.start()
            try:
                gateway.wait_up(timeout_s=60)
                ends = rigs.Subject(source.port, sink.port)
                self.tools.probe(ends, rigs.Load(qos))
                self.tools.mqtt(ends, CALLGRIND_EVENTS, rigs.Load(qos))
            finally:
                gateway.process.term(60)
        if NAMES[self.name] is None:
            raise SystemExit("--callgrind knows the rows from MQTT to MQTT alone")
        self.bench.with_brokers(brokers)
        text = subprocess.run(["callgrind_annotate", "--threshold=99", *glob.glob(out)],
                              capture_output=True, text=True, check=True).stdout
        found["symbols"] = [
            {"percent": float(match[1]), "where": os.path.basename(match[3] or ""), "symbol": match[2]}
            for match in map(re.compile(
                r"^\s*[\d,]+ \(\s*([\d.]+)%\)\s+\S*?:(\S+)(?: \[(.+)\])?$").match, text.splitlines())
            if match]
        return found


def text(found):
    lines = [f"{found['name']}: {found['how']}"]
    if "kernel_percent" in found:
        lines.append(f"in the kernel: {found['kernel_percent']:.0f} %")
    return "\n".join(lines + [f"{s['percent']:6.2f} %  {s['where']:<24} {s['symbol']}"
                              for s in found["symbols"][:SYMBOLS]])
