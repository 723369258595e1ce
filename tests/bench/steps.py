# SPDX-License-Identifier: Apache-2.0
"""bench.py steps: what one step costs for one event, in one thread, the reading and writing of JSON included.

Each case is a module with settings; those whose module the build lacks are left out."""
import json
import os
import statistics
import subprocess

ROUNDS = 3
PAYLOAD = json.dumps({
    "machine": "m1", "state": 1, "tempF": 196.7, "pressure": 1013.25, "counts": [12, 7, 0],
    "lot": {"no": 4711, "size": "l"}, "time": "2026-03-04T05:06:07Z", "operator": "night shift",
    "note": "what nobody asks for, but somebody sends with each event since the line was built"},
    separators=(",", ":"))

# name, module's folder and file, settings
CASES = [
    ("nothing", "tests/bench/step_nothing", {}),
    ("changed: one path", "plugins/filter-changed", {"value": "tempF", "at_least_every": "0s"}),
    ("rules: three conditions", "plugins/filter-rules",
     {"match": {"event.qos": [0, 1], "line": {"not": ["test", "spare"]}, "event.size": {"below": 65536}}}),
    ("pattern: one number", "plugins/filter-pattern", {"match": {"data": {"tempF": [{"numeric": [">", 80]}]}}}),
    ("jq filter: one number", "plugins/filter-jq", {"program": ".tempF > 80"}),
    ("map: three fields", "plugins/translate-map",
     {"fields": {"line": "{line}", "machine.id": "machine",
                 "tempC": {"from": "tempF", "scale": 0.5555555555555556, "offset": -17.77777777777778}}}),
    ("map: eight fields", "plugins/translate-map",
     {"fields": {"line": "{line}", "machine.id": "machine", "tempC": {"from": "tempF", "unit": {"from": "°F", "to": "°C"}},
                 "hPa": "pressure", "state": {"from": "state", "enum": {"0": "off", "1": "on"}}, "lot": "lot.no",
                 "at": "time", "by": "operator"}}),
    ("map: merge one field", "plugins/translate-map", {"mode": "merge", "fields": {"line": "{line}"}}),
    ("schema: six members", "plugins/translate-schema",
     {"schema": {"type": "object", "required": ["machine", "tempF"], "properties": {
         "machine": {"type": "string", "pattern": "^m[0-9]+$"}, "state": {"enum": [0, 1, 2]},
         "tempF": {"type": "number", "minimum": -100, "maximum": 2000}, "pressure": {"type": "number"},
         "counts": {"type": "array", "items": {"type": "integer", "minimum": 0}},
         "lot": {"type": "object", "required": ["no"]}}}}),
    ("jq: three fields", "plugins/translate-jq",
     {"program": "{line: $captures.line, machine: {id: .machine}, tempC: ((.tempF - 32) / 1.8)}"}),
    ("jq: set one field", "plugins/translate-jq", {"program": ".line = $captures.line"}),
    ("lua: return event", "plugins/translate-lua", {"script": "function translate(e) return e end"}),
    ("lua: set the address", "plugins/translate-lua",
     {"script": "function translate(e) e.address = 'x/' .. e.captures.line return e end"}),
    ("lua: three fields", "plugins/translate-lua",
     {"script": "function translate(e) local d = e:json() return { payload = { line = e.captures.line, "
                "machine = { id = d.machine }, tempC = (d.tempF - 32) / 1.8 } } end"}),
    ("lua: set one field", "plugins/translate-lua",
     {"script": "function translate(e) local d = e:json() d.line = e.captures.line e.payload = d return e end"}),
]


def measure(build, module, settings, seconds):
    rounds = [json.loads(subprocess.run([f"{build}/tests/bench/bench_steps", module, json.dumps(settings), PAYLOAD,
                                         str(seconds)], stdout=subprocess.PIPE, check=True).stdout)
              for _ in range(ROUNDS)]
    return dict(rounds[0], cpu_ns=statistics.median(r["cpu_ns"] for r in rounds),
                ns=statistics.median(r["ns"] for r in rounds))


def run(options):
    print("| step | verdict | events/s | events/s of processor time | ns of processor time |")
    print("| --- | --- | ---: | ---: | ---: |")
    found = []
    for name, place, settings in CASES:
        module = os.path.join(options.build, place, os.path.basename(place) + ".so")
        if place.startswith("tests/"):
            module = os.path.join(options.build, place + ".so")
        if not os.path.exists(module):
            continue
        row = dict(measure(options.build, module, settings, 0.3 if options.quick else 2), step=name)
        found.append(row)
        print(f"| {name} | {row['verdict']} | {1e9 / row['ns']:,.0f} | {1e9 / row['cpu_ns']:,.0f} | "
              f"{row['cpu_ns']:,.0f} |", flush=True)
    print(f"\nMedians of {ROUNDS}; one thread, under the fake host; a payload of {len(PAYLOAD)} bytes.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(found, out, indent=1)
    return 0
