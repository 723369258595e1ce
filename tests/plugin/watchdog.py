#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A callback that holds its shard up is logged and counted; a step that fails too often shows in `status`.

watchdog.py BUILD_ROOT MODULE_TEST_FOLDER"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sdk_kit import check, done, text_of

build, bad = Path(sys.argv[1]), Path(sys.argv[2])
meshgate = build / "gateway" / "meshgate"
place = tempfile.TemporaryDirectory(prefix="meshgate-watchdog-")
folder = Path(place.name)
modules = folder / "modules"
modules.mkdir()
for built in (bad / "crashes.so", bad / "nonsense-verdict.so", build / "bridges" / "file" / "file.so"):
    shutil.copy(built, modules)


class Running:
    def __init__(self, limit, step):
        self.file, self.log, self.out = folder / "try.yaml", folder / "gateway.log", folder / "out"
        self.out.unlink(missing_ok=True)
        (folder / "in").write_text("".join(f"{i}\n" for i in range(40)))
        self.file.write_text(f"""
gateway: {{ name: try, control: {folder}/control.sock, slow_callback: {limit} }}
bridges:
  disk: {{ type: file, folder: {folder} }}
routes:
  hot:
    from: {{ bridge: disk, path: in, topic: lab, format: lines }}
    steps: [ {step} ]
    to: {{ bridge: disk, address: out, format: lines }}
    delivery: {{ guarantee: best-effort }}
""")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([meshgate, "run", "-c", self.file, "-m", modules], stderr=log)

    def wait(self, what, condition):
        until = time.monotonic() + 60
        while not condition() and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        return check(what, condition(), text_of(self.log))

    def status(self, *words):
        ended = subprocess.run([meshgate, "status", "-c", self.file, "-m", modules, *words], capture_output=True,
                               text=True, timeout=60, check=False)
        return ended.returncode, ended.stdout

    def step(self):
        return json.loads(self.status("--json")[1])["routes"][0]["steps"][0]

    def stop(self):
        self.process.terminate()
        check("it stops in good order", self.process.wait(60) == 0, text_of(self.log))
        return text_of(self.log)


HELD = r'"a callback holds its shard up" instance=hot/enrich:crashes module=crashes version=6.6.6 operation=process ' \
       r"shard=0 ms=(\d+)"
BACK = r'"the callback that held its shard up has returned" instance=hot/enrich:crashes .* ms=(\d+)'


def every_slow_callback_is_told():
    running = Running("20ms", "{ enrich: { type: crashes, how: slow, slow: 60ms } }")
    running.wait("all events get through", lambda: text_of(running.out).count("\n") == 40)
    step = running.step()
    check("status counts them", 1 <= step["slow_callbacks"] <= 41 and not step["left_alone"], step)
    code, text = running.status()
    check("status shows them, and all is well", code == 0 and re.search(r"step .*, slow callbacks [1-9]", text), text)
    log = running.stop()
    held, back = re.findall(HELD, log), re.findall(BACK, log)
    check("the log names module, operation and time", held and all(20 <= int(ms) for ms in held), log)
    check("and tells when it is over", back and all(20 <= int(ms) for ms in back), log)


def quick_ones_are_not():
    running = Running("10s", "{ enrich: { type: crashes, how: slow, slow: 1ms } }")
    running.wait("all events get through", lambda: text_of(running.out).count("\n") == 40)
    check("none is counted", running.step()["slow_callbacks"] == 0)
    check("none is logged", "holds its shard up" not in running.stop())


def nobody_watches_where_none_is_wanted():
    running = Running("0s", "{ enrich: { type: crashes, how: slow, slow: 30ms } }")
    running.wait("all events get through", lambda: text_of(running.out).count("\n") == 40)
    threads = [(t / "comm").read_text().strip() for t in Path(f"/proc/{running.process.pid}/task").iterdir()]
    check("there is no thread for it", "mg-shard" in threads and "mg-watch" not in threads, threads)
    check("none is logged", "holds its shard up" not in running.stop())


def a_step_that_is_left_alone_shows():
    running = Running("1s", "{ filter: { type: nonsense-verdict } }")
    running.wait("the breaker opens", lambda: "fails too often" in text_of(running.log))
    step = running.step()
    check("status --json has it", step["left_alone"] and step["pauses"] == 1, step)
    code, text = running.status()
    check("status says that something is wrong", code == 1 and "LEFT ALONE" in text, text)
    running.stop()


every_slow_callback_is_told()
quick_ones_are_not()
nobody_watches_where_none_is_wanted()
a_step_that_is_left_alone_shows()
done("watchdog")
