/* SPDX-License-Identifier: Apache-2.0 */
/* From a JSON pointer to a line and column, for errors alone: documents keep no places. */
#include "json_scan.h"
#include "library.h"
#include "memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct place {
    size_t line, column;
};

/* The next part of a pointer, unescaped into out, which has room for the pointer. */
static bool next_part(const char **pointer, char *out, size_t *ret_length)
{
    const char *at = *pointer;
    size_t n = 0;
    if (*at != '/')
        return false;
    for (at++; *at && *at != '/'; at++) {
        if (*at == '~' && (at[1] == '0' || at[1] == '1'))
            out[n++] = *++at == '0' ? '~' : '/';
        else
            out[n++] = *at;
    }
    *pointer = at;
    *ret_length = n;
    return true;
}

static bool is_index(const char *part, size_t length, size_t *ret_index)
{
    size_t index = 0;
    for (size_t i = 0; i < length; i++) {
        if (part[i] < '0' || part[i] > '9' || index > 100000000)
            return false;
        index = index * 10 + (size_t)(part[i] - '0');
    }
    *ret_index = index;
    return length > 0;
}

/* ---- in a text ------------------------------------------------------------------------------ */

static bool is_name(struct mg_str quoted, const char *part, size_t length)
{
    char *name = malloc(quoted.len);
    ptrdiff_t n = name ? scan_unescape(quoted, name) : -1;
    bool is = n == (ptrdiff_t)length && !memcmp(name, part, length);
    free(name);
    return is;
}

/* Before the last member of that name. */
static bool enter_object(struct scan *s, const char *part, size_t length)
{
    struct scan found = *s;
    struct scan_value name, value;
    bool any = false;
    while (scan_value(s, &name) && scan_take(s, ':')) {
        if (is_name(name.text, part, length)) {
            found = *s;
            any = true;
        }
        if (!scan_value(s, &value) || !scan_take(s, ','))
            break;
    }
    *s = found;
    return any;
}

static bool enter_list(struct scan *s, size_t index)
{
    struct scan_value value;
    for (size_t i = 0; i < index; i++)
        if (!scan_value(s, &value) || !scan_take(s, ','))
            return false;
    return true;
}

/* As far as the pointer leads. */
static struct place in_text(struct mg_bytes text, const char *pointer, char *part)
{
    struct scan s;
    size_t length, index;
    scan_begin(&s, text);
    while (next_part(&pointer, part, &length)) {
        struct scan in = s;
        bool entered = scan_take(&in, '{') ? enter_object(&in, part, length)
                       : scan_take(&in, '[')
                           ? is_index(part, length, &index) && enter_list(&in, index)
                           : false;
        if (!entered)
            break;
        s = in;
    }
    scan_space(&s);
    struct place place = {1, 1};
    for (const char *at = s.begin; at < s.at; at++) {
        if (*at == '\n')
            place = (struct place){place.line + 1, 1};
        else
            place.column += ((unsigned char)*at & 0xc0) != 0x80;
    }
    return place;
}

/* ---- in YAML -------------------------------------------------------------------------------- */

static const struct mg_node *child(const struct mg_node *node, const char *part, size_t length)
{
    size_t index;
    if (node->type == MG_NODE_LIST)
        return is_index(part, length, &index) && index < node->count ? node->items[index] : NULL;
    for (size_t i = 0; node->type == MG_NODE_MAP && i < node->count; i++)
        if (strlen(node->items[i]->key) == length && !memcmp(node->items[i]->key, part, length))
            return node->items[i];
    return NULL;
}

static struct place in_tree(const struct mg_node *node, const char *pointer, char *part)
{
    size_t length;
    while (next_part(&pointer, part, &length)) {
        const struct mg_node *next = child(node, part, length);
        if (!next)
            break;
        node = next;
    }
    return (struct place){node->line, node->column};
}

/* ---- what is said --------------------------------------------------------------------------- */

int refuse(const struct document *document, const char *pointer, struct mg_err *reterr,
           const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char *part = malloc(strlen(pointer) + 1);
    if (!part)
        return out_of_memory(reterr);
    struct place place = document->tree ? in_tree(document->tree, pointer, part)
                                        : in_text(document->text, pointer, part);
    free(part);
    /* The end of a long path says more than its beginning. */
    size_t length = strlen(document->name), most = 80;
    const char *name = length > most ? document->name + length - most : document->name;
    snprintf(reterr->text, sizeof reterr->text, "%s:%zu:%zu: %s", name, place.line, place.column,
             what);
    return -EINVAL;
}

int out_of_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

/* ---- pointers ------------------------------------------------------------------------------- */

const char *pointer_join(struct arena *arena, const char *pointer, struct mg_str part)
{
    size_t n = strlen(pointer);
    char *out = take(arena, n + 2 * part.len + 2);
    if (!out)
        return NULL;
    memcpy(out, pointer, n);
    out[n++] = '/';
    for (size_t i = 0; i < part.len; i++) {
        bool escaped = part.at[i] == '~' || part.at[i] == '/';
        out[n++] = escaped ? '~' : part.at[i];
        if (escaped)
            out[n++] = part.at[i] == '~' ? '0' : '1';
    }
    return out;
}

const char *pointer_join_index(struct arena *arena, const char *pointer, size_t index)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%zu", index);
    return pointer_join(arena, pointer, (struct mg_str){text, (size_t)n});
}
