#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each folder of gateway/ includes only from those before it; modules include the SDK header and their own files."""
import glob
import os
import re
import sys

ORDER = ["base", "event", "config", "plugin", "store", "route", "flow", "mesh", "admin", "cli"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SDK = "meshgate/plugin.h"


def includes(path):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    for match in INCLUDE.finditer(text):
        yield text[:match.start()].count("\n") + 1, match.group(1)


def gateway_problem(folder, path, name):
    if name == SDK:
        return None
    if os.path.exists(os.path.join(os.path.dirname(path), name)):
        return None
    other = name.split("/")[0]
    if (folder, other) == ("cli", "common"):
        return None  # documents, as modules have them: plugins/common
    if other not in ORDER:
        return f'"{name}" is neither a folder of gateway/ nor {SDK}'
    if folder in ORDER and ORDER.index(other) > ORDER.index(folder):
        return f'gateway/{folder} must not use gateway/{other} ("{name}"): the order is {" ".join(ORDER)}'
    return None


def module_problem(root, module, path, name):
    if name == SDK:
        return None
    target = os.path.normpath(os.path.join(os.path.dirname(path), name))
    allowed = [module] + [os.path.join(root, "plugins", "common")] * ("plugins" in module)
    if any(target.startswith(folder + os.sep) and os.path.exists(target) for folder in allowed):
        return None
    if any(os.path.exists(os.path.join(folder, name.split("common/")[-1])) for folder in allowed):
        return None
    return f'a module includes {SDK} and its own files only, not "{name}"'


def main(root):
    problems = []
    for path in sorted(glob.glob(f"{root}/gateway/**/*.[ch]", recursive=True)):
        folder = os.path.relpath(path, f"{root}/gateway").split(os.sep)[0]
        if folder == "include":
            continue
        problems += [(path, line, p) for line, name in includes(path)
                     if (p := gateway_problem(folder, path, name))]
    for module in sorted(glob.glob(f"{root}/bridges/*") + glob.glob(f"{root}/plugins/*")):
        for path in sorted(glob.glob(f"{module}/**/*.[ch]", recursive=True)):
            problems += [(path, line, p) for line, name in includes(path)
                         if (p := module_problem(root, module, path, name))]
    for path, line, problem in problems:
        print(f"{os.path.relpath(path, root)}:{line}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
