#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the gateway beside its yardsticks, in turn, in one run; prints medians and ratios.

    bench.py --build FOLDER [--yardsticks FOLDER] [--quick] [--json FILE] [--only PART …]

--build       a meson build folder with the gateway, its modules and the target bench-tools
--yardsticks  a folder with rawfwd.c, mqload.c and amqpload.c (default: ../shared/bench beside the
              source tree, when it is there); without it the floor is left out
--only        index, core, idle, mqtt, latency, routes, amqp (default: all)

Bounded: about six minutes, --quick about two (without RabbitMQ)."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import report
import rigs

PARTS = ("index", "core", "idle", "mqtt", "latency", "routes", "amqp")
COUNT_MOST = 1000000


class Plan:
    """How much is measured."""

    def __init__(self, quick):
        self.quick = quick
        self.rounds = 3
        self.seconds = 0.5 if quick else 3.0  # aimed at for one measurement
        self.latency_events = 1000 if quick else 4000
        self.latency_qos = (1,) if quick else (0, 1)
        self.route_rounds = 1 if quick else 3
        self.idle_seconds = 2 if quick else 8
        self.core_events = 200000 if quick else 1000000
        self.starts = 3 if quick else 7


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(samples, key):
    values = [s[key] for s in samples if s.get(key) is not None]
    return statistics.median(values) if values else None


def summary(group, name, samples):
    """One row: medians over the rounds, and what must not be hidden behind a median, summed."""
    row = {"group": group, "subject": name, "runs": len(samples)}
    for key in ("rate", "cpu_us", "chain_cpu_us", "p50_us", "p99_us", "start_ms"):
        row[key] = median(samples, key)
    for key in ("lost", "dup", "out_of_order"):
        row[key] = sum(s.get(key, 0) for s in samples)
    row["rates"] = [s["rate"] for s in samples]
    return row


class Bench:
    def __init__(self, plan, build, folder, yardsticks):
        self.plan, self.build, self.folder = plan, build, folder
        self.tools = rigs.Tools(build, folder, yardsticks)
        self.rows, self.facts, self.errors = [], {}, []

    def in_turn(self, group, subjects, measure, rounds=None):
        """subjects: name → a function that starts it.  Every round runs each once."""
        samples, failed = {name: [] for name in subjects}, set()
        for number in range(rounds or self.plan.rounds):
            for name, start in subjects.items():
                if name in failed:
                    continue
                subject = None
                try:
                    subject = start()
                    samples[name].append(measure(subject))
                    if not samples[name][-1]["rate"]:
                        raise RuntimeError("nothing arrived")
                    say(f"  {group}: {name}, round {number + 1}: "
                        f"{samples[name][-1]['rate']:,.0f} events/s")
                except Exception as error:  # pylint: disable=broad-except
                    failed.add(name)
                    self.errors.append(f"{group}: {name}: {error}")
                    say(f"  {group}: {name}: {error}")
                finally:
                    if subject:
                        subject.stop()
        for name, found in samples.items():
            if found:
                self.rows.append(summary(group, name, found))

    def throughput(self, subject, qos, many=None):
        """Short runs say how many events fill the time, the long one is what counts."""
        topic = "bench/0/value" if many else "bench/a"
        self.tools.probe(subject.publish_port, subject.subscribe_port, qos, topic)
        ports = subject.publish_port, subject.subscribe_port
        rate = self.tools.mqtt(*ports, 4000, qos, many=many)["rate"]
        if not self.plan.quick:
            count = min(int(max(rate, 1000) * 0.2), 50000)
            rate = self.tools.mqtt(*ports, count, qos, many=many)["rate"]
        count = max(2000, min(int(rate * self.plan.seconds), COUNT_MOST))
        own, chain = rigs.cpu_seconds(subject.own), rigs.cpu_seconds(subject.chain)
        sample = self.tools.mqtt(*ports, count, qos, many=many)
        events = max(sample["unique"], 1)
        if subject.own:
            sample["cpu_us"] = (rigs.cpu_seconds(subject.own) - own) * 1e6 / events
        sample["chain_cpu_us"] = (rigs.cpu_seconds(subject.chain) - chain) * 1e6 / events
        sample["start_ms"] = getattr(subject, "start_ms", None)
        return sample

    def latency(self, subject, qos):
        self.tools.probe(subject.publish_port, subject.subscribe_port, qos)
        ports = subject.publish_port, subject.subscribe_port
        return self.tools.mqtt(*ports, self.plan.latency_events, qos, rate=1000)

    def forwarders(self, source, sink, qos):
        chain = [source.process.pid, sink.process.pid]
        config = rigs.mqtt_to_mqtt(source, sink, qos)
        subjects = {rigs.Nothing.name: lambda: rigs.Nothing(source)}
        if self.tools.rawfwd:
            subjects[rigs.RawForwarder.name] = \
                lambda: rigs.RawForwarder(self.tools, source, sink, qos)
        if os.path.exists(self.tools.paho):
            subjects[rigs.PahoForwarder.name] = \
                lambda: rigs.PahoForwarder(self.tools, source, sink, qos)
        subjects[rigs.BrokerBridge.name] = lambda: rigs.BrokerBridge(self.folder, sink, qos)
        subjects[rigs.Meshgate.name] = lambda: rigs.Meshgate(
            self.build, self.folder, config, (source.port, sink.port), chain)
        return subjects

    def with_brokers(self, work):
        source, sink = rigs.Broker(self.folder, "a"), rigs.Broker(self.folder, "b")
        try:
            work(source, sink)
        finally:
            source.stop()
            sink.stop()

    def mqtt(self):
        def work(source, sink):
            for qos in (0, 1):
                self.in_turn(f"MQTT to MQTT, QoS {qos}", self.forwarders(source, sink, qos),
                             lambda subject, qos=qos: self.throughput(subject, qos))
        self.with_brokers(work)

    def latencies(self):
        def work(source, sink):
            for qos in self.plan.latency_qos:
                self.in_turn(f"latency at 1,000 events/s, QoS {qos}",
                             self.forwarders(source, sink, qos),
                             lambda subject, qos=qos: self.latency(subject, qos))
        self.with_brokers(work)

    def routes(self):
        def work(source, sink):
            def start(count):
                return rigs.Meshgate(self.build, self.folder, rigs.many_routes(source, sink, count),
                                     (source.port, sink.port), [source.process.pid, sink.process.pid])

            def measure(subject, count):
                subject.wait_up()
                sample = self.throughput(subject, 0, count)
                self.facts[f"routes_{count}_rss_kib"] = rigs.memory_kib(subject.pid)[0]
                return sample
            subjects = {f"{count:,} routes": lambda count=count: start(count) for count in (10, 10000)}
            counts = iter([10, 10000] * self.plan.rounds)
            self.in_turn("routes", subjects, lambda subject: measure(subject, next(counts)),
                         self.plan.route_rounds)
        self.with_brokers(work)

    def idle(self):
        def work(source, sink):
            config = rigs.mqtt_to_mqtt(source, sink, 1)
            starts = []
            for _ in range(self.plan.starts):
                subject = rigs.Meshgate(self.build, self.folder, config, (source.port, sink.port))
                starts.append(subject.start_ms)
                subject.stop()
            subject = rigs.Meshgate(self.build, self.folder, config, (source.port, sink.port))
            try:
                self.tools.probe(source.port, sink.port, 1)
                time.sleep(0.5)
                before = rigs.cpu_seconds(subject.own)
                time.sleep(self.plan.idle_seconds)
                used = rigs.cpu_seconds(subject.own) - before
                rss, own = rigs.memory_kib(subject.pid)
            finally:
                subject.stop()
            self.facts.update(start_ms=statistics.median(starts), idle_rss_kib=rss, idle_own_kib=own,
                              idle_cpu_percent=100 * used / self.plan.idle_seconds)
        self.with_brokers(work)

    def index(self):
        self.facts["index"] = self.tools.lines([self.tools.index])

    def core(self):
        rounds = [self.tools.lines([self.tools.core, self.plan.core_events])
                  for _ in range(self.plan.rounds)]
        self.facts["core"] = [dict(same[0], event_ns=statistics.median(r["event_ns"] for r in same))
                              for same in zip(*rounds)]

    def into_amqp(self, subject, count, receive):
        """MQTT in, AMQP out: the window counts what has arrived at the far end."""
        shared = os.path.join(self.folder, "progress")
        with open(shared, "wb") as out:
            out.write(bytes(8))
        receiver = receive(count, shared)
        until_ready(receiver)
        subject.wait_up()
        own, chain = rigs.cpu_seconds(subject.own), rigs.cpu_seconds(subject.chain)
        sender = self.tools.start([self.tools.mqtt_load, "-y", "-p", subject.publish_port, "-n", count,
                                   "-q", 1, "-w", 1000, "-m", shared, "-W", 5], "mqtt")
        try:
            sample = self.tools.result(receiver, 120)
            own = rigs.cpu_seconds(subject.own) - own
            chain = rigs.cpu_seconds(subject.chain) - chain
        finally:
            sender.kill()
            receiver.kill()
        events = max(sample["unique"], 1)
        sample["cpu_us"] = own * 1e6 / events
        sample["chain_cpu_us"] = chain * 1e6 / events
        return sample

    def from_amqp(self, subject, count, send):
        """AMQP in, MQTT out: the sender's window counts what the gateway has settled."""
        receiver = self.tools.start([self.tools.mqtt_load, "-x", "-s", subject.subscribe_port, "-n",
                                     count, "-q", 1, "-W", 10], "mqtt")
        until_ready(receiver)
        own, chain = rigs.cpu_seconds(subject.own), rigs.cpu_seconds(subject.chain)
        sender = send(count)
        try:
            sample = self.tools.result(receiver, 120)
            self.tools.result(sender, 15)
            own = rigs.cpu_seconds(subject.own) - own
            chain = rigs.cpu_seconds(subject.chain) - chain
        finally:
            sender.kill()
            receiver.kill()
        sample["cpu_us"] = own * 1e6 / max(sample["unique"], 1)
        sample["chain_cpu_us"] = chain * 1e6 / max(sample["unique"], 1)
        return sample

    def amqp_alone(self, send, receive, count):
        """The AMQP load tool on both sides and what stands between, without the gateway."""
        receiver = receive(count, None)
        until_ready(receiver)
        sender = send(count)
        try:
            sample = self.tools.result(receiver, 120)
        finally:
            sender.kill()
            receiver.kill()
        return sample

    def amqp_peer(self, broker):
        """A listening load tool as the AMQP peer: nothing but the gateway's own cost."""
        plan, tools = self.plan, self.tools
        count = int(15000 * plan.seconds)
        state = {}

        def listen(mode, number, shared=None):
            arguments = [tools.amqp_load, mode, state["port"], "-n", number, "-W", 10]
            return tools.start(arguments + (["-m", shared] if shared else []), mode)

        def gateway(config):
            state["port"] = rigs.free_port()
            amqp = rigs.amqp_bridge("q", state["port"])
            return rigs.Meshgate(self.build, self.folder, config(amqp), (broker.port, broker.port),
                                 [broker.process.pid])

        def alone():
            state["port"] = rigs.free_port()
            return rigs.Alone()

        def connect(number):
            return tools.start([tools.amqp_load, "send", state["port"], "bench", "-n", number], "send")

        self.in_turn("AMQP peer", {"no gateway (AMQP sender to receiver)": alone},
                     lambda _: self.amqp_alone(
                         connect, lambda number, shared: listen("sink", number), count * 5))
        self.in_turn("MQTT to AMQP peer, best-effort",
                     {"meshgate": lambda: gateway(lambda amqp: rigs.mqtt_to_amqp(broker, amqp, "bench"))},
                     lambda subject: self.into_amqp(
                         subject, count, lambda number, shared: listen("sink", number, shared)))
        self.in_turn("AMQP peer to MQTT QoS 1, direct",
                     {"meshgate": lambda: gateway(lambda amqp: rigs.amqp_to_mqtt(amqp, "bench", broker))},
                     lambda subject: self.from_amqp(
                         subject, count, lambda number: listen("source", number)))

    def amqp_rabbitmq(self, broker):
        from kit.rabbitmq import RabbitMQ
        tools = self.tools
        rabbit = RabbitMQ(self.folder)
        count = int(4000 * self.plan.seconds)
        state = {"number": 0}

        def queue():
            """Each measurement has a queue of its own, so that none meets another's leftovers."""
            return f"/queue/bench-{state['number']}"

        def login(arguments):
            return arguments + ["-u", "guest", "-p", "guest"]

        def receive(number, shared):
            arguments = login([tools.amqp_load, "recv", rabbit.port, queue(), "-n", number, "-W", 15])
            return tools.start(arguments + (["-m", shared] if shared else []), "recv")

        def send(number):
            return tools.start(login([tools.amqp_load, "send", rabbit.port, queue(), "-n", number]), "send")

        def yardstick(mode, number):
            return tools.start([tools.amqpload, mode, rabbit.port, queue(), number, "-u", "guest",
                                "-P", "guest"], mode)

        def yard_receive(number, _):
            return yardstick("recv", number)

        def yard_send(number):
            return yardstick("send", number)

        def gateway(config):
            state["number"] += 1
            return rigs.Meshgate(
                self.build, self.folder, config(rigs.amqp_bridge("q", rabbit.port, True)),
                (broker.port, broker.port), [broker.process.pid, rabbit.process.pid])

        def alone():
            state["number"] += 1
            return rigs.Alone()

        try:
            rabbit.start()
            self.in_turn("RabbitMQ", {"no gateway (AMQP sender to receiver)": alone},
                         lambda _: self.amqp_alone(send, receive, count))
            if tools.amqpload:
                self.in_turn("RabbitMQ", {"no gateway (yardstick amqpload)": alone},
                             lambda _: self.amqp_alone(yard_send, yard_receive, count))
            self.in_turn(
                "MQTT to RabbitMQ, best-effort",
                {"meshgate": lambda: gateway(lambda amqp: rigs.mqtt_to_amqp(broker, amqp, queue()))},
                lambda subject: self.into_amqp(subject, count, receive))
            self.in_turn(
                "RabbitMQ to MQTT QoS 1, direct",
                {"meshgate": lambda: gateway(lambda amqp: rigs.amqp_to_mqtt(amqp, queue(), broker))},
                lambda subject: self.from_amqp(subject, count, send))
        finally:
            rabbit.destroy()

    def amqp(self):
        def work(source, _):
            self.amqp_peer(source)
            if not self.plan.quick:
                self.amqp_rabbitmq(source)
        self.with_brokers(work)


def until_ready(process):
    rigs.until(lambda: "ready" in process.text() or not process.alive(),
               lambda: f"{process.arguments[0]} is ready:\n{process.tail()}", 20)


def main():
    root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    shared = os.path.join(root, "..", "shared", "bench")
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--yardsticks", default=shared if os.path.isdir(shared) else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    subprocess.run(["ninja", "--quiet", "-C", options.build, "bench-tools"], check=True, stdout=sys.stderr)
    started, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="meshgate-bench-") as folder:
        bench = Bench(Plan(options.quick), os.path.abspath(options.build), folder, options.yardsticks)
        for part in PARTS:
            if part in options.only:
                say(f"{part} …")
                try:
                    (bench.latencies if part == "latency" else getattr(bench, part))()
                except Exception as error:  # pylint: disable=broad-except
                    bench.errors.append(f"{part}: {error}")
                    say(f"  {error}")
        found = {"machine": report.machine(), "load": [load, os.getloadavg()[0]], "quick": options.quick, "rounds": bench.plan.rounds,
                 "seconds": round(time.monotonic() - started), "facts": bench.facts,
                 "rows": bench.rows, "errors": bench.errors}
    print(report.markdown(found))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    return 1 if bench.errors else 0


if __name__ == "__main__":
    sys.exit(main())
