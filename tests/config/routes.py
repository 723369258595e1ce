#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`meshgate test` on the configurations in routes/: routes.py BUILD [--write].

passing.yaml passes; what failing.yaml says stands in failing.expected (--write writes it anew: read the
difference before committing it)."""
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from run import header, modules
from schema import HERE, Tests

FOLDER = os.path.join(HERE, "routes")


class Runner:
    def __init__(self, build):
        self.build, self.folders = build, modules(build)

    def __call__(self, name, *arguments, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("MESHGATE")} | more
        needs = ["file", "local"] + header(os.path.join(FOLDER, name), "needs")
        env["MESHGATE_MODULES"] = ":".join(self.folders[n] for n in needs)
        return subprocess.run([f"{self.build}/gateway/meshgate", "test", "-c", name, *arguments], cwd=FOLDER, env=env,
                              capture_output=True, text=True, timeout=120, check=False)

    def can(self, name):
        return set(header(os.path.join(FOLDER, name), "needs")) <= set(self.folders)


def passing(run, tests):
    with tempfile.TemporaryDirectory() as folder:  # of its own: other tests run meanwhile
        done = run("passing.yaml", "--coverage", TMPDIR=folder)
        left = os.listdir(folder)
    tests.expect(done.returncode == 0, f"passing.yaml: exit {done.returncode}\n{done.stdout}{done.stderr}")
    tests.expect(done.stderr == "", f"passing.yaml: on stderr {done.stderr}")
    tests.expect(re.search(r"^  sink b y +NO EVENT CAME HERE$", done.stdout, re.M) and
                 "route steps: 1 test, 3 of 3 steps, 1 of 1 sinks" in done.stdout, f"coverage: {done.stdout}")
    tests.expect(not left, f"folders were left: {left}")
    one, again = run("passing.yaml", "--route", "keys"), run("passing.yaml", "--route", "keys")
    tests.expect(re.search(r"^5 tests: 5 passed, 0 failed", one.stdout, re.M), f"--route keys: {one.stdout}")
    untimed = [re.sub(r", in [0-9.]+ s", "", d.stdout) for d in (one, again)]
    tests.expect(untimed[0] == untimed[1], "two runs say the same")
    wrong = run("passing.yaml", "--route", "kyes")
    tests.expect(wrong.returncode == 2 and 'no route "kyes"' in wrong.stderr, f"--route kyes: {wrong}")


def failing(run, tests, write):
    path = os.path.join(FOLDER, "failing.expected")
    done = run("failing.yaml", "--coverage")
    said = re.sub(r", in [0-9.]+ s", ", in S s", done.stdout)
    if write:
        with open(path, "w", encoding="utf-8") as f:
            f.write(said)
    with open(path, encoding="utf-8") as f:
        expected = f.read()
    tests.expect(done.returncode == 1, f"failing.yaml: exit {done.returncode}")
    tests.expect(said == expected, "failing.yaml:\n" + "".join(
        difflib.unified_diff(expected.splitlines(True), said.splitlines(True), "expected", "said")))


def reports(run, tests):
    results = json.loads(run("failing.yaml", "--json").stdout)
    tests.expect([r["passed"] for r in results] == [False] * 6 + [True], "--json: what passes")
    tests.expect(results[0]["line"] == 15 and results[0]["route"] == "fails", f"--json: {results[0]}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "j.xml")
        done = run("failing.yaml", "--junit", path)
        tests.expect(done.returncode == 1, f"--junit: exit {done.returncode}")
        suite = xml.parse(path).getroot().find("testsuite")
        cases = suite.findall("testcase")
        tests.expect((suite.get("tests"), suite.get("failures")) == ("7", "6"), f"--junit: {suite.attrib}")
        tests.expect([c.get("name") for c in cases] == [r["name"] for r in results], "--junit: names")
        tests.expect("<&>" in cases[0].find("failure").text, "--junit: escapes")
        tests.expect(cases[-1].find("failure") is None, "--junit: the last passes")
        long = os.path.join(folder, "long.yaml")
        for offset in range(2):  # a payload is cut between two of its characters, wherever that is
            with open(long, "w", encoding="utf-8") as f:
                f.write("gateway: { name: g }\nbridges: { q: { type: local } }\nroutes:\n  r:\n"
                        "    from: { bridge: q, topic: d/# }\n    to: { bridge: q, topic: x }\n"
                        f"    tests: [{{ given: {{ topic: d/1, text: {'a' * offset + 'é' * 300} }}, expect: [] }}]\n")
            shown = json.loads(run("failing.yaml", "--json", "-c", long, "--junit", path).stdout)[0]["problems"]
            tests.expect("ééé… (60" in shown, f"--json: a long payload: {shown}")
            message = xml.parse(path).getroot().find("testsuite/testcase/failure").get("message")
            tests.expect(message.endswith("ééé"), f"--junit: a long payload: {message}")
    done = run("failing.yaml", "--junit", "/nowhere/j.xml")
    tests.expect(done.returncode == 2 and "/nowhere/j.xml: No such file" in done.stderr, f"--junit: {done.stderr}")


def main(build, *words):
    run, tests = Runner(os.path.abspath(build)), Tests("config-routes")
    if run.can("passing.yaml"):
        passing(run, tests)
    if run.can("failing.yaml"):
        failing(run, tests, "--write" in words)
        reports(run, tests)
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
