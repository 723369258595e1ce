#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`meshgate match` as people call it: forms of files, what it prints, exit codes: match_command.py BUILD."""
import os
import subprocess
import sys
import tempfile


class Tests:
    def __init__(self, build, folder):
        self.build, self.folder = os.path.abspath(build), folder
        self.passed = self.failed = 0

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run(self, *words, stdin=""):
        env = dict(os.environ, MESHGATE_MODULES=f"{self.build}/plugins/filter-pattern")
        return subprocess.run([f"{self.build}/gateway/meshgate", "match", *words], env=env, cwd=self.folder,
                              input=stdin, capture_output=True, text=True, timeout=30, check=False)

    def expect(self, what, done, code, out=None, error=None):
        well = done.returncode == code and (out is None or done.stdout == out) and \
            (error is None or error in done.stderr)
        self.passed += well
        self.failed += not well
        if not well:
            print(f"match-command: {what}: exit {done.returncode} (expected {code})\n{done.stdout}{done.stderr}",
                  file=sys.stderr)


EVENTS = '{"type":"order.paid","total":12}\n\n{"type":"login"}\n{"type":"order.sent","total":7}\n'


def files(t):
    t.file("events.jsonl", EVENTS)
    t.file("p.jsonl", '{"type":[{"prefix":"order."}]}\n{"total":[{"numeric":[">",10]}]}\n')
    t.file("p.yaml", "type: [login]\n")
    t.file("pretty.json", '{\n  "type": ["login"]\n}\n')
    t.expect("several patterns over lines", t.run("--pattern", "p.jsonl", "--events", "events.jsonl"), 0,
             "events.jsonl:1: p.jsonl:1 p.jsonl:2\nevents.jsonl:4: p.jsonl:1\n",
             "3 events, 2 patterns: 2 events matched, 3 hits")
    t.expect("YAML and JSON over several lines, two files",
             t.run("--pattern", "p.yaml", "--pattern", "pretty.json", "--events", "events.jsonl"), 0,
             "events.jsonl:3: p.yaml pretty.json:1\n")
    t.expect("JSON output names events without a match as well",
             t.run("--pattern", "p.yaml", "--events", "events.jsonl", "--json"), 0,
             '{"event":1,"line":1,"patterns":[]}\n{"event":2,"line":3,"patterns":[1]}\n'
             '{"event":3,"line":4,"patterns":[]}\n')
    t.expect("events from stdin", t.run("--pattern", "p.yaml", "--events", "-", stdin=EVENTS), 0,
             "stdin:3: p.yaml\n")
    t.expect("a pattern from stdin", t.run("--pattern", "-", "--events", "events.jsonl", stdin='{"type":["login"]}'), 0,
             "events.jsonl:3: stdin:1\n")
    t.file("list.json", '[\n {"type":"login"},\n {"type":"logout"} ]\n')
    t.expect("a list of events", t.run("--pattern", "p.yaml", "--events", "list.json"), 0, "list.json:2: p.yaml\n",
             "2 events")
    t.file("one.json", '{\n "type":\n "login" }\n')
    t.expect("one event over several lines", t.run("--pattern", "p.yaml", "--events", "one.json"), 0,
             "one.json:1: p.yaml\n", "1 events")
    t.expect("no match is exit 1", t.run("--pattern", "p.yaml", "--events", "-", stdin='{"type":"x"}\n'), 1, "")


def mistakes(t):
    t.file("bad.jsonl", '{"type":["a"]}\n{"type":[{"prefx":"a"}]}\n')
    t.expect("a wrong pattern is named with its line", t.run("--pattern", "bad.jsonl", "--events", "events.jsonl"), 2, "",
             'bad.jsonl:2: invalid pattern: line 1, column 19: "prefx" is no operator')
    t.file("bad.yaml", "type:\n  - prefix: [1]\n")
    t.expect("and with its place in YAML", t.run("--pattern", "bad.yaml", "--events", "events.jsonl"), 2, "",
             "bad.yaml:2:13: prefix takes a text")
    t.expect("a wrong event is named, the others are matched",
             t.run("--pattern", "p.yaml", "--events", "-", stdin='{"type":\n{"type":"login"}\n[1]\n{"type":"login"}\n'), 2)
    t.file("broken.jsonl", '{"type":"login"}\n{"type" "login"}\n{"type":"login"}\n')
    t.expect("a line that is no JSON", t.run("--pattern", "p.yaml", "--events", "broken.jsonl"), 2,
             "broken.jsonl:1: p.yaml\nbroken.jsonl:3: p.yaml\n", "broken.jsonl:2: invalid event: the payload is not JSON")
    t.expect("a file that is not there", t.run("--pattern", "none.json", "--events", "events.jsonl"), 2, "",
             "none.json: No such file or directory")
    for words in ((), ("--pattern", "p.yaml"), ("--events", "events.jsonl"), ("--cases", "-", "--pattern", "p.yaml"),
                  ("--patern", "p.yaml")):
        t.expect(f"usage: {words}", t.run(*words), 2, "", "usage: meshgate match")
    t.expect("help", t.run("--help"), 0, error="")


def cases(t):
    lines = ('{"pattern":{"a":[1.0]},"event":{"a":1}}', '{"pattern":{"a":[2]},"event":{"a":1}}',
             '{"pattern_text":"{\\"a\\":[1]}","event_text":"{\\"a\\":0,\\"a\\":1e0}","event":{}}',
             '{"pattern":{"a":1},"event":{}}', '{"pattern":{"a":[1]},"event":[1]}', '{"pattern":{"a":[1]}}')
    t.expect("cases", t.run("--cases", "-", stdin="\n".join(lines) + "\n"), 0,
             'true\nfalse\ntrue\ninvalid: line 1, column 6: "a" takes a list of values, or a map of names\n'
             "invalid: event: the payload is no JSON object\ntrue\n")
    t.expect("no case", t.run("--cases", "-", stdin='{"event":{}}\n'), 2,
             "invalid: no case: it has neither pattern nor pattern_text\n")


def main(build):
    with tempfile.TemporaryDirectory() as folder:
        t = Tests(build, folder)
        files(t)
        mistakes(t)
        cases(t)
    print(f"match-command: {t.passed} passed, {t.failed} failed")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
