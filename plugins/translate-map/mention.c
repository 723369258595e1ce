/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of what is mentioned, and a walk of payload and tree side by side.  The walk goes no
 * deeper than the tree does: what is mentioned nowhere, or as a whole, is not looked into. */
#include "mention.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mention {
    bool whole;
    struct mention *each;
    size_t count, room;
    struct child {
        struct mg_str name;
        struct mention *at;
    } * children;
};

struct mention *mention_create(void)
{
    return calloc(1, sizeof(struct mention));
}

/* As deep as the longest path, and a level of lists for each nested mapping. */
void mention_destroy(struct mention *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        free((char *)(uintptr_t)m->children[i].name.at);
        mention_destroy(m->children[i].at);
    }
    mention_destroy(m->each);
    free(m->children);
    free(m);
}

static struct mention *child_of(const struct mention *m, struct mg_str name)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->children[i].name.len == name.len &&
            !memcmp(m->children[i].name.at, name.at, name.len))
            return m->children[i].at;
    return NULL;
}

static struct mention *add_child(struct mention *m, struct mg_str name)
{
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 4;
        struct child *children = realloc(m->children, room * sizeof *children);
        if (!children)
            return NULL;
        m->children = children;
        m->room = room;
    }
    char *copy = malloc(name.len + 1);
    struct mention *at = mention_create();
    if (!copy || !at) {
        free(copy);
        free(at);
        return NULL;
    }
    memcpy(copy, name.at, name.len);
    m->children[m->count++] = (struct child){{copy, name.len}, at};
    return at;
}

int mention_path(struct mention *m, const struct doc_path *path, struct mention **ret)
{
    for (size_t i = 0; m && i < doc_path_count(path); i++) {
        struct mg_str name = doc_path_part(path, i);
        struct mention *next = child_of(m, name);
        m = next ? next : add_child(m, name);
    }
    if (m && ret)
        *ret = m;
    return m ? 0 : -ENOMEM;
}

struct mention *mention_each(struct mention *m)
{
    if (!m->each)
        m->each = mention_create();
    return m->each;
}

void mention_all(struct mention *m)
{
    m->whole = true;
}

/* ---- the walk ------------------------------------------------------------------------------- */

enum { PATH_BYTES = 256, PLACES_MAX = 8 };
struct walk {
    void (*each)(void *arg, struct mg_str path);
    void *arg;
    char path[PATH_BYTES];
};
/* A value may be mentioned in several ways: as items.0 and as each of items, or as data.x and x. */
struct places {
    size_t count;
    bool whole;
    const struct mention *at[PLACES_MAX];
};

static void add_place(struct places *p, const struct mention *m)
{
    if (!m)
        return;
    p->whole = p->whole || m->whole || p->count == PLACES_MAX;
    if (p->count < PLACES_MAX)
        p->at[p->count++] = m;
}

static size_t add_name(struct walk *w, size_t length, struct mg_str name)
{
    if (length && length < PATH_BYTES)
        w->path[length++] = '.';
    size_t n = name.len < PATH_BYTES - length ? name.len : PATH_BYTES - length;
    if (n)
        memcpy(w->path + length, name.at, n);
    return length + n;
}

static void walk(struct walk *w, size_t length, const struct doc_value *value,
                 const struct places *places);

static void walk_part(struct walk *w, size_t length, struct mg_str name, struct mg_str shown,
                      const struct doc_value *value, const struct places *places, bool list)
{
    struct places next = {0};
    for (size_t i = 0; i < places->count; i++) {
        add_place(&next, child_of(places->at[i], name));
        if (list)
            add_place(&next, places->at[i]->each);
    }
    if (!next.whole)
        walk(w, add_name(w, length, shown), value, &next);
}

static void walk(struct walk *w, size_t length, const struct doc_value *value,
                 const struct places *places)
{
    bool inside = false;
    for (size_t i = 0; i < places->count; i++)
        inside = inside || places->at[i]->count || places->at[i]->each;
    if (!inside || (value->kind != DOC_OBJECT && value->kind != DOC_LIST)) {
        w->each(w->arg, length ? (struct mg_str){w->path, length} : (struct mg_str){".", 1});
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        char digits[24];
        if (value->kind == DOC_OBJECT) {
            walk_part(w, length, value->members[i].name, value->members[i].name,
                      value->members[i].value, places, false);
            continue;
        }
        size_t n = sizeof digits;
        for (size_t rest = i; n == sizeof digits || rest; rest /= 10)
            digits[--n] = (char)('0' + rest % 10);
        walk_part(w, length, (struct mg_str){digits + n, sizeof digits - n},
                  (struct mg_str){"*", 1}, value->items[i], places, true);
    }
}

/* Without a member of that name, data.x is x (see doc_path.h). */
void mention_missing(const struct mention *root, const struct doc_value *payload,
                     void (*each)(void *arg, struct mg_str path), void *arg)
{
    static const struct mg_str data = {"data", 4};
    struct walk w = {.each = each, .arg = arg};
    struct places places = {0};
    add_place(&places, root);
    if (!doc_get(payload, data))
        add_place(&places, child_of(root, data));
    bool empty = (payload->kind == DOC_OBJECT || payload->kind == DOC_LIST) && !payload->count;
    if (!places.whole && !empty)
        walk(&w, 0, payload, &places);
}
