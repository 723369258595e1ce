#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints fold_table.h: the lower and upper case of every character, by Unicode's full mappings."""
import sys
import unicodedata


def canonical(text):
    return "".join(c.lower() for c in text).upper()


def cases():
    """{code: (lower, upper)} of the characters that have another case."""
    found = {}
    for code in range(sys.maxunicode + 1):
        if 0xd800 <= code <= 0xdfff:
            continue
        c = chr(code)
        if c.lower() != c or c.upper() != c:
            found[code] = c.lower(), c.upper()
    return found


def prove(found):
    """What fold.c relies on."""
    for code, (lower, upper) in found.items():
        c = chr(code)
        assert canonical(lower) == canonical(upper) == canonical(c), hex(code)
        assert lower == upper or not (lower.startswith(upper) or upper.startswith(lower) or
                                      lower.endswith(upper) or upper.endswith(lower)), hex(code)
        for text in (lower, upper, canonical(c)):
            assert len(text) <= 3 and len(text.encode()) <= 9, hex(code)
        assert len(canonical(c).encode()) <= 3 * len(c.encode()), hex(code)


def ranges(single):
    """Runs of codes with the same two distances, or in turns an upper and a lower case letter."""
    rows, codes, i = [], sorted(single), 0
    while i < len(codes):
        first = codes[i]
        k = i
        while (k + 1 < len(codes) and codes[k + 1] == codes[k] + 1 and
               single[codes[k + 1]] == ((1, 0) if single[codes[k]] == (0, -1) else (0, -1)) and
               single[first] == (1, 0)):
            k += 1
        if k > i + 1:
            rows.append((first, codes[k], 0, 0))
            i = k + 1
            continue
        k = i
        while k + 1 < len(codes) and codes[k + 1] == codes[k] + 1 and single[codes[k + 1]] == single[first]:
            k += 1
        rows.append((first, codes[k], *single[first]))
        i = k + 1
    return rows


def table(out, rows, width):
    line = "   "
    for row in rows:
        word = " {" + ", ".join(row) + "},"
        if len(line) + len(word) > width:
            out.append(line)
            line = "   "
        line += word
    out.append(line)


def main():
    found = cases()
    prove(found)
    single, special = {}, []
    for code, (lower, upper) in sorted(found.items()):
        if len(lower) == len(upper) == 1:
            single[code] = ord(lower) - code, ord(upper) - code
        else:
            pad = [[f"{ord(c):#x}" for c in text] + ["0"] * (3 - len(text)) for text in (lower, upper)]
            special.append((f"{code:#x}", "{" + ", ".join(pad[0]) + "}", "{" + ", ".join(pad[1]) + "}"))
    out = ["/* SPDX-License-Identifier: Apache-2.0 */",
           f"/* Cases of Unicode {unicodedata.unidata_version}, made by fold_table.py. */",
           "/* clang-format off */",
           "#pragma once", "#include <stdint.h>", "",
           "/* From first to last the distances to lower and upper case; both 0: in turns an upper case letter",
           " * and its lower case. */",
           "static const struct { uint32_t first, last; int32_t lower, upper; } fold_ranges[] = {"]
    table(out, [tuple(f"{v:#x}" if n < 2 else str(v) for n, v in enumerate(row)) for row in ranges(single)], 100)
    out += ["};", "", "/* Those of which one case is not one character; 0: no more. */",
            "static const struct { uint32_t code, lower[3], upper[3]; } fold_specials[] = {"]
    table(out, special, 100)
    out += ["};", "/* clang-format on */"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
