#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs `meshgate check` on every wrong configuration and compares all that it says.

run.py BUILD [--write] [NAME…]; --write writes the .expected files anew: read the difference before
committing it.  A first line `# needs: mqtt amqp` names the modules that a case has beside local and file, and skips it where the
build lacks them; `# env: NAME=VALUE` sets a variable."""
import difflib
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BAD = os.path.join(HERE, "bad")


def modules(build):
    """Folders by the names of their modules: changed for plugins/filter-changed."""
    found = glob.glob(f"{build}/bridges/*/*.so") + glob.glob(f"{build}/plugins/*/*.so")
    folders = sorted({os.path.dirname(path) for path in found})
    return {os.path.basename(f).split("-", 1)[-1]: f for f in folders}


def header(path, word):
    files = [path] if os.path.isfile(path) else sorted(glob.glob(path + "/*"))[:1]
    with open(files[0], "rb") as f:
        lines = f.read().decode("utf-8", "replace").splitlines()[:4]
    mark = f"# {word}: "
    return [w for line in lines if line.startswith(mark) for w in line[len(mark):].split()]


def check(build, folders, name):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MESHGATE")}
    needs = ["file", "local"] + header(os.path.join(BAD, name), "needs")
    env["MESHGATE_MODULES"] = ":".join(folders[n] for n in needs)
    env.update(pair.split("=", 1) for pair in header(os.path.join(BAD, name), "env"))
    done = subprocess.run([f"{build}/gateway/meshgate", "check", "-c", name], cwd=BAD, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main(build, *words):
    build = os.path.abspath(build)
    folders = modules(build)
    write, wanted = "--write" in words, [w for w in words if w != "--write"]
    passed = failed = skipped = 0
    cases = sorted(n for n in os.listdir(BAD) if not n.endswith(".expected"))
    for name in [n for n in cases if not wanted or any(w in n for w in wanted)]:
        if not set(header(os.path.join(BAD, name), "needs")) <= set(folders):
            print(f"{name}: skipped, a module that it needs is not in this build")
            skipped += 1
            continue
        code, said = check(build, folders, name)
        stem = name.removesuffix(".yaml").removesuffix(".yml")
        expected_path = os.path.join(BAD, stem + ".expected")
        if write:
            with open(expected_path, "w", encoding="utf-8") as f:
                f.write(said)
        expected = ""
        if os.path.exists(expected_path):
            with open(expected_path, encoding="utf-8") as f:
                expected = f.read()
        # What is in bad/ is refused, or at least warned of.
        right = said == expected and (code == 1 or (code == 0 and "warning: " in said))
        passed += right
        failed += not right
        if not right:
            print(f"{name}: exit {code}")
            print("".join(difflib.unified_diff(expected.splitlines(True), said.splitlines(True),
                                               "expected", "said")))
    print(f"config: {passed} passed, {failed} failed" + (f"\n({skipped} skipped)" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
