# SPDX-License-Identifier: Apache-2.0
"""The second part of bench.py patterns: a whole gateway with 100 to 10,000 routes on one source, each with a pattern
filter first, from a file of events to a file.  Beside it, the same routes in a shape that cannot share their filters."""
import json
import os
import signal
import subprocess
import time

COUNTS = (100, 1000, 10000)
POLL_S, LIMIT_S = 0.5, 120
SHARED = "{ bridge: d, topic: in, path: in.jsonl, format: lines }"
ALONE = "[" + SHARED + ", { bridge: d, topic: none, path: none.jsonl, format: lines }]"  # several sources: asked alone


def configure(folder, patterns, source):
    with open(f"{folder}/routes.yaml", "w", encoding="utf-8") as out:
        out.write(f"gateway: {{ name: bench, shards: 1, control: {folder}/c.sock, log: {{ level: warn }} }}\n"
                  f"bridges: {{ d: {{ type: file, folder: {folder} }} }}\nroutes:\n")
        for number, pattern in enumerate(patterns):
            out.write(f"  r{number}: {{ from: {source}, steps: [{{ filter: {{ type: pattern, over: payload, match: "
                      f"{pattern} }} }}], to: {{ bridge: d, address: out.jsonl, format: lines }}, "
                      "delivery: { guarantee: best-effort } }\n")


def status(program, folder, env):
    asked = subprocess.run([program, "status", "-c", f"{folder}/routes.yaml", "--json"], env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return json.loads(asked.stdout) if asked.returncode == 0 else None


def received(report):
    return report["bridges"][0]["received"] if report else 0


def run_gateway(build, folder, total):
    """Events a second between the first look and the last, memory in KiB, and the sum of what the routes delivered."""
    env = dict(os.environ, MESHGATE_MODULES=f"{build}/bridges/file:{build}/plugins/filter-pattern")
    program = f"{build}/gateway/meshgate"
    with subprocess.Popen([program, "run", "-c", f"{folder}/routes.yaml"], env=env,
                          stderr=subprocess.DEVNULL) as gateway:
        try:
            looks, until = [], time.monotonic() + LIMIT_S
            while (not looks or looks[-1][1] < total) and time.monotonic() < until:
                report = status(program, folder, env)
                if received(report):
                    looks.append((time.monotonic(), received(report)))
                time.sleep(POLL_S)
            with open(f"/proc/{gateway.pid}/status", encoding="ascii") as lines:
                memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        finally:
            gateway.send_signal(signal.SIGTERM)
    if not report["balanced"]:
        raise RuntimeError("the ledger does not balance")
    moving = [look for look in looks if look[1] < total] + [look for look in looks if look[1] == total][:1]
    (start, first), (end, last) = moving[0], moving[-1]
    return (last - first) / (end - start) if end > start else None, memory


def run(options, folder, generate):
    print("\n| routes on one source | events/s | the same, each asked alone | memory, KiB |\n| ---: | ---: | ---: | ---: |")
    repeat = 10 if options.quick else 40
    for count in COUNTS:
        events, patterns, _ = generate(folder, count)
        with open(patterns, encoding="utf-8") as lines:
            patterns = [line.strip() for line in lines]
        with open(events, "rb") as lines:
            text = lines.read()
        open(f"{folder}/none.jsonl", "wb").close()
        found = []
        for source, times in ((SHARED, repeat), (ALONE, 1 if count > 100 else repeat)):
            if source == ALONE and count > 1000:
                continue  # some minutes for ten thousand events
            with open(f"{folder}/in.jsonl", "wb") as out:
                out.write(text * times)
            configure(folder, patterns, source)
            found.append(run_gateway(options.build, folder, text.count(b"\n") * times))
        rates = [f"{rate:,.0f}" if rate else "too fast to see" for rate, _ in found] + ["–"]
        print(f"| {count:,} | {rates[0]} | {rates[1]} | {found[0][1]:,} |", flush=True)
