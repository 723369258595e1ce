/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "jq": makes of an event what a jq program puts out: one, several or none. */
#include "event_doc.h"
#include "jq_program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    struct jq_settings jq;
    bool envelope;
};

struct translator {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct jq_program *program;
};

struct context {
    struct jq_machine *machine;
    size_t count;
    mg_event *out[MG_EMIT_MAX];
};

static const char *const counters[] = {"errors", "stopped", NULL};
enum { COUNT_ERRORS, COUNT_STOPPED };

static const struct mg_option options[] = {
    JQ_OPTIONS(offsetof(struct settings, jq)),
    {.name = "envelope",
     .value = "false",
     .doc = "true: an output is an object of what shall change: payload (JSON) or text, address, "
            "subject, reply_to, content_type, group, properties; false: it is the payload.",
     .type = MG_OPT_BOOL,
     .offset = offsetof(struct settings, envelope)},
    {0}};

static int check(const void *settings, struct mg_err *reterr)
{
    return jq_program_check(&((const struct settings *)settings)->jq, reterr);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct translator *t = self;
    if (t)
        jq_program_destroy(t->program);
    free(t);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct translator *t = calloc(1, sizeof *t);
    if (!t) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    t->host = host;
    t->instance = instance;
    t->settings = settings;
    int error = jq_program_create(&t->settings->jq, &t->program, reterr);
    if (error) {
        destroy(t);
        return error;
    }
    *ret_self = t;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *x = context;
    if (x)
        jq_machine_destroy(x->machine);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct translator *t = self;
    struct context *x = calloc(1, sizeof *x);
    if (!x) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    int error = jq_machine_create(t->program, t->host, t->instance, shard, &x->machine, reterr);
    if (error) {
        shard_close(self, x);
        return error;
    }
    *ret_context = x;
    return 0;
}

/* ---- an event ------------------------------------------------------------------------------- */

static int set_payload(const struct translator *t, mg_edit *edit, const struct doc_value *value)
{
    size_t length;
    char *text = doc_write(value, &length);
    int error =
        text ? t->host->edit_payload(edit, (struct mg_bytes){text, length}, free, text) : -ENOMEM;
    if (error)
        free(text);
    return error;
}

static bool is_named(struct mg_str name, const char *expected)
{
    return name.len == strlen(expected) && !memcmp(name.at, expected, name.len);
}

static int set_member(const struct translator *t, mg_edit *edit, const struct doc_member *m,
                      struct mg_err *err)
{
    if (is_named(m->name, "payload"))
        return set_payload(t, edit, m->value);
    if (!is_named(m->name, "text"))
        return event_doc_change(t->host, edit, m->name, m->value, err);
    if (m->value->kind != DOC_TEXT) {
        snprintf(err->text, sizeof err->text, "text must be a text");
        return -EINVAL;
    }
    return t->host->edit_payload(edit, (struct mg_bytes){m->value->text.at, m->value->text.len},
                                 NULL, NULL);
}

static int set_envelope(const struct translator *t, mg_edit *edit, const struct doc_value *output,
                        struct mg_err *err)
{
    int error = 0;
    if (output->kind != DOC_OBJECT) {
        snprintf(err->text, sizeof err->text,
                 "with envelope: true, the program must put out objects");
        return -EINVAL;
    }
    if (doc_get(output, (struct mg_str){"payload", 7}) &&
        doc_get(output, (struct mg_str){"text", 4})) {
        snprintf(err->text, sizeof err->text, "payload and text cannot both be set");
        return -EINVAL;
    }
    for (size_t i = 0; i < output->count && !error; i++)
        error = set_member(t, edit, &output->members[i], err);
    return error;
}

static int emit(const struct translator *t, struct context *x, const mg_event *base,
                const struct doc_value *output, struct mg_err *err)
{
    if (x->count == MG_EMIT_MAX) {
        snprintf(err->text, sizeof err->text, "the program put out more than %d events",
                 MG_EMIT_MAX);
        return -EINVAL;
    }
    mg_edit *edit = t->host->edit_new(base);
    int error = -ENOMEM;
    if (edit)
        error = t->settings->envelope ? set_envelope(t, edit, output, err)
                                      : set_payload(t, edit, output);
    if (error)
        t->host->edit_free(edit);
    else if (!(x->out[x->count] = t->host->edit_publish(edit)))
        error = -ENOMEM;
    else
        x->count++;
    if (error == -ENOMEM)
        snprintf(err->text, sizeof err->text, "out of memory");
    return error;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct translator *t = self;
    struct context *x = context;
    struct doc_value *output;
    x->count = 0;
    int more = jq_machine_begin(x->machine, call, &result->err);
    while (!more && (more = jq_machine_next(x->machine, &output, &result->err)) > 0)
        more = emit(t, x, call->event, output, &result->err);
    jq_machine_end(x->machine);
    if (more) {
        t->host->count(t->instance, more == -ETIME ? COUNT_STOPPED : COUNT_ERRORS, 1);
        for (size_t i = 0; i < x->count; i++)
            t->host->event_unref(x->out[i]);
        return MG_REJECT;
    }
    if (!x->count) {
        snprintf(result->err.text, sizeof result->err.text, "the program put out nothing");
        return MG_DROP;
    }
    result->events = x->out;
    result->count = x->count;
    return MG_REPLACE;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "jq",
    .version = "1.0.0",
    .summary = "Makes of an event what a jq program puts out: one, several or none.",
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
