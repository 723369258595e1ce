#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random schemas over random values: the same verdicts as those of python3-jsonschema.

schema_random.py VERDICTS SEED [COUNT]: VERDICTS is the program built from schema_verdicts.c."""
import json
import random
import subprocess
import sys

import jsonschema

NAMES = ["a", "b", "c", "ab"]
TYPES = ["null", "boolean", "number", "integer", "string", "array", "object", ["object", "array"],
         ["integer", "string"]]
LISTS = ["allOf", "anyOf", "oneOf"]
ONES = ["not", "if", "then", "else", "contains", "additionalProperties", "propertyNames"]
MAPS = ["properties", "patternProperties"]
BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
COUNTS = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]
KEYWORDS = ["type", "enum", "const", "multipleOf", "pattern", "uniqueItems", "required",
            *BOUNDS, *COUNTS, *LISTS, *ONES, *MAPS]
OF_DRAFT = {
    "draft-07": ["items", "items", "additionalItems"],
    "2020-12": ["items", "prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains",
                "unevaluatedItems", "unevaluatedProperties", "$ref"],
}
VALIDATORS = {"draft-07": jsonschema.Draft7Validator, "2020-12": jsonschema.Draft202012Validator}


class Maker:
    def __init__(self, seed, draft):
        self.random = random.Random(f"{seed} {draft}")
        self.old = draft == "draft-07"
        self.keywords = KEYWORDS + OF_DRAFT[draft]

    def value(self, depth=3):
        choose = self.random.choice
        kinds = ["null", "bool", "number", "text", "text"] + (["list", "object"] if depth else [])
        kind = choose(kinds)
        if kind == "list":
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        if kind == "object":
            return {choose(NAMES): self.value(depth - 1) for _ in range(self.random.randrange(4))}
        return choose({"null": [None], "bool": [True, False], "number": [0, 1, 2, 3, 1.0, 1.5, -1, 0.5, 10],
                       "text": ["", "a", "ab", "abc", "b1"]}[kind])

    def schemas(self, depth):
        return [self.schema(depth) for _ in range(self.random.randrange(1, 4))]

    def nested(self, keyword, depth):
        """What a keyword holds that has schemas in it; None: it is another one."""
        if keyword in LISTS or keyword == "prefixItems" or \
                (keyword == "items" and self.old and self.random.random() < 0.5):
            return self.schemas(depth)
        if keyword in MAPS or keyword == "dependentSchemas":
            names = ["^a", "b", "c$"] if keyword == "patternProperties" else NAMES
            return {self.random.choice(names): s for s in self.schemas(depth)}
        if keyword in ONES or keyword.startswith("unevaluated") or keyword in ("items", "additionalItems"):
            return self.schema(depth)
        return None

    def plain(self, keyword):
        choose = self.random.choice
        if keyword == "enum":
            return [self.value(1) for _ in range(self.random.randrange(1, 4))]
        if keyword == "const":
            return self.value(2)
        if keyword == "required":
            return self.random.sample(NAMES, self.random.randrange(1, 3))
        if keyword == "dependentRequired":
            return {choose(NAMES): [choose(NAMES)]}
        fixed = {"type": TYPES, "multipleOf": [1, 2, 0.5, 3], "pattern": ["^a", "b$", "\\d"],
                 "uniqueItems": [True, True, False], "$ref": ["#/$defs/x", "#/$defs/y"],
                 **dict.fromkeys(BOUNDS, [0, 1, 2, 1.5])}
        return choose(fixed.get(keyword, [0, 1, 2, 3]))

    def schema(self, depth=3):
        if self.random.random() < 0.08:
            return self.random.choice([True, False])
        made = {}
        for keyword in self.random.sample(self.keywords, self.random.randrange(1, 4)):
            held = self.nested(keyword, depth - 1) if depth else None
            if held is None and not self.nests(keyword):
                held = self.plain(keyword)
            if held is not None:
                made[keyword] = held
        return made

    def nests(self, keyword):
        return keyword in LISTS + MAPS + ONES or keyword.startswith("unevaluated") or \
            keyword in ("items", "prefixItems", "additionalItems", "dependentSchemas")

    def whole(self):
        """A schema whose $defs refer to nothing, so that no reference is without end."""
        schema = self.schema()
        if isinstance(schema, dict) and not self.old:
            keywords = self.keywords
            self.keywords = [k for k in keywords if k != "$ref"]
            schema["$defs"] = {"x": self.schema(1), "y": self.schema(1)}
            self.keywords = keywords
        return schema


def verdict(draft, schema, value):
    """None where the library fails: it sorts lists and objects when it words an error about unevaluatedItems."""
    try:
        return json.dumps(VALIDATORS[draft](schema).is_valid(value))
    except TypeError:
        return None


def differences(program, draft, seed, count):
    maker = Maker(seed, draft)
    cases = [(maker.whole(), maker.value()) for _ in range(count)]
    lines = "".join(f"{json.dumps(s)}\t{json.dumps(v)}\n" for s, v in cases)
    said = subprocess.run([program, draft], input=lines, capture_output=True, text=True, check=True,
                          timeout=300).stdout.splitlines()
    expected = [verdict(draft, s, v) for s, v in cases]
    different = [(s, v, e, o) for (s, v), e, o in zip(cases, expected, said) if e not in (o, None)]
    for schema, value, wanted, got in different[:5]:
        print(f"schema-random: {draft}: {json.dumps(schema)} over {json.dumps(value)}: {got}, expected {wanted}",
              file=sys.stderr)
    if len(said) != len(cases) or not {"true", "false"} <= set(expected) or expected.count(None) > 10:
        print(f"schema-random: {draft}: {len(said)} verdicts for {len(cases)} cases", file=sys.stderr)
        return len(cases), max(1, len(different))
    return len(cases), len(different)


def main(program, seed, count="1000"):
    passed = failed = 0
    for draft in VALIDATORS:
        cases, different = differences(program, draft, seed, int(count))
        passed += cases - different
        failed += different
    print(f"schema-random: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
