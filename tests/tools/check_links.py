#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every relative link of the Markdown files leads to a file, and to a heading that it has.

    check_links.py [ROOT]

Looks at the files that git knows (or, without git, at every *.md outside build folders); also that a
path written as code, `like/this.c`, exists where it begins with a folder of the tree.  Prints one
line for each dead link and ends with 1 when there is one."""
import os
import re
import subprocess
import sys
import unicodedata

LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
CODE_PATH = re.compile(r"`((?:gateway|bridges|plugins|tests|docs|config|docker)/[\w./-]+)`")
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.I)


def markdown_files(root):
    done = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard", "*.md"], capture_output=True, check=False) \
        if os.path.exists(os.path.join(root, ".git")) else None
    if done and done.returncode == 0:
        names = [name for name in done.stdout.decode().split("\0") if name]
        return sorted({os.path.join(root, name) for name in names})
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build", "node_modules"))]
        found += [os.path.join(folder, name) for name in files if name.endswith(".md")]
    return sorted(found)


def without_code(text):
    """Fenced blocks become empty lines, so that line numbers stay."""
    lines, fence = [], None
    for line in text.splitlines():
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and fence is None:
            fence = mark.group(1)[:3]
            lines.append("")
        elif fence is not None:
            if mark and mark.group(1)[:3] == fence:
                fence = None
            lines.append("")
        else:
            lines.append(line)
    return lines


def anchors(path):
    """The heading anchors of a file, as GitHub makes them."""
    found, seen = set(), {}
    with open(path, encoding="utf-8") as file:
        for line in without_code(file.read()):
            heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
            if heading:
                text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
                slug = "".join(c for c in text.replace(" ", "-") if c in "-_" or
                               unicodedata.category(c)[0] in "LN")
                number = seen.get(slug, 0)
                seen[slug] = number + 1
                found.add(f"{slug}-{number}" if number else slug)
            found.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
    return found


def dead_links(root, path):
    with open(path, encoding="utf-8") as file:
        lines = without_code(file.read())
    for number, line in enumerate(lines, 1):
        for target in LINK.findall(re.sub(r"`[^`]*`", "``", line)):
            if SCHEME.match(target):
                continue
            name, _, anchor = target.partition("#")
            where = os.path.join(root, name.lstrip("/")) if name.startswith("/") else \
                os.path.join(os.path.dirname(path), name) if name else path
            if not os.path.exists(where):
                yield number, f"{target}: no such file"
            elif anchor and where.endswith(".md") and anchor not in anchors(where):
                yield number, f"{target}: no such heading"
        for name in CODE_PATH.findall(line):
            if not os.path.exists(os.path.join(root, name)):
                yield number, f"`{name}`: no such file"


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                           os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    files, dead = markdown_files(root), 0
    for path in files:
        if not os.path.exists(path):
            continue
        for number, what in dead_links(root, path):
            print(f"{os.path.relpath(path, root)}:{number}: {what}")
            dead += 1
    print(f"check_links: {len(files)} files, {dead} dead links")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
