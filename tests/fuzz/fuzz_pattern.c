/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as event patterns and an event: texts parted by a line feed, the last one is the event.
 * All patterns in one set say the same as each by itself. */
#include "json_tree.h"
#include "match.h"
#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const char *at;
    size_t length;
};

static int add(struct set_builder *b, struct text text)
{
    struct arena passing = {0};
    struct pattern pattern;
    const struct mg_node *tree;
    struct mg_err err = {.text = ""};
    int error = json_tree(&passing, NULL, text.at, text.length, &tree, &err);
    if (!error)
        error = pattern_compile(&b->compiled, &passing, tree, &pattern, &err);
    if (error && !err.text[0])
        abort(); /* nobody is told why */
    if (!error)
        error = set_add(b, &pattern, ROOT_PAYLOAD);
    arena_fini(&passing);
    return error;
}

/* A bit for each pattern that matches; UINT32_MAX: the event is no JSON, or too much
 * to look through. */
static uint32_t match(const struct set *set, struct text event)
{
    struct scratch s;
    uint32_t found[PATTERNS_MAX], bits = 0;
    const struct payload_mode mode = {.name = ROOT_PAYLOAD};
    bool object;
    size_t wrong;
    if (scratch_init(&s, set))
        abort();
    scratch_begin(&s);
    int error = read_payload(&s, &mode, event.at, event.length, &object, &wrong);
    if (error && wrong > event.length)
        abort();
    ptrdiff_t count = error ? 0 : scratch_finish(&s, found);
    for (ptrdiff_t i = 0; i < count; i++)
        bits |= 1u << found[i];
    bool unknown = error || s.gave_up;
    scratch_fini(&s);
    return unknown ? UINT32_MAX : bits;
}

static uint32_t match_alone(struct text pattern, struct text event)
{
    struct set_builder b;
    struct set *set = NULL;
    if (set_builder_init(&b) || add(&b, pattern) || set_finish(&b, &set))
        abort();
    uint32_t bits = match(set, event);
    set_builder_fini(&b);
    set_destroy(set);
    return bits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text patterns[PATTERNS_MAX], event = {(const char *)data, size};
    struct set_builder b;
    struct set *set = NULL;
    size_t count = 0;
    const char *feed;
    if (set_builder_init(&b))
        abort();
    while (count < PATTERNS_MAX && (feed = memchr(event.at, '\n', event.length))) {
        struct text line = {event.at, (size_t)(feed - event.at)};
        event.at += line.length + 1;
        event.length -= line.length + 1;
        if (!add(&b, line))
            patterns[count++] = line;
    }
    /* A pattern that is refused has left something in the builder at most. */
    if (set_finish(&b, &set))
        abort();
    uint32_t together = match(set, event);
    for (size_t i = 0; i < count && together != UINT32_MAX; i++) {
        uint32_t alone = match_alone(patterns[i], event);
        if (alone != UINT32_MAX && alone != (together >> i & 1))
            abort();
    }
    set_builder_fini(&b);
    set_destroy(set);
    return 0;
}
