/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a table as JSON texts, found by a hash of their keys. */
#include "build.h"
#include "arena.h"
#include "json_scan.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 64, BLOWUP_MAX = 8 };

struct entry {
    struct table_row row;
    struct entry *last; /* of the first: the last of its key */
    size_t same;        /* of the first: how many there are */
    uint64_t hash;
    size_t key_length;
    char bytes[]; /* the key, then the row's JSON */
};

struct table {
    atomic_uint refs;
    struct arena arena; /* of the entries */
    size_t rows, keys, slot_count, bytes;
    struct entry **slots; /* open addressing, at most half full */
};

int build_wrong(struct build *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->err->text, sizeof b->err->text, format, args);
    va_end(args);
    return -EINVAL;
}

/* ---- the index ------------------------------------------------------------------------------ */

static uint64_t hash_of(struct mg_str key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* The slot of that key, or the empty one where it belongs. */
static struct entry **slot_of(const struct table *t, uint64_t hash, struct mg_str key)
{
    size_t mask = t->slot_count - 1, at = (size_t)hash & mask;
    for (;; at = (at + 1) & mask) {
        const struct entry *e = t->slots[at];
        if (!e || (e->hash == hash && e->key_length == key.len &&
                   (!key.len || !memcmp(e->bytes, key.at, key.len))))
            return &t->slots[at];
    }
}

static int make_room(struct table *t)
{
    if (2 * (t->keys + 1) <= t->slot_count)
        return 0;
    size_t old_count = t->slot_count, count = old_count ? 2 * old_count : SLOTS_MIN;
    struct entry **old = t->slots, **slots = calloc(count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    t->slots = slots;
    t->slot_count = count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            *slot_of(t, old[i]->hash, (struct mg_str){old[i]->bytes, old[i]->key_length}) = old[i];
    free(old);
    return 0;
}

const struct table_row *table_find(const struct table *t, struct mg_str key)
{
    const struct entry *e = t->slot_count ? *slot_of(t, hash_of(key), key) : NULL;
    return e ? &e->row : NULL;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int link_entry(struct build *b, struct entry *e, struct mg_str key, const char *where,
                      size_t number)
{
    struct table *t = b->table;
    struct entry **slot = slot_of(t, e->hash, key), *first = *slot;
    if (!first) {
        *slot = e;
        e->last = e;
        e->same = 1;
        t->keys++;
        return 0;
    }
    if (b->options->multiple == MULTIPLE_ERROR)
        return build_wrong(b, "%s %zu: the key \"%.*s\" is there twice", where, number,
                           (int)(key.len < 80 ? key.len : 80), key.at);
    if (first->same == TABLE_ROWS_OF_KEY_MAX)
        return build_wrong(b, "%s %zu: more than %d rows of the key \"%.*s\"", where, number,
                           TABLE_ROWS_OF_KEY_MAX, (int)(key.len < 80 ? key.len : 80), key.at);
    first->same++;
    first->last->row.next = &e->row;
    first->last = e;
    return 0;
}

static int add(struct build *b, struct mg_str key, struct mg_bytes json, const char *where,
               size_t number)
{
    struct table *t = b->table;
    size_t size = sizeof(struct entry) + key.len + json.len;
    size = (size + 15) / 16 * 16; /* the next one stands well, too */
    if (t->rows == TABLE_ROWS_MAX)
        return build_wrong(b, "more than %d rows", TABLE_ROWS_MAX);
    t->bytes += size;
    if (t->bytes / BLOWUP_MAX > (uint64_t)b->options->most_bytes) {
        build_wrong(b, "the table takes more than %d times the %lld bytes of max_size", BLOWUP_MAX,
                    (long long)b->options->most_bytes);
        return -EFBIG;
    }
    struct entry *e = make_room(t) ? NULL : (struct entry *)(void *)arena_take(&t->arena, size);
    if (!e)
        return -ENOMEM;
    *e = (struct entry){.hash = hash_of(key), .key_length = key.len};
    if (key.len)
        memcpy(e->bytes, key.at, key.len);
    memcpy(e->bytes + key.len, json.at, json.len);
    e->row.json = (struct mg_bytes){e->bytes + key.len, json.len};
    t->rows++;
    return link_entry(b, e, key, where, number);
}

int build_add(struct build *b, struct mg_str key, const struct doc_value *value, const char *where,
              size_t number)
{
    size_t length = 0;
    char *json = value ? doc_write(value, &length) : NULL;
    int error = -ENOMEM;
    if (json && !build_is_text(key))
        error = build_wrong(b, "%s %zu: the key is not UTF-8", where, number);
    else if (json)
        error = add(b, key, (struct mg_bytes){json, length}, where, number);
    free(json);
    doc_reset(b->doc);
    return error;
}

bool build_is_text(struct mg_str text)
{
    return scan_is_utf8(text.at, text.len);
}

/* ---- columns -------------------------------------------------------------------------------- */

static bool is_name(struct mg_str name, const char *text)
{
    return strlen(text) == name.len && !memcmp(text, name.at, name.len);
}

bool build_takes(const struct build *b, struct mg_str name, bool is_key)
{
    const struct table_options *o = b->options;
    if (o->column)
        return is_name(name, o->column);
    for (size_t i = 0; i < o->column_count; i++)
        if (is_name(name, o->columns[i]))
            return true;
    return !o->column_count && !is_key;
}

int build_cell(struct build *b, struct doc_value **row, struct mg_str name, struct doc_value *value)
{
    if (b->options->column) {
        *row = value;
        return value ? 0 : -ENOMEM;
    }
    if (!*row)
        *row = doc_object(b->doc);
    return *row ? doc_set(b->doc, *row, name, value) : -ENOMEM;
}

static int need(struct build *b, const struct columns *c, const char *name, const char *where,
                size_t *ret_place)
{
    for (size_t i = 0; i < c->count; i++) {
        if (is_name(c->names[i], name)) {
            *ret_place = i;
            return 0;
        }
    }
    struct mg_err *err = b->err;
    size_t used = (size_t)snprintf(err->text, sizeof err->text,
                                   "%s: no column \"%.60s\"; there are", where, name);
    for (size_t i = 0; i < c->count && used + 1 < sizeof err->text; i++)
        used +=
            (size_t)snprintf(err->text + used, sizeof err->text - used, "%s %.*s", i ? "," : "",
                             (int)(c->names[i].len < 40 ? c->names[i].len : 40), c->names[i].at);
    return -EINVAL;
}

int build_columns(struct build *b, struct columns *c, const char *where)
{
    const struct table_options *o = b->options;
    size_t place;
    for (size_t i = 0; i < c->count; i++) {
        struct mg_str name = c->names[i];
        if (!name.len)
            return build_wrong(b, "%s: column %zu has no name", where, i + 1);
        if (!build_is_text(name))
            return build_wrong(b, "%s: the name of column %zu is not UTF-8", where, i + 1);
        for (size_t k = 0; k < i; k++)
            if (c->names[k].len == name.len && !memcmp(c->names[k].at, name.at, name.len))
                return build_wrong(b, "%s: two columns \"%.*s\"", where,
                                   (int)(name.len < 80 ? name.len : 80), name.at);
    }
    int error = o->key_column ? need(b, c, o->key_column, where, &c->key) : 0;
    if (!error && o->column)
        error = need(b, c, o->column, where, &place);
    for (size_t i = 0; i < o->column_count && !error; i++)
        error = need(b, c, o->columns[i], where, &place);
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct table *table_new(void)
{
    struct table *t = calloc(1, sizeof *t);
    if (t)
        atomic_init(&t->refs, 1);
    return t;
}

struct table *table_ref(struct table *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void table_unref(struct table *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    arena_fini(&t->arena);
    free(t->slots);
    free(t);
}

size_t table_count(const struct table *t)
{
    return t->rows;
}
