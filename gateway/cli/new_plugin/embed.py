#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes files into a C source, as texts.  embed.py OUT FILE…

The SPDX line of a C file stays here: the project that `new-plugin` writes belongs to whoever wrote it."""
import sys
from pathlib import Path


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'     "{line}\\n"' for line in escaped.splitlines())


entries = []
for path in map(Path, sys.argv[2:]):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        text = text.split("\n", 1)[1]
    entries.append(f'    {{"{path.name}",\n{literal(text)}}},\n')
Path(sys.argv[1]).write_text('#include "cli/new_plugin.h"\n\nconst struct gw_new_plugin_file gw_new_plugin_files[] = {\n'
                             + "".join(entries) + "    {0},\n};\n", encoding="utf-8")
