#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What can be checked without building: format, include directions, headers of files, scripts, links."""
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def c_sources():
    found = []
    for folder in ("gateway", "bridges", "plugins", "tests"):
        found += glob.glob(f"{ROOT}/{folder}/**/*.[ch]", recursive=True)
    return sorted(f for f in found if "/node_modules/" not in f)


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def formatted():
    return run("clang-format", "--dry-run", "-Werror", *c_sources())


def include_direction():
    return run("/usr/bin/python3", "tests/tools/include_direction.py")


def license_lines():
    missing = [f for f in c_sources() if "SPDX-License-Identifier: Apache-2.0" not in head(f)]
    return not missing, "\n".join(f"{os.path.relpath(f, ROOT)}: no SPDX line" for f in missing)


def head(path):
    with open(path, encoding="utf-8") as source:
        return source.read(200)


def unsafe_calls():
    """Functions that cannot say how much they write, and exit outside main."""
    import re
    banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|alloca)\s*\(")
    found = []
    for path in c_sources():
        with open(path, encoding="utf-8") as source:
            for number, line in enumerate(source, 1):
                if (match := banned.search(line)) and not line.lstrip().startswith(("*", "/*", "//")):
                    found.append(f"{os.path.relpath(path, ROOT)}:{number}: {match.group(1)}")
    return not found, "\n".join(found)


def python_scripts():
    scripts = [f for f in glob.glob(f"{ROOT}/tests/**/*.py", recursive=True) if "/node_modules/" not in f]
    problems = []
    for path in scripts:
        with open(path, encoding="utf-8") as source:
            try:
                compile(source.read(), path, "exec")
            except SyntaxError as error:
                problems.append(str(error))
    return not problems, "\n".join(problems)


def shell_scripts():
    return run("bash", "-n", "dev", ".ci/run")


def links():
    if not os.path.exists(f"{ROOT}/tests/tools/check_links.py"):
        return False, "tests/tools/check_links.py is not there"
    return run("/usr/bin/python3", "tests/tools/check_links.py")


def main():
    passed = failed = 0
    for check in (formatted, include_direction, license_lines, unsafe_calls, python_scripts, shell_scripts,
                  links):
        fine, text = check()
        passed, failed = passed + fine, failed + (not fine)
        print(f"{'ok  ' if fine else 'FAIL'} {check.__name__}")
        if not fine:
            lines = text.splitlines()
            print("\n".join(lines[:60]) + (f"\n… {len(lines) - 60} lines more" if len(lines) > 60 else ""))
    print(f"lint: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
