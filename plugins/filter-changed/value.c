/* SPDX-License-Identifier: Apache-2.0 */
/* Values and how they differ. */
#include "value.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 63, DIGITS_AT_ONCE = 48 };

/* ---- hashes --------------------------------------------------------------------------------- */

/* A hash of two that tells what they are of. */
static struct hash128 joined(const struct keyed *k, char kind, const struct hash128 *a,
                             const struct hash128 *b)
{
    unsigned char bytes[1 + 2 * sizeof *a] = {(unsigned char)kind};
    memcpy(bytes + 1, a, sizeof *a);
    memcpy(bytes + 1 + sizeof *a, b, sizeof *b);
    return keyed_hash(k, bytes, sizeof bytes);
}

static struct hash128 hash_of_text(const struct keyed *k, struct mg_str text)
{
    static const struct hash128 nothing;
    struct hash128 hash = keyed_hash(k, text.at, text.len);
    return joined(k, '"', &hash, &nothing);
}

/* Digits with a point somewhere among them. */
struct digits {
    const char *at, *end;
    const char *point; /* where it is, or would be */
    int64_t power;     /* of ten, behind the e */
    bool negative;
};

static struct digits digits_of(struct mg_str s)
{
    const char *at = s.at, *end = s.at + s.len, *e = at;
    struct digits d = {.negative = at < end && *at == '-'};
    at += at < end && (*at == '-' || *at == '+');
    while (e < end && *e != 'e' && *e != 'E')
        e++;
    d.point = memchr(at, '.', (size_t)(e - at));
    d.point = d.point ? d.point : e;
    for (const char *p = e + (e < end); p < end; p++)
        if (*p >= '0' && *p <= '9' && d.power < INT64_MAX / 20)
            d.power = d.power * 10 + (*p - '0');
    if (end - e > 1 && e[1] == '-')
        d.power = -d.power;
    while (at < e && (*at == '0' || *at == '.'))
        at++;
    while (e > at && (e[-1] == '0' || e[-1] == '.'))
        e--;
    d.at = at;
    d.end = e;
    return d;
}

/* The same for every spelling of a number: of its digits from the first to the last that is not 0,
 * some at a time, and of its magnitude. */
static struct hash128 hash_of_number(const struct keyed *k, struct mg_str spelling)
{
    struct digits d = digits_of(spelling);
    struct hash128 hash = {{d.negative && d.at < d.end, 0}};
    int64_t magnitude = d.at < d.end ? d.power + (d.point - d.at) + (d.point < d.at) : 0;
    unsigned char some[sizeof hash + DIGITS_AT_ONCE];
    while (d.at < d.end) {
        size_t count = 0;
        for (; d.at < d.end && count < DIGITS_AT_ONCE; d.at++)
            if (d.at != d.point)
                some[sizeof hash + count++] = (unsigned char)*d.at;
        memcpy(some, &hash, sizeof hash);
        hash = keyed_hash(k, some, sizeof hash + count);
    }
    struct hash128 size = {{(uint64_t)magnitude, 0}};
    return joined(k, '0', &hash, &size);
}

static struct hash128 hash_of(const struct keyed *k, const struct doc_value *v);

/* Whatever the order of its members; of one name the last counts. */
static struct hash128 hash_of_object(const struct keyed *k, const struct doc_value *v)
{
    static const struct hash128 nothing;
    struct hash128 sum = {{0, 0}};
    for (size_t i = 0; i < v->count; i++) {
        const struct doc_member *m = &v->members[i];
        if (doc_get(v, m->name) != m->value)
            continue;
        struct hash128 name = hash_of_text(k, m->name), value = hash_of(k, m->value);
        struct hash128 member = joined(k, ':', &name, &value);
        sum.word[0] += member.word[0];
        sum.word[1] += member.word[1];
    }
    return joined(k, '{', &sum, &nothing);
}

/* As deep as a document may be, DOC_DEPTH_MAX. */
static struct hash128 hash_of(const struct keyed *k, const struct doc_value *v)
{
    struct hash128 hash = {{0, 0}};
    switch (v->kind) {
    case DOC_NUMBER:
        return hash_of_number(k, v->text);
    case DOC_TEXT:
        return hash_of_text(k, v->text);
    case DOC_OBJECT:
        return hash_of_object(k, v);
    case DOC_LIST:
        for (size_t i = 0; i < v->count; i++) {
            struct hash128 item = hash_of(k, v->items[i]);
            hash = joined(k, ',', &hash, &item);
        }
        return joined(k, '[', &hash, &(struct hash128){{v->count, 0}});
    case DOC_BOOL:
        hash.word[0] = v->truth;
        return joined(k, 't', &hash, &hash);
    case DOC_NULL:
        break;
    }
    return joined(k, 'n', &hash, &hash);
}

/* ---- values --------------------------------------------------------------------------------- */

struct value value_of_json(const struct keyed *keys, const struct doc_value *json)
{
    struct value v = {.hash = hash_of(keys, json)};
    v.is_number = doc_as_double(json, &v.number);
    return v;
}

static bool bare_number(struct mg_bytes payload, struct mg_str *ret_spelling, double *ret)
{
    static const char space[] = " \t\r\n";
    char text[NUMBER_BYTES_MAX + 1], *end;
    if (!payload.len || payload.len > NUMBER_BYTES_MAX)
        return false;
    memcpy(text, payload.at, payload.len);
    text[payload.len] = '\0';
    if (strspn(text, "0123456789+-.eE \t\r\n") != payload.len)
        return false;
    size_t begin = strspn(text, space);
    *ret = strtod(text, &end);
    if (end == text || end[strspn(end, space)] != '\0' || !isfinite(*ret))
        return false;
    *ret_spelling = (struct mg_str){(const char *)payload.at + begin, (size_t)(end - text) - begin};
    return true;
}

struct value value_of_payload(const struct keyed *keys, struct mg_bytes payload)
{
    struct value v = {0};
    struct mg_str spelling;
    v.is_number = bare_number(payload, &spelling, &v.number);
    v.hash =
        v.is_number ? hash_of_number(keys, spelling) : keyed_hash(keys, payload.at, payload.len);
    return v;
}

bool value_same(const struct value *a, const struct value *b)
{
    return a->is_number == b->is_number && hash128_equal(&a->hash, &b->hash);
}

bool value_differs(const struct value *last, const struct value *now, double band, bool relative)
{
    if (!last->is_number || !now->is_number)
        return !value_same(last, now);
    if (relative)
        band *= fabs(last->number);
    if (band <= 0) /* any change, also one that a double has no room for */
        return !value_same(last, now);
    /* The last digit of decimal fractions is not exact: 20.5 to 21 is not more than 0.5. */
    double noise = 4 * 2.220446049250313e-16 * (fabs(last->number) + fabs(now->number));
    return fabs(now->number - last->number) > band + noise;
}
