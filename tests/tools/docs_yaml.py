#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every whole configuration in the documentation is one: `meshgate check` takes it.

    docs_yaml.py BUILD

Looks at the ```yaml blocks of README.md and docs/ that have `bridges:` and `routes:`.  Ends on
`docs-yaml: N passed, N failed`."""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.S | re.M)


def main():
    build = os.path.abspath(sys.argv[1])
    folders = [folder for kind in ("bridges", "plugins")
               for folder in sorted(glob.glob(os.path.join(build, kind, "*")))
               if glob.glob(os.path.join(folder, "*.so"))]
    # Where an example names a secret of the environment.
    env = dict(os.environ, MESHGATE_MODULES=":".join(folders), RMQ_USER="guest", RMQ_PASSWORD="guest")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        for path in [os.path.join(ROOT, "README.md"), *sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))]:
            with open(path, encoding="utf-8") as page:
                text = page.read()
            for block in BLOCK.finditer(text):
                keys = re.findall(r"^(\w+):", block.group(1), re.M)
                if not {"bridges", "routes"} <= set(keys):
                    continue
                config = os.path.join(work, "example.yaml")
                with open(config, "w", encoding="utf-8") as out:
                    out.write(block.group(1))
                done = subprocess.run([os.path.join(build, "gateway", "meshgate"), "check", "-c", config],
                                      capture_output=True, text=True, env=env, check=False, cwd=work)
                if done.returncode == 0:
                    passed += 1
                    continue
                failed += 1
                line = text[:block.start()].count("\n") + 1
                print(f"{os.path.relpath(path, ROOT)}:{line}: {done.stdout}{done.stderr}")
    print(f"docs-yaml: {passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
