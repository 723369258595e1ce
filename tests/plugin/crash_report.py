#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A module that ends the process is named, with where it was and what else was loaded.

crash_report.py BUILD_ROOT MODULE_TEST_FOLDER"""
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from sdk_kit import check, done

build, bad = Path(sys.argv[1]), Path(sys.argv[2])
place = tempfile.TemporaryDirectory(prefix="meshgate-crash-")
folder = Path(place.name)
modules = folder / "modules"
modules.mkdir()
for built in (bad / "crashes.so", bad / "size.so", build / "bridges" / "file" / "file.so"):
    shutil.copy(built, modules)
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def crash(how, where="process", store=None):
    """(the signal that ended the gateway, its stderr)"""
    (folder / "in").write_text("21.5\n")
    kept = f", store: {{ path: {store} }}" if store else ""
    (folder / "try.yaml").write_text(f"""
gateway: {{ name: try, control: {folder}/control.sock{kept} }}
bridges:
  disk: {{ type: file, folder: {folder} }}
routes:
  hot:
    from: {{ bridge: disk, path: in, topic: lab, format: lines }}
    steps:
      - filter: {{ type: size, limit: 1KiB }}
      - enrich: {{ type: crashes, how: {how}, where: {where} }}
    to: {{ bridge: disk, address: out, format: lines }}
    delivery: {{ guarantee: best-effort }}
""")
    ended = subprocess.run([build / "gateway" / "meshgate", "run", "-c", folder / "try.yaml", "-m", modules],
                           stderr=subprocess.PIPE, text=True, timeout=60, check=False, errors="replace")
    # Other threads may still log.
    lines = [line for line in ended.stderr.splitlines(True) if not line.startswith("time=")]
    text = "".join(lines)
    return -ended.returncode, text[text.find("\nmeshgate ") + 1:]


FIRST = re.compile(r"meshgate \S+ ends by (\w+)(?: at 0x\w+| from process \d+)?, thread (\S+) \d+\n"
                   r"  in enricher crashes 6\.6\.6, instance (\S+), operation (\w+)\n"
                   r"  file (\S+), build made to crash\n"
                   r"  frames, for addr2line -e FILE OFFSET:\n((?:    \S+ 0x\w+\n)+)"
                   r"  modules:\n((?:    .*\n)+)")


def is_reported(how, name, where="process", operation="process", thread="mg-shard"):
    number, text = crash(how, where)
    what = f"{how} in {operation}"
    check(f"{what}: it ends by the signal", number == getattr(signal, name), f"{number}\n{text}")
    match = FIRST.fullmatch(text)
    if not check(f"{what}: the report's form", match, text):
        return None
    said, on, instance, in_operation, file, frames, listed = match.groups()
    check(f"{what}: the signal", said == name, said)
    check(f"{what}: the operation", in_operation == operation, in_operation)
    check(f"{what}: the thread", thread is None or on == thread, on)
    check(f"{what}: the file", Path(file).resolve() == (modules / "crashes.so").resolve(), file)
    check(f"{what}: the instance is that of the route", instance in ("hot/enrich:crashes", "enrich:crashes"), instance)
    check(f"{what}: a frame is in the module", f"{Path(file)} 0x" in frames, frames)
    check(f"{what}: all modules are listed",
          sorted(" ".join(line.split()[:3]) for line in listed.splitlines())
          == ["bridge file 1.0.0,", "enricher crashes 6.6.6,", "filter size 1.0.0,"], listed)
    check(f"{what}: each with its build id", len(re.findall(r"build-id [0-9a-f]{40}", listed)) == 3, listed)
    return match


def a_frame_can_be_looked_up():
    match = is_reported("segv", "SIGSEGV")
    if not match:
        return
    file, frames = match.group(5), match.group(6)
    offsets = re.findall(re.escape(file) + " (0x\\w+)", frames)
    where = subprocess.run(["addr2line", "-f", "-e", file, *offsets], capture_output=True, text=True, check=True).stdout
    check("addr2line finds the function and its file", "process" in where.split() and "crashes.c:" in where, where)


def the_store_keeps_the_last_report():
    store = folder / "store"
    for how in ("fpe", "abort"):
        text = crash(how, store=store)[1]
        check("the store's folder has the report of the last crash", (store / "crash.txt").read_text().strip()
              == text.strip(), text)
    check("and only its owner may read it", (store / "crash.txt").stat().st_mode & 0o777 == 0o600)
    verified = subprocess.run([build / "gateway" / "meshgate", "store", "verify", "-c", folder / "try.yaml",
                               "-m", modules], capture_output=True, text=True,
                              check=False)
    check("the store minds it not", verified.returncode == 0, verified.stdout + verified.stderr)


def outside_of_modules():
    """A signal from elsewhere, to a gateway that does nothing."""
    process = subprocess.Popen([build / "gateway" / "meshgate", "run", "-c", folder / "idle.yaml", "-m", modules],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "gateway ready" in line:
            break
    process.send_signal(signal.SIGABRT)
    text = process.stderr.read()
    # Any thread may have it, and a shard's may be in a module just then.
    place = r"ends by SIGABRT from process \d+, thread (meshgate\S* ?\d*\n  in no module|mg-\S+ \d+\n  in .*)\n"
    check("a signal from outside says so", -process.wait(60) == signal.SIGABRT and re.search(place, text), text)


def nobody_reads():
    """A full pipe behind stderr keeps neither the report from its file nor the process from its end."""
    kept = folder / "store" / "crash.txt"
    kept.unlink()
    process = subprocess.Popen([build / "gateway" / "meshgate", "run", "-c", folder / "idle.yaml", "-m", modules],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "gateway ready" in line:
            break
    again = os.open(f"/proc/self/fd/{process.stderr.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    for size in (65536, 1):
        try:
            while os.write(again, b"x" * size):
                pass
        except BlockingIOError:
            pass
    process.send_signal(signal.SIGABRT)
    ended = process.wait(60)
    report = kept.read_text()
    check("a report that nobody reads: the process ends", -ended == signal.SIGABRT, str(ended))
    check("a report that nobody reads: it is in its file", re.search(r"ends by SIGABRT(.|\n)*modules:\n    ", report), report)
    os.close(again)


a_frame_can_be_looked_up()
is_reported("bus", "SIGBUS")
is_reported("ill", "SIGILL")
is_reported("fpe", "SIGFPE")
is_reported("abort", "SIGABRT")
is_reported("overflow", "SIGSEGV")
is_reported("segv", "SIGSEGV", "job", "job", None)
is_reported("segv", "SIGSEGV", "timer", "fired")
is_reported("segv", "SIGSEGV", "create", "create", "meshgate")
is_reported("abort", "SIGABRT", "check", "check", "meshgate")
the_store_keeps_the_last_report()
(folder / "idle.yaml").write_text((folder / "try.yaml").read_text().replace("how: abort", "how: slow")
                                  .replace("path: in", "path: nothing, follow: true"))
outside_of_modules()
nobody_reads()
done("crash report")
