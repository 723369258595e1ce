#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the metaschemas as a C source: embed.py OUT FILE.json…"""
import os
import sys

HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/* The metaschemas, made by embed.py. */
#include "metaschemas.h"
#include <stddef.h>

"""


def main(out, *paths):
    texts, entries = [], []
    for number, path in enumerate(paths):
        with open(path, "rb") as f:
            text = f.read()
        rows = [", ".join(str(b) for b in text[i:i + 24]) for i in range(0, len(text), 24)]
        body = ",\n    ".join(rows)
        texts.append(f"static const unsigned char text{number}[] = {{\n    {body}}};\n")
        entries.append(f'    {{"{os.path.basename(path)}", {{text{number}, sizeof text{number}}}}},\n')
    table = "const struct metaschema metaschemas[] = {\n" + "".join(entries) + "    {NULL, {NULL, 0}}};\n"
    with open(out, "w", encoding="utf-8") as f:
        f.write(HEAD + "".join(texts) + "\n" + table)


if __name__ == "__main__":
    main(*sys.argv[1:])
