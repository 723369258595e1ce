# SPDX-License-Identifier: Apache-2.0
"""bench.py patterns: events per second against 10 to 10,000 event patterns, in one thread, each from its JSON text.

Events and patterns come from the generator that the test data beside this tree has, so that results compare with
those of others; elsewhere from one of the same shape, here."""
import json
import os
import random
import statistics
import subprocess
import sys

import pattern_routes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = os.environ.get("MESHGATE_VECTORS", os.path.join(ROOT, "..", "shared", "vectors"))
COUNTS = {10: 5, 100: 71, 1000: 697, 10000: 7249}  # patterns: hits in 10,000 events of the test data's generator
EVENTS = 10000
ROUNDS = 3

SITES = [f"site-{i}" for i in range(24)]
KINDS = ["job.begun", "job.done", "job.failed", "door.open", "door.shut", "meter.read", "meter.alarm", "user.in"]
STATES = ["good", "fair", "poor", "lost"]
MACHINES = [f"m{i:04d}" for i in range(1500)]


def event(r):
    return {"id": f"{r.getrandbits(96):024x}", "source": f"/hall/{r.randrange(16)}/line/{r.randrange(10)}",
            "type": r.choice(KINDS), "time": f"2026-03-04T05:06:{r.randrange(60):02d}Z",
            "data": {"machine": r.choice(MACHINES), "site": r.choice(SITES), "state": r.choice(STATES),
                     "value": r.randrange(1000), "lot": {"no": r.randrange(400), "size": r.choice(["s", "m", "l"])},
                     "marks": r.sample("abcdef", 2), "note": f"what nobody asks for {r.randrange(10 ** 6)}"}}


def pattern(r, number):
    return [
        lambda: {"type": [r.choice(KINDS)], "data": {"machine": [r.choice(MACHINES)]}},
        lambda: {"data": {"site": [r.choice(SITES)], "state": [r.choice(STATES)], "lot": {"no": [r.randrange(400)]}}},
        lambda: {"source": [{"prefix": f"/hall/{r.randrange(16)}/line/{r.randrange(10)}"}],
                 "data": {"value": [r.randrange(1000)]}},
        lambda: {"data": {"lot": {"no": [r.randrange(400), r.randrange(400)], "size": [r.choice("sml")]}}},
        lambda: {"type": [{"anything-but": r.sample(KINDS, 2)}], "data": {"machine": r.sample(MACHINES, 2)}},
    ][number % 5]()


def write(path, documents):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(d, separators=(",", ":")) + "\n" for d in documents)


def generate(folder, count):
    """Paths of events and patterns, and the number of hits if it is known."""
    events, patterns = f"{folder}/events.jsonl", f"{folder}/patterns-{count}.jsonl"
    generator = os.path.join(VECTORS, "filterbench", "gen.py")
    if os.path.exists(generator):
        subprocess.run(["/usr/bin/python3", generator, events, str(EVENTS), patterns, str(count), "1"], check=True)
        return events, patterns, COUNTS[count]
    r = random.Random(1)
    write(events, (event(r) for _ in range(EVENTS)))
    write(patterns, (pattern(r, n) for n in range(count)))
    return events, patterns, None


def measure(build, folder, count, seconds):
    events, patterns, hits = generate(folder, count)
    env = dict(os.environ, MESHGATE_MODULES=f"{build}/plugins/filter-pattern")
    rounds = [json.loads(subprocess.run([f"{build}/tests/bench/bench_patterns", events, patterns, str(seconds)],
                                        env=env, stdout=subprocess.PIPE, check=True).stdout)
              for _ in range(ROUNDS)]
    found = dict(rounds[0])
    for name in ("events_per_second", "events_per_cpu_second", "compile_ms"):
        found[name] = statistics.median(r[name] for r in rounds)
    if hits is not None and found["hits"] != hits:
        raise RuntimeError(f"{count} patterns: {found['hits']} hits, expected {hits}")
    return found


def run(options, folder):
    print("| patterns | hits | events/s | events/s of processor time | memory | compiled in |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    found = []
    for count in COUNTS:
        row = measure(options.build, folder, count, 0.5 if options.quick else 3)
        found.append(row)
        print(f"| {count:,} | {row['hits']:,} | {row['events_per_second']:,.0f} | "
              f"{row['events_per_cpu_second']:,.0f} | {row['set_bytes'] / 1024:,.0f} KiB | "
              f"{row['compile_ms']:.1f} ms |", flush=True)
        if row["later_bytes"]:
            print(f"matching went on allocating: {row['later_bytes']} bytes", file=sys.stderr)
    print(f"\nMedians of {ROUNDS}; one thread; {EVENTS:,} events of {found[0]['event_bytes']} bytes, from their JSON text.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    pattern_routes.run(options, folder, generate)
    return 0
