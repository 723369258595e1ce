/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a document: made, found, put, taken away.  A large object has an index of its
 * members sorted by name, since a hash table can be made slow by whoever writes the names.  Members
 * that are put stand behind it first, and come into it many at a time. */
#include "json_doc_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8, INDEX_FROM = 16, TAIL_MAX = 256, VALUES_TOGETHER = 32 };

struct doc *doc_create(void)
{
    struct doc *doc = calloc(1, sizeof *doc);
    if (doc)
        doc->arena.most = DOC_MEMORY_MAX;
    return doc;
}

void doc_destroy(struct doc *doc)
{
    if (!doc)
        return;
    arena_fini(&doc->arena);
    free(doc);
}

void doc_reset(struct doc *doc)
{
    arena_reset(&doc->arena);
    doc->spare_count = 0;
}

struct doc_value *doc_new(struct doc *doc, enum doc_kind kind)
{
    if (!doc->spare_count) {
        doc->spare = arena_take(&doc->arena, VALUES_TOGETHER * sizeof *doc->spare);
        if (!doc->spare)
            return NULL;
        doc->spare_count = VALUES_TOGETHER;
    }
    doc->spare_count--;
    *doc->spare = (struct doc_value){.kind = kind};
    return doc->spare++;
}

/* ---- scalars -------------------------------------------------------------------------------- */

struct doc_value *doc_null(struct doc *doc)
{
    return doc_new(doc, DOC_NULL);
}

struct doc_value *doc_bool(struct doc *doc, bool truth)
{
    struct doc_value *value = doc_new(doc, DOC_BOOL);
    if (value)
        value->truth = truth;
    return value;
}

static struct doc_value *with_text(struct doc *doc, enum doc_kind kind, struct mg_str text)
{
    struct doc_value *value = doc_new(doc, kind);
    char *copy = value && text.len ? arena_take(&doc->arena, text.len) : NULL;
    if (!value || (text.len && !copy))
        return NULL;
    if (text.len)
        memcpy(copy, text.at, text.len);
    value->text = (struct mg_str){text.len ? copy : "", text.len};
    return value;
}

struct doc_value *doc_number(struct doc *doc, struct mg_str spelling)
{
    return with_text(doc, DOC_NUMBER, spelling);
}

struct doc_value *doc_text(struct doc *doc, struct mg_str text)
{
    return with_text(doc, DOC_TEXT, text);
}

static struct doc_value *whole(struct doc *doc, uint64_t magnitude, bool negative)
{
    char text[24], *at = text + sizeof text;
    do {
        *--at = (char)('0' + magnitude % 10);
    } while (magnitude /= 10);
    if (negative)
        *--at = '-';
    return doc_number(doc, (struct mg_str){at, (size_t)(text + sizeof text - at)});
}

struct doc_value *doc_int(struct doc *doc, int64_t number)
{
    return whole(doc, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0);
}

struct doc_value *doc_uint(struct doc *doc, uint64_t number)
{
    return whole(doc, number, false);
}

/* ---- lists ---------------------------------------------------------------------------------- */

struct doc_value *doc_list(struct doc *doc)
{
    return doc_new(doc, DOC_LIST);
}

struct doc_value *doc_object(struct doc *doc)
{
    return doc_new(doc, DOC_OBJECT);
}

/* Room for one more of size bytes; what it had stays in the arena until the document is reset. */
static void *grow(struct doc *doc, struct doc_value *value, const void *old, size_t size)
{
    size_t room = value->room ? value->room * 2 : FIRST_ROOM;
    void *at = arena_take(&doc->arena, room * size);
    if (!at)
        return NULL;
    if (value->count)
        memcpy(at, old, value->count * size);
    value->room = room;
    return at;
}

int doc_append(struct doc *doc, struct doc_value *list, struct doc_value *item)
{
    if (!item)
        return -ENOMEM;
    if (list->count == list->room) {
        struct doc_value **items = grow(doc, list, list->items, sizeof(struct doc_value *));
        if (!items)
            return -ENOMEM;
        list->items = items;
    }
    list->items[list->count++] = item;
    return 0;
}

struct doc_value *doc_at(const struct doc_value *list, size_t index)
{
    return list && list->kind == DOC_LIST && index < list->count ? list->items[index] : NULL;
}

void doc_remove_at(struct doc_value *list, size_t index)
{
    if (index >= list->count)
        return;
    list->count--;
    memmove(list->items + index, list->items + index + 1,
            (list->count - index) * sizeof(struct doc_value *));
}

/* ---- objects -------------------------------------------------------------------------------- */

static int compare_names(struct mg_str a, struct mg_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_members(const void *a, const void *b, void *members)
{
    const struct doc_member *at = members;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int order = compare_names(at[i].name, at[j].name);
    return order ? order : (i > j) - (i < j);
}

int doc_index(struct doc *doc, struct doc_value *object)
{
    if (object->count <= INDEX_FROM || object->count > UINT32_MAX / 2)
        return 0;
    uint32_t room = (uint32_t)(object->room > object->count ? object->room : object->count);
    uint32_t *index = arena_take(&doc->arena, room * sizeof *index);
    if (!index)
        return -ENOMEM;
    for (uint32_t i = 0; i < object->count; i++)
        index[i] = i;
    qsort_r(index, object->count, sizeof *index, compare_members, object->members);
    object->index = index;
    object->index_room = room;
    object->indexed = (uint32_t)object->count;
    return 0;
}

/* The place among the first `to` of the index behind all members whose names are not greater. */
static size_t place_behind(const struct doc_value *object, struct mg_str name, size_t to)
{
    size_t from = 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_names(object->members[object->index[middle]].name, name) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The last member of that name; those that are in no index are looked through. */
static struct doc_member *find(const struct doc_value *object, struct mg_str name)
{
    size_t indexed = object->index ? object->indexed : 0;
    for (size_t i = object->count; i > indexed; i--) {
        struct doc_member *m = &object->members[i - 1];
        if (m->name.len == name.len &&
            (!name.len || (m->name.at[0] == name.at[0] && !memcmp(m->name.at, name.at, name.len))))
            return m;
    }
    size_t place = indexed ? place_behind(object, name, indexed) : 0;
    struct doc_member *m = place ? &object->members[object->index[place - 1]] : NULL;
    return m && !compare_names(m->name, name) ? m : NULL;
}

struct doc_value *doc_get(const struct doc_value *object, struct mg_str name)
{
    struct doc_member *m = object && object->kind == DOC_OBJECT ? find(object, name) : NULL;
    return m ? m->value : NULL;
}

struct doc_member *doc_add(struct doc *doc, struct doc_value *object)
{
    if (object->count == object->room) {
        struct doc_member *members = grow(doc, object, object->members, sizeof *members);
        if (!members)
            return NULL;
        object->members = members;
    }
    return &object->members[object->count];
}

/* The TAIL_MAX members behind the index come into it, the greatest name first: so each entry moves
 * once. */
static int index_tail(struct doc *doc, struct doc_value *object)
{
    uint32_t tail[TAIL_MAX];
    if (object->index_room < object->indexed + TAIL_MAX) {
        uint32_t *index = arena_take(&doc->arena, object->room * sizeof *index);
        if (!index)
            return -ENOMEM;
        memcpy(index, object->index, object->indexed * sizeof *index);
        object->index = index;
        object->index_room = (uint32_t)object->room;
    }
    for (uint32_t i = 0; i < TAIL_MAX; i++)
        tail[i] = object->indexed + i;
    qsort_r(tail, TAIL_MAX, sizeof *tail, compare_members, object->members);
    size_t end = object->indexed;
    for (size_t i = TAIL_MAX; i-- > 0;) {
        size_t place = place_behind(object, object->members[tail[i]].name, end);
        memmove(object->index + place + i + 1, object->index + place,
                (end - place) * sizeof *object->index);
        object->index[place + i] = tail[i];
        end = place;
    }
    object->indexed += TAIL_MAX;
    return 0;
}

int doc_set(struct doc *doc, struct doc_value *object, struct mg_str name, struct doc_value *value)
{
    struct doc_member *m = find(object, name);
    if (!value)
        return -ENOMEM;
    if (m) {
        m->value = value;
        return 0;
    }
    char *copy = name.len ? arena_take(&doc->arena, name.len) : NULL;
    m = doc_add(doc, object);
    if (!m || (name.len && !copy))
        return -ENOMEM;
    if (name.len)
        memcpy(copy, name.at, name.len);
    *m = (struct doc_member){.name = {name.len ? copy : "", name.len}, .value = value};
    object->count++;
    if (!object->index)
        return doc_index(doc, object);
    return object->count - object->indexed < TAIL_MAX ? 0 : index_tail(doc, object);
}

size_t doc_remove(struct doc_value *object, struct mg_str name)
{
    if (!object || object->kind != DOC_OBJECT || !find(object, name))
        return 0;
    size_t kept = 0, count = object->count;
    for (size_t i = 0; i < count; i++)
        if (compare_names(object->members[i].name, name))
            object->members[kept++] = object->members[i];
    object->count = kept;
    object->index = NULL; /* its places have moved; the next doc_set makes another */
    object->index_room = 0;
    return count - kept;
}

size_t doc_rename(struct doc_value *object, struct mg_str name, struct mg_str to)
{
    size_t renamed = 0;
    if (!object || object->kind != DOC_OBJECT || !find(object, name))
        return 0;
    for (size_t i = 0; i < object->count; i++) {
        struct doc_member *m = &object->members[i];
        if (compare_names(m->name, name))
            continue;
        m->name = to;
        m->raw = (struct mg_str){0};
        renamed++;
    }
    object->index = NULL; /* its order has changed; the next doc_set makes another */
    object->index_room = 0;
    return renamed;
}

/* ---- whole values --------------------------------------------------------------------------- */

/* As deep as the parser and the modules' settings let a value be. */
struct doc_value *doc_copy(struct doc *doc, const struct doc_value *from)
{
    struct doc_value *value = doc_new(doc, from->kind);
    if (!value)
        return NULL;
    *value = *from; /* texts are shared: nobody writes into them */
    if (from->kind != DOC_LIST && from->kind != DOC_OBJECT)
        return value;
    bool list = from->kind == DOC_LIST;
    value->room = from->count;
    value->index = NULL;
    value->index_room = 0;
    void *room = arena_take(&doc->arena,
                            from->count * (list ? sizeof *value->items : sizeof *value->members));
    if (!room)
        return NULL;
    if (list)
        value->items = room;
    else
        value->members = room;
    for (size_t i = 0; i < from->count; i++) {
        struct doc_value *part = doc_copy(doc, list ? from->items[i] : from->members[i].value);
        if (!part)
            return NULL;
        if (list) {
            value->items[i] = part;
        } else {
            value->members[i] = from->members[i];
            value->members[i].value = part;
        }
    }
    return list || !doc_index(doc, value) ? value : NULL;
}

static bool equal_members(const struct doc_value *a, const struct doc_value *b)
{
    for (size_t i = 0; i < a->count; i++) {
        struct mg_str name = a->members[i].name;
        struct doc_value *one = doc_get(a, name), *other = doc_get(b, name);
        if (!other || (one == a->members[i].value && !doc_equal(one, other)))
            return false;
    }
    return true;
}

/* Does b have a name that a has not?  Their counts do not tell: names may repeat. */
static bool has_more(const struct doc_value *a, const struct doc_value *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (!find(a, b->members[i].name))
            return true;
    return false;
}

bool doc_equal(const struct doc_value *a, const struct doc_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case DOC_NULL:
        return true;
    case DOC_BOOL:
        return a->truth == b->truth;
    case DOC_NUMBER:
        return !doc_number_compare(a->text, b->text);
    case DOC_TEXT:
        return !compare_names(a->text, b->text);
    case DOC_LIST:
        for (size_t i = 0; i < a->count && i < b->count; i++)
            if (!doc_equal(a->items[i], b->items[i]))
                return false;
        return a->count == b->count;
    default:
        return equal_members(a, b) && !has_more(a, b);
    }
}
