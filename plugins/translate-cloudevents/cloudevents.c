/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "cloudevents": messages to CloudEvents 1.0, back, and from one mode to another. */
#include "json_format.h"
#include "translator.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const modes[] = {"wrap", "unwrap", "convert", NULL};
static const char *const forms[] = {"structured", "binary", "batch", NULL};
static const char *const decodes[] = {"auto", "structured", "binary", "batch", NULL};
static const char *const prefixes[] = {"none", "cloudEvents:", "cloudEvents_", "ce-", "ce_", NULL};
static const char *const plains[] = {"reject", "pass", "drop", NULL};
static const char *const counters[] = {"wrapped", "unwrapped", "converted",
                                       "plain",   "invalid",   NULL};
enum { COUNT_MODE, COUNT_PLAIN = 3, COUNT_INVALID };

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "mode",
     .doc = "wrap: a plain message becomes an event; unwrap: an event becomes a plain message; "
            "convert: an event stays one, in the mode that encode says.",
     .type = MG_OPT_ENUM,
     .flags = MG_OPT_REQUIRED,
     .choices = modes,
     .offset = AT(mode)},
    {.name = "encode",
     .value = "structured",
     .doc = "wrap, convert: attributes and data in a JSON object, attributes as properties, or a "
            "batch: of one event, but one that comes in stays whole.",
     .type = MG_OPT_ENUM,
     .choices = forms,
     .offset = AT(encode)},
    {.name = "prefix",
     .value = "none",
     .doc = "encode: binary: what stands before an attribute's name: none for MQTT 5, one of the "
            "cloudEvents for AMQP, ce- for HTTP and NATS, ce_ for Kafka.",
     .type = MG_OPT_ENUM,
     .choices = prefixes,
     .offset = AT(binding)},
    {.name = "attributes",
     .doc = "wrap: the event's attributes, each a text that may have {fields}, {data.PATH} among "
            "them: id, source, type and, where wanted, subject, time, dataschema, "
            "datacontenttype, extensions.",
     .type = MG_OPT_TREE,
     .offset = AT(attributes)},
    {.name = "decode",
     .value = "auto",
     .doc = "unwrap, convert: what comes in. auto: as its content type says, else binary where it "
            "has specversion; the others are taken as said, as MQTT 3.1.1 needs it.",
     .type = MG_OPT_ENUM,
     .choices = decodes,
     .offset = AT(decode)},
    {.name = "as_properties",
     .doc = "unwrap: keep the attributes as properties of the plain message, with this before "
            "their names.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 64,
     .offset = AT(as_properties)},
    {.name = "on_plain",
     .value = "reject",
     .doc = "unwrap, convert: what becomes of a message that is no event.",
     .type = MG_OPT_ENUM,
     .choices = plains,
     .offset = AT(on_plain)},
    {.name = "max_size",
     .value = "16MiB",
     .doc = "A larger payload is neither read as JSON nor put into it, but rejected.",
     .type = MG_OPT_SIZE,
     .least = 1,
     .most = 1 << 28,
     .offset = AT(most_bytes)},
    {0}};

/* ---- life ----------------------------------------------------------------------------------- */

static int check_mode(const struct settings *s, struct mg_err *err)
{
    bool wraps = s->mode == MODE_WRAP;
    if (!wraps && s->attributes) {
        err->option = "attributes";
        return ce_refuse(err, "only mode: wrap sets attributes; here the event has its own");
    }
    if (wraps && (s->decode != DECODE_AUTO || s->on_plain != PLAIN_REJECT)) {
        err->option = s->decode != DECODE_AUTO ? "decode" : "on_plain";
        return ce_refuse(err, "mode: wrap takes plain messages");
    }
    if (s->mode != MODE_UNWRAP && s->as_properties) {
        err->option = "as_properties";
        return ce_refuse(err, "this is for mode: unwrap (encode: binary has them as properties)");
    }
    if (s->binding != CE_MQTT && (s->mode == MODE_UNWRAP || s->encode != FORM_BINARY)) {
        err->option = "prefix";
        return ce_refuse(err, "only encode: binary writes attributes as properties");
    }
    return 0;
}

static int compile(const struct settings *s, struct wrap *ret_wrap, struct mg_err *reterr)
{
    int error = s->mode == MODE_WRAP ? wrap_compile(s->attributes, ret_wrap, reterr) : 0;
    if (error)
        reterr->option = "attributes";
    return error;
}

static int check(const void *settings, struct mg_err *reterr)
{
    struct wrap wrap = {0};
    reterr->option = NULL;
    int error = check_mode(settings, reterr);
    if (!error)
        error = compile(settings, &wrap, reterr);
    wrap_fini(&wrap);
    return error;
}

static void destroy(void *self)
{
    struct translator *t = self;
    if (t)
        wrap_fini(&t->wrap);
    free(t);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct translator *t = calloc(1, sizeof *t);
    if (!t)
        return ce_no_memory(reterr);
    *t = (struct translator){.host = host, .instance = instance, .settings = settings};
    int error = compile(settings, &t->wrap, reterr);
    if (error) {
        destroy(t);
        return error;
    }
    *ret_self = t;
    return 0;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    const struct translator *t = self;
    struct context *c = calloc(1, sizeof *c);
    (void)shard;
    if (c && t->wrap.reads && !(c->payload = doc_create())) {
        free(c);
        c = NULL;
    }
    *ret_context = c;
    return c ? 0 : ce_no_memory(reterr);
}

static void shard_close(void *self, void *context)
{
    struct context *c = context;
    (void)self;
    if (c) {
        arena_fini(&c->arena);
        doc_destroy(c->payload);
    }
    free(c);
}

/* ---- the translation ------------------------------------------------------------------------ */

static int translate_plain(const struct translator *t, struct context *c,
                           const struct mg_step_call *call, struct mg_err *err)
{
    struct attribute_source source = {.host = t->host, .instance = t->instance, .call = call};
    int error = 0;
    if (t->wrap.reads)
        error = doc_of_payload(c->payload, t->host, call->event, &source.payload, err);
    return error ? error : wrap_message(&t->wrap, &source, &c->arena, &c->event, err);
}

/* Each answers how many messages c->out has, 0: the message goes on as it is; or an error. */
static int translate_one(const struct translator *t, struct context *c,
                         const struct mg_step_call *call, struct arrival *a, struct mg_err *err)
{
    struct mg_bytes payload = t->host->event_payload(call->event);
    int error;
    if (a->form == FORM_PLAIN)
        error = translate_plain(t, c, call, err);
    else if (a->form == FORM_BINARY)
        error = binary_read(t->host, call->event, a->binding, &c->arena, &c->event, &a->mixed, err);
    else
        error = json_read_event(payload, &c->arena, &c->event, err);
    if (error || departure_is_same(t, a))
        return error;
    error = departure_make(t, a, &c->event, &c->arena, &c->out[0], err);
    return error ? error : 1;
}

static int translate_batch(const struct translator *t, struct context *c, const struct arrival *a,
                           struct mg_err *err)
{
    bool whole = departure_keeps_batch(t, a);
    struct scan scan;
    size_t count = 0, made = 0;
    int more;
    scan_begin(&scan, t->host->event_payload(a->message));
    while ((more = json_read_batch(&scan, count, &c->arena, &c->event, err)) > 0) {
        count++;
        if (whole)
            continue;
        more = made == MG_EMIT_MAX ? ce_refuse(err, "a batch of more than %d events", MG_EMIT_MAX)
                                   : departure_make(t, a, &c->event, &c->arena, &c->out[made], err);
        if (more < 0)
            break;
        made++;
    }
    if (!more && whole && !departure_is_same(t, a)) {
        more = departure_make_batch(t, a, &c->out[0], err);
        made = !more;
    }
    /* One event that is invalid makes the batch so: nothing of it goes on. */
    while (more < 0 && made)
        t->host->event_unref(c->out[--made]);
    return more < 0 ? more : (int)made;
}

static uint32_t not_an_event(const struct translator *t, struct mg_err *err)
{
    static const uint32_t verdicts[] = {MG_REJECT, MG_PASS, MG_DROP};
    t->host->count(t->instance, COUNT_PLAIN, 1);
    ce_refuse(err, "no CloudEvent: neither its content type nor a property specversion says so");
    return verdicts[t->settings->on_plain];
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct translator *t = self;
    struct context *c = context;
    struct arrival arrival;
    int made = arrival_recognise(t, call->event, &arrival, &result->err);
    if (!made && arrival.form == FORM_PLAIN && t->settings->mode != MODE_WRAP)
        return not_an_event(t, &result->err);
    if (!made)
        made = arrival.form == FORM_BATCH ? translate_batch(t, c, &arrival, &result->err)
                                          : translate_one(t, c, call, &arrival, &result->err);
    arena_reset(&c->arena);
    if (c->payload)
        doc_reset(c->payload);
    if (made < 0) {
        t->host->count(t->instance, COUNT_INVALID, 1);
        return MG_REJECT;
    }
    t->host->count(t->instance, COUNT_MODE + t->settings->mode, made ? made : 1);
    if (!made && !departure_is_same(t, &arrival)) {
        ce_refuse(&result->err, "an empty batch");
        return MG_DROP;
    }
    result->events = c->out;
    result->count = (size_t)made;
    return made ? MG_REPLACE : MG_PASS;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "cloudevents",
    .version = "1.0.0",
    .summary = "Makes messages CloudEvents 1.0, and events messages, and changes an event's mode.",
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
