#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random patterns and events against a second matcher, written for clarity alone: match_random.py BUILD [SEED].

All patterns go into one set, each event is matched once.  What the second matcher does: it flattens an event to
(path, value, list places), and looks for one value for each path so that no two stand in different elements of
one list."""
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from decimal import Decimal

TEXTS = ["", "a", "b", "ab", "ba", "aab", "A", "aB", "ß", "SS", "10.0.0.1", "10.0.0.77", "::1", "a*b", "\\", "\""]
NUMBERS = ["0", "1", "1.0", "10", "1e1", "-1", "2.5", "0.30", "123456789012345678901", "0.1234567890123456789"]
NAMES = ["a", "b", "c", "a.b"]


# ---- making -----------------------------------------------------------------------------------------

def scalar(r):
    return r.choice([lambda: json.dumps(r.choice(TEXTS)), lambda: json.dumps(r.choice(TEXTS)), lambda: r.choice(NUMBERS),
                     lambda: r.choice(["true", "false", "null"])])()


def event(r, depth=0):
    members = []
    for name in r.sample(NAMES, r.randint(0 if depth else 1, 3)):
        members.append(f"{json.dumps(name)}:{value(r, depth + 1)}")
    return "{" + ",".join(members) + "}"


def value(r, depth):
    what = r.random()
    if depth < 4 and what < 0.25:
        return event(r, depth)
    if depth < 4 and what < 0.5:
        return "[" + ",".join(value(r, depth + 1) for _ in range(r.randint(0, 3))) + "]"
    return scalar(r)


def text(r):
    return json.dumps(r.choice(TEXTS))


def wildcard(r):
    pieces = [r.choice(["a", "b", "ab", "A", ""]) for _ in range(r.randint(1, 3))]
    return json.dumps("*".join(pieces).replace("**", "*"))


def atom(r):
    number = r.choice([n for n in NUMBERS if len(n) < 10])
    low, high = sorted(r.sample([-1, 0, 1, 2.5, 10], 2))
    return r.choice([
        lambda: scalar(r), lambda: scalar(r), lambda: scalar(r),
        lambda: '{"prefix":%s}' % text(r), lambda: '{"suffix":%s}' % text(r), lambda: '{"wildcard":%s}' % wildcard(r),
        lambda: '{"equals-ignore-case":%s}' % text(r), lambda: '{"prefix":{"equals-ignore-case":%s}}' % text(r),
        lambda: '{"suffix":{"equals-ignore-case":%s}}' % text(r), lambda: '{"exists":true}', lambda: '{"exists":false}',
        lambda: '{"anything-but":%s}' % text(r), lambda: '{"anything-but":[%s,%s]}' % (text(r), text(r)),
        lambda: '{"anything-but":%s}' % number, lambda: '{"anything-but":{"wildcard":%s}}' % wildcard(r),
        lambda: '{"anything-but":{"equals-ignore-case":[%s]}}' % text(r),
        lambda: '{"anything-but":{"prefix":%s}}' % json.dumps(r.choice(TEXTS[1:])),
        lambda: '{"numeric":["=",%s]}' % number, lambda: '{"numeric":["<",%s]}' % number,
        lambda: '{"numeric":[">=",%s,"<",%s]}' % (low, high), lambda: '{"cidr":"10.0.0.9/%d"}' % r.choice([8, 25, 29]),
    ])()


def pattern(r, depth=0, alternatives=True):
    members = []
    for name in r.sample(NAMES, r.randint(1, 2)):
        if depth < 2 and r.random() < 0.4:
            members.append(f"{json.dumps(name)}:{pattern(r, depth + 1, alternatives)}")
        else:
            members.append(f"{json.dumps(name)}:[{','.join(atom(r) for _ in range(r.choice([1, 1, 1, 2, 3])))}]")
    if alternatives and r.random() < 0.15:
        members.append('"$or":[%s,%s]' % (pattern(r, depth, False), pattern(r, depth, False)))
    return "{" + ",".join(members) + "}"


# ---- the second matcher -------------------------------------------------------------------------------

class Number(str):
    """A number as it is written."""

    def double(self):
        shown = float(self)
        return shown if Decimal(repr(shown)) == Decimal(self) else None


class Map(list):
    pass


def parse(source):
    return json.loads(source, parse_int=Number, parse_float=Number, object_pairs_hook=Map)


def flatten(node, path, places, fields, counter):
    if isinstance(node, Map):
        for name, child in node:
            flatten(child, path + [name], places, fields, counter)
    elif isinstance(node, list):
        counter[0] += 1
        this = counter[0]
        for index, child in enumerate(node):
            inner = {**places, this: index} if isinstance(child, list) else places
            flatten(child, path, inner, fields, counter)
    else:
        fields.setdefault(".".join(path), []).append((node, places))


def branches_of(node, path, rules):
    for name, child in node:
        if name == "$or":
            rules = [rule for option in child for rule in branches_of(option, path, [dict(r) for r in rules])]
        elif isinstance(child, Map):
            rules = branches_of(child, path + [name], rules)
        else:
            rules = [{**rule, ".".join(path + [name]): child} for rule in rules]
    return rules


def quoted(v):
    return f'"{v}"' if isinstance(v, str) and not isinstance(v, Number) else \
        str(v) if isinstance(v, Number) else {True: "true", False: "false", None: "null"}[v]


def folded(one, other):
    """other is one, each character in lower or upper case; the rest of it, or None."""
    for c in one:
        rest = [other[len(form):] for form in (c.lower(), c.upper()) if other.startswith(form)]
        if not rest:
            return None
        other = rest[0]
    return other


def folded_suffix(one, other):
    for c in reversed(one):
        rest = [other[:len(other) - len(form)] for form in (c.lower(), c.upper()) if other.endswith(form)]
        if not rest:
            return False
        other = rest[0]
    return True


def address(v):
    try:
        return ipaddress.ip_address(v)
    except ValueError:
        return None


def glob(parts, v):
    return re.fullmatch(".*".join(re.escape(p) for p in parts), v, re.S) is not None


def holds(entry, v):
    is_text = isinstance(v, str) and not isinstance(v, Number)
    number = v.double() if isinstance(v, Number) else None
    if not isinstance(entry, Map):
        if isinstance(entry, Number) and entry.double() is not None:
            return number == entry.double()
        if isinstance(entry, str) and not isinstance(entry, Number) and address(entry):
            return is_text and address(v) == address(entry)
        return quoted(entry) == quoted(v)
    (op, want), = entry
    if op == "exists":
        return want
    if op == "anything-but":
        return not excluded(want, v, number)
    if op == "numeric":
        tests = {"=": lambda a, b: a == b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
                 ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
        return number is not None and all(tests[want[i]](number, want[i + 1].double()) for i in range(0, len(want), 2))
    if op == "cidr":
        return is_text and address(v) is not None and address(v) in ipaddress.ip_network(want, strict=False)
    return is_text and text_holds(op, want, v)


def text_holds(op, want, v):
    fold = isinstance(want, Map)
    want = want[0][1] if fold else want
    if op == "prefix":
        return folded(want, v) is not None if fold else v.startswith(want)
    if op == "suffix":
        return folded_suffix(want, v) if fold else v.endswith(want)
    if op == "equals-ignore-case":
        return folded(want, v) == ""
    return glob(want.split("*"), v)


def excluded(want, v, number):
    if isinstance(want, Map):
        (op, want), = want
        want = want if isinstance(want, list) else [want]
        return isinstance(v, str) and not isinstance(v, Number) and any(text_holds(op, w, v) for w in want)
    want = want if isinstance(want, list) else [want]
    return any(number == w.double() if isinstance(w, Number) else quoted(w) == quoted(v) for w in want)


def goes_with(places, chosen):
    return all(chosen.get(which, index) == index for which, index in places.items())


def matches(rule, fields, paths, chosen):
    if not paths:
        return True
    path, rest = paths[0], paths[1:]
    entries, values = rule[path], fields.get(path, [])
    for v, places in values:
        if goes_with(places, chosen) and any(holds(e, v) for e in entries) and \
                matches(rule, fields, rest, {**chosen, **places}):
            return True
    absent = any(isinstance(e, Map) and e == [("exists", False)] for e in entries)
    return absent and not any(goes_with(p, chosen) for _, p in values) and matches(rule, fields, rest, chosen)


def main(build, seed="1", patterns=400, events=400):
    r = random.Random(int(seed))
    pattern_texts, event_texts = [pattern(r) for _ in range(patterns)], [event(r) for _ in range(events)]
    rules = [branches_of(parse(p), [], [{}]) for p in pattern_texts]
    env = dict(os.environ, MESHGATE_MODULES=f"{build}/plugins/filter-pattern")
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in (("p", pattern_texts), ("e", event_texts)):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
                f.writelines(line + "\n" for line in lines)
        done = subprocess.run([f"{build}/gateway/meshgate", "match", "--json", "--pattern", f"{folder}/p", "--events",
                               f"{folder}/e"], env=env, capture_output=True, timeout=120, check=False)
    lines = done.stdout.decode().splitlines()
    passed = failed = hits = 0
    if len(lines) != events:
        print(done.stderr.decode()[-2000:], file=sys.stderr)
        failed += 1
    for source, line in zip(event_texts, lines):
        fields, found = {}, set(json.loads(line)["patterns"])
        flatten(parse(source), [], {}, fields, [0])
        expected = {n for n, branches in enumerate(rules, 1)
                    if any(matches(rule, fields, sorted(rule), {}) for rule in branches)}
        hits += len(expected)
        passed += found == expected
        failed += found != expected
        if found != expected and failed < 10:
            for n in found ^ expected:
                print(f"match-random, seed {seed}: {pattern_texts[n - 1]} over {source}: "
                      f"{'true' if n in found else 'false'}, expected the other", file=sys.stderr)
    if not hits:
        print("match-random: nothing matched, so nothing was tested", file=sys.stderr)
        failed += 1
    print(f"match-random: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
