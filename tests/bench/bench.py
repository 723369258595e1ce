#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the gateway beside its yardsticks, in turn, in one run; prints medians and ratios.

    bench.py --build FOLDER [--yardsticks FOLDER] [--quick] [--json FILE] [--only PART …]
    bench.py --build FOLDER soak [--minutes N] [--gateway FOLDER] [--flap]
    bench.py --build FOLDER profile NAME [--seconds N] [--callgrind]
    bench.py --build FOLDER core
    bench.py --build FOLDER patterns
    bench.py --build FOLDER steps

--build       a meson build folder with the gateway, its modules and the target bench-tools
--yardsticks  a folder with rawfwd.c, mqload.c and amqpload.c, which share no code with this tree;
              they take the place of the project's own floor and load tools where they can
--only        some of: index core idle mqtt latency amqp stored recovery routes payload connections
              fanout profile

The whole takes some fifteen minutes, --quick three (fewer points, without RabbitMQ).
report.py turns what --json wrote into the tables of a page, plot.py into its pictures."""
import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import amqp
import configs
import growth
import patterns
import steps
import profiling
import report
import rigs
import soak
import stored
from amqp import named
from measure import Case, Meter, say

PARTS = ("index", "core", "idle", "mqtt", "latency", "amqp", "stored", "recovery", "routes", "payload",
         "connections", "fanout", "profile")


class Plan:
    """How much is measured."""

    def __init__(self, quick):
        self.quick = quick
        self.rounds = 3
        self.seconds = 0.4 if quick else 2.5  # aimed at for one measurement
        self.point_seconds = 0.25 if quick else 0.6  # and for one point of a curve
        self.point_rounds = 1 if quick else 3
        self.latency_events = 500 if quick else 4000
        self.idle_seconds = 1 if quick else 5
        self.core_events = 200000 if quick else 1000000
        self.starts = 3 if quick else 7
        self.profile_seconds = 0.5 if quick else 3
        self.backlog_events = 50000 if quick else 1000000
        self.recoveries = 1 if quick else 3


class Bench:
    def __init__(self, plan, build, folder, yardsticks):
        self.plan, self.build, self.folder = plan, build, folder
        self.tools = rigs.Tools(build, folder, yardsticks)
        self.meter = Meter(plan, self.tools)
        self.facts = {}

    @functools.cached_property
    def clients(self):
        found = rigs.clients_of(self.build, self.folder)
        if rigs.NATIVE not in found:
            raise RuntimeError(f"the gateway in {self.build} takes no mqtt bridge: build it whole")
        if rigs.PAHO not in found:
            say("this build has no client: paho, so its rows are left out")
        return found

    def gateway(self, config, source, sink, others=None):
        return rigs.Meshgate(self.build, self.folder, config, source, sink, others)

    def with_brokers(self, work):
        source, sink = rigs.Broker(self.folder, "a"), rigs.Broker(self.folder, "b")
        try:
            work(source, sink)
        finally:
            source.stop()
            sink.stop()

    # ---- side by side ------------------------------------------------------------------------

    def floor(self, source, sink, qos):
        program = self.tools.rawfwd or self.tools.floor
        return rigs.Forwarder(self.tools, program, source, sink, qos)

    def gateways(self, source, sink, qos, run):
        return [Case(named(client), lambda client=client: self.gateway(
                    configs.mqtt_to_mqtt(source, sink, qos, client), source, sink), run)
                for client in self.clients]

    def forwarders(self, source, sink, qos, run):
        cases = [Case(report.NOTHING, lambda: rigs.Nothing(source), run),
                 Case(report.FLOOR, lambda: self.floor(source, sink, qos), run)]
        if os.path.exists(self.tools.paho):
            cases.append(Case(report.PAHO, lambda: rigs.Forwarder(
                self.tools, self.tools.paho, source, sink, qos), run))
        cases.append(Case(report.BRIDGE, lambda: rigs.BrokerBridge(self.folder, sink, qos), run))
        return cases + self.gateways(source, sink, qos, run)

    def mqtt(self):
        def work(source, sink):
            for qos in (0, 1):
                run = self.meter.throughput(rigs.Load(qos), self.plan.seconds)
                self.meter.in_turn("mqtt", f"QoS {qos}", self.forwarders(source, sink, qos, run))
        self.with_brokers(work)

    def latency(self):
        def work(source, sink):
            for qos in (0, 1):
                run = self.meter.latency(rigs.Load(qos, rate=1000), self.plan.latency_events)
                self.meter.in_turn(
                    "latency", f"QoS {qos}",
                    [Case(report.FLOOR, lambda qos=qos: self.floor(source, sink, qos), run),
                     Case(report.BRIDGE, lambda qos=qos: rigs.BrokerBridge(self.folder, sink, qos),
                          run)] + self.gateways(source, sink, qos, run))
        self.with_brokers(work)

    def amqp(self):
        def work(broker, _):
            for kind in (amqp.Peer,) if self.plan.quick else (amqp.Peer, amqp.Rabbit):
                peer = kind(self.tools, self.folder)
                try:
                    amqp.Ways(self.meter, self.gateway, peer, broker, self.clients).run()
                finally:
                    peer.stop()
        self.with_brokers(work)

    # ---- with a store: see stored.py -----------------------------------------------------------

    def stored(self):
        self.with_brokers(stored.SideBySide(self).run)

    def recovery(self):
        self.facts["recovery"] = stored.Recovery(self).run()

    # ---- as work grows: see growth.py ----------------------------------------------------------

    def routes(self):
        self.with_brokers(growth.Growth(self).routes)

    def payload(self):
        self.with_brokers(growth.Growth(self).payload)

    def connections(self):
        self.with_brokers(growth.Growth(self).connections)

    def fanout(self):
        self.with_brokers(growth.Growth(self).fanout)

    # ---- the gateway alone ---------------------------------------------------------------------

    def idle(self):
        def work(source, sink):
            config = configs.mqtt_to_mqtt(source, sink, 1)
            starts = []
            for _ in range(self.plan.starts):
                subject = self.gateway(config, source, sink)
                starts.append(subject.start_ms)
                subject.stop()
            subject = self.gateway(config, source, sink)
            try:
                subject.wait_up()
                self.tools.probe(subject, rigs.Load(1))
                time.sleep(0.5)
                before = rigs.cpu_seconds(subject.pid)
                time.sleep(self.plan.idle_seconds)
                used = rigs.cpu_seconds(subject.pid) - before
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

    def profile(self):
        self.facts["profile"] = [
            profiling.Profile(self, name).run(self.plan.profile_seconds)
            for name in ("mqtt-qos0", "mqtt-qos1", "stored-always") if profiling.perf()]
        if not self.facts["profile"]:
            say("  perf is not there (Debian: linux-perf): no profile")

    def run(self, parts):
        if set(parts) - {"index", "core"}:
            say(f"MQTT clients: {', '.join(self.clients)}")
        for part in parts:
            say(f"{part} …")
            started = time.monotonic()
            try:
                getattr(self, part)()
            except Exception as error:  # pylint: disable=broad-except
                self.meter.errors.append(f"{part}: {error}")
                say(f"  {error}")
            say(f"{part} took {time.monotonic() - started:.0f} s")

    def found(self, seconds, load):
        floor = "rawfwd" if self.tools.rawfwd else "floor_forward"
        tool = "mqload" if self.tools.mqload else "mqtt_load"
        return {"machine": report.machine(), "load": load, "quick": self.plan.quick,
                "rounds": self.plan.rounds, "seconds": seconds, "floor": floor, "tool": tool,
                "facts": self.facts, "rows": self.meter.rows, "errors": self.meter.errors}


def measure_all(options, folder):
    started, load = time.monotonic(), os.getloadavg()[0]
    bench = Bench(Plan(options.quick), options.build, folder, options.yardsticks)
    bench.run([part for part in PARTS if part in options.only])
    found = bench.found(round(time.monotonic() - started), [load, os.getloadavg()[0]])
    print(report.markdown(found))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    return 1 if bench.meter.errors else 0


def profile_one(options, folder):
    bench = Bench(Plan(False), options.build, folder, None)
    profile = profiling.Profile(bench, options.name)
    found = profile.run_callgrind() if options.callgrind else profile.run(options.seconds)
    print(profiling.text(found))
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--yardsticks", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    commands = parser.add_subparsers(dest="command")
    soaking = commands.add_parser("soak", help="full load for minutes; is the memory flat?")
    soaking.add_argument("--minutes", type=float, default=10)
    soaking.add_argument("--gateway", metavar="FOLDER", help="build folder of the gateway, if another")
    soaking.add_argument("--flap", action="store_true", help="stop the sink's broker every 20 s")
    profiled = commands.add_parser("profile", help="where the gateway's time goes")
    profiled.add_argument("name", choices=sorted(profiling.NAMES))
    profiled.add_argument("--seconds", type=float, default=5)
    profiled.add_argument("--callgrind", action="store_true",
                          help="count instructions with valgrind instead of asking perf")
    commands.add_parser("core", help="the core alone, without sockets")
    commands.add_parser("patterns", help="events against event patterns, one thread")
    commands.add_parser("steps", help="what one step costs for one event, one thread")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    if options.command == "core":
        options.only = ["core"]
    return options


def main():
    options = parse()
    subprocess.run(["ninja", "--quiet", "-C", options.build, "bench-tools"], check=True,
                   stdout=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="meshgate-bench-") as folder:
        if options.command == "soak":
            return soak.run(options, folder)
        if options.command == "patterns":
            return patterns.run(options, folder)
        if options.command == "steps":
            return steps.run(options)
        if options.command == "profile":
            return profile_one(options, folder)
        return measure_all(options, folder)


if __name__ == "__main__":
    sys.exit(main())
