#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`meshgate diff` on routes/old.yaml and routes/new.yaml: recorded.py BUILD [--write].

What it says stands in routes/diff.expected (--write writes it anew: read the difference before committing it)."""
import difflib
import os
import subprocess
import sys

from routes import FOLDER, Runner
from run import header
from schema import Tests


class Diff(Runner):
    def __call__(self, old, new, *arguments, stdin=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("MESHGATE")}
        env["MESHGATE_MODULES"] = ":".join(self.folders[n] for n in header(os.path.join(FOLDER, old), "needs"))
        return subprocess.run([f"{self.build}/gateway/meshgate", "diff", old, new, *arguments], cwd=FOLDER, env=env,
                              capture_output=True, text=True, timeout=120, check=False, input=stdin)


def differences(run, tests, write):
    done = run("old.yaml", "new.yaml", "--events", "recorded.ndjson")
    path = os.path.join(FOLDER, "diff.expected")
    if write:
        with open(path, "w", encoding="utf-8") as f:
            f.write(done.stdout)
    with open(path, encoding="utf-8") as f:
        expected = f.read()
    tests.expect(done.returncode == 1, f"exit {done.returncode}\n{done.stderr}")
    tests.expect(done.stdout == expected, "diff:\n" + "".join(
        difflib.unified_diff(expected.splitlines(True), done.stdout.splitlines(True), "expected", "said")))
    tests.expect("1 record passed over" in done.stderr, f"what steps had made: {done.stderr}")
    one = run("old.yaml", "new.yaml", "--events", "recorded.ndjson", "--limit", "1").stdout
    tests.expect(one.count("(line ") == 1 and "and 2 more" in one and one.splitlines()[-1] == expected.splitlines()[-1],
                 f"--limit 1: {one}")


def no_difference(run, tests):
    with open(os.path.join(FOLDER, "recorded.ndjson"), encoding="utf-8") as f:
        recorded = f.read()
    for side in ("old.yaml", "new.yaml"):
        done = run(side, side, "--events", "-", stdin=recorded)
        tests.expect(done.returncode == 0 and done.stdout == "8 events: 8 as before, 0 differ\n",
                     f"{side}: {done.stdout}{done.stderr}")
    many = "".join(f'{{"address":"plant/a/m{i % 7}/telemetry","payload":"{{\\"t\\":{i % 11}}}"}}\n' for i in range(5000))
    done = run("old.yaml", "old.yaml", "--events", "-", stdin=many)
    tests.expect(done.stdout == "5000 events: 5000 as before, 0 differ\n", f"many: {done.stdout}{done.stderr}")


def wrong(run, tests):
    for text, says in (("{", "stdin:1: not JSON"), ("7", "stdin:1: an event is an object"),
                       ('{"address":"a"}\n{"addres":"a","payload":"x"}', "stdin:2: this is no event"),
                       ('{"address":"a","adress":"b"}', 'stdin:1: "adress": is not a field of a message'),
                       ('{"address":"a","properties":7}', "properties"),
                       ('{"message":{"address":"a"},"arrived_us":-9223372036854775808}', "between 1970 and 9999"),
                       ('{"message":{"address":"a"},"arrived_us":9223372036854775807}', "between 1970 and 9999"),
                       ('{"address":"a","payload_base64":"?"}', "is not base64")):
        done = run("old.yaml", "new.yaml", "--events", "-", stdin=text)
        tests.expect(done.returncode == 2 and says in done.stderr and not done.stdout, f"{text}: {done}")
    for words, says in ((("--events", "/nowhere"), "/nowhere: No such file"), ((), "usage: meshgate diff"),
                        (("--events", "recorded.ndjson", "third.yaml"), 'what is "third.yaml"')):
        done = run("old.yaml", "new.yaml", *words)
        tests.expect(done.returncode == 2 and says in done.stderr, f"{words}: {done}")
    done = run("old.yaml", "failing.expected", "--events", "recorded.ndjson")
    tests.expect(done.returncode == 2 and "failing.expected:" in done.stderr, f"a wrong configuration: {done}")


def main(build, *words):
    run, tests = Diff(os.path.abspath(build)), Tests("config-recorded")
    if run.can("old.yaml"):
        differences(run, tests, "--write" in words)
        no_difference(run, tests)
        wrong(run, tests)
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
