#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Event patterns against test data of event-ruler, where that lies beside this tree.

match_vectors.py BUILD: ../shared/vectors, or the folder MESHGATE_VECTORS.  Each case by itself, and all
patterns together in one set, which must not make a difference."""
import collections
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.environ.get("MESHGATE_VECTORS", os.path.join(ROOT, "..", "shared", "vectors"))
PAIRS = ("match_event_ruler_asserted.jsonl", "match_event_ruler_recomputed.jsonl")
HITS = {10: 5, 100: 71, 1000: 697, 10000: 7249}


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, well, what):
        self.passed += bool(well)
        self.failed += not well
        if not well and self.failed < 20:
            print(f"match-vectors: {what}", file=sys.stderr)


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def part(case, name):
    """The text of a pattern or an event, in one line."""
    text = case.get(f"{name}_text")
    return json.dumps(case[name]) if text is None else text.replace("\r", " ").replace("\n", " ")


def match(build, *words):
    env = dict(os.environ, MESHGATE_MODULES=f"{build}/plugins/filter-pattern")
    done = subprocess.run([f"{build}/gateway/meshgate", "match", *words], env=env, capture_output=True,
                          timeout=300, check=False)
    return done.stdout.decode().splitlines(), done.stderr.decode()


def each_by_itself(build, tests, name):
    cases = load(name)
    verdicts, _ = match(build, "--cases", os.path.join(FOLDER, name))
    tests.expect(len(verdicts) == len(cases), f"{name}: {len(verdicts)} verdicts for {len(cases)} cases")
    for number, (case, verdict) in enumerate(zip(cases, verdicts), 1):
        if "valid" in case:
            well = verdict.startswith("invalid: ") != case["valid"]
        else:
            well = verdict == json.dumps(case["expected_match"])
        tests.expect(well, f"{name}:{number}: {verdict}")


def write(folder, name, lines):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in lines)
    return path


def all_together(build, tests, folder):
    """Whatever one pattern says of an event by itself it says among all of them."""
    cases = [case for name in PAIRS for case in load(name)]
    patterns = list(dict.fromkeys(part(case, "pattern") for case in cases))
    events = list(dict.fromkeys(part(case, "event") for case in cases))
    lines, errors = match(build, "--json", "--pattern", write(folder, "patterns.jsonl", patterns), "--events",
                          write(folder, "events.jsonl", events))
    tests.expect(len(lines) == len(events), f"{len(lines)} of {len(events)} events: {errors[-300:]}")
    found = [set(json.loads(line)["patterns"]) for line in lines]
    pattern_numbers = {text: number for number, text in enumerate(patterns, 1)}
    event_places = {text: place for place, text in enumerate(events)}
    asked = collections.defaultdict(dict)
    for case in cases:
        asked[event_places[part(case, "event")]][pattern_numbers[part(case, "pattern")]] = case["expected_match"]
    for place, expected in asked.items():
        for number, verdict in expected.items():
            tests.expect((number in found[place]) == verdict,
                         f"together: {patterns[number - 1][:200]} over {events[place][:200]} is not {verdict}")


def benchmark_data(build, tests, folder):
    events = os.path.join(folder, "events.jsonl")
    for count, hits in HITS.items():
        patterns = os.path.join(folder, f"patterns-{count}.jsonl")
        subprocess.run(["/usr/bin/python3", os.path.join(FOLDER, "filterbench", "gen.py"), events, "10000", patterns,
                        str(count), "1"], check=True)
        _, said = match(build, "--pattern", patterns, "--events", events)
        tests.expect(f" {hits} hits" in said, f"{count} patterns: {said.strip()}, expected {hits} hits")


def main(build):
    build, tests = os.path.abspath(build), Tests()
    if not os.path.isdir(FOLDER):
        print("match-vectors: 0 passed, 0 failed\n(skipped: the vectors are not beside the tree, see "
              "MESHGATE_VECTORS)")
        return 0
    for name in (*PAIRS, "pattern_validity.jsonl"):
        each_by_itself(build, tests, name)
    with tempfile.TemporaryDirectory() as folder:
        all_together(build, tests, folder)
        benchmark_data(build, tests, folder)
    print(f"match-vectors: {tests.passed} passed, {tests.failed} failed")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
