/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "map": makes a JSON payload out of fields, declaratively. */
#include "fields.h"
#include "json_text.h"
#include "meshgate/plugin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_REPLACE, MODE_MERGE };
enum missing { MISSING_OMIT, MISSING_NULL, MISSING_REJECT };

struct settings {
    const struct mg_node *fields;
    struct mg_list remove; /* of const char * */
    uint32_t mode, on_missing;
};

struct map {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct fields fields;
    struct json_path **remove;
};

struct context {
    mg_event *out[1];
};

static const char *const modes[] = {"replace", "merge", NULL};
static const char *const missings[] = {"omit", "set-null", "reject", NULL};

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "fields",
     .doc = "Targets and where each comes from: a path (data.temperature), a text (\"{line}\"), or "
            "a map with "
            "from or value, and default, type, scale, offset.",
     .type = MG_OPT_TREE,
     .offset = AT(fields)},
    {.name = "mode",
     .value = "replace",
     .doc = "replace: a new object of the fields only; merge: the payload with the fields put in.",
     .type = MG_OPT_ENUM,
     .choices = modes,
     .offset = AT(mode)},
    {.name = "remove",
     .doc = "Paths to take out of the payload, with mode: merge.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_LIST,
     .least = 1,
     .most = 1024,
     .offset = AT(remove)},
    {.name = "on_missing",
     .value = "omit",
     .doc = "A field whose source the event has not, and that has no default: left out, set to "
            "null, or the event rejected.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static void map_free(struct map *m)
{
    for (size_t i = 0; m->remove && i < m->settings->remove.count; i++)
        json_path_free(m->remove[i]);
    free(m->remove);
    fields_fini(&m->fields);
}

static int map_compile(struct map *m, const struct settings *s, struct mg_err *reterr)
{
    m->settings = s;
    reterr->option = NULL;
    int error = fields_compile(s->fields, s->mode == MODE_MERGE, &m->fields, reterr);
    if (error) {
        reterr->option = "fields";
        return error;
    }
    m->remove = calloc(s->remove.count + 1, sizeof *m->remove);
    if (!m->remove) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    const char *const *paths = s->remove.items;
    for (size_t i = 0; i < s->remove.count && !error; i++) {
        error = json_path_compile(paths[i], true, &m->remove[i], reterr);
        reterr->option = error ? "remove" : NULL;
    }
    return error;
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    if (s->mode == MODE_REPLACE && s->remove.count) {
        snprintf(reterr->text, sizeof reterr->text,
                 "mode: replace takes over nothing but the fields, so there is nothing to remove "
                 "(use mode: merge)");
        reterr->option = "remove";
        return -EINVAL;
    }
    if (s->mode == MODE_REPLACE &&
        (!s->fields || s->fields->type == MG_NODE_NULL || !s->fields->count)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "mode: replace without fields would make every payload {}");
        reterr->option = "fields";
        return -EINVAL;
    }
    struct map m = {0};
    int error = map_compile(&m, s, reterr);
    map_free(&m);
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    if (self)
        map_free(self);
    free(self);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct map *m = calloc(1, sizeof *m);
    if (!m) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    m->host = host;
    m->instance = instance;
    int error = map_compile(m, settings, reterr);
    if (error) {
        destroy(m);
        return error;
    }
    *ret_self = m;
    return 0;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)self;
    (void)shard;
    *ret_context = calloc(1, sizeof(struct context));
    if (*ret_context)
        return 0;
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    free(context);
}

/* ---- the translation ------------------------------------------------------------------------ */

/* Reads all from the payload as it came, so that the order of the fields makes no difference. */
static int put_fields(const struct map *m, const struct field_call *call, json_t *out,
                      struct mg_err *err)
{
    for (size_t i = 0; i < m->fields.count; i++) {
        const struct field *f = &m->fields.list[i];
        json_t *value;
        int error = field_evaluate(f, call, &value, err);
        if (error)
            return error;
        if (!value && m->settings->on_missing == MISSING_REJECT) {
            snprintf(err->text, sizeof err->text, "%.80s: the event has no %.120s",
                     json_path_text(f->target),
                     f->from ? json_path_text(f->from) : "value for its text");
            return -EINVAL;
        }
        if (!value && m->settings->on_missing == MISSING_OMIT)
            continue;
        /* A copy: a later field may write into what an earlier one put there. */
        json_t *copy = value ? json_deep_copy(value) : json_null();
        json_decref(value);
        error = json_path_set(f->target, out, copy);
        if (error) {
            snprintf(err->text, sizeof err->text, "%.120s: %s", json_path_text(f->target),
                     error == -ENOMEM ? "out of memory"
                                      : "something on the way there is neither object nor list");
            return error;
        }
    }
    return 0;
}

static int translate(const struct map *m, const struct mg_step_call *step, json_t *payload,
                     json_t **ret_out, struct mg_err *err)
{
    bool merge = m->settings->mode == MODE_MERGE;
    if (merge && !json_is_object(payload)) {
        snprintf(err->text, sizeof err->text,
                 "the payload is no JSON object, so nothing can be merged into it");
        return -EINVAL;
    }
    json_t *out = merge ? json_deep_copy(payload) : json_object();
    if (!out) {
        snprintf(err->text, sizeof err->text, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < m->settings->remove.count; i++)
        json_path_remove(m->remove[i], out);
    struct field_call call = {m->host, m->instance, step, payload};
    int error = put_fields(m, &call, out, err);
    if (error)
        json_decref(out);
    else
        *ret_out = out;
    return error;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct map *m = self;
    struct context *x = context;
    json_t *payload = NULL, *out = NULL;
    if (m->fields.need_payload || m->settings->mode == MODE_MERGE) {
        payload = json_of_payload(m->host, call->event, &result->err);
        if (!payload)
            return MG_REJECT;
    }
    int error = translate(m, call, payload, &out, &result->err);
    json_decref(payload);
    if (error)
        return MG_REJECT;
    x->out[0] = json_event(m->host, call->event, out);
    json_decref(out);
    if (!x->out[0]) {
        snprintf(result->err.text, sizeof result->err.text, "out of memory");
        return MG_REJECT;
    }
    result->events = x->out;
    result->count = 1;
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
    .version = "1.0.0",
    .summary = "Makes a JSON payload out of fields: from the payload, from captures and "
               "properties, or constant.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
