/* SPDX-License-Identifier: Apache-2.0 */
/* The probe modules and the gateway around them. */
#include "flow_probe.h"
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe probe;
static const struct mg_host *host;

/* ---- the bridge ----------------------------------------------------------------------------- */

struct source_settings {
    bool lazy;
};

static const struct mg_option source_options[] = {
    {.name = "lazy", .value = "false", .doc = "Cannot defer.", .type = MG_OPT_BOOL, .offset = 0},
    {.name = NULL},
};

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *err)
{
    (void)instance, (void)settings, (void)err;
    host = h;
    *ret_self = &probe;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    (void)settings, (void)address, (void)err;
    const struct source_settings *source = end_settings;
    bool lazy = direction == MG_SOURCE && source->lazy;
    ret_end->abilities =
        MG_SOURCE | MG_SINK | MG_CONFIRMS | MG_FILTERS | MG_NO_ECHO | (lazy ? 0 : MG_DEFERS_ACK);
    return 0;
}

static int open_connection(void *self, mg_connection *c, uint32_t index, void **ret_context,
                           struct mg_err *err)
{
    (void)self, (void)index, (void)err;
    probe.connections[probe.connection_count++] = c;
    *ret_context = c;
    return 0;
}

static int open_source(void *context, mg_source *source, const char *address, const void *settings,
                       void **ret_source, struct mg_err *err)
{
    (void)context, (void)address, (void)settings, (void)err;
    probe.sources[probe.source_count++] = source;
    *ret_source = source;
    return 0;
}

static int open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *err)
{
    (void)context, (void)settings, (void)err;
    enum { MOST = sizeof probe.sinks / sizeof probe.sinks[0] };
    bool more = probe.sink_count == MOST; /* the last stands for those, too */
    struct probe_sink *k = &probe.sinks[more ? MOST - 1 : probe.sink_count++];
    k->handle = sink;
    k->sent = more ? k->sent : calloc(PROBE_MAX, sizeof *k->sent);
    snprintf(k->template, sizeof k->template, "%s", address);
    *ret_sink = k;
    return 0;
}

static int begin(void *context, struct mg_err *err)
{
    (void)context, (void)err;
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    (void)context;
    if (!source)
        probe.credit += more;
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    (void)context, (void)source;
    struct probe_settled *s = &probe.settled[probe.settled_count++];
    s->cookie = cookie;
    s->outcome = outcome;
    snprintf(s->reason, sizeof s->reason, "%s", reason ? reason : "");
}

static int send_event(void *context, void *sink, const struct mg_delivery *d, struct mg_err *err)
{
    (void)context;
    struct probe_sink *k = sink;
    struct mg_value value;
    if (k->mode == PROBE_FULL)
        return -EAGAIN;
    if (k->mode == PROBE_INVALID) {
        snprintf(err->text, sizeof err->text, "too large for this peer");
        return -EMSGSIZE;
    }
    if (k->mode == PROBE_SETTLES_THE_FIRST) {
        const struct probe_sink *first = &probe.sinks[0];
        host->settle(first->sent[first->sent_count - 1].token, MG_ACCEPTED, NULL);
        return -EAGAIN;
    }
    struct probe_sent *s = &k->sent[k->sent_count++];
    struct mg_bytes payload = host->event_payload(d->event);
    const struct mg_head *head = host->event_head(d->event);
    *s = (struct probe_sent){.token = d->token, .attempt = d->attempt};
    s->expires_us = head->present & MG_HAS_EXPIRY ? head->expires_us : 0;
    snprintf(s->address, sizeof s->address, "%.*s", (int)d->address.len, d->address.at);
    snprintf(s->payload, sizeof s->payload, "%.*s", (int)payload.len, (const char *)payload.at);
    if (host->event_find(d->event, (struct mg_str){"p", 1}, &value) && value.type == MG_TEXT)
        snprintf(s->property, sizeof s->property, "%.*s", (int)value.as.text.len, value.as.text.at);
    if (k->mode == PROBE_ACCEPT || k->mode == PROBE_SETTLES_TWICE)
        host->settle(d->token, MG_ACCEPTED, NULL);
    if (k->mode == PROBE_SETTLES_TWICE)
        host->settle(d->token, MG_REJECTED, "again");
    return 0;
}

static void close_connection(void *context)
{
    host->closed(context);
}

static size_t escape(const char *address_template, struct mg_str value, char *buffer, size_t size)
{
    (void)address_template;
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++, n++)
        if (n < size)
            buffer[n] = value.at[i] == '.' ? '_' : value.at[i];
    return n;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops bridge_ops = {
    .size = sizeof bridge_ops,
    .abilities = MG_SOURCE | MG_SINK | MG_CONFIRMS | MG_FILTERS | MG_DEFERS_ACK | MG_NO_ECHO,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .send = send_event,
    .close = close_connection,
    .destroy = destroy,
    .escape = escape,
};
static const struct mg_module bridge = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "probe",
    .version = "1",
    .summary = "A bridge for tests.",
    .source_options = source_options,
    .source_settings_size = sizeof(struct source_settings),
    .life = &life,
    .ops = &bridge_ops,
};

/* ---- the steps ------------------------------------------------------------------------------ */

static char first_byte(const mg_event *event)
{
    struct mg_bytes p = host->event_payload(event);
    return p.len ? *(const char *)p.at : '\0';
}

/* Drops payloads that begin with 'd', rejects 'r'. */
static uint32_t odd(void *self, void *context, const struct mg_step_call *call,
                    struct mg_step_result *ret)
{
    (void)self, (void)context;
    char c = first_byte(call->event);
    if (c == 'r')
        snprintf(ret->err.text, sizeof ret->err.text, "poison");
    return c == 'd' ? MG_DROP : c == 'r' ? MG_REJECT : MG_PASS;
}

/* One event into three: payloads 1, 2, 3. */
static uint32_t split(void *self, void *context, const struct mg_step_call *call,
                      struct mg_step_result *ret)
{
    (void)self, (void)context;
    static mg_event *events[3];
    for (size_t i = 0; i < 3; i++) {
        mg_edit *edit = host->edit_new(call->event);
        host->edit_payload(edit, (struct mg_bytes){&"123"[i], 1}, NULL, NULL);
        events[i] = host->edit_publish(edit);
    }
    ret->events = events;
    ret->count = 3;
    return MG_REPLACE;
}

/* Payloads that begin with 'w' wait until the test resumes them. */
static uint32_t wait_step(void *self, void *context, const struct mg_step_call *call,
                          struct mg_step_result *ret)
{
    (void)self, (void)context, (void)ret;
    if (first_byte(call->event) != 'w')
        return MG_PASS;
    probe.pending[probe.pending_count++] = call->pending;
    return MG_PENDING;
}

static uint32_t nonsense(void *self, void *context, const struct mg_step_call *call,
                         struct mg_step_result *ret)
{
    (void)self, (void)context, (void)call, (void)ret;
    return 77;
}

static uint32_t again(void *self, void *context, const struct mg_step_call *call,
                      struct mg_step_result *ret)
{
    (void)self, (void)context, (void)call;
    snprintf(ret->err.text, sizeof ret->err.text, "not now");
    return MG_RETRY;
}

/* Passes payloads that begin with `with`; asked for many at once where the core does so. */
struct begins_settings {
    const char *with;
};
static const struct mg_option begins_options[] = {
    {.name = "with",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_REQUIRED,
     .least = 1,
     .most = 1,
     .doc = "The first character.",
     .offset = offsetof(struct begins_settings, with)},
    {0}};

static int begins_create(const struct mg_host *h, mg_instance *instance, const void *settings,
                         void **ret_self, struct mg_err *err)
{
    (void)h, (void)instance, (void)err;
    *ret_self = (void *)(uintptr_t)settings;
    return 0;
}

static uint32_t begins(void *self, void *context, const struct mg_step_call *call,
                       struct mg_step_result *ret)
{
    (void)ret;
    const struct begins_settings *s = self;
    CU_ASSERT_PTR_EQUAL(context, self);
    probe.asked++;
    if (first_byte(call->event) == '*')
        _exit(9);
    return first_byte(call->event) == s->with[0] ? MG_PASS : MG_DROP;
}

struct begins_set {
    const struct begins_settings *const *settings;
    size_t count;
};

static int begins_set_create(const struct mg_host *h, const void *const *settings, size_t count,
                             void **ret_set, struct mg_err *err)
{
    (void)h, (void)err;
    struct begins_set *set = calloc(1, sizeof *set);
    const void **copy = set ? calloc(count, sizeof *copy) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, settings, count * sizeof *copy);
    *set = (struct begins_set){(const struct begins_settings *const *)copy, count};
    *ret_set = set;
    return 0;
}

static void begins_set_destroy(void *set)
{
    free((void *)(uintptr_t)((struct begins_set *)set)->settings);
    free(set);
}

static int begins_set_open(void *set, void **ret_context)
{
    *ret_context = set;
    return 0;
}

static void begins_set_close(void *set, void *context)
{
    CU_ASSERT_PTR_EQUAL(set, context);
}

static ptrdiff_t begins_set_match(void *set, void *context, const mg_event *event,
                                  uint32_t *ret_passes, struct mg_err *err)
{
    (void)context, (void)err;
    const struct begins_set *s = set;
    ptrdiff_t passes = 0;
    char c = first_byte(event);
    probe.asked_together++;
    if (c == '!')
        return -ENOMEM;
    if (c == '*')
        _exit(9);
    if (c == '?') {
        bool twice = host->event_payload(event).len == 2;
        ret_passes[0] = twice ? 0 : (uint32_t)s->count;
        ret_passes[1] = 0;
        return twice ? 2 : 1;
    }
    for (size_t i = s->count; i > 0; i--)
        if (s->settings[i - 1]->with[0] == c)
            ret_passes[passes++] = (uint32_t)i - 1;
    return passes;
}

static void begins_destroy(void *self)
{
    (void)self;
}

static int begins_shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *err)
{
    (void)shard;
    if (probe.begins_fails) {
        snprintf(err->text, sizeof err->text, "no context today");
        return -ENOMEM;
    }
    probe.begins_opened++;
    *ret_context = self;
    return 0;
}

static void begins_shard_close(void *self, void *context)
{
    CU_ASSERT_PTR_EQUAL(self, context);
    probe.begins_opened--;
}

static const struct mg_life begins_life = {
    .create = begins_create,
    .destroy = begins_destroy,
    .shard_open = begins_shard_open,
    .shard_close = begins_shard_close,
};
static const struct mg_step_ops begins_ops = {
    .size = sizeof begins_ops,
    .process = begins,
    .set_create = begins_set_create,
    .set_destroy = begins_set_destroy,
    .set_open = begins_set_open,
    .set_close = begins_set_close,
    .set_match = begins_set_match,
};
static const struct mg_module begins_module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "begins",
    .version = "1",
    .summary = "Can be a set.",
    .options = begins_options,
    .settings_size = sizeof(struct begins_settings),
    .life = &begins_life,
    .ops = &begins_ops,
};

#define STEP(kind_, name_, fn)                                                                     \
    static const struct mg_step_ops fn##_ops = {sizeof(struct mg_step_ops), fn};                   \
    static const struct mg_module fn##_module = {.abi = MG_ABI_HERE,                               \
                                                 .kind = kind_,                                    \
                                                 .name = name_,                                    \
                                                 .version = "1",                                   \
                                                 .summary = "A step for tests.",                   \
                                                 .life = &life,                                    \
                                                 .ops = &fn##_ops}
STEP(MG_FILTER, "odd", odd);
STEP(MG_TRANSLATOR, "split", split);
STEP(MG_ENRICHER, "wait", wait_step);
STEP(MG_TRANSLATOR, "nonsense", nonsense);
STEP(MG_ENRICHER, "again", again);
static const struct mg_step_ops rewrite_ops = {sizeof(struct mg_step_ops), split};
static const struct mg_module rewrite_module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "rewrite",
    .version = "1",
    .summary = "Breaks its promise.",
    .life = &life,
    .ops = &rewrite_ops,
};

/* ---- the gateway ---------------------------------------------------------------------------- */

void probe_open(const char *yaml)
{
    static const struct mg_module *const modules[] = {
        &bridge,       &odd_module,      &split_module,   &wait_step_module,
        &again_module, &nonsense_module, &rewrite_module, &begins_module};
    struct gw_diags diags = {0};
    struct mg_err err = {{0}, NULL};
    probe = (struct probe){.arena = gw_arena_create(), .registry = gw_registry_create()};
    probe.settled = calloc(PROBE_MAX, sizeof *probe.settled);
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        gw_registry_add(probe.registry, modules[i], "(test)", &diags);
    const struct mg_node *root =
        gw_tree_parse(probe.arena, "test.yaml", yaml, strlen(yaml), &diags);
    int error =
        root ? gw_model_load(probe.arena, root, probe.registry, &probe.model, &diags) : -EINVAL;
    if (error)
        gw_diags_print(&diags, stderr);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    gw_diags_fini(&diags);
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR + 1);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_create(probe.model, &probe.gateway, &err), 0);
    gw_shard_adopt(&probe.gateway->shards[0]);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_start(probe.gateway, &err), 0);
    probe_turn();
}

void probe_turn(void)
{
    for (int i = 0; i < 8; i++)
        uv_run(&probe.gateway->shards[0].loop, UV_RUN_NOWAIT);
}

void probe_close(void)
{
    CU_ASSERT_TRUE(probe_report("balanced"));
    CU_ASSERT_EQUAL(gw_gateway_stop(probe.gateway), 0);
    CU_ASSERT_TRUE(probe_report("balanced"));
    gw_gateway_destroy(probe.gateway);
    gw_shard_adopt(NULL);
    for (size_t i = 0; i < probe.sink_count; i++)
        free(probe.sinks[i].sent);
    free(probe.settled);
    gw_model_destroy(probe.model);
    gw_registry_destroy(probe.registry);
    gw_arena_destroy(probe.arena);
}

int probe_ingest(const char *address, const char *payload, uint64_t cookie)
{
    return probe_ingest_until(address, payload, cookie, 0);
}

int probe_ingest_until(const char *address, const char *payload, uint64_t cookie,
                       int64_t expires_us)
{
    struct mg_message m = {.head = {.size = sizeof m.head, .address = {address, strlen(address)}},
                           .payload = {payload, strlen(payload)}};
    m.head.present = expires_us ? MG_HAS_EXPIRY : 0;
    m.head.expires_us = expires_us;
    return host->ingest(probe.connections[0], NULL, &m, cookie);
}

struct probe_sink *probe_sink(const char *address_template)
{
    for (size_t i = 0; i < probe.sink_count; i++)
        if (!strcmp(probe.sinks[i].template, address_template))
            return &probe.sinks[i];
    CU_FAIL_FATAL("no such sink");
    return NULL;
}

void probe_settle(struct probe_sink *sink, size_t index, uint32_t outcome, const char *reason)
{
    CU_ASSERT_TRUE_FATAL(index < sink->sent_count);
    host->settle(sink->sent[index].token, outcome, reason);
}

long probe_ledger(const char *route, const char *entry)
{
    json_t *report = gw_gateway_report(probe.gateway), *one;
    size_t i;
    long value = -1;
    CU_ASSERT_TRUE(json_is_true(json_object_get(report, "balanced")));
    json_array_foreach(json_object_get(report, "routes"), i, one)
    {
        if (!strcmp(json_string_value(json_object_get(one, "route")), route))
            value = (long)json_integer_value(json_object_get(one, entry));
    }
    json_decref(report);
    return value;
}

long probe_report(const char *entry)
{
    json_t *report = gw_gateway_report(probe.gateway), *value = json_object_get(report, entry);
    long n = json_is_integer(value) ? (long)json_integer_value(value) : json_is_true(value);
    json_decref(report);
    return n;
}
