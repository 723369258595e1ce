# SPDX-License-Identifier: Apache-2.0
"""Measuring subjects in turn: every round runs each of them once, medians are taken at the end."""
import statistics
import sys

import rigs

COUNT_MOST = 3000000
# A run that says how many events fill the time, and that nothing is lost on the way.
TRIAL_EVENTS, TRIAL_BYTES, TRIALS = 4000, 64 << 20, 4
MEDIANS = ("rate", "cpu_us", "chain_cpu_us", "p50_us", "p99_us", "p999_us", "start_ms", "rss_kib")
SUMS = ("lost", "dup", "out_of_order")


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(samples, key):
    values = [s[key] for s in samples if s.get(key) is not None]
    return statistics.median(values) if values else None


def summary(part, group, name, samples, point):
    """One row: medians over the rounds, and what must not be hidden behind a median, summed."""
    row = {"part": part, "group": group, "subject": name, "runs": len(samples), "x": point}
    row.update({key: median(samples, key) for key in MEDIANS})
    row.update({key: sum(s.get(key, 0) for s in samples) for key in SUMS})
    row["rates"] = [s["rate"] for s in samples]
    row["busy"] = {who: round(statistics.median(s["busy"][who] for s in samples), 2)
                   for who in samples[0].get("busy", {})}
    return row


class Usage:
    """Who used how much of the processor between `begin` and `end`."""

    def __init__(self, subject):
        self.subject = subject
        self.pids = dict(subject.others, **({"forwarder": subject.own} if subject.own else {}))
        self.before = self._now()
        self.children = rigs.children_seconds()

    def _now(self):
        return {who: rigs.cpu_seconds(pid) for who, pid in self.pids.items()}

    def end(self, sample):
        """Adds what was used to the sample; the load tools have ended."""
        used = {who: after - self.before[who] for who, after in self._now().items()}
        events = max(sample["unique"], 1)
        if self.subject.own:
            sample["cpu_us"] = used["forwarder"] * 1e6 / events
        sample["chain_cpu_us"] = sum(used.values()) * 1e6 / events
        used["load tool"] = rigs.children_seconds() - self.children
        sample["busy"] = {who: seconds / max(sample["seconds"], 0.001) for who, seconds in used.items()}
        return sample


class Case:
    """One subject of a group: how it is started, and how measured (run takes the subject and the
    case, returns a sample).  point: where on the axis, for what is drawn."""

    def __init__(self, name, start, run, point=None):
        self.name, self.start, self.run, self.point = name, start, run, point
        self.memory = {}  # what one round has learned for the next


class Meter:
    """Runs cases and keeps their rows."""

    def __init__(self, plan, tools):
        self.plan, self.tools = plan, tools
        self.rows, self.errors = [], []

    def in_turn(self, part, group, cases, rounds=None):
        samples = {case: [] for case in cases}
        failed = set()
        for number in range(rounds or self.plan.rounds):
            for case in cases:
                if case not in failed and not self._run(part, group, case, number, samples[case]):
                    failed.add(case)
        for case, found in samples.items():
            if found:
                self.rows.append(summary(part, group, case.name, found, case.point))

    def _run(self, part, group, case, number, samples):
        title = f"{group}: {case.name}" + (f" at {case.point:,}" if case.point is not None else "")
        subject = None
        try:
            subject = case.start()
            sample = case.run(subject, case)
            sample["start_ms"] = getattr(subject, "start_ms", None)
            if not sample["rate"]:
                raise RuntimeError("nothing arrived")
            samples.append(sample)
            say(f"  {title}, round {number + 1}: {sample['rate']:,.0f} events/s")
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{part}: {title}: {error}")
            say("\n    ".join(f"  {title}: {error}".splitlines()[:8]))
            return False
        finally:
            if subject:
                self._stop(part, title, subject)
        return True

    def _stop(self, part, title, subject):
        try:
            subject.stop()
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{part}: {title}: at the stop: {error}")
            say(f"  {title}: at the stop: {error}")

    def _trial(self, subject, load):
        """The rate, roughly.  Connections may subscribe a little after they are up: what is lost
        until then is not counted, what is lost for ever is."""
        count = max(20, min(TRIAL_EVENTS, TRIAL_BYTES // load.size) // load.ways)
        for attempt in range(TRIALS):
            sample = self.tools.mqtt(subject, count, load)
            if not sample["lost"]:
                break
        else:
            raise RuntimeError(f"{sample['lost']} of {count * load.ways} events do not come through")
        if self.plan.seconds > 2 and attempt == 0:
            count = min(int(max(sample["rate"], 1000) * 0.2), 50000)
            sample = self.tools.mqtt(subject, max(20, count // load.ways), load)
        return sample["rate"]

    def throughput(self, load, seconds):
        """A measure for a case: as many events as fill the time."""
        def run(subject, case):
            subject.wait_up()
            self.tools.probe(subject, load)
            rate = case.memory.get("rate") or self._trial(subject, load)
            count = max(50, min(int(rate / load.ways * seconds), COUNT_MOST // load.ways))
            usage = Usage(subject)
            sample = usage.end(self.tools.mqtt(subject, count, load))
            case.memory["rate"] = sample["rate"]
            if subject.own:
                sample["rss_kib"] = rigs.memory_kib(subject.own)[0]
            return sample
        return run

    def latency(self, load, count):
        def run(subject, _):
            subject.wait_up()
            self.tools.probe(subject, load)
            usage = Usage(subject)
            return usage.end(self.tools.mqtt(subject, count, load))
        return run
