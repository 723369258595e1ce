/* SPDX-License-Identifier: Apache-2.0 */
/* ECMA-262 regular expressions in PCRE2's spelling: what both write alike but mean differently is
 * written out, and what only PCRE2 knows is refused. */
#include "ecma.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 128 };

void ecma_put(struct ecma *e, const char *text, size_t length)
{
    if (e->no_memory)
        return;
    if (e->room - e->length < length) {
        size_t room = (e->room + length) * 2;
        char *out = realloc(e->out, room);
        if (!out) {
            e->no_memory = true;
            return;
        }
        e->out = out;
        e->room = room;
    }
    memcpy(e->out + e->length, text, length);
    e->length += length;
}

void ecma_put_text(struct ecma *e, const char *text)
{
    ecma_put(e, text, strlen(text));
}

bool ecma_wrong(struct ecma *e, const char *what)
{
    if (!e->err->text[0])
        snprintf(e->err->text, sizeof e->err->text, "at its character %zu: %s",
                 (size_t)(e->at - e->begin) + 1, what);
    return false;
}

static bool take_class(struct ecma *e)
{
    const char *first = ++e->at;
    e->in_class = true;
    ecma_put(e, "[", 1);
    if (ecma_peek(e, 0) == '^')
        ecma_put(e, e->at++, 1);
    while (e->at < e->end && *e->at != ']') {
        if (*e->at == '\\') {
            if (!ecma_take_escape(e))
                return false;
            continue;
        }
        if (*e->at == '[' || (*e->at == '^' && e->at > first))
            ecma_put(e, "\\", 1); /* no POSIX class */
        ecma_put(e, e->at++, 1);
    }
    if (e->at == e->end)
        return ecma_wrong(e, "a class is not closed by ]");
    ecma_put(e, e->at++, 1);
    e->in_class = false;
    e->repeatable = true;
    return true;
}

static bool take_group(struct ecma *e)
{
    static const char *const forms[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!"};
    e->repeatable = false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i]);
        if ((size_t)(e->end - e->at) >= n && !memcmp(e->at, forms[i], n)) {
            ecma_put(e, e->at, n);
            e->at += n;
            return true;
        }
    }
    if (ecma_peek(e, 1) == '?' && ecma_peek(e, 2) == '<') {
        e->at += 3;
        ecma_put_text(e, "(?<");
        return ecma_take_group_name(e, '>');
    }
    if (ecma_peek(e, 1) == '?' || ecma_peek(e, 1) == '*')
        return ecma_wrong(e, "there is no such kind of group");
    ecma_put(e, e->at++, 1);
    return true;
}

/* {2}, {2,} or {2,3}: its length, 0: it is none. */
static size_t braces(const struct ecma *e)
{
    size_t i = 1, digits = 0;
    for (; isdigit((unsigned char)ecma_peek(e, i)); i++)
        digits++;
    if (!digits)
        return 0;
    if (ecma_peek(e, i) == ',')
        for (i++; isdigit((unsigned char)ecma_peek(e, i)); i++)
            ;
    return ecma_peek(e, i) == '}' ? i + 1 : 0;
}

static bool take_repetition(struct ecma *e, size_t length)
{
    if (!e->repeatable)
        return ecma_wrong(e, "there is nothing to repeat");
    ecma_put(e, e->at, length);
    e->at += length;
    if (ecma_peek(e, 0) == '?')
        ecma_put(e, e->at++, 1);
    e->repeatable = false;
    return true;
}

static bool take_one(struct ecma *e)
{
    char c = *e->at;
    switch (c) {
    case '\\':
        return ecma_take_escape(e);
    case '[':
        return take_class(e);
    case '(':
        return take_group(e);
    case '*':
    case '+':
    case '?':
        return take_repetition(e, 1);
    case '{':
        if (braces(e))
            return take_repetition(e, braces(e));
        ecma_put_text(e, "\\{");
        break;
    case '}':
    case ']':
        ecma_put(e, "\\", 1);
        ecma_put(e, &c, 1);
        break;
    case '.':
        ecma_put_text(e, "[^\\n\\r\\x{2028}\\x{2029}]");
        break;
    default:
        ecma_put(e, &c, 1);
    }
    e->at++;
    e->repeatable = c != '^' && c != '$' && c != '|';
    return true;
}

int ecma_translate(struct mg_str pattern, char **ret_text, size_t *ret_length,
                   struct mg_err *reterr)
{
    struct ecma e = {
        .begin = pattern.at, .at = pattern.at, .end = pattern.at + pattern.len, .err = reterr};
    reterr->text[0] = '\0';
    e.no_memory = !(e.out = malloc(e.room = FIRST_ROOM));
    bool well = pattern.len <= REGEX_BYTES_MAX || ecma_wrong(&e, "it is longer than 64 KiB");
    while (well && !e.no_memory && e.at < e.end)
        well = take_one(&e);
    if (!well || e.no_memory) {
        free(e.out);
        if (well)
            snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return well ? -ENOMEM : -EINVAL;
    }
    *ret_text = e.out;
    *ret_length = e.length;
    return 0;
}
