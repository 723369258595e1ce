/* SPDX-License-Identifier: Apache-2.0 */
/* One value converted: split → trim, case → enum, or time, or number and type → join. */
#include "constant.h"
#include "convert.h"
#include "decimal.h"
#include "wrong.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SPLIT_MAX = 65536 };

const char *kind_of(const struct doc_value *value)
{
    static const char *const names[] = {
        [DOC_NULL] = "null",   [DOC_BOOL] = "a boolean", [DOC_NUMBER] = "a number",
        [DOC_TEXT] = "a text", [DOC_LIST] = "a list",    [DOC_OBJECT] = "an object"};
    return names[value->kind];
}

static int cannot(const char *name, const struct doc_value *in, const char *what,
                  struct mg_err *err)
{
    bool text = in->kind == DOC_TEXT, shown = text || in->kind == DOC_NUMBER;
    int length = !shown ? 0 : in->text.len < 40 ? (int)in->text.len : 40;
    snprintf(err->text, sizeof err->text, "%.80s: %s%s%.*s%s %s", name, kind_of(in),
             !shown ? ""
             : text ? " \""
                    : " ",
             length, shown ? in->text.at : "", text ? "\"" : "", what);
    return -EINVAL;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int compute(const struct convert *c, struct mg_str *number, char *room, size_t size)
{
    struct doc_value spelled = {.kind = DOC_NUMBER, .text = *number};
    double real;
    if (!doc_as_double(&spelled, &real))
        return -ERANGE;
    if (c->scaled)
        real = real * c->scale + c->offset;
    if (c->has_unit)
        real = (real * c->unit.multiply + c->unit.add) / c->unit.divide;
    if (!isfinite(real))
        return -ERANGE;
    int n = doc_format_double(real == 0 ? 0 : real, room, size);
    if (!memchr(room, '.', (size_t)n) && !memchr(room, 'e', (size_t)n)) {
        memcpy(room + n, ".0", 3); /* what was computed with a fraction keeps one */
        n += 2;
    }
    *number = (struct mg_str){room, (size_t)n};
    return 0;
}

static bool is_digits(struct mg_str number)
{
    for (size_t i = number.at[0] == '-'; i < number.len; i++)
        if (number.at[i] < '0' || number.at[i] > '9')
            return false;
    return true;
}

/* Digits alone stay, however many; others are rounded to a whole number of 64 bits. */
static int make_whole(struct run *run, struct doc_value *in, struct mg_str number,
                      struct doc_value **ret)
{
    struct doc_value spelled = {.kind = DOC_NUMBER, .text = number};
    char room[DECIMAL_BYTES];
    int64_t whole;
    if (is_digits(number)) {
        *ret =
            in->kind == DOC_NUMBER && in->text.at == number.at ? in : doc_number(run->doc, number);
        return 0;
    }
    if (!doc_as_int(&spelled, &whole)) {
        spelled.text = decimal_round(number, 0, room);
        if (!spelled.text.at || !doc_as_int(&spelled, &whole))
            return -ERANGE;
    }
    *ret = doc_int(run->doc, whole);
    return 0;
}

static int convert_number(const struct convert *c, const char *name, struct run *run,
                          struct doc_value *in, struct doc_value **ret, struct mg_err *err)
{
    char spelling[48], room[48], rounded[DECIMAL_BYTES];
    struct mg_str number;
    if (in->kind == DOC_NUMBER)
        number = in->text;
    else if (in->kind != DOC_TEXT || !spell_number(in->text, spelling, sizeof spelling, &number))
        return cannot(name, in, "is not a number", err);
    if ((c->scaled || c->has_unit) && compute(c, &number, room, sizeof room - 2))
        return cannot(name, in, "is beyond what a number holds", err);
    if (c->rounded) {
        struct mg_str fewer = decimal_round(number, c->places, rounded);
        number = fewer.at ? fewer : number;
    }
    if (c->type == TYPE_INTEGER) {
        if (make_whole(run, in, number, ret))
            return cannot(name, in, "is beyond 64 bits", err);
    } else {
        *ret =
            number.at == in->text.at && in->kind == DOC_NUMBER ? in : doc_number(run->doc, number);
    }
    return *ret ? 0 : out_of_memory(err);
}

/* ---- other types ---------------------------------------------------------------------------- */

static int convert_text(const char *name, struct run *run, struct doc_value *in,
                        struct doc_value **ret, struct mg_err *err)
{
    if (in->kind == DOC_OBJECT || in->kind == DOC_LIST || in->kind == DOC_NULL)
        return cannot(name, in, "is not a text", err);
    *ret = in;
    if (in->kind == DOC_NUMBER)
        *ret = doc_text(run->doc, in->text);
    else if (in->kind == DOC_BOOL)
        *ret = doc_text(run->doc,
                        in->truth ? (struct mg_str){"true", 4} : (struct mg_str){"false", 5});
    return *ret ? 0 : out_of_memory(err);
}

static bool is(struct mg_str text, const char *other)
{
    return text.len == strlen(other) && !memcmp(text.at, other, text.len);
}

static int convert_boolean(const char *name, struct run *run, struct doc_value *in,
                           struct doc_value **ret, struct mg_err *err)
{
    bool text = in->kind == DOC_TEXT, number = in->kind == DOC_NUMBER;
    bool yes = (in->kind == DOC_BOOL && in->truth) ||
               (number && !doc_number_compare(in->text, (struct mg_str){"1", 1})) ||
               (text && (is(in->text, "true") || is(in->text, "1")));
    bool no = (in->kind == DOC_BOOL && !in->truth) ||
              (number && !doc_number_compare(in->text, (struct mg_str){"0", 1})) ||
              (text && (is(in->text, "false") || is(in->text, "0")));
    if (!yes && !no)
        return cannot(name, in, "is neither true nor false", err);
    *ret = doc_bool(run->doc, yes);
    return *ret ? 0 : out_of_memory(err);
}

static int convert_time(const struct convert *c, const char *name, struct run *run,
                        struct doc_value *in, struct doc_value **ret, struct mg_err *err)
{
    struct instant instant;
    char what[64];
    if (!instant_read(in, c->time_from, c->zone, &instant)) {
        snprintf(what, sizeof what, "is no time as %s has it", instant_forms[c->time_from]);
        return cannot(name, in, what, err);
    }
    if (!instant_fits(instant, c->time_to, c->zone))
        return cannot(name, in, "is not within the years 1 to 9999 of that zone", err);
    *ret = instant_write(instant, c->time_to, c->zone, run->doc);
    return *ret ? 0 : out_of_memory(err);
}

static int choose(const struct convert *c, const char *name, struct run *run, struct doc_value *in,
                  struct doc_value **ret, struct mg_err *err)
{
    for (size_t i = 0; i < c->choice_count; i++) {
        const struct choice *choice = &c->choices[i];
        bool same = in->kind == DOC_TEXT ? in->text.len == choice->name.len &&
                                               !memcmp(in->text.at, choice->name.at, in->text.len)
                                         : choice->same && doc_equal(in, choice->same);
        if (same) {
            *ret = choice->to;
            return 0;
        }
    }
    run->unknown++;
    if (c->otherwise == ELSE_REJECT)
        return cannot(name, in, "is none of those that enum knows", err);
    *ret = c->otherwise == ELSE_VALUE ? c->other : in;
    return 0;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Letters beyond ASCII have no case here. */
static struct doc_value *tidy(const struct convert *c, struct run *run, struct doc_value *in)
{
    struct mg_str text = in->text;
    while (c->trim && text.len && is_space(text.at[0]))
        text = (struct mg_str){text.at + 1, text.len - 1};
    while (c->trim && text.len && is_space(text.at[text.len - 1]))
        text.len--;
    if (!c->letters)
        return text.len == in->text.len ? in : doc_text(run->doc, text);
    char *out = run_take(run, text.len ? text.len : 1);
    if (!out)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        char letter = text.at[i];
        bool other =
            c->letters == 'u' ? letter >= 'a' && letter <= 'z' : letter >= 'A' && letter <= 'Z';
        out[i] = (char)(other ? letter ^ 0x20 : letter);
    }
    return doc_text(run->doc, (struct mg_str){out, text.len});
}

static int convert_one(const struct convert *c, const char *name, struct run *run,
                       struct doc_value *in, struct doc_value **ret, struct mg_err *err)
{
    if ((c->trim || c->letters) && in->kind == DOC_TEXT && !(in = tidy(c, run, in)))
        return out_of_memory(err);
    if (c->choices)
        return choose(c, name, run, in, ret, err);
    if (c->timed)
        return convert_time(c, name, run, in, ret, err);
    if (c->scaled || c->has_unit || c->rounded || c->type == TYPE_NUMBER || c->type == TYPE_INTEGER)
        return convert_number(c, name, run, in, ret, err);
    if (c->type == TYPE_TEXT)
        return convert_text(name, run, in, ret, err);
    if (c->type == TYPE_BOOLEAN)
        return convert_boolean(name, run, in, ret, err);
    *ret = in;
    return 0;
}

/* ---- lists of texts ------------------------------------------------------------------------- */

/* An empty text has no parts. */
static int split(const struct convert *c, const char *name, struct run *run, struct doc_value *in,
                 struct doc_value **ret, struct mg_err *err)
{
    struct doc_value *list = doc_list(run->doc);
    if (in->kind != DOC_TEXT)
        return cannot(name, in, "is not a text to split", err);
    const char *at = in->text.at, *end = at + in->text.len;
    while (list && (at < end || list->count)) {
        if (list->count == SPLIT_MAX)
            return cannot(name, in, "has too many parts", err);
        const char *next = memmem(at, (size_t)(end - at), c->split.at, c->split.len);
        struct mg_str part = {at, (size_t)((next ? next : end) - at)};
        if (doc_append(run->doc, list, doc_text(run->doc, part)))
            return out_of_memory(err);
        if (!next)
            break;
        at = next + c->split.len;
    }
    *ret = list;
    return list ? 0 : out_of_memory(err);
}

static int join(const struct convert *c, const char *name, struct run *run,
                const struct doc_value *list, struct doc_value **ret, struct mg_err *err)
{
    size_t length = 0;
    for (size_t i = 0; i < list->count; i++) {
        int error = convert_text(name, run, list->items[i], &list->items[i], err);
        if (error)
            return error;
        length += list->items[i]->text.len + (i ? c->join.len : 0);
    }
    char *out = run_take(run, length ? length : 1), *at = out;
    for (size_t i = 0; out && i < list->count; i++) {
        struct mg_str part = list->items[i]->text;
        if (i && c->join.len)
            at = mempcpy(at, c->join.at, c->join.len);
        if (part.len)
            at = mempcpy(at, part.at, part.len);
    }
    *ret = out ? doc_text(run->doc, (struct mg_str){out, length}) : NULL;
    return *ret ? 0 : out_of_memory(err);
}

int convert_value(const struct convert *c, const char *name, struct run *run,
                  struct doc_value *value, struct doc_value **ret_value, struct mg_err *reterr)
{
    int error = 0;
    if (c->split.at)
        error = split(c, name, run, value, &value, reterr);
    if (error)
        return error;
    if (!c->split.at && !c->join.at)
        return convert_one(c, name, run, value, ret_value, reterr);
    if (value->kind != DOC_LIST)
        return cannot(name, value, "is not a list to join", reterr);
    struct doc_value *list = doc_list(run->doc);
    if (!list)
        return out_of_memory(reterr);
    for (size_t i = 0; i < value->count; i++) {
        struct doc_value *part = NULL;
        error = convert_one(c, name, run, value->items[i], &part, reterr);
        if (error)
            return error;
        if (doc_append(run->doc, list, part))
            return out_of_memory(reterr);
    }
    *ret_value = list;
    return c->join.at ? join(c, name, run, list, ret_value, reterr) : 0;
}
