/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, compiled into one allocation. */
#include "json_path.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_path {
    char *text;
    bool of_event; /* and begins with `data` */
    size_t count;
    char *parts[];
};

int json_path_compile(const char *text, bool of_event, struct json_path **ret_path,
                      struct mg_err *reterr)
{
    size_t length = strlen(text), parts = 1;
    for (const char *c = text; *c; c++)
        parts += *c == '.';
    if (!length || parts > JSON_PATH_PARTS_MAX) {
        snprintf(reterr->text, sizeof reterr->text,
                 length ? "a path of more than %d parts" : "an empty path", JSON_PATH_PARTS_MAX);
        return -EINVAL;
    }
    struct json_path *p = calloc(1, sizeof *p + parts * sizeof p->parts[0] + 2 * (length + 1));
    if (!p) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    p->text = (char *)(p->parts + parts);
    memcpy(p->text, text, length + 1);
    if (strcmp(text, ".") != 0) {
        char *out = p->text + length + 1;
        p->parts[p->count++] = out;
        for (const char *c = text; *c; c++) {
            if (*c == '\\' && (c[1] == '.' || c[1] == '\\')) {
                *out++ = *++c;
            } else if (*c == '.') {
                *out++ = '\0';
                p->parts[p->count++] = out;
            } else {
                *out++ = *c;
            }
        }
        *out = '\0';
    }
    for (size_t i = 0; i < p->count; i++) {
        if (*p->parts[i])
            continue;
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.120s\" has an empty part (a dot in a name is written \\.)", text);
        free(p);
        return -EINVAL;
    }
    p->of_event = of_event && p->count && !strcmp(p->parts[0], "data");
    *ret_path = p;
    return 0;
}

void json_path_free(struct json_path *p)
{
    free(p);
}

const char *json_path_text(const struct json_path *p)
{
    return p->text;
}

static size_t first_part(const struct json_path *p, json_t *root)
{
    return p->of_event && !json_object_get(root, "data") ? 1 : 0;
}

static bool list_place(const char *part, size_t *ret_index)
{
    size_t index = 0;
    if (strlen(part) > 9)
        return false;
    for (const char *c = part; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        index = index * 10 + (size_t)(*c - '0');
    }
    *ret_index = index;
    return true;
}

static json_t *member(json_t *at, const char *part)
{
    size_t index;
    if (json_is_array(at))
        return list_place(part, &index) ? json_array_get(at, index) : NULL;
    return json_object_get(at, part); /* NULL for what is no object */
}

json_t *json_path_get(const struct json_path *p, json_t *root)
{
    for (size_t i = first_part(p, root); i < p->count && root; i++)
        root = member(root, p->parts[i]);
    return root;
}

/* Takes value, also on failure. */
static int put(json_t *at, const char *part, json_t *value)
{
    size_t index;
    if (json_is_object(at))
        return json_object_set_new(at, part, value) ? -ENOMEM : 0;
    if (json_is_array(at) && list_place(part, &index) && index < JSON_PATH_LIST_MAX) {
        while (json_array_size(at) < index)
            if (json_array_append_new(at, json_null())) {
                json_decref(value);
                return -ENOMEM;
            }
        int error = index < json_array_size(at) ? json_array_set_new(at, index, value)
                                                : json_array_append_new(at, value);
        return error ? -ENOMEM : 0;
    }
    json_decref(value);
    return -EINVAL;
}

int json_path_set(const struct json_path *p, json_t *root, json_t *value)
{
    size_t i = first_part(p, root);
    if (!value)
        return -ENOMEM;
    if (i >= p->count) {
        json_decref(value);
        return -EINVAL;
    }
    for (; i + 1 < p->count; i++) {
        json_t *next = member(root, p->parts[i]);
        if (!next || json_is_null(next)) {
            next = json_object();
            int error = next ? put(root, p->parts[i], next) : -ENOMEM;
            if (error) {
                json_decref(value);
                return error;
            }
        }
        root = next;
    }
    return put(root, p->parts[i], value);
}

void json_path_remove(const struct json_path *p, json_t *root)
{
    size_t i = first_part(p, root), index;
    if (i >= p->count)
        return;
    for (; i + 1 < p->count && root; i++)
        root = member(root, p->parts[i]);
    if (json_is_array(root) && list_place(p->parts[i], &index))
        json_array_remove(root, index);
    else if (json_is_object(root))
        json_object_del(root, p->parts[i]);
}
