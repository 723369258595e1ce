#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tests: of the examples in config/ pass, as `meshgate test` runs them: examples.py BUILD."""
import glob
import json
import os
import subprocess
import sys

import yaml

from schema import ROOT, Tests, variables

# Examples that have tests; one that is not named here has none.
TESTED = {"alarms.yaml": 4, "both-directions.yaml": 1, "cloudevents.yaml": 2, "demo.yaml": 1, "edge-gateway.yaml": 3,
          "fan-out.yaml": 2, "filters.yaml": 4, "stored.yaml": 4}


def main(build):
    build, tests = os.path.abspath(build), Tests("config-examples")
    found = glob.glob(f"{build}/bridges/*/*.so") + glob.glob(f"{build}/plugins/*/*.so")
    env = dict(os.environ, MESHGATE_MODULES=":".join(sorted({os.path.dirname(f) for f in found})))
    for path in sorted(glob.glob(f"{ROOT}/config/*.yaml")):
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as f:
            document = yaml.safe_load(f)
        done = subprocess.run([f"{build}/gateway/meshgate", "test", "--json", "-c", path], check=False,
                              capture_output=True, env=dict(env, **variables(path, document)), timeout=60)
        if b"there is no" in done.stderr and b"module" in done.stderr:
            print(f"{name}: skipped, a module that it needs is not in this build")
            continue
        results = json.loads(done.stdout or b"[]")
        failures = [f"{r['route']}, {r['name']}:\n{r['problems']}" for r in results if not r["passed"]]
        tests.expect(done.returncode == 0, f"{name}: exit {done.returncode} {done.stderr.decode()}{failures}")
        tests.expect(len(results) == TESTED.get(name, 0), f"{name}: {len(results)} tests ran")
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
