# SPDX-License-Identifier: Apache-2.0
"""What `stored` costs beside `direct`, and how a gateway with a long backlog comes back.

Every measurement has a store of its own, which is empty at the start, on the disk that the folder
for temporary files is on."""
import os
import shutil
import statistics
import time

import amqp
import configs
import report
import rigs
from kit.waiting import until
from measure import Case, say

MODES = ((report.DIRECT, None), (report.ALWAYS, {"sync": "always"}),
         (report.INTERVAL, {"sync": "interval"}))
SIZE = 256
STORE_SIZE = "8GiB"
FILL_S, DRAIN_S = 600, 600


def sized(store):
    return store and dict(store, size=STORE_SIZE)


class SideBySide:
    """direct, stored with sync: always, and with sync: interval, in turn."""

    def __init__(self, bench):
        self.bench, self.plan, self.meter, self.tools = (bench, bench.plan, bench.meter, bench.tools)

    def _mqtt(self, source, sink, run):
        return [Case(name, lambda store=store: self.bench.gateway(
                    configs.mqtt_to_mqtt(source, sink, 1, store=sized(store)), source, sink), run)
                for name, store in MODES]

    def _amqp(self, broker, kind):
        peer = kind(self.tools, self.bench.folder)
        try:
            ways = amqp.Ways(self.meter, self.bench.gateway, peer, broker, [rigs.NATIVE])

            def start(store):
                return ways.gateway(lambda client, port, address, login: configs.mqtt_to_amqp(
                    broker, port, address, client, login, sized(store)), rigs.NATIVE)
            self.meter.in_turn("stored", f"MQTT QoS 1 to AMQP 1.0, {peer.title}",
                               [Case(name, lambda store=store: start(store), ways.into)
                                for name, store in MODES])
        finally:
            peer.stop()

    def run(self, source, sink):
        took = rigs.sync_us(self.bench.folder)
        self.bench.facts["sync"] = {"p50_us": took[len(took) // 2], "p99_us": took[-2]}
        self.meter.in_turn("stored", "MQTT QoS 1 to MQTT QoS 1", self._mqtt(
            source, sink, self.meter.throughput(rigs.Load(1, SIZE), self.plan.seconds)))
        for kind in (amqp.Peer,) if self.plan.quick else (amqp.Peer, amqp.Rabbit):
            self._amqp(source, kind)
        self.meter.in_turn("storedlatency", "MQTT QoS 1 to MQTT QoS 1", self._mqtt(
            source, sink, self.meter.latency(rigs.Load(1, SIZE, rate=1000), self.plan.latency_events)))


class Recovery:
    """A sink that is away until the backlog is long; then the gateway is killed, and started again."""

    def __init__(self, bench):
        self.bench, self.plan, self.tools = bench, bench.plan, bench.tools
        self.count = bench.plan.backlog_events
        self.store = os.path.join(bench.folder, "backlog")
        self.source, self.sink = rigs.Broker(bench.folder, "c"), rigs.Broker(bench.folder, "d")
        self.sink.stop()
        config = configs.mqtt_to_mqtt(self.source, self.sink, 1, store={"sync": "always",
                                                                        "size": STORE_SIZE})
        config.bridges["b"]["reconnect"] = {"first": "10ms", "most": "100ms"}
        self.gateway = rigs.Gateway(rigs.Build(bench.build), bench.folder, config.text(), "backlog",
                                    config.settings(self.store))
        self.found = {"events": self.count, "size": SIZE}

    def _backlog(self):
        return self.gateway.route()["stored"]

    def _start(self):
        """Milliseconds from exec to ready; and the moment before."""
        process = self.gateway.process
        seen, began = process.text().count("gateway ready"), time.monotonic()
        self.gateway.start(wait=False)
        until(lambda: process.text().count("gateway ready") > seen or not process.alive(),
              lambda: "the gateway is ready:\n" + process.tail(), 60, 0.001)
        if not process.alive():
            raise RuntimeError("the gateway ended at once:\n" + process.tail())
        return (time.monotonic() - began) * 1000, began

    def _fill(self):
        self._start()
        self.gateway.wait_up("a")
        empty, began = rigs.disk_bytes(self.store), time.monotonic()
        self.tools.result(self.tools.start(
            [self.tools.mqtt_load, "-y", "-p", self.source.port, "-t", "bench/0/a", "-n", self.count,
             "-q", 1, "-l", SIZE, "-W", 60], "fill"), FILL_S)
        until(lambda: self._backlog() == self.count,
              lambda: f"everything is stored: {self.gateway.route()}", FILL_S, 0.1)
        taken = time.monotonic() - began
        in_use = self.gateway.ledger()["store"]["bytes"]
        self.found.update(
            fill_rate=self.count / taken, disk_bytes=(rigs.disk_bytes(self.store) - empty) / self.count,
            used_bytes=in_use / self.count, filled_rss_kib=rigs.memory_kib(self.gateway.process.pid)[0])
        say(f"  {self.count:,} events are stored, {self.count / taken:,.0f} a second, "
            f"{in_use / self.count:.0f} bytes each")

    def _forget_pages(self):
        """Takes the store out of the kernel's cache: as after a night, or on a machine with work."""
        for at, _, names in os.walk(self.store):
            for name in names:
                with open(os.path.join(at, name), "rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _ready_after_kill(self, cold):
        times = []
        for _ in range(self.plan.recoveries):
            self.gateway.kill()
            if cold:
                self._forget_pages()
            times.append(self._start()[0])
            if self._backlog() != self.count:
                raise RuntimeError(f"{self._backlog():,} of {self.count:,} are left after a kill")
        return statistics.median(times)

    def _drain(self):
        """Killed once more; the sink is back when the gateway is."""
        self.gateway.kill()
        self._forget_pages()
        self.sink.start()
        receiver = self.tools.start([self.tools.mqtt_load, "-x", "-s", self.sink.port, "-n", self.count,
                                     "-q", 1, "-W", 60], "drain")
        rigs.until_ready(receiver)
        try:
            ready_ms, began = self._start()
            until(lambda: "first" in receiver.text() or not receiver.alive(),
                  lambda: "the first event is delivered:\n" + self.gateway.process.tail(), 60, 0.001)
            self.found.update(drain_ready_ms=ready_ms, first_ms=(time.monotonic() - began) * 1000)
            sample = self.tools.result(receiver, DRAIN_S)
        finally:
            receiver.kill()
        self.found.update({key: sample[key] for key in ("lost", "dup", "out_of_order")},
                          drain_rate=sample["rate"],
                          drained_rss_kib=rigs.memory_kib(self.gateway.process.pid)[0])
        until(lambda: self._backlog() == 0, lambda: f"all is settled: {self.gateway.route()}", 60, 0.1)
        self.found["left_bytes"] = self.gateway.ledger()["store"]["bytes"]
        self.found["balanced"] = self.gateway.balanced()["balanced"]

    def run(self):
        try:
            self._fill()
            self.found["ready_ms"] = self._ready_after_kill(cold=False)
            self.found["cold_ready_ms"] = self._ready_after_kill(cold=True)
            self._drain()
            say("  ready {ready_ms:,.0f} ms after a kill, {cold_ready_ms:,.0f} with a cold cache; first "
                "delivered after {first_ms:,.0f} ms, drained at {drain_rate:,.0f} events/s".format(
                    **self.found))
            self.gateway.term()
        finally:
            self.gateway.kill()
            self.source.stop()
            self.sink.stop()
            shutil.rmtree(self.store, ignore_errors=True)
        return self.found
