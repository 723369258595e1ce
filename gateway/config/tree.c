/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of the configuration tree: access, construction and what messages may show of them. */
#include "config/tree_node.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct gw_tree_node *inner(const struct mg_node *node)
{
    return (const struct gw_tree_node *)(const void *)node;
}

const struct mg_node *gw_tree_get(const struct mg_node *map, const char *key)
{
    if (!map || map->type != MG_NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (!strcmp(map->items[i]->key, key))
            return map->items[i];
    return NULL;
}

void gw_tree_key_place(const struct mg_node *entry, uint32_t *ret_line, uint32_t *ret_column)
{
    const struct gw_tree_node *n = inner(entry);
    *ret_line = n->key_line ? n->key_line : entry->line;
    *ret_column = n->key_line ? n->key_column : entry->column;
}

const char *gw_tree_origin(const struct mg_node *scalar)
{
    return inner(scalar)->origin;
}

bool gw_tree_broken(const struct mg_node *node)
{
    return inner(node)->broken;
}

const char *gw_tree_shown(char buffer[GW_SHOWN_BYTES], const char *text)
{
    enum { CUT = GW_SHOWN_BYTES - 8 };
    size_t n = 0;
    while (text[n] && n < CUT) {
        unsigned char c = (unsigned char)text[n];
        buffer[n++] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    if (text[n]) {
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
        memcpy(buffer + n, "...", 3);
        n += 3;
    }
    buffer[n] = '\0';
    return buffer;
}

static bool is_word(const char *text, const char *at, size_t length)
{
    return (at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]);
}

void gw_tree_hide(char *text, size_t size, const char *value, const char *by)
{
    size_t length = strlen(value), by_length = strlen(by);
    for (char *at = length ? strstr(text, value) : NULL; at; at = strstr(at, value)) {
        if (length < 4 && !is_word(text, at, length)) {
            at++;
            continue;
        }
        size_t before = (size_t)(at - text), after = strlen(at + length);
        if (before + by_length + 1 > size) {
            *at = '\0';
            return;
        }
        size_t room = size - before - by_length - 1;
        if (after > room)
            after = room;
        memmove(at + by_length, at + length, after);
        at[by_length + after] = '\0';
        memcpy(at, by, by_length);
        at += by_length;
    }
}

void gw_tree_redact(const struct mg_node *node, char *text, size_t size)
{
    for (const struct gw_tree_value *v = node ? inner(node)->values : NULL; v; v = v->next)
        gw_tree_hide(text, size, v->text, v->written);
    for (size_t i = 0; node && i < node->count; i++)
        gw_tree_redact(node->items[i], text, size);
}

const struct mg_node *gw_tree_scalar(struct gw_arena *arena, const struct mg_node *place,
                                     const char *text)
{
    struct gw_tree_node *n = gw_arena_alloc(arena, sizeof *n);
    char *copy = gw_arena_copy(arena, text, strlen(text));
    if (!n || !copy)
        return NULL;
    n->node = (struct mg_node){
        .type = MG_NODE_SCALAR,
        .line = place ? place->line : 0,
        .column = place ? place->column : 0,
        .file = place ? place->file : NULL,
        .text = copy,
        .length = strlen(text),
    };
    n->weight = n->height = 1;
    return &n->node;
}

const struct mg_node *gw_tree_pick(struct gw_arena *arena, const struct mg_node *map,
                                   const char *const *names)
{
    struct gw_tree_node *n = gw_arena_alloc(arena, sizeof *n);
    const struct mg_node **items = gw_arena_alloc(arena, (map->count + 1) * sizeof *items);
    if (!n || !items)
        return NULL;
    *n = *inner(map);
    n->node.count = 0;
    n->node.items = items;
    for (size_t i = 0; i < map->count; i++)
        for (const char *const *name = names; *name; name++)
            if (!strcmp(map->items[i]->key, *name))
                items[n->node.count++] = map->items[i];
    return &n->node;
}

void gw_tree_error(struct gw_diags *diags, const struct gw_tree_node *at, const char *format, ...)
{
    char text[1024];
    uint32_t line, column;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gw_tree_key_place(&at->node, &line, &column);
    gw_diag_add(diags, GW_DIAG_ERROR, at->node.file, line, column, "%s", text);
}

int gw_tree_set_items(struct gw_arena *arena, struct gw_tree_node *node,
                      struct gw_tree_node *const *items, size_t count)
{
    const struct mg_node **copy = gw_arena_alloc(arena, (count + 1) * sizeof *copy);
    if (!copy)
        return -ENOMEM;
    node->weight = 1;
    node->height = 1;
    for (size_t i = 0; i < count; i++) {
        copy[i] = &items[i]->node;
        node->weight += items[i]->weight;
        if (items[i]->height >= node->height)
            node->height = items[i]->height + 1;
    }
    node->node.items = copy;
    node->node.count = count;
    return 0;
}

struct keyed {
    const char *key;
    size_t index;
};

static int compare_keys(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sorting, because a map may have a million entries and a square of that is an attack. */
ptrdiff_t gw_tree_drop_duplicates(struct gw_tree_node **entries, size_t count, const char *scope,
                                  struct gw_diags *diags)
{
    if (count < 2)
        return (ptrdiff_t)count;
    struct keyed *keys = calloc(count, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct keyed){entries[i]->node.key, i};
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(keys[i].key, keys[first].key)) {
            first = i;
            continue;
        }
        char shown[GW_SHOWN_BYTES];
        struct gw_tree_node **again = &entries[keys[i].index];
        const struct gw_tree_node *before = entries[keys[first].index];
        uint32_t line, column;
        gw_tree_key_place(&before->node, &line, &column);
        if (!strcmp((*again)->node.file, before->node.file))
            gw_tree_error(diags, *again, "%s%s is here twice; the first is in line %u", scope,
                          gw_tree_shown(shown, keys[i].key), line);
        else
            gw_tree_error(diags, *again, "%s%s is here twice; the first is at %s:%u:%u", scope,
                          gw_tree_shown(shown, keys[i].key), before->node.file, line, column);
        *again = NULL;
    }
    free(keys);
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i])
            entries[left++] = entries[i];
    return (ptrdiff_t)left;
}
