#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns what bench.py found into Markdown: tables, and ratios within each group.

    report.py FILE                    prints them all
    report.py FILE --write PAGE       puts each between its markers in a page:
                                      <!-- bench: NAME --> … <!-- /bench -->"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys

NOTHING, FLOOR, PAHO = "no forwarder (one broker)", "floor", "bare Paho loop"
BRIDGE, MESHGATE = "Mosquitto's bridge", "meshgate"
BARE, HALF = "bare Proton", "MQTT half alone (one broker)"
DIRECT, ALWAYS, INTERVAL = "direct", "stored, sync: always", "stored, sync: interval"
AIMS = {ALWAYS: "0.70", INTERVAL: "0.85"}
MARKED = re.compile(r"(<!-- bench: ([a-z]+) -->\n).*?(<!-- /bench -->)", re.S)
BUSY_SHARE = 0.85  # of a core: this process has no more to give


def _version(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().splitlines()[0] if done.stdout + done.stderr else "?"


def machine():
    model = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    packages = {}
    for name in ("mosquitto", "rabbitmq-server", "libpaho-mqtt1.3", "libqpid-proton11"):
        found = _version("dpkg-query", "-W", "-f", "${Version}", name)
        packages[name] = found if "no packages" not in found else "not installed"
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "packages": packages}


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def size(count):
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} B"


class Found:
    """What was found, with the questions that the tables ask."""

    def __init__(self, found):
        self.found, self.facts, self.cores = found, found["facts"], found["machine"]["cores"]

    def rows(self, part, group=None):
        return [row for row in self.found["rows"]
                if row["part"] == part and group in (None, row["group"])]

    def groups(self, part):
        return list(dict.fromkeys(row["group"] for row in self.rows(part)))

    def row(self, part, group, subject, point=None):
        for row in self.rows(part, group):
            if row["subject"] == subject and row["x"] == point:
                return row
        return None

    def ratio(self, row, subject, key="rate", digits=2):
        other = self.row(row["part"], row["group"], subject, row["x"])
        if not other or not other.get(key) or not row.get(key):
            return ""
        return f"{row[key] / other[key]:.{digits}f}"

    def more(self, row, subject, key, digits=2):
        other = self.row(row["part"], row["group"], subject, row["x"])
        if not other or other.get(key) is None or row.get(key) is None:
            return ""
        return f"{row[key] - other[key]:+,.{digits}f}"

    def limit(self, row):
        """What had no more to give, as measured: a process at one core, or all cores."""
        busy = row.get("busy") or {}
        if not busy:
            return ""
        total = sum(busy.values())
        if total >= BUSY_SHARE * self.cores:
            most = sorted(busy, key=busy.get, reverse=True)[:2]
            return "all cores: " + ", ".join(f"{who} {100 * busy[who]:.0f} %" for who in most)
        full = [who for who, share in busy.items() if share >= BUSY_SHARE]
        return f"one core: {full[0]}" if full else f"nothing: waits ({100 * total:.0f} % in all)"


def _counts(row):
    return [number(row[key]) for key in ("lost", "dup", "out_of_order")]


COUNTS = ["lost", "twice", "out of order"]


def ratios(found):
    lines = []
    rows = []
    for row in found.rows("mqtt"):
        if row["subject"].startswith(MESHGATE):
            rows.append([f"{row['group']}: {row['subject']}"] +
                        [found.ratio(row, name) for name in (FLOOR, PAHO, BRIDGE)] +
                        [found.more(row, FLOOR, "cpu_us"), found.ratio(row, FLOOR, "cpu_us"),
                         found.ratio(row, PAHO, "cpu_us")])
    if rows:
        lines += table(["MQTT to MQTT, 256 B", "rate × floor", "× Paho loop", "× Mosquitto's bridge",
                        "CPU µs/event beyond the floor", "CPU × floor", "CPU × Paho loop"], rows)
    rows = []
    for row in found.rows("latency"):
        if row["subject"].startswith(MESHGATE):
            rows.append([f"{row['group']}: {row['subject']}"] +
                        [found.ratio(row, FLOOR, key) for key in ("p50_us", "p99_us", "p999_us")])
    if rows:
        lines += table(["latency at 1,000 events/s", "p50 × floor", "p99 × floor", "p99.9 × floor"], rows)
    rows = []
    for row in found.rows("amqp"):
        if row["subject"].startswith(MESHGATE):
            rows.append([f"{row['group']}: {row['subject']}", found.ratio(row, BARE),
                         found.ratio(row, HALF), found.ratio(row, BARE, "cpu_us")])
    if rows:
        lines += table(["with AMQP 1.0, 256 B", "rate × bare Proton", "× MQTT half alone",
                        "CPU × bare Proton"], rows)
    return lines


def mqtt(found):
    lines = []
    for group in found.groups("mqtt"):
        lines += table(
            [group, "events/s", "CPU µs/event, forwarder", "CPU µs/event, with brokers", *COUNTS,
             "what was used up"],
            [[row["subject"], number(row["rate"]), number(row["cpu_us"], 2),
              number(row["chain_cpu_us"], 1), *_counts(row), found.limit(row)]
             for row in found.rows("mqtt", group)])
    return lines


def latency(found):
    lines = []
    for group in found.groups("latency"):
        lines += table(
            [f"{group}, µs", "p50", "p99", "p99.9", *COUNTS],
            [[row["subject"], number(row["p50_us"]), number(row["p99_us"]), number(row["p999_us"]),
              *_counts(row)] for row in found.rows("latency", group)])
    return lines


def amqp(found):
    lines = []
    for group in found.groups("amqp"):
        lines += table(
            [group, "events/s", "CPU µs/event", *COUNTS, "what was used up"],
            [[row["subject"], number(row["rate"]), number(row["cpu_us"], 2), *_counts(row),
              found.limit(row)] for row in found.rows("amqp", group)])
    return lines


def stored(found):
    lines = []
    if "sync" in found.facts:
        took = found.facts["sync"]
        lines += [f"To write a page and to have the disk say that it is there (`fdatasync`) takes "
                  f"{number(took['p50_us'])} µs here, {number(took['p99_us'])} µs at the 99th percentile.", ""]
    for group in found.groups("stored"):
        lines += table(
            [group, "events/s", "× direct", "aim", "CPU µs/event", "CPU × direct", *COUNTS,
             "what was used up"],
            [[row["subject"], number(row["rate"]), found.ratio(row, DIRECT), AIMS.get(row["subject"], ""),
              number(row["cpu_us"], 2), found.ratio(row, DIRECT, "cpu_us"), *_counts(row),
              found.limit(row)] for row in found.rows("stored", group)])
    for group in found.groups("storedlatency"):
        lines += table(
            [f"{group} at 1,000 events/s, µs", "p50", "added", "p99", "added", "p99.9", *COUNTS],
            [[row["subject"], number(row["p50_us"]), found.more(row, DIRECT, "p50_us", 0),
              number(row["p99_us"]), found.more(row, DIRECT, "p99_us", 0), number(row["p999_us"]),
              *_counts(row)] for row in found.rows("storedlatency", group)])
    return lines


def recovery(found):
    facts = found.facts.get("recovery")
    if not facts:
        return []
    return table(
        [f"{number(facts['events'])} events of {facts['size']} bytes, sync: always, a sink that is away", ""],
        [["stored, events/s", number(facts["fill_rate"])],
         ["bytes of the store for an event", number(facts["used_bytes"])],
         ["bytes that its files take on the disk for an event", number(facts["disk_bytes"])],
         ["resident memory with all of them stored, MiB", number(facts["filled_rss_kib"] / 1024, 1)],
         ["SIGKILL, then from exec to ready, ms", number(facts["ready_ms"])],
         ["the same, nothing of the store in the kernel's cache, ms", number(facts["cold_ready_ms"])],
         ["the same, to the first event delivered, ms", number(facts["first_ms"])],
         ["then drained, events/s", number(facts["drain_rate"])],
         ["of them lost, twice, out of order", ", ".join(number(facts[k]) for k in
                                                        ("lost", "dup", "out_of_order"))],
         ["resident memory then, MiB", number(facts["drained_rss_kib"] / 1024, 1)],
         ["bytes of the store in use then", number(facts["left_bytes"])]])


def _growth(found, part, head, name, memory=False, start=False):
    """One table for each group: the gateway's points, and what the floor does there."""
    lines = []
    for group in found.groups(part):
        rows = [row for row in found.rows(part, group) if row["subject"] == MESHGATE]
        floored = any(found.row(part, group, FLOOR, row["x"]) for row in rows)
        heads = [f"{head}, {group}", "events/s", *(["× floor"] if floored else []),
                 "CPU µs/event", *(["floor's"] if floored else []),
                 *(["resident, MiB"] if memory else []), *(["ready after, ms"] if start else []),
                 *COUNTS, "what was used up"]
        body = []
        for row in rows:
            floor = found.row(part, group, FLOOR, row["x"]) or {}
            body.append([name(row["x"]), number(row["rate"]),
                         *([found.ratio(row, FLOOR)] if floored else []), number(row["cpu_us"], 2),
                         *([number(floor.get("cpu_us"), 2)] if floored else []),
                         *([number((row["rss_kib"] or 0) / 1024, 1)] if memory else []),
                         *([number(row["start_ms"])] if start else []), *_counts(row),
                         found.limit(row)])
        lines += table(heads, body)
    return lines


def routes(found):
    return _growth(found, "routes", "routes", "{:,}".format, memory=True, start=True)


def payload(found):
    return _growth(found, "payload", "payload", size, memory=True)


def connections(found):
    return _growth(found, "connections", "source connections", "{:,}".format, memory=True)


def fanout(found):
    return _growth(found, "fanout", "sinks (events/s: copies that arrive)", "{:,}".format)


def idle(found):
    facts = found.facts
    if "start_ms" not in facts:
        return []
    return table(["meshgate, MQTT to MQTT", ""],
                 [["start to ready, ms", number(facts["start_ms"])],
                  ["resident memory when idle, MiB", number(facts["idle_rss_kib"] / 1024, 1)],
                  ["of it the process's own, MiB", number(facts["idle_own_kib"] / 1024, 1)],
                  ["processor when idle, percent of one core", number(facts["idle_cpu_percent"], 2)]])


def index(found):
    if "index" not in found.facts:
        return []
    return table(["routes", "one match, ns", "no match", "no match, alike", "build, µs"],
                 [[f"{row['routes']:,}", number(row["one_ns"]), number(row["none_ns"]),
                   number(row["near_ns"]), number(row["build_us"])] for row in found.facts["index"]])


def core(found):
    if "core" not in found.facts:
        return []
    return table(["case", "routes", "sinks", "shards", "ns/event", "configuration checked, ms"],
                 [[row["case"], f"{row['routes']:,}", number(row["sinks"]),
                   number(row["shards"]), number(row["event_ns"]), number(row["load_ms"], 1)]
                  for row in found.facts["core"]])


def profile(found):
    """The functions outside the kernel; in a virtual machine the kernel's samples fall where it
    lets interrupts in again, so that its functions say little."""
    lines = []
    for one in found.facts.get("profile", []):
        own = [s for s in one["symbols"] if s["where"] != "kernel"]
        lines += [f"`{one['name']}` ({one['how']}): {number(one['kernel_percent'])} % in the kernel, "
                  "that is in reading, writing and waiting for sockets. Of the rest, in percent of all:", "",
                  "| function | in | % |", "| --- | --- | ---: |"]
        lines += [f"| `{s['symbol']}` | {s['where']} | {s['percent']:.1f} |" for s in own[:15]] + [""]
    return lines


def run(found):
    """Which machine, which versions, and whether it had other work."""
    about = found.found
    packages = ", ".join(f"{name} {version}" for name, version in about["machine"]["packages"].items())
    lines = [f"{about['machine']['cpu']}, {found.cores} cores, Linux {about['machine']['kernel']}; {packages}. "
             f"Loopback, floor: `{about['floor']}`, load: `{about['tool']}`; medians of {about['rounds']} rounds; "
             f"{about['seconds']} s in all{' (quick: short runs, coarse numbers)' if about['quick'] else ''}.", ""]
    if about["load"][0] > 0.25:
        lines += [f"The machine had other work (load {about['load'][0]:.1f} before, "
                  f"{about['load'][1]:.1f} after): repeat this on an idle one.", ""]
    faulty = [row for row in about["rows"] if row["lost"] or row["dup"] or row["out_of_order"]]
    lines += [f"In {len(about['rows'])} rows of {sum(row['runs'] for row in about['rows'])} measurements, "
              f"{len(faulty)} rows lost events, had some twice or out of order"
              + (": " + ", ".join(f"{row['part']} {row['group']} {row['subject']}" for row in faulty)
                 if faulty else "") + ".", ""]
    if about["errors"]:
        lines += ["What failed:", ""]
        lines += [f"- {error.splitlines()[0]}" for error in about["errors"]] + [""]
    return lines


SECTIONS = {"run": (run, "The run"), "ratios": (ratios, "Ratios"), "mqtt": (mqtt, "MQTT to MQTT"),
            "latency": (latency, "Latency at 1,000 events/s"), "amqp": (amqp, "With AMQP 1.0"),
            "stored": (stored, "With a store"), "recovery": (recovery, "A long backlog"),
            "routes": (routes, "Routes"), "payload": (payload, "Payload"),
            "connections": (connections, "Connections"), "fanout": (fanout, "Fan-out"),
            "core": (core, "The core alone (no socket, no broker)"),
            "index": (index, "Finding the routes of an address"), "idle": (idle, "Start and rest"),
            "profile": (profile, "Where the time goes")}


def markdown(found):
    asked, lines = Found(found), ["# Benchmark", ""]
    for section, title in SECTIONS.values():
        text = section(asked)
        if text:
            lines += [f"## {title}", "", *text]
    return "\n".join(lines)


def written(found, page):
    """The page with each marked section renewed; one that was not measured stays as it is."""
    asked, unknown = Found(found), []

    def section(match):
        if match[2] not in SECTIONS:
            unknown.append(match[2])
            return match[0]
        lines = SECTIONS[match[2]][0](asked)
        return match[1] + "\n".join(lines).rstrip() + "\n" + match[3] if lines else match[0]
    renewed = MARKED.sub(section, page)
    if unknown:
        sys.exit(f"report.py: no section is called {', '.join(unknown)}")
    return renewed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--write", metavar="PAGE")
    options = parser.parse_args()
    with open(options.file, encoding="utf-8") as source:
        found = json.load(source)
    if not options.write:
        print(markdown(found))
        return
    with open(options.write, encoding="utf-8") as source:
        page = source.read()
    with open(options.write, "w", encoding="utf-8") as out:
        out.write(written(found, page))


if __name__ == "__main__":
    main()
