/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles and matches source patterns; MQTT 5 §4.7 with named captures on top. */
#include "route/pattern.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESS_BYTES_MAX = 65535 };

__attribute__((format(printf, 2, 3))) static int refuse(struct mg_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -EINVAL;
}

static bool valid_name(const char *text, size_t length)
{
    if (!length || !(*text == '_' || (*text >= 'a' && *text <= 'z')))
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
            return false;
    }
    return true;
}

/* "{name}" or "{name...}": adds the capture to the pattern. */
static int add_capture(struct gw_arena *arena, struct gw_pattern *p, struct mg_str *names,
                       const char *at, size_t length, bool last, struct gw_level *ret_level,
                       struct mg_err *err)
{
    const char *name = at + 1;
    size_t n = length - 2;
    bool rest = n > 3 && !memcmp(name + n - 3, "...", 3);
    if (rest)
        n -= 3;
    if (!valid_name(name, n))
        return refuse(err, "\"%.*s\" is no capture: a name is written {line}, with a-z, 0-9 and _",
                      (int)length, at);
    if (rest && !last)
        return refuse(err, "{%.*s...} captures the rest, so it must be the last level", (int)n,
                      name);
    for (size_t i = 0; i < p->capture_count; i++)
        if (names[i].len == n && !memcmp(names[i].at, name, n))
            return refuse(err, "the name {%.*s} is captured twice", (int)n, name);
    if (p->capture_count == GW_CAPTURES_MAX)
        return refuse(err, "more than %d captures", GW_CAPTURES_MAX);
    char *copy = gw_arena_copy(arena, name, n);
    if (!copy)
        return -ENOMEM;
    *ret_level = (struct gw_level){
        .kind = rest ? GW_LEVEL_REST : GW_LEVEL_ONE,
        .capture = (int)p->capture_count,
    };
    p->many[p->capture_count] = rest;
    names[p->capture_count++] = (struct mg_str){copy, n};
    return 0;
}

static int compile_level(struct gw_arena *arena, struct gw_pattern *p, struct mg_str *names,
                         const char *at, size_t length, bool last, struct gw_level *ret_level,
                         struct mg_err *err)
{
    *ret_level = (struct gw_level){.kind = GW_LEVEL_LITERAL, .text = {at, length}, .capture = -1};
    if (length > 1 && at[0] == '{' && at[length - 1] == '}')
        return add_capture(arena, p, names, at, length, last, ret_level, err);
    if (memchr(at, '{', length) || memchr(at, '}', length))
        return refuse(err, "a capture must fill its level: \"%.*s\" has text beside the braces",
                      (int)length, at);
    if (length == 1 && *at == '+') {
        ret_level->kind = GW_LEVEL_ONE;
    } else if (length == 1 && *at == '#') {
        if (!last)
            return refuse(err, "# must be the last level");
        ret_level->kind = GW_LEVEL_REST;
    } else if (memchr(at, '+', length) || memchr(at, '#', length)) {
        return refuse(err, "a wildcard must fill its level: \"%.*s\"", (int)length, at);
    }
    return 0;
}

/* "$share/group/" at the start: its length, 0 without, or -EINVAL. */
static ptrdiff_t share_prefix(const char *text, struct mg_err *err)
{
    if (strncmp(text, "$share/", 7))
        return 0;
    const char *slash = strchr(text + 7, '/');
    if (!slash || slash == text + 7 || !slash[1])
        return refuse(err, "a shared subscription is written $share/group/filter");
    if (memchr(text + 7, '+', (size_t)(slash - text - 7)) ||
        memchr(text + 7, '#', (size_t)(slash - text - 7)))
        return refuse(err, "the group of a shared subscription has no wildcards");
    return slash + 1 - text;
}

static int build_filter(struct gw_arena *arena, struct gw_pattern *p, const char *prefix,
                        size_t prefix_length)
{
    size_t size =
        prefix_length + strlen(p->text) + 2; /* a wildcard is never longer than its capture */
    char *filter = gw_arena_alloc(arena, size), *at = filter;
    if (!filter)
        return -ENOMEM;
    memcpy(at, prefix, prefix_length);
    at += prefix_length;
    for (size_t i = 0; i < p->level_count; i++) {
        const struct gw_level *l = &p->levels[i];
        if (i)
            *at++ = '/';
        if (l->kind == GW_LEVEL_LITERAL) {
            memcpy(at, l->text.at, l->text.len);
            at += l->text.len;
        } else {
            *at++ = l->kind == GW_LEVEL_ONE ? '+' : '#';
        }
    }
    p->filter = filter;
    return 0;
}

int gw_pattern_compile(struct gw_arena *arena, const char *text, struct gw_pattern **ret_pattern,
                       struct mg_err *reterr)
{
    ptrdiff_t prefix = share_prefix(text, reterr);
    if (prefix < 0)
        return (int)prefix;
    size_t length = strlen(text + prefix);
    if (!length)
        return refuse(reterr, "an empty address matches nothing; # matches everything");
    if (length > ADDRESS_BYTES_MAX)
        return refuse(reterr, "%zu bytes; an address has at most 65535", length);
    if (!gw_utf8_valid(text, length + (size_t)prefix))
        return refuse(reterr, "not valid UTF-8");
    size_t levels = 1;
    for (const char *s = text + prefix; *s; s++)
        levels += *s == '/';
    if (levels > GW_LEVELS_MAX)
        return refuse(reterr, "%zu levels; at most %d", levels, GW_LEVELS_MAX);

    struct gw_pattern *p = gw_arena_alloc(arena, sizeof *p);
    struct mg_str *names = gw_arena_alloc(arena, GW_CAPTURES_MAX * sizeof *names);
    char *copy = gw_arena_copy(arena, text + prefix, length);
    if (!p || !names || !copy)
        return -ENOMEM;
    p->text = copy;
    p->names = names;
    p->levels = gw_arena_alloc(arena, levels * sizeof *p->levels);
    if (!p->levels)
        return -ENOMEM;
    for (const char *at = copy; at;) {
        const char *slash = strchr(at, '/');
        size_t n = slash ? (size_t)(slash - at) : strlen(at);
        int error =
            compile_level(arena, p, names, at, n, !slash, &p->levels[p->level_count++], reterr);
        if (error)
            return error;
        at = slash ? slash + 1 : NULL;
    }
    *ret_pattern = p;
    return build_filter(arena, p, text, (size_t)prefix);
}

bool gw_pattern_match(const struct gw_pattern *pattern, struct mg_str address,
                      struct mg_str *ret_values)
{
    const char *at = address.at, *end = address.at + address.len;
    /* MQTT 5 §4.7.2: wildcards in the first level do not match $SYS and its like. */
    if (address.len && *at == '$' && pattern->levels[0].kind != GW_LEVEL_LITERAL)
        return false;
    for (size_t i = 0; i < pattern->level_count; i++) {
        const struct gw_level *l = &pattern->levels[i];
        if (l->kind == GW_LEVEL_REST) {
            /* "a/#" matches "a", too (§4.7.1.2): the rest is then empty. */
            if (l->capture >= 0)
                ret_values[l->capture] =
                    at ? (struct mg_str){at, (size_t)(end - at)} : (struct mg_str){"", 0};
            return true;
        }
        if (!at)
            return false;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t n = (size_t)((slash ? slash : end) - at);
        if (l->kind == GW_LEVEL_LITERAL && (l->text.len != n || memcmp(l->text.at, at, n)))
            return false;
        if (l->capture >= 0)
            ret_values[l->capture] = (struct mg_str){at, n};
        at = slash ? slash + 1 : NULL;
    }
    return !at;
}

static size_t level_length(const char *at)
{
    return strcspn(at, "/");
}

static const char *skip_share(const char *filter)
{
    struct mg_err unused;
    ptrdiff_t prefix = share_prefix(filter, &unused);
    return prefix > 0 ? filter + prefix : filter;
}

bool gw_filters_overlap(const char *a, const char *b)
{
    a = skip_share(a);
    b = skip_share(b);
    bool wild_a = *a == '+' || *a == '#', wild_b = *b == '+' || *b == '#';
    if ((wild_a && *b == '$') || (wild_b && *a == '$'))
        return false;
    while (a && b) {
        size_t na = level_length(a), nb = level_length(b);
        if ((na == 1 && *a == '#') || (nb == 1 && *b == '#'))
            return true;
        bool any = (na == 1 && *a == '+') || (nb == 1 && *b == '+');
        if (!any && (na != nb || memcmp(a, b, na)))
            return false;
        a = a[na] ? a + na + 1 : NULL;
        b = b[nb] ? b + nb + 1 : NULL;
    }
    const char *left = a ? a : b; /* "a" and "a/#" overlap */
    return !left || !strcmp(left, "#");
}
