#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The code in docs/writing-a-module.md is that of the files it names, and its commands run.

doc_code.py SOURCE_ROOT BUILD_ROOT"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
doc = root / "docs" / "writing-a-module.md"
text = doc.read_text()
passed = failed = 0


def check(good, what, why=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"{doc}: {what} {why}", file=sys.stderr)


for block in re.finditer(r"(?:<!-- code from (\S+) -->\n)?```c\n(.*?)```", text, re.S):
    path, code = block.groups()
    line = text.count("\n", 0, block.start()) + 1
    check(path and code in (root / path).read_text(), f"line {line}:",
          f"is not in {path}" if path else "a block of C that no file contains")

for block in re.finditer(r"<!-- run -->\n```sh\n(.*?)```", text, re.S):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("gateway", "tests"):
            os.symlink(root / name, Path(folder) / name)
        done = subprocess.run(["sh", "-eu", "-c", block.group(1)], cwd=folder, capture_output=True, text=True,
                              timeout=120, env={**os.environ, "PATH": f"{build}/gateway:{os.environ['PATH']}"})
        check(done.returncode == 0, "commands:", done.stderr)
        check("filter     size" in done.stdout and "`limit`" in done.stdout, "output:", done.stdout)

for target in re.findall(r"\]\((\.\./[^)#]+)\)", text):
    check((doc.parent / target).exists(), "link:", target)

check(passed > 10, "blocks:", "too few were found")
print(f"writing-a-module: {passed} passed, {failed} failed")
sys.exit(failed > 0)
