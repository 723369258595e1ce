#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every fuzz target of a build for some seconds on its corpus: fuzz_smoke.py BUILD SECONDS."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile


def run(program, corpus, seconds):
    scratch = tempfile.mkdtemp(prefix="fuzz-")
    try:
        folders = [os.path.join(scratch, "new")] + ([corpus] if os.path.isdir(corpus) else [])
        os.mkdir(folders[0])
        done = subprocess.run(
            [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
             "-print_final_stats=1", f"-artifact_prefix={scratch}/", *folders],
            capture_output=True, text=True, errors="replace", check=False, timeout=seconds * 4 + 120)
        for found in glob.glob(scratch + "/*-*"):
            kept = os.path.join(os.path.dirname(program), os.path.basename(found))
            shutil.copy(found, kept)
            print(f"the input that fails: {kept}")
        return done
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main(build, seconds):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sources = sorted(os.path.basename(s)[:-2] for s in glob.glob(f"{here}/fuzz/fuzz_*.c"))
    bad = 0
    for name in sources:
        program = os.path.join(build, "tests", "fuzz", name)
        if not os.path.exists(program):
            print(f"{name}: is not built: add it to tests/fuzz/meson.build")
            print(f"{name}: 0 passed, 1 failed")
            bad += 1
            continue
        done = run(program, f"{here}/fuzz/corpus/{name[len('fuzz_'):]}", seconds)
        runs = [l.split()[-1] for l in done.stderr.splitlines() if "number_of_executed_units" in l]
        fine = done.returncode == 0 and bool(runs)
        if not fine:
            print(done.stderr[-6000:])
        print(f"   {name}: {runs[0] if runs else 'no'} runs in {seconds} s")
        print(f"{name}: {int(fine)} passed, {int(not fine)} failed", flush=True)
        bad += not fine
    return 1 if bad or not sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
