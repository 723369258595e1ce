/* SPDX-License-Identifier: Apache-2.0 */
/* Talks to the filter by its option table and its set operations alone. */
#include "cli/match_set.h"
#include "config/bind.h"
#include "event/event.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_sets(const struct mg_step_ops *ops)
{
    return ops->size >= offsetof(struct mg_step_ops, set_match) + sizeof ops->set_match &&
           ops->set_create && ops->set_match;
}

static const struct mg_option *option(const struct mg_module *module, const char *name)
{
    for (const struct mg_option *o = module->options; o && o->name; o++)
        if (!strcmp(o->name, name))
            return o;
    return NULL;
}

/* Settings as a configuration would make them; where the tree goes it is put in later. */
static int bind_defaults(struct gw_match_set *m)
{
    static const char yaml[] = "{over: payload}";
    struct gw_diags diags = {0};
    struct gw_bind bind = {.arena = m->arena, .diags = &diags, .what = "filter (pattern)"};
    const struct mg_node *map = gw_tree_parse(m->arena, "match", yaml, sizeof yaml - 1, &diags);
    void *settings = gw_arena_alloc(m->arena, m->module->settings_size);
    int error =
        map && settings ? gw_bind_settings(&bind, m->module->options, map, map, settings) : -ENOMEM;
    gw_diags_print(&diags, stderr);
    gw_bind_release(&bind);
    m->defaults = settings;
    return error;
}

int gw_match_init(struct gw_match_set *m, struct gw_registry *registry)
{
    *m = (struct gw_match_set){.host = {.size = sizeof m->host}};
    m->module = gw_registry_find(registry, MG_FILTER, "pattern");
    m->ops = m->module ? m->module->ops : NULL;
    const struct mg_option *match = m->module ? option(m->module, "match") : NULL;
    if (!match || match->type != MG_OPT_TREE || !has_sets(m->ops)) {
        fprintf(stderr, m->module ? "meshgate match: this filter \"pattern\" is too old\n"
                                  : "meshgate match: the filter \"pattern\" is not installed; "
                                    "`meshgate plugins ls` lists what there is\n");
        return -ENOENT;
    }
    m->match_at = match->offset;
    m->arena = gw_arena_create();
    gw_event_host_fill(&m->host);
    return m->arena ? bind_defaults(m) : -ENOMEM;
}

void gw_match_clear(struct gw_match_set *m)
{
    if (m->context)
        m->ops->set_close(m->set, m->context);
    if (m->set)
        m->ops->set_destroy(m->set);
    free(m->found);
    m->set = m->context = NULL;
    m->found = NULL;
    m->count = 0;
}

void gw_match_fini(struct gw_match_set *m)
{
    gw_match_clear(m);
    free(m->patterns);
    gw_arena_destroy(m->arena);
    *m = (struct gw_match_set){0};
}

static int add(struct gw_match_set *m, const struct mg_node *tree, const char *file, uint32_t line,
               struct mg_err *reterr)
{
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 64;
        struct gw_match_pattern *more = realloc(m->patterns, capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        m->patterns = more;
        m->capacity = capacity;
    }
    char *settings = gw_arena_alloc(m->arena, m->module->settings_size);
    if (!settings)
        return -ENOMEM;
    memcpy(settings, m->defaults, m->module->settings_size);
    memcpy(settings + m->match_at, &tree, sizeof tree);
    int error = m->module->check ? m->module->check(settings, reterr) : 0;
    if (!error)
        m->patterns[m->count++] = (struct gw_match_pattern){settings, file, line};
    return error;
}

int gw_match_add_tree(struct gw_match_set *m, const struct mg_node *tree, struct mg_err *reterr)
{
    return add(m, tree, tree->file, 0, reterr);
}

int gw_match_add_text(struct gw_match_set *m, struct gw_text text, const char *file, uint32_t line,
                      struct mg_err *reterr)
{
    struct mg_node *node = gw_arena_alloc(m->arena, sizeof *node);
    char *copy = gw_arena_copy(m->arena, text.at, text.length);
    if (!node || !copy)
        return -ENOMEM;
    *node = (struct mg_node){.type = MG_NODE_SCALAR,
                             .quoted = true,
                             .text = copy,
                             .length = text.length,
                             .line = line ? line : 1,
                             .column = 1};
    return add(m, node, file, line, reterr);
}

int gw_match_compile(struct gw_match_set *m, struct mg_err *reterr)
{
    const void **settings = calloc(m->count + 1, sizeof *settings);
    m->found = calloc(m->count + 1, sizeof *m->found);
    int error = settings && m->found ? 0 : -ENOMEM;
    for (size_t i = 0; i < m->count && !error; i++)
        settings[i] = m->patterns[i].settings;
    if (!error)
        error = m->ops->set_create(&m->host, settings, m->count, &m->set, reterr);
    if (!error)
        error = m->ops->set_open(m->set, &m->context);
    free(settings);
    return error;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

ptrdiff_t gw_match_document(struct gw_match_set *m, struct gw_text document, struct mg_err *reterr)
{
    struct mg_event event;
    struct mg_message message = {.head = {.size = sizeof message.head},
                                 .payload = {document.at, document.length}};
    gw_event_borrow(&event, &message, 0);
    reterr->text[0] = '\0';
    ptrdiff_t count = m->ops->set_match(m->set, m->context, &event, m->found, reterr);
    gw_event_return(&event);
    if (count >= 0 && reterr->text[0])
        return -EINVAL;
    if (count > 1)
        qsort(m->found, (size_t)count, sizeof *m->found, ascending);
    return count;
}
