/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, compiled into one allocation. */
#include "doc_path.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    struct mg_str name;
    size_t place; /* in a list; NO_PLACE: it is none */
};
#define NO_PLACE SIZE_MAX

struct doc_path {
    char *text;
    bool of_event; /* and begins with `data` */
    size_t count;
    struct part parts[];
};

static size_t list_place(struct mg_str name)
{
    size_t place = 0;
    if (!name.len || name.len > 9)
        return NO_PLACE;
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] < '0' || name.at[i] > '9')
            return NO_PLACE;
        place = place * 10 + (size_t)(name.at[i] - '0');
    }
    return place;
}

/* Cuts text at its dots; out has room for all of it. */
static void cut(struct doc_path *p, char *out)
{
    if (!strcmp(p->text, "."))
        return;
    char *begin = out;
    for (const char *c = p->text;; c++) {
        if (*c == '\\' && (c[1] == '.' || c[1] == '\\')) {
            *out++ = *++c;
        } else if (*c && *c != '.') {
            *out++ = *c;
        } else {
            struct mg_str name = {begin, (size_t)(out - begin)};
            p->parts[p->count++] = (struct part){name, list_place(name)};
            begin = out;
            if (!*c)
                break;
        }
    }
}

int doc_path_compile(const char *text, bool of_event, struct doc_path **ret_path,
                     struct mg_err *reterr)
{
    size_t length = strlen(text), parts = 1;
    for (const char *c = text; *c; c++)
        parts += *c == '.';
    if (!length || parts > DOC_PATH_PARTS_MAX) {
        snprintf(reterr->text, sizeof reterr->text,
                 length ? "a path of more than %d parts" : "an empty path", DOC_PATH_PARTS_MAX);
        return -EINVAL;
    }
    struct doc_path *p = calloc(1, sizeof *p + parts * sizeof p->parts[0] + 2 * (length + 1));
    if (!p) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    p->text = (char *)(p->parts + parts);
    memcpy(p->text, text, length + 1);
    cut(p, p->text + length + 1);
    for (size_t i = 0; i < p->count; i++) {
        if (p->parts[i].name.len)
            continue;
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.120s\" has an empty part (a dot in a name is written \\.)", text);
        free(p);
        return -EINVAL;
    }
    p->of_event = of_event && p->count && p->parts[0].name.len == 4 &&
                  !memcmp(p->parts[0].name.at, "data", 4);
    *ret_path = p;
    return 0;
}

void doc_path_free(struct doc_path *p)
{
    free(p);
}

const char *doc_path_text(const struct doc_path *p)
{
    return p->text;
}

bool doc_path_is_root(const struct doc_path *p)
{
    return p->count == 0;
}

size_t doc_path_count(const struct doc_path *p)
{
    return p->count;
}

struct mg_str doc_path_part(const struct doc_path *p, size_t index)
{
    return p->parts[index].name;
}

static size_t first_part(const struct doc_path *p, const struct doc_value *root)
{
    return p->of_event && !doc_get(root, p->parts[0].name) ? 1 : 0;
}

static struct doc_value *member(const struct doc_value *at, const struct part *part)
{
    return at && at->kind == DOC_LIST ? doc_at(at, part->place) : doc_get(at, part->name);
}

struct doc_value *doc_path_get(const struct doc_path *p, struct doc_value *root)
{
    for (size_t i = first_part(p, root); i < p->count && root; i++)
        root = member(root, &p->parts[i]);
    return root;
}

static int put(struct doc *doc, struct doc_value *at, const struct part *part,
               struct doc_value *value)
{
    if (at->kind == DOC_OBJECT)
        return doc_set(doc, at, part->name, value);
    if (at->kind != DOC_LIST || part->place >= DOC_PATH_LIST_MAX)
        return -EINVAL;
    if (!value)
        return -ENOMEM;
    while (at->count < part->place)
        if (doc_append(doc, at, doc_null(doc)))
            return -ENOMEM;
    if (part->place == at->count)
        return doc_append(doc, at, value);
    at->items[part->place] = value;
    return 0;
}

int doc_path_set(const struct doc_path *p, struct doc *doc, struct doc_value *root,
                 struct doc_value *value)
{
    size_t i = first_part(p, root);
    if (i >= p->count)
        return -EINVAL;
    for (; i + 1 < p->count; i++) {
        struct doc_value *next = member(root, &p->parts[i]);
        if (!next || next->kind == DOC_NULL) {
            next = doc_object(doc);
            int error = put(doc, root, &p->parts[i], next);
            if (error)
                return error;
        }
        root = next;
    }
    return put(doc, root, &p->parts[i], value);
}

bool doc_path_remove(const struct doc_path *p, struct doc_value *root)
{
    size_t i = first_part(p, root);
    if (i >= p->count)
        return false;
    for (; i + 1 < p->count && root; i++)
        root = member(root, &p->parts[i]);
    if (!member(root, &p->parts[i]))
        return false;
    if (root->kind == DOC_LIST)
        doc_remove_at(root, p->parts[i].place);
    else
        doc_remove(root, p->parts[i].name);
    return true;
}
