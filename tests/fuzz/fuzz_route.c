/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes patterns, templates and the address index: lines of input are patterns and templates, the
 * last line is an address.  The index must agree with matching one by one, an expansion must stay
 * in its buffer, and what a template expands to must be covered by its cover. */
#include "event/event.h"
#include "event/template.h"
#include "route/index.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERNS = 16 };

static struct gw_pattern *patterns[PATTERNS];
static uint32_t pattern_count;

static bool is_many(void *arg, const char *name)
{
    const struct gw_pattern *p = arg;
    for (size_t i = 0; i < p->capture_count; i++)
        if (!strcmp(p->names[i].at, name))
            return p->many[i];
    return false;
}

static void try_template(struct gw_arena *arena, const char *text, const struct gw_pattern *p,
                         struct mg_str address, const struct mg_str *values)
{
    mg_template *t = NULL;
    struct mg_err err = {{0}, NULL};
    size_t offset = 0;
    if (gw_template_compile(text, &t, &offset, &err)) {
        if (!err.text[0] || offset > strlen(text))
            abort();
        return;
    }
    const struct gw_captures captures = {p->capture_count, p->names, values};
    const mg_scope scope = {{"r", 1}, {"g", 1}, &captures};
    const struct mg_message message = {.head = {.address = address}};
    struct mg_event event;
    char out[64];
    gw_event_borrow(&event, &message, 1);
    ptrdiff_t n = gw_template_expand(t, &scope, &event, NULL, out, sizeof out, &err);
    if (n > (ptrdiff_t)sizeof out || (n < 0 && !err.text[0]))
        abort();
    char *cover = gw_template_cover(t, is_many, (void *)(uintptr_t)p);
    struct gw_pattern *covering;
    struct mg_str unused[GW_CAPTURES_MAX];
    /* A cover that is no valid filter comes from a template whose literals hold wildcards. */
    bool plain = !strpbrk(text, "+#$") && !memchr(address.at, '$', address.len);
    if (n > 0 && plain && !gw_pattern_compile(arena, cover, &covering, &err) &&
        !gw_pattern_match(covering, (struct mg_str){out, (size_t)n}, unused))
        abort();
    free(cover);
    gw_template_destroy(t);
}

static void try_address(struct gw_arena *arena, char **lines, size_t line_count,
                        struct mg_str address)
{
    struct gw_index *index = gw_index_create();
    struct gw_matches found = {0};
    struct mg_str values[GW_CAPTURES_MAX];
    size_t at = 0;
    for (uint32_t i = 0; i < pattern_count; i++)
        if (gw_index_add(index, patterns[i], i))
            abort();
    if (gw_index_match(index, address, &found))
        abort();
    for (uint32_t i = 0; i < pattern_count; i++) {
        bool match = gw_pattern_match(patterns[i], address, values);
        bool listed = at < found.count && found.ids[at] == i;
        if (match != listed)
            abort();
        at += listed;
        for (size_t l = 0; match && l < line_count; l++)
            try_template(arena, lines[l], patterns[i], address, values);
    }
    if (at != found.count)
        abort();
    gw_matches_fini(&found);
    gw_index_destroy(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *arena = gw_arena_create();
    char *text = arena ? gw_arena_copy(arena, (const char *)data, size) : NULL;
    if (!text || size > 4096) {
        gw_arena_destroy(arena);
        return 0;
    }
    char *lines[PATTERNS];
    size_t line_count = 0;
    pattern_count = 0;
    char *line = text, *newline;
    while ((newline = strchr(line, '\n')) && line_count < PATTERNS) {
        struct mg_err err = {{0}, NULL};
        *newline = '\0';
        lines[line_count++] = line;
        int error = gw_pattern_compile(arena, line, &patterns[pattern_count], &err);
        if (error && !err.text[0])
            abort();
        pattern_count += !error;
        line = newline + 1;
    }
    try_address(arena, lines, line_count, (struct mg_str){line, strlen(line)});
    gw_arena_destroy(arena);
    return 0;
}
