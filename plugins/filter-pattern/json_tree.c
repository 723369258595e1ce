/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of JSON (RFC 8259) for patterns. */
#include "json_tree.h"
#include "json_scan.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct arena *arena;
    const char *file;
    const char *at, *end;
    const char *line_start;
    uint32_t line;
    size_t entries; /* so far, of all lists and maps */
    struct mg_err *err;
};

int wrong_at(const struct mg_node *node, struct mg_err *reterr, const char *format, ...)
{
    char what[180];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (node->file)
        snprintf(reterr->text, sizeof reterr->text, "%.60s:%u:%u: %s", node->file, node->line,
                 node->column, what);
    else
        snprintf(reterr->text, sizeof reterr->text, "line %u, column %u: %s", node->line,
                 node->column, what);
    return -EINVAL;
}

static struct mg_node here(const struct reader *r)
{
    return (struct mg_node){
        .file = r->file, .line = r->line, .column = (uint32_t)(r->at - r->line_start) + 1};
}

static int wrong(const struct reader *r, const char *what)
{
    struct mg_node place = here(r);
    return wrong_at(&place, r->err, "%s", r->at == r->end ? "the text ends here" : what);
}

static void skip_space(struct reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n') {
            r->line++;
            r->line_start = r->at + 1;
        } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
            return;
        }
    }
}

/* At a quote.  A copy with the escapes replaced. */
static int read_string(struct reader *r, const char **ret_text, size_t *ret_length)
{
    bool escapes = false;
    const char *start = r->at + 1, *close = json_string_end(start, r->end, &escapes);
    if (!close)
        return wrong(r, "a string that does not end, or that has a control character in it");
    char *text = arena_copy(r->arena, start, (size_t)(close - start));
    if (!text)
        return -ENOMEM;
    ptrdiff_t length = close - start;
    if (escapes)
        length = json_unescape(start, (size_t)length, text);
    if (length < 0)
        return wrong(r, "a string with a wrong escape: after \\ comes one of \"\\/bfnrtu");
    text[length] = '\0';
    r->at = close + 1;
    *ret_text = text;
    *ret_length = (size_t)length;
    return 0;
}

static int read_scalar(struct reader *r, struct mg_node *node)
{
    node->type = MG_NODE_SCALAR;
    if (r->at < r->end && *r->at == '"') {
        node->quoted = true;
        return read_string(r, &node->text, &node->length);
    }
    bool number = r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'));
    const char *behind = number ? json_number_end(r->at, r->end) : json_word_end(r->at, r->end);
    if (!behind)
        return wrong(r, number ? "a number that is not written as JSON has it"
                               : "here is no JSON value: texts need double quotes");
    if (*r->at == 'n')
        node->type = MG_NODE_NULL;
    node->length = (size_t)(behind - r->at);
    node->text = arena_copy(r->arena, r->at, node->length);
    r->at = behind;
    return node->text ? 0 : -ENOMEM;
}

static int read_value(struct reader *r, struct mg_node *node, int depth);

/* Appends what comes to a malloc'ed array of items. */
static int read_item(struct reader *r, bool map, struct mg_node ***items, size_t *capacity,
                     size_t *count, int depth)
{
    struct mg_node *item = arena_alloc(r->arena, sizeof *item);
    const char *key = NULL;
    size_t key_length = 0;
    if (!item || !array_room(items, capacity, *count, sizeof **items))
        return -ENOMEM;
    if (++r->entries > TREE_ENTRIES_MAX)
        return wrong(r, "more entries than a pattern may have");
    if (map) {
        if (r->at == r->end || *r->at != '"')
            return wrong(r, "here comes a name in double quotes");
        int error = read_string(r, &key, &key_length);
        if (error)
            return error;
        if (strlen(key) != key_length)
            return wrong(r, "a name with a NUL character in it");
        skip_space(r);
        if (r->at == r->end || *r->at != ':')
            return wrong(r, "behind a name comes a colon");
        r->at++;
        skip_space(r);
    }
    int error = read_value(r, item, depth + 1);
    item->key = key;
    if (!error)
        (*items)[(*count)++] = item;
    return error;
}

static int read_items(struct reader *r, bool map, struct mg_node ***items, size_t *count, int depth)
{
    size_t capacity = 0;
    const char close = map ? '}' : ']';
    r->at++;
    skip_space(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return 0;
    }
    for (;;) {
        int error = read_item(r, map, items, &capacity, count, depth);
        if (error)
            return error;
        skip_space(r);
        if (r->at == r->end || (*r->at != ',' && *r->at != close))
            return wrong(r, map ? "here comes a comma or }" : "here comes a comma or ]");
        if (*r->at++ == close)
            return 0;
        skip_space(r);
    }
}

static int read_value(struct reader *r, struct mg_node *node, int depth)
{
    *node = here(r);
    if (r->at == r->end || (*r->at != '{' && *r->at != '['))
        return read_scalar(r, node);
    if (depth > TREE_DEPTH_MAX)
        return wrong(r, "nested more than 64 deep");
    bool map = *r->at == '{';
    struct mg_node **items = NULL;
    node->type = map ? MG_NODE_MAP : MG_NODE_LIST;
    int error = read_items(r, map, &items, &node->count, depth);
    struct mg_node **kept = error ? NULL : arena_alloc(r->arena, node->count * sizeof *items);
    if (!error && !kept)
        error = -ENOMEM;
    if (!error && node->count)
        memcpy(kept, items, node->count * sizeof *items);
    node->items = (const struct mg_node *const *)kept;
    free(items);
    return error;
}

int json_tree(struct arena *arena, const char *file, const char *text, size_t length,
              const struct mg_node **ret_node, struct mg_err *reterr)
{
    struct reader r = {.arena = arena,
                       .file = file,
                       .at = text,
                       .end = text + length,
                       .line_start = text,
                       .line = 1,
                       .err = reterr};
    struct mg_node *node = arena_alloc(arena, sizeof *node);
    if (!node)
        return -ENOMEM;
    skip_space(&r);
    int error = read_value(&r, node, 1);
    if (error)
        return error;
    skip_space(&r);
    if (r.at < r.end)
        return wrong(&r, "behind the pattern there is something more");
    *ret_node = node;
    return 0;
}
