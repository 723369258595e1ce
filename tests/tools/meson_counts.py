#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads meson's testlog.json: prints each test program's own count, and the output of those that failed.

A program that ends badly without a failure in its count, or without any count, is one failure."""
import json
import re
import sys

COUNT = re.compile(r"^([^:\n]+): (\d+) passed, (\d+) failed\s*$", re.M)


def main(path):
    bad = 0
    try:
        with open(path, encoding="utf-8") as log:
            runs = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        runs = []
    for run in runs:
        name = run["name"].split(" / ")[-1].split(":")[-1].strip().replace(" ", "-")
        out = run.get("stdout") or ""
        counts = COUNT.findall(out)
        passed = sum(int(c[1]) for c in counts)
        failed = sum(int(c[2]) for c in counts)
        fine = run["result"] == "OK"
        if not counts or (not fine and failed == 0):
            failed += 1
        if failed:
            bad += 1
            print(f"--- {name}: {run['result']} after {run.get('duration', 0):.1f} s, "
                  f"exit {run.get('returncode')}"
                  + ("" if counts else ", printed no count of its tests"))
            # Its own count lines must not be counted twice.
            print(COUNT.sub(r"(\1: \2 of its tests passed, \3 failed)", out[-8000:]))
            print((run.get("stderr") or "")[-8000:])
        print(f"{name}: {passed} passed, {failed} failed")
    return 1 if bad or not runs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
