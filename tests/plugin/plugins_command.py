#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `meshgate plugins` prints and how it exits.  plugins_command.py MESHGATE MODULE_FOLDER"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

meshgate, folder = sys.argv[1:3]
passed = failed = 0


def plugins(*words, modules=()):
    """Runs the command with those modules of the folder; (exit code, stdout, stderr)."""
    with tempfile.TemporaryDirectory() as chosen:
        for name in modules:
            shutil.copy(f"{folder}/{name}.so", chosen)
        environment = {k: v for k, v in os.environ.items() if k != "MESHGATE_MODULES"}
        done = subprocess.run([meshgate, "plugins", *words, "-m", chosen], capture_output=True, text=True,
                              timeout=60, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr.replace(chosen, "DIR")


def check(what, good, shown=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"{what}: {shown}", file=sys.stderr)


code, out, err = plugins("ls", modules=["size", "clock"])
rows = [line.split() for line in out.splitlines()]
check("ls lists kind, name, version, ABI, abilities", code == 0 and err == ""
      and [r[:5] for r in rows[1:]] == [["bridge", "clock", "1.0.0", "1.3", "source,ordered"],
                                        ["filter", "size", "1.0.0", "1.3", "-"]], out + err)

code, out, err = plugins("ls", modules=["size", "other-major"])
check("ls fails where a module is refused, and lists the others", code == 1 and "size" in out
      and err.startswith("DIR/other-major.so: error: built for module ABI 2.3, this gateway has 1.3"), err)

code, out, err = plugins("ls", "--json", modules=["size", "clock"])
check("ls --json is JSON", code == 0 and [m["name"] for m in json.loads(out)] == ["clock", "size"], out)

code, out, err = plugins("describe", "size", modules=["size", "clock"])
check("describe prints summary, counters and options", code == 0
      and all(part in out for part in ("filter size 1.0.0", "Lets events pass", "counters   large", "| `limit` |",
                                       "`drop`", "1.0")), out + err)

code, out, err = plugins("describe", "clock", "--json", modules=["clock"])
about = json.loads(out) if code == 0 else {}
check("describe --json has the schema of each end", "every" in
      about.get("source_options", {}).get("properties", {}) and about["abilities"] == ["source", "ordered"], out + err)

code, out, err = plugins("describe", "clock", "--markdown", modules=["clock"])
check("describe --markdown has the markers of a README", code == 0
      and out.startswith("<!-- options -->\nNone.\n<!-- /options -->\n<!-- source-options -->\n|")
      and out.endswith("<!-- sink-options -->\nNone.\n<!-- /sink-options -->\n"), out + err)

code, out, err = plugins("describe", "sise", modules=["size"])
check("an unknown name fails", code == 1 and 'there is no module "sise"' in err, err)

code, out, err = plugins("describe", "size", "--kind", "bridge", modules=["size"])
check("a name of another kind fails", code == 1 and 'there is no bridge "size"' in err, err)

for words in ([], ["lss"], ["ls", "size"], ["describe"], ["describe", "size", "--kind", "plugin"], ["ls", "--markdown"],
              ["describe", "size", "--json", "--markdown"]):
    code, out, err = plugins(*words, modules=["size"])
    check(f"wrong usage {words}", code == 2 and err and not out, err)

print(f"plugins command: {passed} passed, {failed} failed")
sys.exit(failed > 0)
