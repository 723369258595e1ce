#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/writing-a-plugin.md work, one after the other, with the installed SDK alone.

plugin_walk.py SOURCE_ROOT BUILD_ROOT SANITIZERS"""
import re
import sys
from pathlib import Path

from sdk_kit import Sdk, check, done

doc = Path(sys.argv[1]) / "docs" / "writing-a-plugin.md"
text = doc.read_text()
sdk = Sdk(sys.argv[2], sys.argv[3])
folder = sdk.work
seen = ""
marked = 0

for block in re.finditer(r"<!-- (run|fails) -->\n```sh\n(.*?)```", text, re.S):
    marked += 1
    how, commands = block.groups()
    line = text.count("\n", 0, block.start()) + 1
    if sdk.sanitize != "none":
        commands = commands.replace("meson setup build\n", f"meson setup build -Db_sanitize={sdk.sanitize}\n")
    # The folder that a block ends in is where the next begins.
    code, out = sdk.run("timeout", "120", "bash", "-euc", f"{commands}\npwd > {sdk.work}/.folder", cwd=folder)
    seen += out
    check(f"{doc.name}:{line}: {how}", (code == 0) == (how == "run"), f"exit {code}\n{out}")
    if how == "run" and code:
        break
    if code == 0:
        folder = Path((sdk.work / ".folder").read_text().strip())

check("enough commands are run", marked >= 5, marked)
for words in ("filter only-alarms 0.1.0", "| `contains` |", "\nan alarm\n",
              'did you mean "contains"'):
    check(f"the output has {words!r}", words in seen)
listed = re.findall(r"^filter +only-alarms .*$", seen, re.M)
check("it is listed from where modules are installed", any(sdk.modules in row or "/meshgate/" in row for row in listed), listed)
passes = re.findall(r"Ok: +(\d+)", seen)
check("its tests ran before and after the change", len(passes) == 2 and "0" not in passes, passes)
done("writing-a-plugin")
