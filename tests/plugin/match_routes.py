#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole gateway whose routes share their pattern filters, against `meshgate match`: match_routes.py BUILD [SEED].

Random events from one file, one route for each random pattern, one file for each route: every route has the events
that its pattern matches, in their order, and its ledger says so."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import match_random

ROUTES, EVENTS = 300, 1500


def configure(folder, patterns, guarantee):
    delivery = f"{{ guarantee: {guarantee} }}"
    store = f"store: {{ path: {folder}/store, sync: never }}, " if guarantee == "stored" else ""
    with open(f"{folder}/routes.yaml", "w", encoding="utf-8") as out:
        out.write(f"gateway: {{ {store}shards: 1, control: {folder}/c.sock, log: {{ level: error }} }}\n"
                  f"bridges: {{ d: {{ type: file, folder: {folder} }} }}\nroutes:\n")
        for number, pattern in enumerate(patterns):
            out.write(f"  r{number}:\n    from: {{ bridge: d, topic: in, path: in.jsonl, format: lines, follow: true }}\n"
                      f"    steps: [ {{ filter: {{ type: pattern, over: payload, match: {json.dumps(pattern)} }} }} ]\n"
                      f"    to: {{ bridge: d, address: out/{number % 100}.jsonl, format: lines }}\n"
                      f"    delivery: {delivery}\n")


def wanted(program, env, folder):
    """For each pattern the places of the events that it matches."""
    done = subprocess.run([program, "match", "--pattern", f"{folder}/patterns.jsonl", "--events", f"{folder}/in.jsonl",
                           "--json"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    found = [[] for _ in range(ROUTES)]
    for place, line in enumerate(done.stdout.splitlines()):
        for hit in json.loads(line)["patterns"]:
            found[hit - 1].append(place)
    return found


def report(program, env, folder):
    asked = subprocess.run([program, "status", "-c", f"{folder}/routes.yaml", "--json"], env=env, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=False)
    return json.loads(asked.stdout) if asked.returncode == 0 else None


def until_done(program, env, folder):
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = report(program, env, folder)
        if found and all(r["received"] == EVENTS and not r["in_flight"] and not r.get("stored")
                         for r in found["routes"]):
            return found
        time.sleep(0.1)
    raise RuntimeError("the events did not go through within a minute")


def run(build, folder, guarantee, patterns, events):
    env = dict(os.environ, MESHGATE_MODULES=f"{build}/bridges/file:{build}/plugins/filter-pattern")
    program = f"{build}/gateway/meshgate"
    os.makedirs(f"{folder}/out")
    for name, lines in (("in.jsonl", events), ("patterns.jsonl", patterns)):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)
    configure(folder, patterns, guarantee)
    expected = wanted(program, env, folder)
    with subprocess.Popen([program, "run", "-c", f"{folder}/routes.yaml"], env=env, stderr=subprocess.DEVNULL) as gateway:
        try:
            found = until_done(program, env, folder)
        finally:
            gateway.send_signal(signal.SIGTERM)
    wrong = 0 if found["balanced"] and gateway.returncode == 0 else 1
    for number, route in enumerate(found["routes"]):
        hits = len(expected[number])
        wrong += route["delivered"] != hits or route["dropped"] != EVENTS - hits
    for file in range(100):
        path = f"{folder}/out/{file}.jsonl"
        lines = open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []
        # Some routes share a file; each has its events in order.
        wrong += sorted(lines) != sorted(events[e] for r in range(file, ROUTES, 100) for e in expected[r])
    return wrong, sum(len(hits) for hits in expected)


def main():
    build, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    r = random.Random(seed)
    patterns = [match_random.pattern(r) for _ in range(ROUTES)]
    events = [match_random.event(r) for _ in range(EVENTS)]
    failed = 0
    for guarantee in ("best-effort", "direct", "stored"):
        with tempfile.TemporaryDirectory(prefix="meshgate-routes-") as folder:
            wrong, hits = run(build, folder, guarantee, patterns, events)
        if wrong or not hits:
            print(f"match-routes: {guarantee}: {wrong} differences, {hits} hits expected", file=sys.stderr)
        failed += bool(wrong or not hits)
    print(f"match-routes: {3 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
