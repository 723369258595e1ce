/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events to a tree, within limits. */
#include "base/utf8.h"
#include "config/tree_node.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { ANCHORS_MAX = 10000 };

struct anchor {
    char *name;
    struct gw_tree_node *node;
    bool open; /* its node is not complete: an alias to it would be endless */
};

struct reader {
    struct gw_arena *arena;
    struct gw_diags *diags;
    const char *file, *text;
    size_t length;
    yaml_parser_t parser;
    yaml_event_t event;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    struct gw_tree_node **stack; /* the children of the collections that are open */
    size_t stack_count, stack_capacity;
    size_t nodes; /* aliases expanded */
};

static int fail(struct reader *r, yaml_mark_t mark, const char *text)
{
    gw_diag_add(r->diags, GW_DIAG_ERROR, r->file, (uint32_t)mark.line + 1,
                (uint32_t)mark.column + 1, "%s", text);
    return -EINVAL;
}

static int next_event(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    memset(&r->event, 0, sizeof r->event);
    return gw_tree_syntax_error(&r->parser, r->file, r->text, r->length, r->diags);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static int push(struct reader *r, struct gw_tree_node *node)
{
    if (r->stack_count == r->stack_capacity) {
        size_t capacity = r->stack_capacity * 2;
        struct gw_tree_node **stack = realloc(r->stack, capacity * sizeof(*stack));
        if (!stack)
            return -ENOMEM;
        r->stack = stack;
        r->stack_capacity = capacity;
    }
    r->stack[r->stack_count++] = node;
    return 0;
}

static int count_nodes(struct reader *r, size_t more)
{
    char text[96];
    if (more <= GW_TREE_NODES_MAX - r->nodes) {
        r->nodes += more;
        return 0;
    }
    snprintf(text, sizeof text, "more than %d values, aliases expanded", GW_TREE_NODES_MAX);
    return fail(r, r->event.start_mark, text);
}

static int too_deep(struct reader *r)
{
    char text[64];
    snprintf(text, sizeof text, "more than %d levels deep", GW_TREE_DEPTH_MAX);
    return fail(r, r->event.start_mark, text);
}

static int new_node(struct reader *r, uint32_t type, struct gw_tree_node **ret)
{
    int error = count_nodes(r, 1);
    if (error)
        return error;
    struct gw_tree_node *n = gw_arena_alloc(r->arena, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->node.type = type;
    n->node.file = r->file;
    n->node.line = (uint32_t)r->event.start_mark.line + 1;
    n->node.column = (uint32_t)r->event.start_mark.column + 1;
    n->weight = n->height = 1;
    *ret = n;
    return 0;
}

static int add_anchor(struct reader *r, const yaml_char_t *name, struct gw_tree_node *node,
                      bool open)
{
    if (!name)
        return 0;
    if (r->anchor_count == ANCHORS_MAX)
        return fail(r, r->event.start_mark, "more than 10000 anchors");
    if (r->anchor_count == r->anchor_capacity) {
        size_t capacity = r->anchor_capacity ? r->anchor_capacity * 2 : 16;
        struct anchor *anchors = realloc(r->anchors, capacity * sizeof *anchors);
        if (!anchors)
            return -ENOMEM;
        r->anchors = anchors;
        r->anchor_capacity = capacity;
    }
    char *copy = strdup((const char *)name);
    if (!copy)
        return -ENOMEM;
    r->anchors[r->anchor_count++] = (struct anchor){copy, node, open};
    return 0;
}

static int read_alias(struct reader *r, uint32_t depth, struct gw_tree_node **ret)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    char text[160], shown[GW_SHOWN_BYTES];
    for (size_t i = r->anchor_count; i--;) {
        const struct anchor *a = &r->anchors[i];
        if (strcmp(a->name, name))
            continue;
        if (a->open) {
            snprintf(text, sizeof text, "*%s stands inside its own anchor",
                     gw_tree_shown(shown, name));
            return fail(r, r->event.start_mark, text);
        }
        if (depth + a->node->height > GW_TREE_DEPTH_MAX)
            return too_deep(r);
        int error = count_nodes(r, a->node->weight);
        if (error)
            return error;
        struct gw_tree_node *n = gw_arena_alloc(r->arena, sizeof *n);
        if (!n)
            return -ENOMEM;
        *n = *a->node;
        n->node.key = NULL;
        n->node.line = (uint32_t)r->event.start_mark.line + 1;
        n->node.column = (uint32_t)r->event.start_mark.column + 1;
        n->key_line = n->key_column = 0;
        *ret = n;
        return 0;
    }
    snprintf(text, sizeof text,
             "there is no anchor &%s before this; quote a text that begins with *",
             gw_tree_shown(shown, name));
    return fail(r, r->event.start_mark, text);
}

static int check_tag(struct reader *r, const yaml_char_t *tag)
{
    static const char *const known[] = {"str", "int", "float", "bool", "null", "map", "seq"};
    const char *name = (const char *)tag, prefix[] = "tag:yaml.org,2002:";
    if (!name || !strcmp(name, "!"))
        return 0;
    if (!strncmp(name, prefix, sizeof prefix - 1))
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (!strcmp(name + sizeof prefix - 1, known[i]))
                return 0;
    return fail(r, r->event.start_mark,
                "a tag means nothing here; quote a text that begins with !");
}

static bool is_null(const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null") || !strcmp(text, "Null") ||
           !strcmp(text, "NULL");
}

static int read_scalar(struct reader *r, struct gw_tree_node **ret)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    const char *tag = (const char *)r->event.data.scalar.tag;
    int error = check_tag(r, r->event.data.scalar.tag);
    if (!error)
        error = new_node(r, MG_NODE_SCALAR, ret);
    if (error)
        return error;
    struct gw_tree_node *n = *ret;
    n->node.quoted =
        r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE || (tag && strstr(tag, ":str"));
    if (!n->node.quoted && is_null(text))
        n->node.type = MG_NODE_NULL;
    n->node.text = gw_arena_copy(r->arena, text, length);
    n->node.length = length;
    if (!n->node.text)
        return -ENOMEM;
    error = gw_tree_replace(r->arena, n, r->diags);
    return error ? error : add_anchor(r, r->event.data.scalar.anchor, n, false);
}

static int read_node(struct reader *r, uint32_t depth, struct gw_tree_node **ret);

/* The entries of `<<: *defaults`, behind the map's own so that these win. */
static int merge_entries(struct reader *r, size_t start, const struct gw_tree_node *from)
{
    if (from->node.type == MG_NODE_LIST) {
        for (size_t i = 0; i < from->node.count; i++) {
            const struct gw_tree_node *item = (const void *)from->node.items[i];
            int error = item->node.type == MG_NODE_MAP ? merge_entries(r, start, item) : -EINVAL;
            if (error)
                return error;
        }
        return 0;
    }
    if (from->node.type != MG_NODE_MAP)
        return -EINVAL;
    for (size_t i = 0; i < from->node.count; i++) {
        bool known = false;
        for (size_t k = start; k < r->stack_count && !known; k++)
            known = !strcmp(r->stack[k]->node.key, from->node.items[i]->key);
        /* Shared, not copied: nodes do not change any more. */
        int error = known ? 0 : push(r, (struct gw_tree_node *)(uintptr_t)from->node.items[i]);
        if (error)
            return error;
    }
    return 0;
}

static int read_key(struct reader *r, char **ret_key)
{
    const yaml_event_t *e = &r->event;
    if (e->type != YAML_SCALAR_EVENT)
        return fail(r, e->start_mark,
                    "a key must be a plain text; quote a value that begins with {, [, * or &");
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length))
        return fail(r, e->start_mark, "a key has no NUL bytes");
    *ret_key = gw_arena_copy(r->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
    return *ret_key ? 0 : -ENOMEM;
}

static int read_entry(struct reader *r, uint32_t depth, struct gw_tree_node **ret_merge)
{
    char *key = NULL;
    yaml_mark_t mark = r->event.start_mark;
    bool plain =
        r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    int error = read_key(r, &key);
    if (!error)
        error = next_event(r);
    struct gw_tree_node *value = NULL;
    if (!error)
        error = read_node(r, depth + 1, &value);
    if (error)
        return error;
    if (plain && !strcmp(key, "<<")) {
        if (*ret_merge || (value->node.type != MG_NODE_MAP && value->node.type != MG_NODE_LIST))
            return fail(r, mark, "<< takes one map, or one list of maps");
        *ret_merge = value;
        return 0;
    }
    value->node.key = key;
    value->key_line = (uint32_t)mark.line + 1;
    value->key_column = (uint32_t)mark.column + 1;
    return push(r, value);
}

static int finish_map(struct reader *r, size_t start, struct gw_tree_node *map,
                      struct gw_tree_node *merge)
{
    ptrdiff_t left =
        r->stack_count > start
            ? gw_tree_drop_duplicates(r->stack + start, r->stack_count - start, "", r->diags)
            : 0;
    if (left < 0)
        return (int)left;
    r->stack_count = start + (size_t)left;
    /* A square, but bounded: both sides of a merge are maps that somebody wrote out. */
    if (merge && merge->weight > 10000)
        return fail(r, r->event.start_mark, "<< takes maps of at most 10000 values");
    int error = merge ? merge_entries(r, start, merge) : 0;
    if (error == -EINVAL)
        return fail(r, r->event.start_mark, "<< takes one map, or one list of maps");
    return error ? error
                 : gw_tree_set_items(r->arena, map, r->stack + start, r->stack_count - start);
}

static int read_collection(struct reader *r, uint32_t depth, struct gw_tree_node **ret)
{
    bool map = r->event.type == YAML_MAPPING_START_EVENT;
    yaml_event_type_t end = map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    const yaml_char_t *tag =
        map ? r->event.data.mapping_start.tag : r->event.data.sequence_start.tag;
    const yaml_char_t *anchor =
        map ? r->event.data.mapping_start.anchor : r->event.data.sequence_start.anchor;
    if (depth >= GW_TREE_DEPTH_MAX)
        return too_deep(r);
    size_t slot = r->anchor_count, start = r->stack_count;
    bool named = anchor;
    int error = check_tag(r, tag);
    if (!error)
        error = new_node(r, map ? MG_NODE_MAP : MG_NODE_LIST, ret);
    if (!error)
        error = add_anchor(r, anchor, *ret, true);
    if (!error)
        error = next_event(r);
    struct gw_tree_node *merge = NULL;
    while (!error && r->event.type != end) {
        struct gw_tree_node *item = NULL;
        if (map) {
            error = read_entry(r, depth, &merge);
        } else {
            error = read_node(r, depth + 1, &item);
            if (!error)
                error = push(r, item);
        }
        if (!error)
            error = next_event(r);
    }
    if (error)
        return error;
    error = map ? finish_map(r, start, *ret, merge)
                : gw_tree_set_items(r->arena, *ret, r->stack + start, r->stack_count - start);
    r->stack_count = start;
    if (named)
        r->anchors[slot].open = false;
    return error;
}

/* Reads the node that r->event begins, up to its last event. */
static int read_node(struct reader *r, uint32_t depth, struct gw_tree_node **ret)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, ret);
    case YAML_ALIAS_EVENT:
        return read_alias(r, depth, ret);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_collection(r, depth, ret);
    default:
        return fail(r, r->event.start_mark, "a value is missing here");
    }
}

static int read_stream(struct reader *r, struct gw_tree_node **ret)
{
    int error = next_event(r); /* the stream's start */
    if (!error)
        error = next_event(r);
    if (error)
        return error;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return new_node(r, MG_NODE_NULL, ret);
    error = next_event(r); /* past the document's start */
    if (!error)
        error = read_node(r, 0, ret);
    if (!error)
        error = next_event(r); /* the document's end */
    if (!error)
        error = next_event(r);
    if (!error && r->event.type != YAML_STREAM_END_EVENT)
        return fail(r, r->event.start_mark, "a second document begins here; a file holds one");
    return error;
}

const struct mg_node *gw_tree_parse(struct gw_arena *arena, const char *file, const char *text,
                                    size_t length, struct gw_diags *diags)
{
    struct reader r = {.arena = arena, .diags = diags, .text = text, .length = length};
    struct gw_tree_node *root = NULL;
    r.file = gw_arena_copy(arena, file, strlen(file));
    r.stack_capacity = 256;
    r.stack = malloc(r.stack_capacity * sizeof(*r.stack));
    int error = r.file && r.stack && yaml_parser_initialize(&r.parser) ? 0 : -ENOMEM;
    if (error) {
        free(r.stack);
        gw_diag_add(diags, GW_DIAG_ERROR, file, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    if (gw_utf8_valid(text, length))
        error = read_stream(&r, &root);
    else
        error = gw_tree_utf8_error(file, text, length, diags);
    if (error == -ENOMEM)
        gw_diag_add(diags, GW_DIAG_ERROR, file, 0, 0, "out of memory");
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    for (size_t i = 0; i < r.anchor_count; i++)
        free(r.anchors[i].name);
    free(r.anchors);
    free(r.stack);
    return error ? NULL : &root->node;
}
