/* SPDX-License-Identifier: Apache-2.0 */
/* Two JSON texts, and where they differ: each difference with its path. */
#include "cli/json_same.h"
#include "base/utf8.h"
#include "common/json_doc.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 256, DIFFERENCES_MOST = 10, SHOWN_BYTES = 200 };

struct comparing {
    FILE *out; /* NULL: only whether there are any */
    enum gw_json_how how;
    size_t count;
    char path[PATH_BYTES];
    size_t length;
};

void gw_put_bytes(FILE *out, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    size_t shown = gw_utf8_cut(bytes, length, SHOWN_BYTES);
    for (size_t i = 0; i < shown; i++)
        fputc(at[i] >= 0x20 && at[i] != 0x7f ? at[i] : '.', out);
    if (shown < length)
        fprintf(out, "… (%zu bytes)", length);
}

static void put_value(FILE *out, const struct doc_value *v)
{
    size_t length;
    char *text = doc_write(v, &length);
    if (text)
        gw_put_bytes(out, text, length);
    free(text);
}

static bool goes_on(const struct comparing *c)
{
    return c->count < (c->out ? DIFFERENCES_MOST : 1);
}

static void differs(struct comparing *c, const struct doc_value *expected,
                    const struct doc_value *actual)
{
    if (!goes_on(c))
        return;
    c->count++;
    if (!c->out)
        return;
    fprintf(c->out, "        %s: ", c->length ? c->path : "the whole");
    bool change = c->how == GW_JSON_CHANGE;
    if (!expected) {
        fputs(change ? "is new: " : "not expected: ", c->out);
        put_value(c->out, actual);
    } else {
        fputs(change ? "was " : "expected ", c->out);
        put_value(c->out, expected);
        fputs(actual   ? change ? ", is " : ", got "
              : change ? ", is gone"
                       : ", is not there",
              c->out);
        if (actual)
            put_value(c->out, actual);
    }
    fputc('\n', c->out);
    if (c->count == DIFFERENCES_MOST)
        fputs("        …\n", c->out);
}

/* Returns the length of before, for leave. */
static size_t enter(struct comparing *c, const char *text, size_t length, bool name)
{
    size_t before = c->length;
    int n = snprintf(c->path + before, PATH_BYTES - before, name ? "%s%.*s" : "[%s%.*s]",
                     name && before ? "." : "", (int)gw_utf8_cut(text, length, 80), text);
    c->length = before + (size_t)n < PATH_BYTES ? before + (size_t)n : PATH_BYTES - 1;
    return before;
}

static void leave(struct comparing *c, size_t before)
{
    c->length = before;
    c->path[before] = '\0';
}

static void compare(struct comparing *c, const struct doc_value *expected,
                    const struct doc_value *actual);

static void compare_objects(struct comparing *c, const struct doc_value *expected,
                            const struct doc_value *actual)
{
    for (size_t i = 0; i < expected->count && goes_on(c); i++) {
        struct mg_str name = expected->members[i].name;
        const struct doc_value *wanted = doc_get(expected, name), *there = doc_get(actual, name);
        size_t before = enter(c, name.at, name.len, true);
        if (there)
            compare(c, wanted, there);
        else
            differs(c, wanted, NULL);
        leave(c, before);
    }
    for (size_t i = 0; i < actual->count && c->how != GW_JSON_PART && goes_on(c); i++) {
        struct mg_str name = actual->members[i].name;
        if (doc_get(expected, name))
            continue;
        size_t before = enter(c, name.at, name.len, true);
        differs(c, NULL, actual->members[i].value);
        leave(c, before);
    }
}

static void compare_lists(struct comparing *c, const struct doc_value *expected,
                          const struct doc_value *actual)
{
    size_t most = expected->count > actual->count ? expected->count : actual->count;
    for (size_t i = 0; i < most && goes_on(c); i++) {
        const struct doc_value *wanted = doc_at(expected, i), *there = doc_at(actual, i);
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", i);
        size_t before = enter(c, number, (size_t)n, false);
        if (wanted && there)
            compare(c, wanted, there);
        else
            differs(c, wanted, there);
        leave(c, before);
    }
}

/* Neither is nested deeper than DOC_DEPTH_MAX. */
static void compare(struct comparing *c, const struct doc_value *expected,
                    const struct doc_value *actual)
{
    if (expected->kind == DOC_OBJECT && actual->kind == DOC_OBJECT)
        compare_objects(c, expected, actual);
    else if (expected->kind == DOC_LIST && actual->kind == DOC_LIST)
        compare_lists(c, expected, actual);
    else if (!doc_equal(expected, actual))
        differs(c, expected, actual);
}

bool gw_json_same(struct mg_bytes expected, struct mg_bytes actual, enum gw_json_how how, FILE *out)
{
    struct comparing c = {.out = out, .how = how};
    struct doc *doc = doc_create();
    struct doc_value *wanted = NULL, *there = NULL;
    struct mg_err err = {{0}, NULL};
    int error =
        doc ? doc_parse(doc, (struct mg_bytes){expected.at, expected.len}, &wanted, &err) : -ENOMEM;
    if (!error)
        error = doc_parse(doc, actual, &there, &err);
    if (!error) {
        compare(&c, wanted, there);
    } else if (out) {
        fprintf(out, "        it is no JSON (%s): ", error == -ENOMEM ? "out of memory" : err.text);
        gw_put_bytes(out, actual.at, actual.len);
        fputc('\n', out);
    }
    doc_destroy(doc);
    return !error && !c.count;
}
