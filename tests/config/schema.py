#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The generated files are up to date and true: schema.py BUILD [--write].

config/meshgate.schema.json is what `meshgate schema` prints; every example in config/ passes the schema
and `meshgate check`; wrong configurations that a schema can see do not pass it."""
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FILE = os.path.join(ROOT, "config", "meshgate.schema.json")
# Read by a schema alone, these must fail: it sees keys, types, bounds and choices.
SEEN_BY_SCHEMA = ["bad-choice", "bool-in-quotes", "duration-without-unit", "from-and-form", "later-features",
                  "list-for-one-value", "misspelt-delivery", "misspelt-option", "misspelt-top-key",
                  "not-a-number", "number-in-quotes", "options-beside-the-step", "out-of-bounds",
                  "top-is-a-list", "topic-and-address", "unknown-kind-of-step", "a-list-of-bridges", "store-mistakes",
                  "store-as-a-list", "dedup-mistakes", "backlog-mistakes",
                  "tests-mistakes"]


class Tests:
    def __init__(self, name="config-schema"):
        self.name, self.passed, self.failed = name, 0, 0

    def expect(self, right, what):
        self.passed += bool(right)
        self.failed += not right
        if not right:
            print(f"failed: {what}")

    def end(self):
        print(f"{self.name}: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def variables(path, document):
    """Something for each variable that an example takes from outside; URLs by the bridge's type."""
    with open(path, encoding="utf-8") as f:
        names = dict.fromkeys(re.findall(r"\$\{env:(\w+)\}", f.read()), "x")
    for bridge in (document.get("bridges") or {}).values():
        found = re.fullmatch(r"\$\{env:(\w+)\}", str(bridge.get("url")))
        if found:
            names[found[1]] = f"{bridge['type']}://127.0.0.1"
    return names


def main(build, *words):
    build, tests = os.path.abspath(build), Tests()
    found = glob.glob(f"{build}/bridges/*/*.so") + glob.glob(f"{build}/plugins/*/*.so")
    have = {os.path.basename(f) for f in found}
    env = dict(os.environ, MESHGATE_MODULES=":".join(sorted({os.path.dirname(f) for f in found})))
    meshgate = f"{build}/gateway/meshgate"
    printed = subprocess.run([meshgate, "schema"], env=env, capture_output=True, check=True).stdout.decode()
    whole = {"local.so", "file.so", "mqtt.so", "amqp.so", "enrich-claim-check.so", "enrich-http.so",
             "enrich-last-value.so", "enrich-lookup.so", "enrich-stamp.so", "filter-changed.so",
             "filter-jq.so", "filter-pattern.so", "filter-rate.so", "filter-rules.so", "filter-sample.so",
             "filter-window.so", "translate-cloudevents.so", "translate-jq.so", "translate-lua.so",
             "translate-map.so", "translate-schema.so"} <= have
    if "--write" in words:
        with open(FILE, "w", encoding="utf-8") as f:
            f.write(printed)
    if whole:
        with open(FILE, encoding="utf-8") as f:
            tests.expect(f.read() == printed, "config/meshgate.schema.json is old: "
                         "run tests/config/schema.py BUILD --write")
    else:
        print("config-schema: this build lacks modules; the schema file was not compared")

    import jsonschema
    import yaml
    schema = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    examples = sorted(glob.glob(f"{ROOT}/config/*.yaml") + glob.glob(f"{ROOT}/docker/meshgate/*.yaml"))
    for path in examples if whole else []:
        with open(path, encoding="utf-8") as f:
            document = yaml.safe_load(f)
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(document)]
        tests.expect(not errors, f"{path} does not pass the schema: {errors[:3]}")
        done = subprocess.run([meshgate, "check", "-c", path], env=dict(env, **variables(path, document)),
                              capture_output=True, text=True, check=False)
        tests.expect(done.returncode == 0, f"{path} does not pass check:\n{done.stdout}{done.stderr}")
    for name in SEEN_BY_SCHEMA:
        with open(f"{HERE}/bad/{name}.yaml", encoding="utf-8") as f:
            tests.expect(list(validator.iter_errors(yaml.safe_load(f))), f"bad/{name}.yaml passes the schema")
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
