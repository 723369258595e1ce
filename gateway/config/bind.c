/* SPDX-License-Identifier: Apache-2.0 */
/* Binding of a YAML map to a settings struct: the walk over keys, lists and defaults. */
#include "config/bind.h"
#include "config/bind_scalar.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_NAMED_MAX = 16 /* in a message */, MISSPELT_MAX = 64 };

__attribute__((format(printf, 4, 0))) static void add_error(struct gw_bind *bind,
                                                            const struct mg_node *at, bool key,
                                                            const char *format, va_list args)
{
    char text[900];
    uint32_t line = at ? at->line : 0, column = at ? at->column : 0;
    vsnprintf(text, sizeof text, format, args);
    if (key && at)
        gw_tree_key_place(at, &line, &column);
    gw_diag_add(bind->diags, GW_DIAG_ERROR, at ? at->file : NULL, line, column, "%s%s%s",
                bind->what ? bind->what : "", bind->what ? ": " : "", text);
}

void gw_bind_error(struct gw_bind *bind, const struct mg_node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(bind, at, false, format, args);
    va_end(args);
}

void gw_bind_error_at_key(struct gw_bind *bind, const struct mg_node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(bind, at, true, format, args);
    va_end(args);
}

void gw_bind_release(struct gw_bind *bind)
{
    for (size_t i = 0; i < bind->template_count; i++)
        gw_template_destroy((mg_template *)(uintptr_t)bind->templates[i].compiled);
    bind->template_count = 0;
}

static int out_of_memory(struct gw_bind *bind, const struct mg_node *at)
{
    gw_bind_error(bind, at, "out of memory");
    return -EINVAL;
}

static size_t element_size(const struct mg_option *o)
{
    switch (o->type) {
    case MG_OPT_INT:
    case MG_OPT_DURATION_MS:
    case MG_OPT_SIZE:
        return sizeof(int64_t);
    case MG_OPT_DOUBLE:
        return sizeof(double);
    case MG_OPT_BOOL:
        return sizeof(bool);
    case MG_OPT_ENUM:
        return sizeof(uint32_t);
    case MG_OPT_PAIRS:
        return sizeof(struct mg_list);
    case MG_OPT_MAP:
        return o->inside_size;
    default:
        return sizeof(void *);
    }
}

static int bind_map(struct gw_bind *bind, const struct mg_option *options,
                    const char *const *others, const struct mg_node *map,
                    const struct mg_node *place, bool absent, void *settings);

static int bind_option(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                       void *settings);
static int bind_absent(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *place,
                       bool absent, void *settings);

static int bind_pairs(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                      struct mg_list *ret)
{
    if (node->type == MG_NODE_NULL)
        return 0;
    if (node->type != MG_NODE_MAP) {
        gw_bind_error(bind, node, "%s must be a map of names to texts", o->name);
        return -EINVAL;
    }
    struct mg_pair *pairs = gw_arena_alloc(bind->arena, (node->count + 1) * sizeof *pairs);
    if (!pairs)
        return out_of_memory(bind, node);
    int error = 0;
    for (size_t i = 0; i < node->count; i++) {
        pairs[i].name = node->items[i]->key;
        if (gw_bind_template(bind, pairs[i].name, node->items[i], &pairs[i].value))
            error = -EINVAL;
    }
    *ret = (struct mg_list){node->count, pairs};
    return error;
}

const struct mg_option *gw_bind_plain(const struct mg_option *map)
{
    for (const struct mg_option *o = map->inside; map->type == MG_OPT_MAP && o && o->name; o++)
        if (o->flags & MG_OPT_PLAIN)
            return o;
    return NULL;
}

/* A scalar in place of the map: all else in it keeps its default. */
static int bind_plain(struct gw_bind *bind, const struct mg_option *map,
                      const struct mg_option *plain, const struct mg_node *node, void *at)
{
    struct mg_option named = *plain;
    named.name = map->name; /* what stands in the YAML */
    int error = bind_option(bind, &named, node, at);
    for (const struct mg_option *o = map->inside; o->name; o++)
        if (o != plain && bind_absent(bind, o, node, false, at))
            error = -EINVAL;
    return error;
}

static int refuse_map(struct gw_bind *bind, const struct mg_option *o,
                      const struct mg_option *plain, const struct mg_node *node)
{
    const char *first = o->inside->name ? o->inside->name : "key";
    if (plain)
        gw_bind_error(bind, node, "%s must be a map, %s: { %s: ... }, or the %s alone, %s: ...",
                      o->name, o->name, first, plain->name, o->name);
    else
        gw_bind_error(bind, node, "%s must be a map: %s: { %s: ... }", o->name, o->name, first);
    return -EINVAL;
}

static int bind_one(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                    void *at)
{
    const struct mg_option *plain = gw_bind_plain(o);
    switch (o->type) {
    case MG_OPT_TREE:
        *(const struct mg_node **)at = node;
        return 0;
    case MG_OPT_PAIRS:
        return bind_pairs(bind, o, node, at);
    case MG_OPT_MAP:
        if (plain && node->type == MG_NODE_SCALAR)
            return bind_plain(bind, o, plain, node, at);
        if (node->type != MG_NODE_MAP && node->type != MG_NODE_NULL)
            return refuse_map(bind, o, plain, node);
        return bind_map(bind, o->inside, NULL, node, node, false, at);
    default:
        return gw_bind_scalar(bind, o, node, at);
    }
}

static int bind_list(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                     struct mg_list *ret)
{
    bool list = node->type == MG_NODE_LIST;
    size_t count = list ? node->count : node->type == MG_NODE_NULL ? 0 : 1, size = element_size(o);
    if (!count && (o->flags & MG_OPT_REQUIRED)) {
        gw_bind_error_at_key(bind, node, "%s is empty", o->name);
        return -EINVAL;
    }
    char *items = gw_arena_alloc(bind->arena, (count + 1) * size);
    if (!items)
        return out_of_memory(bind, node);
    int error = 0;
    for (size_t i = 0; i < count; i++)
        if (bind_one(bind, o, list ? node->items[i] : node, items + i * size))
            error = -EINVAL;
    *ret = (struct mg_list){count, items};
    return error;
}

static int bind_option(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                       void *settings)
{
    void *at = (char *)settings + o->offset;
    if (gw_tree_broken(node))
        return -EINVAL;
    return o->flags & MG_OPT_LIST ? bind_list(bind, o, node, at) : bind_one(bind, o, node, at);
}

/* A default is trusted text of a table; most are plain words, which need no parser. */
static const struct mg_node *default_node(struct gw_bind *bind, const struct mg_option *o,
                                          const struct mg_node *place)
{
    if (!strchr("[{\"'", *o->value) || !*o->value)
        return gw_tree_scalar(bind->arena, place, o->value);
    return gw_tree_parse(bind->arena, "(default)", o->value, strlen(o->value), bind->diags);
}

static bool is_other(const char *const *others, const char *key)
{
    for (; others && *others; others++)
        if (!strcmp(*others, key))
            return true;
    return false;
}

static bool is_known(const struct mg_option *options, const char *const *others, const char *key)
{
    for (const struct mg_option *o = options; o && o->name; o++)
        if (!strcmp(o->name, key))
            return true;
    return is_other(others, key);
}

/* A key whose unknown name is near this one has been named with it: saying that it is missing, too,
 * would be noise. */
static bool misspelt(const struct mg_option *options, const char *const *others,
                     const struct mg_node *map, const char *name)
{
    for (size_t i = 0; map && map->type == MG_NODE_MAP && i < map->count && i < MISSPELT_MAX; i++)
        if (!is_known(options, others, map->items[i]->key) &&
            gw_nearest(map->items[i]->key, &name, 1))
            return true;
    return false;
}

static int bind_absent(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *place,
                       bool absent, void *settings)
{
    if (o->value) {
        const struct mg_node *node = default_node(bind, o, place);
        return node ? bind_option(bind, o, node, settings) : out_of_memory(bind, place);
    }
    if ((o->flags & MG_OPT_REQUIRED) && !absent) {
        gw_bind_error_at_key(bind, place, "%s is missing", o->name);
        return -EINVAL;
    }
    if (o->type == MG_OPT_MAP && !(o->flags & MG_OPT_LIST))
        return bind_map(bind, o->inside, NULL, NULL, place, true, (char *)settings + o->offset);
    return 0;
}

static void refuse_key(struct gw_bind *bind, const struct mg_option *options,
                       const char *const *others, const struct mg_node *entry)
{
    size_t count = 0;
    for (const struct mg_option *o = options; o && o->name; o++)
        count++;
    for (const char *const *other = others; other && *other; other++)
        count++;
    char shown[GW_SHOWN_BYTES], list[512] = "";
    gw_tree_shown(shown, entry->key);
    const char **names = calloc(count + 1, sizeof(*names));
    size_t n = 0;
    for (const char *const *other = others; names && other && *other; other++)
        names[n++] = *other;
    for (const struct mg_option *o = options; names && o && o->name; o++)
        names[n++] = o->name;
    const char *nearest = names ? gw_nearest(entry->key, names, n) : NULL;
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof list; i++) {
        if (i == KEYS_NAMED_MAX) {
            snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    if (nearest)
        gw_bind_error_at_key(bind, entry, "unknown key \"%s\"; did you mean \"%s\"?", shown,
                             nearest);
    else if (n)
        gw_bind_error_at_key(bind, entry, "unknown key \"%s\"; there are: %s", shown, list);
    else
        gw_bind_error_at_key(bind, entry, "unknown key \"%s\"; there are none here", shown);
    free(names);
}

/* absent: the map itself was left away, so that nothing in it is required. */
static int bind_map(struct gw_bind *bind, const struct mg_option *options,
                    const char *const *others, const struct mg_node *map,
                    const struct mg_node *place, bool absent, void *settings)
{
    int error = 0;
    for (size_t i = 0; map && map->type == MG_NODE_MAP && i < map->count; i++) {
        const struct mg_node *entry = map->items[i];
        const struct mg_option *o = options;
        while (o && o->name && strcmp(o->name, entry->key))
            o++;
        if (is_other(others, entry->key))
            continue;
        if (!o || !o->name) {
            refuse_key(bind, options, others, entry);
            error = -EINVAL;
        } else if (bind_option(bind, o, entry, settings)) {
            error = -EINVAL;
        }
    }
    for (const struct mg_option *o = options; o && o->name; o++) {
        if (is_other(others, o->name) || gw_tree_get(map, o->name))
            continue;
        bool named = (o->flags & MG_OPT_REQUIRED) && misspelt(options, others, map, o->name);
        if (bind_absent(bind, o, place, absent || named, settings))
            error = -EINVAL;
    }
    return error;
}

int gw_bind_settings(struct gw_bind *bind, const struct mg_option *options,
                     const struct mg_node *map, const struct mg_node *place, void *settings)
{
    if (map && map->type != MG_NODE_MAP && map->type != MG_NODE_NULL) {
        gw_bind_error(bind, map, "this must be a map of keys to values");
        return -EINVAL;
    }
    return bind_map(bind, options, bind->others, map, place ? place : map, false, settings);
}
