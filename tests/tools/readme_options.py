#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the option tables in the docs what the tables in the code say: readme_options.py BUILD [--write].

A module's README.md has the blocks that `meshgate plugins describe NAME --markdown` prints, between
<!-- options --> and <!-- /options -->, <!-- source-options --> and its end, <!-- sink-options --> and its end.
docs/configuration.md and docs/testing-routes.md have what `meshgate schema --markdown SECTION` prints between
<!-- options: SECTION --> and <!-- /options -->."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KINDS = {"filter": "filter", "enrich": "enricher", "translate": "translator"}
BLOCK = re.compile(r"<!-- ([a-z-]*options)(?:: ([a-z]+))? -->\n(.*?)<!-- /\1 -->", re.S)


def printed_by(meshgate, *arguments):
    return subprocess.run([meshgate, *arguments], stdout=subprocess.PIPE, check=True).stdout.decode()


def readmes(build, meshgate):
    """The README of each module of the build, and its blocks by name."""
    for so in sorted(glob.glob(f"{build}/bridges/*/*.so") + glob.glob(f"{build}/plugins/*/*.so")):
        folder = os.path.dirname(so)
        place, base = os.path.relpath(folder, build), os.path.basename(folder)
        kind, name = ("bridge", base) if place.startswith("bridges") else base.split("-", 1)
        text = printed_by(meshgate, "plugins", "describe", name, "--kind", KINDS.get(kind, kind), "--markdown",
                          "-m", folder)
        yield os.path.join(ROOT, place, "README.md"), {m[1]: m[3] for m in BLOCK.finditer(text)}


def blocks_of_core(meshgate, old):
    return {f"options: {m[2]}": printed_by(meshgate, "schema", "--markdown", m[2])
            for m in BLOCK.finditer(old) if m[2]}


def replaced(old, blocks):
    """The text with its blocks as they should be, and the names of those that it lacks."""
    lacks = {name for name, text in blocks.items() if text.strip() != "None."}

    def put(match):
        name = match[1] + (f": {match[2]}" if match[2] else "")
        lacks.discard(name)
        return f"<!-- {name} -->\n{blocks.get(name, match[3]).strip()}\n<!-- /{match[1]} -->"
    return BLOCK.sub(put, old), lacks


def main(build, *words):
    build, write = os.path.abspath(build), "--write" in words
    os.environ.pop("MESHGATE_MODULES", None)
    meshgate = f"{build}/gateway/meshgate"
    passed = failed = 0
    core = [(os.path.join(ROOT, "docs", name), None) for name in ("configuration.md", "testing-routes.md")]
    for path, blocks in [*readmes(build, meshgate), *core]:
        shown, old = os.path.relpath(path, ROOT), ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                old = f.read()
        new, lacks = replaced(old, blocks_of_core(meshgate, old) if blocks is None else blocks)
        if not old:
            lacks = {"text"}
        if write and new != old:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)
        right = not lacks and (new == old or write)
        passed += right
        failed += not right
        if lacks:
            print(f"{shown}: it lacks " + ", ".join(f"<!-- {name} --> <!-- /{name} -->" for name in sorted(lacks)))
        elif not right:
            print(f"{shown}: its option tables are old: run tests/tools/readme_options.py BUILD --write")
    print(f"config-readmes: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
