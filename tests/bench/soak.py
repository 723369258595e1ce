# SPDX-License-Identifier: Apache-2.0
"""Full load for minutes, QoS 1 and direct: is the gateway's memory flat, does its ledger balance,
has anything been lost?

Its memory is read each second.  After a warm-up of a minute (in a short run: a quarter of it) it is
flat if the median of the last quarter is at most 5 % above that of the first.  With --flap the
sink's broker is stopped every 20 s for two; it keeps what it has accepted, so that every event has
to arrive all the same, some twice."""
import json
import os
import statistics
import threading
import time

import configs
import rigs
from measure import say

LAP_S, WARM_UP_S, GROWTH_MOST = 10, 60, 1.05
FLAP_EVERY_S, AWAY_S = 20, 2
LAP_LIMIT_S = 300


class Sampler(threading.Thread):
    """Reads the resident memory each second until told to end."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.samples, self.over = pid, [], threading.Event()
        self.started = time.monotonic()

    def run(self):
        while not self.over.wait(1):
            try:
                self.samples.append((time.monotonic() - self.started, rigs.memory_kib(self.pid)[0]))
            except (OSError, KeyError):  # the gateway has ended; the laps will say so
                return

    def stop(self):
        self.over.set()
        self.join()


class Flapper(threading.Thread):
    """Stops and starts the sink's broker."""

    def __init__(self, broker):
        super().__init__()
        self.broker, self.over, self.flaps, self.error = broker, threading.Event(), 0, None

    def run(self):
        try:
            while not self.over.wait(FLAP_EVERY_S):
                self.broker.term()
                time.sleep(AWAY_S)
                self.broker.start()
                self.flaps += 1
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def stop(self):
        self.over.set()
        self.join()


def slope_kib_per_min(samples):
    """Of the line that fits them best."""
    if len(samples) < 2:
        return 0.0
    at, values = zip(*samples)
    mean_at, mean = statistics.fmean(at), statistics.fmean(values)
    spread = sum((a - mean_at) ** 2 for a in at)
    return 60 * sum((a - mean_at) * (v - mean) for a, v in samples) / spread


def verdict(samples, minutes):
    """Of (seconds, KiB) pairs."""
    warm_up = min(WARM_UP_S, minutes * 60 / 4)
    counted = [sample for sample in samples if sample[0] >= warm_up]
    if len(counted) < 8:
        raise RuntimeError(f"{len(counted)} samples after the warm-up are too few: more minutes")
    values, quarter = [value for _, value in counted], len(counted) // 4
    first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
    return {"samples": len(counted), "warm_up_s": warm_up, "min_kib": min(values),
            "max_kib": max(values), "first_quarter_kib": first, "last_quarter_kib": last,
            "slope_kib_per_min": round(slope_kib_per_min(counted), 1),
            "flat": last <= first * GROWTH_MOST}


class Soak:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.tools = rigs.Tools(options.build, folder, None)
        self.load = rigs.Load(1, resume=options.flap)
        self.total = {"sent": 0, "received": 0, "lost": 0, "dup": 0, "out_of_order": 0}
        self.rate = 0

    def _lap(self, subject, count):
        sample = self.tools.mqtt(subject, count, self.load, LAP_LIMIT_S)
        for key in self.total:
            self.total[key] += sample[key]
        self.rate = sample["rate"] or self.rate
        if sample["lost"]:
            raise RuntimeError(f"{sample['lost']} of {count} events were lost")

    def _laps(self, subject, flapper):
        self.tools.probe(subject, self.load)
        self._lap(subject, 5000)
        end = time.monotonic() + self.options.minutes * 60
        while (left := end - time.monotonic()) > 0:
            self._lap(subject, max(1000, int(self.rate * min(LAP_S, left))))
            if flapper and flapper.error:
                raise flapper.error
            if not subject.gateway.process.alive():
                raise RuntimeError("the gateway has ended")
            say(f"  {self.total['received']:,} events, {self.rate:,.0f}/s, "
                f"{rigs.memory_kib(subject.pid)[0]:,} KiB")

    def run(self):
        source = rigs.Broker(self.folder, "a")
        sink = rigs.Broker(self.folder, "b", keeps=self.options.flap)
        build = os.path.abspath(self.options.gateway or self.options.build)
        subject = flapper = None
        try:
            subject = rigs.Meshgate(build, self.folder, configs.mqtt_to_mqtt(source, sink, 1),
                                    source, sink)
            subject.wait_up()
            sampler = Sampler(subject.pid)
            sampler.start()
            if self.options.flap:
                flapper = Flapper(sink)
                flapper.start()
            try:
                self._laps(subject, flapper)
            finally:
                sampler.stop()
                if flapper:
                    flapper.stop()
            route = subject.gateway.settled()["routes"][0]
            found = verdict(sampler.samples, self.options.minutes)
            found.update(self.total, ledger=route, rate=self.rate,
                         sanitized=subject.gateway.build.sanitized, minutes=self.options.minutes,
                         flaps=flapper.flaps if flapper else 0)
            if self.options.flap and not flapper.flaps:
                raise RuntimeError(f"no flap in {self.options.minutes:g} minutes: more of them")
        finally:
            try:
                if subject:
                    subject.stop()
                    found_problems = subject.gateway.problems()
                    if found_problems:
                        raise RuntimeError(found_problems)
            finally:
                sink.stop()
                source.stop()
        return found


def text(found):
    said = "flat" if found["flat"] else "NOT FLAT"
    return "\n".join([
        f"{found['minutes']:g} minutes, {found['received']:,} events, {found['rate']:,.0f}/s at the end"
        f"{', sanitized' if found['sanitized'] else ''}"
        f"{', %d flaps of the sink' % found['flaps'] if found['flaps'] else ''}: "
        f"{found['lost']} lost, {found['dup']} twice, {found['out_of_order']} out of order",
        f"resident memory after {found['warm_up_s']:.0f} s of warm-up, {found['samples']} samples, KiB: "
        f"least {found['min_kib']:,}, most {found['max_kib']:,}, first quarter's median "
        f"{found['first_quarter_kib']:,.0f}, last quarter's {found['last_quarter_kib']:,.0f}, "
        f"slope {found['slope_kib_per_min']:+,.1f} a minute: {said}",
        f"ledger: received {found['ledger']['received']:,}, delivered {found['ledger']['delivered']:,}, "
        "balanced"])


def run(options, folder):
    try:
        found = Soak(options, folder).run()
    except Exception as error:  # pylint: disable=broad-except
        print(f"soak failed: {error}")
        return 1
    print(text(found))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    return 0 if found["flat"] and (options.flap or not found["dup"]) else 1
