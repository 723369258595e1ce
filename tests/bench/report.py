# SPDX-License-Identifier: Apache-2.0
"""Turns what bench.py found into a Markdown page: tables, and ratios within each group."""
import os
import platform
import subprocess

FLOOR, PAHO, BRIDGE = "floor (rawfwd)", "bare Paho loop", "Mosquitto's bridge"


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


def _number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def _table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def _ratio(row, group, name, key):
    for other in group:
        if other["subject"] == name and other.get(key) and row.get(key):
            return f"{row[key] / other[key]:.2f}"
    return ""


def _rate_rows(group):
    return [[row["subject"], _number(row["rate"]), _number(row["cpu_us"], 1),
             _number(row["chain_cpu_us"], 1), _ratio(row, group, FLOOR, "rate"),
             _ratio(row, group, PAHO, "rate"), _ratio(row, group, BRIDGE, "rate"), _number(row["lost"]), _number(row["dup"]),
             _number(row["out_of_order"])] for row in group]


def _latency_rows(group):
    return [[row["subject"], _number(row["p50_us"]), _number(row["p99_us"]), _number(row["lost"])]
            for row in group]


def _facts(facts):
    lines = []
    if "start_ms" in facts:
        lines += ["## Start and rest", ""] + _table(
            ["meshgate, MQTT to MQTT", ""],
            [["start to ready, ms", _number(facts["start_ms"])],
             ["resident memory when idle, MiB", _number(facts["idle_rss_kib"] / 1024, 1)],
             ["of it the process's own, MiB", _number(facts["idle_own_kib"] / 1024, 1)],
             ["processor when idle, percent of one core", _number(facts["idle_cpu_percent"], 2)]])
    if "index" in facts:
        lines += ["## Finding the routes of an address (ns)", ""] + _table(
            ["routes", "one match", "no match", "no match, alike", "build, µs"],
            [[f"{row['routes']:,}", _number(row["one_ns"]), _number(row["none_ns"]),
              _number(row["near_ns"]), _number(row["build_us"])] for row in facts["index"]])
    if "core" in facts:
        lines += ["## The core alone (no socket, no broker)", ""] + _table(
            ["guarantee, routes", "ns/event", "configuration checked, ms"],
            [[f"{row['guarantee']}, {row['routes']:,}", _number(row["event_ns"]),
              _number(row["load_ms"], 1)] for row in facts["core"]])
    return lines


def markdown(found):
    computer = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in computer["packages"].items())
    lines = ["# Benchmark", "",
             f"{computer['cpu']}, {computer['cores']} cores, Linux {computer['kernel']}; {packages}. Loopback, 256-byte events, "
             f"medians of {found['rounds']}; {found['seconds']} s in all"
             f"{' (quick: short runs, coarse numbers)' if found['quick'] else ''}.", ""]
    if found["load"][0] > 0.25:
        lines += [f"The machine had other work (load {found['load'][0]:.1f} before, "
                  f"{found['load'][1]:.1f} after): repeat this on an idle one.", ""]
    lines += _facts(found["facts"])
    for group in dict.fromkeys(row["group"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["group"] == group]
        lines += [f"## {group}", ""]
        if group.startswith("latency"):
            lines += _table(["", "p50, µs", "p99, µs", "lost"], _latency_rows(rows))
        else:
            lines += _table(["", "events/s", "CPU µs/event, forwarder", "CPU µs/event, with brokers",
                             "× floor", "× Paho", "× bridge", "lost", "twice", "out of order"],
                            _rate_rows(rows))
        if group == "routes":
            memory = {key: value for key, value in found["facts"].items() if key.endswith("rss_kib")
                      and key.startswith("routes_")}
            lines += [f"{row['subject']}: ready in {_number(row['start_ms'])} ms, resident "
                      f"{_number(memory.get('routes_' + row['subject'].split()[0].replace(',', '') + '_rss_kib', 0) / 1024, 1)} MiB."
                      for row in rows] + [""]
    if found["errors"]:
        lines += ["## What failed", ""] + [f"- {error.splitlines()[0]}" for error in found["errors"]]
    return "\n".join(lines)
