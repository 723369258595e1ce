/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "map": changes a JSON payload, or makes another one out of it, declaratively. */
#include "constant.h"
#include "mapping.h"
#include "outgoing.h"
#include "strict.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum counter { COUNT_SPLIT, COUNT_UNMENTIONED, COUNT_UNKNOWN };
static const char *const counters[] = {"split_events", "unmentioned_events", "unknown_values",
                                       NULL};

struct settings {
    const struct mg_node *split, *rename, *move, *remove, *fields, *set, *defaults;
    const struct mg_node *properties, *content_type, *strict, *ignore;
    uint32_t mode, on_missing;
};

struct map {
    const struct mg_host *host;
    mg_instance *instance;
    uint32_t on_missing;
    enum strict strict;
    bool reads; /* the payload */
    struct doc *constants;
    struct mention *mention;
    struct place split; /* without a path: one event stays one */
    struct mapping *mapping;
    struct outgoing *outgoing;
};

struct context {
    struct doc *doc;
    struct arena arena;
    struct seen seen;
    mg_event *out[MG_EMIT_MAX];
};

static const char *const modes[] = {"auto", "replace", "merge", NULL};
static const char *const missings[] = {"omit", "set-null", "reject", NULL};

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "split",
     .doc = "The path of a list: each of its items becomes an event, and the rules are about the "
            "item.",
     .type = MG_OPT_TREE,
     .offset = AT(split)},
    {.name = "rename",
     .doc = "Paths to new names; what is renamed keeps its place.",
     .type = MG_OPT_TREE,
     .offset = AT(rename)},
    {.name = "move", .doc = "Paths to other paths.", .type = MG_OPT_TREE, .offset = AT(move)},
    {.name = "remove",
     .doc = "A path, or a list of paths, to take out of the payload.",
     .type = MG_OPT_TREE,
     .offset = AT(remove)},
    {.name = "fields",
     .doc = "Targets and where each comes from: a path (data.temperature), a text (\"{line}\"), or "
            "a map with from, first_of, value, each, list_of or object_of, and what is made of it.",
     .type = MG_OPT_TREE,
     .offset = AT(fields)},
    {.name = "set",
     .doc = "Targets and constants, or texts with fields in them.",
     .type = MG_OPT_TREE,
     .offset = AT(set)},
    {.name = "defaults",
     .doc = "As set, for where there is nothing or null.",
     .type = MG_OPT_TREE,
     .offset = AT(defaults)},
    {.name = "mode",
     .value = "auto",
     .doc = "replace: a new object of the fields only; merge: the payload with the rules applied; "
            "auto: replace where there are fields, else merge.",
     .type = MG_OPT_ENUM,
     .choices = modes,
     .offset = AT(mode)},
    {.name = "on_missing",
     .value = "omit",
     .doc = "A field whose source the event has not, and that has no default: left out, set to "
            "null, or the event rejected.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {.name = "strict",
     .doc = "What no rule mentions: true rejects the event, warn logs each such path once, false "
            "says nothing.",
     .type = MG_OPT_TREE,
     .offset = AT(strict)},
    {.name = "ignore",
     .doc = "A path, or a list of paths, that strict does not mind.",
     .type = MG_OPT_TREE,
     .offset = AT(ignore)},
    {.name = "properties",
     .doc = "Properties of the event to set: names to texts, or to null to remove them.",
     .type = MG_OPT_TREE,
     .offset = AT(properties)},
    {.name = "content_type",
     .doc = "The event's content type, a text; without it, it stays.",
     .type = MG_OPT_TREE,
     .offset = AT(content_type)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static void map_fini(struct map *m)
{
    place_fini(&m->split);
    mapping_free(m->mapping);
    outgoing_free(m->outgoing);
    mention_destroy(m->mention);
    doc_destroy(m->constants);
}

static int compile_strict(struct map *m, const struct mg_node *node, struct mg_err *err)
{
    bool yes = false;
    err->option = "strict";
    if (node && node->type == MG_NODE_SCALAR && !strcmp(node->text, "warn"))
        m->strict = STRICT_WARN;
    else if (node && constant_truth(node, &yes, err))
        return wrong(node, err, "strict is true, warn or false");
    else
        m->strict = yes ? STRICT_REJECT : STRICT_OFF;
    return 0;
}

static int compile_ignore(struct map *m, const struct mg_node *node, const struct scope *scope,
                          struct mg_err *err)
{
    bool list = node && node->type == MG_NODE_LIST;
    size_t count = list ? node->count : node != NULL;
    err->option = "ignore";
    if (node && !m->strict)
        return wrong(node, err, "ignore goes with strict");
    for (size_t i = 0; i < count; i++) {
        const struct mg_node *item = list ? node->items[i] : node;
        struct place place = {0};
        const char *text;
        int error = constant_text(item, &text, err);
        if (!error)
            error = wrong_at(item, place_compile(text, scope, &place, NULL, err), err);
        place_fini(&place);
        if (error)
            return error;
    }
    return 0;
}

/* *item, inside of payload, is what the rules are about. */
static int compile_split(struct map *m, const struct mg_node *node, const struct scope *payload,
                         struct scope *item, struct mg_err *err)
{
    struct mention *at;
    const char *text;
    err->option = "split";
    int error = constant_text(node, &text, err);
    if (!error)
        error = wrong_at(node, place_compile(text, payload, &m->split, &at, err), err);
    if (error)
        return error;
    item->mention = mention_each(at);
    return item->mention ? 0 : out_of_memory(err);
}

static bool is_given(const struct mg_node *node)
{
    return node && node->type != MG_NODE_NULL;
}

static int compile_rules(struct map *m, const struct settings *s, struct mg_err *err)
{
    struct scope payload = {.constants = m->constants, .mention = m->mention};
    struct scope item = {.constants = m->constants, .outer = &payload};
    const struct scope *scope = is_given(s->split) ? &item : &payload;
    struct rules rules = {.fields = s->fields,
                          .rename = s->rename,
                          .move = s->move,
                          .remove = s->remove,
                          .set = s->set,
                          .defaults = s->defaults,
                          .mode = s->mode,
                          .on_missing = s->on_missing};
    int error = compile_strict(m, s->strict, err);
    if (!error)
        error = compile_ignore(m, s->ignore, &payload, err);
    if (!error && scope == &item)
        error = compile_split(m, s->split, &payload, &item, err);
    if (!error)
        error = mapping_compile(&rules, scope, &m->mapping, err);
    if (!error)
        error = outgoing_compile(s->properties, s->content_type, scope, &m->outgoing, err);
    if (error)
        return error;
    bool changes = mapping_changes(m->mapping);
    if (!changes && m->split.path)
        mention_all(item.mention); /* they are taken as they are */
    m->reads = m->strict || m->split.path || outgoing_reads(m->outgoing) ||
               (changes ? mapping_reads(m->mapping) : s->mode == MODE_MERGE);
    if (changes || m->reads || s->mode == MODE_MERGE || outgoing_changes(m->outgoing))
        return 0;
    err->option = "fields";
    snprintf(err->text, sizeof err->text,
             "without fields, or any other rule, nothing would change");
    return -EINVAL;
}

static int map_init(struct map *m, const struct settings *s, struct mg_err *err)
{
    m->on_missing = s->on_missing;
    m->constants = doc_create();
    m->mention = mention_create();
    err->option = NULL;
    if (!m->constants || !m->mention)
        return out_of_memory(err);
    int error = compile_rules(m, s, err);
    if (error == -ENOMEM)
        out_of_memory(err);
    if (!error)
        err->option = NULL;
    return error;
}

static int check(const void *settings, struct mg_err *reterr)
{
    struct map m = {.reads = false};
    int error = map_init(&m, settings, reterr);
    map_fini(&m);
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    if (self)
        map_fini(self);
    free(self);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct map *m = calloc(1, sizeof *m);
    if (!m)
        return out_of_memory(reterr);
    m->host = host;
    m->instance = instance;
    int error = map_init(m, settings, reterr);
    if (error) {
        destroy(m);
        return error;
    }
    *ret_self = m;
    return 0;
}

static void shard_close(void *self, void *context)
{
    struct context *x = context;
    (void)self;
    if (!x)
        return;
    doc_destroy(x->doc);
    arena_fini(&x->arena);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct context *x = calloc(1, sizeof *x);
    (void)shard;
    if (x) {
        x->doc = doc_create();
        x->arena.most = DOC_MEMORY_MAX;
    }
    if (!x || !x->doc) {
        shard_close(self, x);
        return out_of_memory(reterr);
    }
    *ret_context = x;
    return 0;
}

/* ---- the translation ------------------------------------------------------------------------ */

static int make(const struct map *m, struct run *run, const struct level *level, mg_event **ret,
                struct mg_err *err)
{
    struct doc_value *out = level->value;
    int error = 0;
    if (mapping_changes(m->mapping))
        error = mapping_apply(m->mapping, run, level, &out, err);
    else if (!level->outer)
        out = NULL; /* the payload as it came, byte by byte */
    return error ? error
                 : outgoing_make(m->outgoing, run, level, level->outer,
                                 m->on_missing == MISSING_REJECT, out, ret, err);
}

/* Each item as an event, or none of them. */
static int make_parts(const struct map *m, struct run *run, struct level *payload,
                      struct context *x, size_t *ret_count, struct mg_err *err)
{
    const struct doc_value *list = place_get(&m->split, payload);
    const char *path = place_text(&m->split);
    if (!list || list->kind != DOC_LIST) {
        snprintf(err->text, sizeof err->text, "split: %.120s is %s", path,
                 list ? "no list" : "not there");
        return -EINVAL;
    }
    if (list->count > MG_EMIT_MAX) {
        snprintf(err->text, sizeof err->text, "split: %.120s has %zu items, more than %d", path,
                 list->count, MG_EMIT_MAX);
        return -EINVAL;
    }
    int error = 0;
    for (size_t i = 0; i < list->count && !error; i++) {
        struct level level = {
            .value = list->items[i], .outer = payload, .index = i, .count = list->count};
        error = make(m, run, &level, &x->out[i], err);
        *ret_count += !error;
    }
    if (error == -EINVAL) {
        char what[160];
        snprintf(what, sizeof what, "%.159s", err->text);
        snprintf(err->text, sizeof err->text, "%.80s.%zu: %s", path, *ret_count, what);
    }
    return error;
}

static int translate(const struct map *m, struct run *run, struct context *x, size_t *ret_count,
                     struct mg_err *err)
{
    struct level payload = {.index = 0};
    bool unmentioned = false;
    int error = 0;
    if (m->reads)
        error = doc_of_payload(x->doc, run->host, run->step->event, &payload.value, err);
    if (!error && m->strict) {
        error = strict_check(m->strict, m->mention, payload.value, &x->seen, run->host, m->instance,
                             &unmentioned, err);
        if (unmentioned)
            run->host->count(m->instance, COUNT_UNMENTIONED, 1);
    }
    if (error)
        return error;
    if (m->split.path)
        return make_parts(m, run, &payload, x, ret_count, err);
    error = make(m, run, &payload, &x->out[0], err);
    *ret_count = !error;
    return error;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct map *m = self;
    struct context *x = context;
    struct run run = {
        .host = m->host, .instance = m->instance, .step = call, .doc = x->doc, .arena = &x->arena};
    size_t count = 0;
    int error = translate(m, &run, x, &count, &result->err);
    doc_reset(x->doc);
    arena_reset(&x->arena);
    if (run.unknown)
        m->host->count(m->instance, COUNT_UNKNOWN, run.unknown);
    if (error) {
        while (count > 0)
            m->host->event_unref(x->out[--count]);
        return MG_REJECT;
    }
    if (m->split.path)
        m->host->count(m->instance, COUNT_SPLIT, (int64_t)count);
    if (!count) {
        snprintf(result->err.text, sizeof result->err.text, "split: %.120s is empty",
                 place_text(&m->split));
        return MG_DROP;
    }
    result->events = x->out;
    result->count = count;
    return MG_REPLACE;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "map",
    .version = "2.0.0",
    .summary = "Changes a JSON payload or makes another one: rename, move, remove, convert, split.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
