/* SPDX-License-Identifier: Apache-2.0 */
/* Atoms against values. */
#include "atom.h"
#include <string.h>

bool value_number(struct value *v)
{
    if (!v->number_known) {
        bool number = v->at[0] == '-' || (v->at[0] >= '0' && v->at[0] <= '9');
        v->number_known = number && number_read(v->at, v->length, &v->number) ? 2 : 1;
    }
    return v->number_known == 2;
}

bool value_ip(struct value *v)
{
    if (!v->ip_known)
        v->ip_known =
            v->at[0] == '"' && v->length > 2 && ip_parse(v->at + 1, v->length - 2, &v->ip) ? 2 : 1;
    return v->ip_known == 2;
}

static bool wildcard_holds(const struct wildcard *w, const char *at, size_t length)
{
    const struct piece *first = &w->pieces[0], *last = &w->pieces[w->count - 1];
    if (w->count == 1)
        return length == first->length && !memcmp(at, first->at, length);
    if (length < first->length + last->length || memcmp(at, first->at, first->length) ||
        memcmp(at + length - last->length, last->at, last->length))
        return false;
    const char *end = at + length - last->length;
    at += first->length;
    for (size_t i = 1; i + 1 < w->count; i++) {
        const char *found = memmem(at, (size_t)(end - at), w->pieces[i].at, w->pieces[i].length);
        if (!found)
            return false;
        at = found + w->pieces[i].length;
    }
    return true;
}

bool atom_holds(const struct atom *a, struct value *v)
{
    const char *end = v->at + v->length;
    switch (a->type) {
    case ATOM_TEXT:
        return a->length == v->length && !memcmp(a->text, v->at, a->length);
    case ATOM_NUMBER:
        return value_number(v) && v->number >= a->as.number.first && v->number <= a->as.number.last;
    case ATOM_IP:
        return value_ip(v) && ip_compare(&v->ip, &a->as.ip.first) >= 0 &&
               ip_compare(&v->ip, &a->as.ip.last) <= 0;
    case ATOM_PREFIX: /* which never reaches the other quote */
        return a->length < v->length && !memcmp(a->text, v->at, a->length);
    case ATOM_SUFFIX:
        return a->length < v->length && !memcmp(a->text, end - a->length, a->length);
    case ATOM_FOLD:
        return fold_prefix(a->as.fold, v->at, v->length) == (ptrdiff_t)v->length;
    case ATOM_FOLD_PREFIX:
        return fold_prefix(a->as.fold, v->at, v->length - 1) >= 0;
    case ATOM_FOLD_SUFFIX:
        return fold_suffix(a->as.fold, v->at + 1, v->length - 1) >= 0;
    case ATOM_WILDCARD:
        return wildcard_holds(a->as.wildcard, v->at, v->length);
    case ATOM_NONE_OF:
        return !choice_holds(a->as.none_of, v);
    default:
        return true; /* ATOM_EXISTS */
    }
}

static bool has_text(const struct choice *c, const struct value *v)
{
    size_t low = 0, high = c->text_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct atom *a = &c->texts[middle];
        int order = a->length != v->length ? (a->length < v->length ? -1 : 1)
                                           : memcmp(a->text, v->at, v->length);
        if (!order)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool has_number(const struct choice *c, struct value *v)
{
    size_t low = 0, high = c->number_count;
    if (!high || !value_number(v))
        return false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->numbers[middle].as.number.first < v->number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->number_count && c->numbers[low].as.number.first == v->number;
}

bool choice_holds(const struct choice *c, struct value *v)
{
    if (has_text(c, v) || has_number(c, v))
        return true;
    for (size_t i = 0; i < c->other_count; i++)
        if (atom_holds(&c->others[i], v))
            return true;
    return false;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return a_length ? memcmp(a, b, a_length) : 0;
}

static int compare_wildcards(const struct wildcard *a, const struct wildcard *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    int order = 0;
    for (size_t i = 0; i < a->count && !order; i++)
        order = compare_bytes(a->pieces[i].at, a->pieces[i].length, b->pieces[i].at,
                              b->pieces[i].length);
    return order;
}

int atom_compare(const struct atom *a, const struct atom *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    int order = compare_bytes(a->text, a->length, b->text, b->length);
    if (order)
        return order;
    switch (a->type) {
    case ATOM_NUMBER:
        if (a->as.number.first != b->as.number.first)
            return a->as.number.first < b->as.number.first ? -1 : 1;
        return a->as.number.last < b->as.number.last ? -1 : a->as.number.last > b->as.number.last;
    case ATOM_IP:
        order = ip_compare(&a->as.ip.first, &b->as.ip.first);
        return order ? order : ip_compare(&a->as.ip.last, &b->as.ip.last);
    case ATOM_FOLD:
    case ATOM_FOLD_PREFIX:
    case ATOM_FOLD_SUFFIX:
        return compare_bytes(
            (const char *)a->as.fold->chars, a->as.fold->count * sizeof a->as.fold->chars[0],
            (const char *)b->as.fold->chars, b->as.fold->count * sizeof b->as.fold->chars[0]);
    case ATOM_WILDCARD:
        return compare_wildcards(a->as.wildcard, b->as.wildcard);
    case ATOM_NONE_OF:
        return choice_compare(a->as.none_of, b->as.none_of);
    default:
        return 0;
    }
}

static int compare_atoms(const struct atom *a, size_t a_count, const struct atom *b, size_t b_count)
{
    if (a_count != b_count)
        return a_count < b_count ? -1 : 1;
    int order = 0;
    for (size_t i = 0; i < a_count && !order; i++)
        order = atom_compare(&a[i], &b[i]);
    return order;
}

int choice_compare(const struct choice *a, const struct choice *b)
{
    if (a->absent != b->absent)
        return a->absent ? 1 : -1;
    int order = compare_atoms(a->texts, a->text_count, b->texts, b->text_count);
    if (!order)
        order = compare_atoms(a->numbers, a->number_count, b->numbers, b->number_count);
    if (!order)
        order = compare_atoms(a->others, a->other_count, b->others, b->other_count);
    return order;
}
