/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords about values of any kind, numbers and texts. */
#include "compile.h"
#include "keywords_compile.h"
#include "memory.h"
#include "run.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- type ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t types;
} types[] = {
    {"null", 1 << DOC_NULL},   {"boolean", 1 << DOC_BOOL}, {"number", ON_NUMBER},
    {"integer", TYPE_INTEGER}, {"string", ON_TEXT},        {"array", ON_LIST},
    {"object", ON_OBJECT},
};

static void name_types(uint32_t mask, char *out, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (mask & types[i].types && length < size)
            length += (size_t)snprintf(out + length, size - length, "%s%s", length ? " or " : "",
                                       types[i].name);
}

static bool apply_type(struct run *run, const struct check *check, const struct at *at)
{
    uint32_t mask = check->as.types;
    char names[80], is[SHOWN_BYTES];
    if (mask >> at->value->kind & 1 ||
        (mask & TYPE_INTEGER && at->value->kind == DOC_NUMBER && number_is_whole(at->value->text)))
        return true;
    if (!run->report)
        return false;
    name_types(mask, names, sizeof names);
    return fail(run, check, at, "must be of type %s, is %s", names, shown(at->value, is));
}

static uint32_t type_named(const struct doc_value *name)
{
    for (size_t i = 0; name->kind == DOC_TEXT && i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == name->text.len &&
            !memcmp(types[i].name, name->text.at, name->text.len))
            return types[i].types;
    return 0;
}

int compile_type(struct compiler *c, const struct keyword_place *p)
{
    uint32_t mask = 0;
    bool list = p->value->kind == DOC_LIST, known = !list || p->value->count;
    for (size_t i = 0; i < (list ? p->value->count : 1); i++) {
        uint32_t one = type_named(list ? p->value->items[i] : p->value);
        known &= one != 0;
        mask |= one;
    }
    if (!known)
        return wrong(c, p,
                     "must name types: null, boolean, number, integer, string, array, object");
    struct check *check = add_check(c, p, apply_type, ON_ALL);
    if (check)
        check->as.types = mask;
    return check ? 0 : -ENOMEM;
}

/* ---- const, enum ---------------------------------------------------------------------------- */

static bool is_same(struct run *run, const struct doc_value *a, const struct doc_value *b)
{
    bool nests = a->kind == DOC_LIST || a->kind == DOC_OBJECT;
    return spend(run, nests ? 1 + a->count / 4 : 1) && doc_equal(a, b);
}

static bool apply_const(struct run *run, const struct check *check, const struct at *at)
{
    char wanted[SHOWN_BYTES], is[SHOWN_BYTES];
    if (is_same(run, at->value, check->as.values))
        return true;
    if (!run->report)
        return false;
    return fail(run, check, at, "must be %s, is %s", shown(check->as.values, wanted),
                shown(at->value, is));
}

int compile_const(struct compiler *c, const struct keyword_place *p)
{
    struct check *check = add_check(c, p, apply_const, ON_ALL);
    if (check)
        check->as.values = p->value;
    return check ? 0 : -ENOMEM;
}

static bool apply_enum(struct run *run, const struct check *check, const struct at *at)
{
    const struct doc_value *all = check->as.values;
    char words[110] = "", one[SHOWN_BYTES], is[SHOWN_BYTES];
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->kind == at->value->kind && is_same(run, at->value, all->items[i]))
            return true;
    if (!run->report)
        return false;
    size_t length = 0, i = 0;
    for (; i < all->count && length < 60; i++)
        length += (size_t)snprintf(words + length, sizeof words - length, "%s%.44s", i ? ", " : "",
                                   shown(all->items[i], one));
    return fail(run, check, at, "must be %s%s%s, is %s", all->count > 1 ? "one of " : "", words,
                i < all->count ? " …" : "", shown(at->value, is));
}

int compile_enum(struct compiler *c, const struct keyword_place *p)
{
    if (p->value->kind != DOC_LIST)
        return wrong(c, p, "must be a list of values");
    struct check *check = add_check(c, p, apply_enum, ON_ALL);
    if (check)
        check->as.values = p->value;
    return check ? 0 : -ENOMEM;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static bool fail_number(struct run *run, const struct check *check, const struct at *at,
                        const char *words)
{
    char limit[SHOWN_BYTES], is[SHOWN_BYTES];
    const struct doc_value bound = {.kind = DOC_NUMBER, .text = check->as.number};
    if (!run->report)
        return false;
    return fail(run, check, at, "must be %s %s, is %s", words, shown(&bound, limit),
                shown(at->value, is));
}

static bool apply_minimum(struct run *run, const struct check *check, const struct at *at)
{
    return doc_number_compare(at->value->text, check->as.number) >= 0 ||
           fail_number(run, check, at, "at least");
}

static bool apply_exclusive_minimum(struct run *run, const struct check *check, const struct at *at)
{
    return doc_number_compare(at->value->text, check->as.number) > 0 ||
           fail_number(run, check, at, "above");
}

static bool apply_maximum(struct run *run, const struct check *check, const struct at *at)
{
    return doc_number_compare(at->value->text, check->as.number) <= 0 ||
           fail_number(run, check, at, "at most");
}

static bool apply_exclusive_maximum(struct run *run, const struct check *check, const struct at *at)
{
    return doc_number_compare(at->value->text, check->as.number) < 0 ||
           fail_number(run, check, at, "below");
}

static int compile_bound(struct compiler *c, const struct keyword_place *p, check_apply *apply)
{
    if (p->value->kind != DOC_NUMBER)
        return wrong(c, p, "must be a number");
    struct check *check = add_check(c, p, apply, ON_NUMBER);
    if (check)
        check->as.number = p->value->text;
    return check ? 0 : -ENOMEM;
}

int compile_minimum(struct compiler *c, const struct keyword_place *p)
{
    return compile_bound(c, p, apply_minimum);
}

int compile_exclusive_minimum(struct compiler *c, const struct keyword_place *p)
{
    return compile_bound(c, p, apply_exclusive_minimum);
}

int compile_maximum(struct compiler *c, const struct keyword_place *p)
{
    return compile_bound(c, p, apply_maximum);
}

int compile_exclusive_maximum(struct compiler *c, const struct keyword_place *p)
{
    return compile_bound(c, p, apply_exclusive_maximum);
}

static bool apply_multiple_of(struct run *run, const struct check *check, const struct at *at)
{
    char is[SHOWN_BYTES];
    const struct divisor *by = &check->as.divisor;
    if (!spend(run, at->value->text.len / 16))
        return false;
    if (number_is_multiple(at->value->text, by))
        return true;
    if (!run->report)
        return false;
    return fail(run, check, at,
                by->power ? "must be a multiple of %" PRIu64 "e%" PRId64 ", is %s"
                          : "must be a multiple of %" PRIu64 "%.0" PRId64 ", is %s",
                by->digits, by->power, shown(at->value, is));
}

int compile_multiple_of(struct compiler *c, const struct keyword_place *p)
{
    struct divisor divisor;
    if (p->value->kind != DOC_NUMBER || !number_divisor(p->value->text, &divisor))
        return wrong(c, p, "must be a number above 0, of at most %d digits", DIVISOR_DIGITS_MAX);
    struct check *check = add_check(c, p, apply_multiple_of, ON_NUMBER);
    if (check)
        check->as.divisor = divisor;
    return check ? 0 : -ENOMEM;
}

/* ---- texts ---------------------------------------------------------------------------------- */

int count_of(struct compiler *c, const struct keyword_place *p, uint64_t *ret)
{
    if (p->value->kind == DOC_NUMBER && number_count(p->value->text, ret))
        return 0;
    return wrong(c, p, "must be a whole number from 0");
}

int compile_count(struct compiler *c, const struct keyword_place *p, check_apply *apply,
                  uint32_t kinds)
{
    uint64_t count;
    int error = count_of(c, p, &count);
    if (error)
        return error;
    struct check *check = add_check(c, p, apply, kinds);
    if (check)
        check->as.count = count;
    return check ? 0 : -ENOMEM;
}

static uint64_t characters(struct mg_str text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return count;
}

static bool fail_length(struct run *run, const struct check *check, const struct at *at,
                        const char *words)
{
    char is[SHOWN_BYTES];
    if (!run->report)
        return false;
    return fail(run, check, at, "must have at %s %" PRIu64 " character%s, has %" PRIu64 ": %s",
                words, check->as.count, check->as.count == 1 ? "" : "s",
                characters(at->value->text), shown(at->value, is));
}

static bool apply_min_length(struct run *run, const struct check *check, const struct at *at)
{
    return characters(at->value->text) >= check->as.count || fail_length(run, check, at, "least");
}

static bool apply_max_length(struct run *run, const struct check *check, const struct at *at)
{
    return characters(at->value->text) <= check->as.count || fail_length(run, check, at, "most");
}

int compile_min_length(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_min_length, ON_TEXT);
}

int compile_max_length(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_max_length, ON_TEXT);
}

static bool apply_pattern(struct run *run, const struct check *check, const struct at *at)
{
    char wanted[SHOWN_BYTES], is[SHOWN_BYTES];
    if (search(run, check->as.regex, at->value->text))
        return true;
    if (!run->report || run->gave_up)
        return false;
    const struct doc_value *pattern = doc_get(at->schema->value, (struct mg_str){"pattern", 7});
    return fail(run, check, at, "must match the pattern %s, is %s", shown(pattern, wanted),
                shown(at->value, is));
}

int compile_pattern(struct compiler *c, const struct keyword_place *p)
{
    const struct regex *regex;
    if (p->value->kind != DOC_TEXT)
        return wrong(c, p, "must be a regular expression");
    int error = compile_regex(c, p, p->value->text, &regex);
    if (error)
        return error;
    struct check *check = add_check(c, p, apply_pattern, ON_TEXT);
    if (check)
        check->as.regex = regex;
    return check ? 0 : -ENOMEM;
}

static bool apply_format(struct run *run, const struct check *check, const struct at *at)
{
    char is[SHOWN_BYTES];
    if (!spend(run, 1 + at->value->text.len / 64))
        return false;
    if (check->as.format->is(at->value->text))
        return true;
    if (!run->report)
        return false;
    return fail(run, check, at, "must be of the format %s, is %s", check->as.format->name,
                shown(at->value, is));
}

int compile_format(struct compiler *c, const struct keyword_place *p)
{
    bool asserted =
        c->assert_formats || p->schema->resource->vocabularies & VOCABULARY_FORMAT_ASSERTION;
    if (p->value->kind != DOC_TEXT)
        return wrong(c, p, "must be the name of a format");
    const struct format *format = asserted ? format_find(p->value->text) : NULL;
    if (!format)
        return 0;
    struct check *check = add_check(c, p, apply_format, ON_TEXT);
    if (check)
        check->as.format = format;
    return check ? 0 : -ENOMEM;
}
