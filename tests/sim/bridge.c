/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge module of the simulation: what the core calls, handed on to links, sources and sinks.
 */
#include "sim.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct mg_host *host;

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *err)
{
    (void)settings, (void)err;
    host = h;
    struct mg_str name = h->instance_name(instance); /* "b0" … */
    *ret_self = &sim.links[name.at[name.len - 1] - '0'];
    return 0;
}

static int create_step(const struct mg_host *h, mg_instance *instance, const void *settings,
                       void **ret_self, struct mg_err *err)
{
    (void)h, (void)instance, (void)settings, (void)err;
    *ret_self = &sim;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)err;
    ret_end->abilities =
        MG_SOURCE | MG_SINK | MG_CONFIRMS | MG_FILTERS | MG_NO_ECHO | MG_DEFERS_ACK | MG_ORDERED;
    ret_end->carries = MG_CARRIES_PROPERTIES | MG_CARRIES_TYPES | MG_CARRIES_MESSAGE_ID |
                       MG_CARRIES_EXPIRY | MG_CARRIES_BINARY | MG_CARRIES_ADDRESS;
    return 0;
}

static int open_connection(void *self, mg_connection *c, uint32_t index, void **ret_context,
                           struct mg_err *err)
{
    (void)index, (void)err;
    *ret_context = self;
    sim_link_open(self, c);
    return 0;
}

static int open_source(void *context, mg_source *handle, const char *address, const void *settings,
                       void **ret_source, struct mg_err *err)
{
    (void)settings, (void)err;
    struct sim_source *s = &sim.sources[address[2] - '0']; /* "in0/+" */
    s->link = context;
    s->handle = handle;
    s->credit = 0;
    *ret_source = s;
    return 0;
}

static int open_sink(void *context, mg_sink *handle, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *err)
{
    (void)settings, (void)err;
    struct sim_sink *k = &sim.sinks[address[1] - '0'][address[3] - '0']; /* "r0k1/{key}" */
    k->link = context;
    k->handle = handle;
    k->unanswered = 0;
    k->blocked = false;
    *ret_sink = k;
    return 0;
}

static int begin(void *context, struct mg_err *err)
{
    (void)err;
    sim_link_begin(context);
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    struct sim_source *s = source;
    (void)context;
    if (!s || sim.dead)
        return;
    s->credit += more;
    sim_source_pump_soon(s);
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    (void)context, (void)reason;
    if (!sim.dead)
        sim_source_answer(source, cookie, outcome);
}

static int send_event(void *context, void *sink, const struct mg_delivery *delivery,
                      struct mg_err *err)
{
    (void)context;
    return sim.dead ? -EAGAIN : sim_sink_send(sink, delivery, err);
}

static void flush(void *context)
{
    if (!sim.dead)
        sim_link_flush(context);
}

static void drain(void *context)
{
    struct sim_link *link = context;
    link->draining = true;
}

static void close_connection(void *context)
{
    struct sim_link *link = context;
    if (sim.dead)
        host->closed(link->connection);
    else
        sim_link_close(link);
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities =
        MG_SOURCE | MG_SINK | MG_CONFIRMS | MG_FILTERS | MG_DEFERS_ACK | MG_NO_ECHO | MG_ORDERED,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .send = send_event,
    .flush = flush,
    .drain = drain,
    .close = close_connection,
    .destroy = destroy,
};
const struct mg_module sim_bridge_module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "sim",
    .version = "1",
    .summary = "Simulated peers.",
    .life = &life,
    .ops = &ops,
};

static const struct mg_life step_life = {.create = create_step, .destroy = destroy};

/* ---- steps ---------------------------------------------------------------------------------- */

static struct sim_message *message_of(const mg_event *event, uint32_t *ret_number)
{
    uint32_t part;
    if (!sim_parse(host->event_payload(event), ret_number, &part)) {
        sim_fail("a step was shown an event that nobody sent");
        return NULL;
    }
    return &sim.messages[*ret_number];
}

static uint32_t filter(void *self, void *context, const struct mg_step_call *call,
                       struct mg_step_result *ret)
{
    (void)self, (void)context;
    uint32_t number;
    const struct sim_message *m = message_of(call->event, &number);
    if (m && m->rejects)
        snprintf(ret->err.text, sizeof ret->err.text, "poison");
    return !m ? MG_REJECT : m->drops ? MG_DROP : m->rejects ? MG_REJECT : MG_PASS;
}

static uint32_t split(void *self, void *context, const struct mg_step_call *call,
                      struct mg_step_result *ret)
{
    (void)self, (void)context;
    static mg_event *events[SIM_PARTS];
    uint32_t number;
    const struct sim_message *m = message_of(call->event, &number);
    if (!m || m->parts < 2)
        return MG_PASS;
    for (uint32_t i = 0; i < m->parts; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "m%u/%u", number, i);
        mg_edit *edit = host->edit_new(call->event);
        host->edit_payload(edit, (struct mg_bytes){text, (size_t)n}, NULL, NULL);
        events[i] = host->edit_publish(edit);
    }
    ret->events = events;
    ret->count = m->parts;
    return MG_REPLACE;
}

/* Nobody asked for it in this life, where it comes from another one. */
static void answer(void *token, uint64_t asked_in)
{
    if (asked_in == sim.life && sim.gateway)
        host->resume((mg_token)(uintptr_t)token, MG_PASS, NULL, 0, NULL);
}

static uint32_t wait_step(void *self, void *context, const struct mg_step_call *call,
                          struct mg_step_result *ret)
{
    (void)self, (void)context;
    uint32_t number;
    struct sim_message *m = message_of(call->event, &number);
    if (m && m->retries && sim_chance(&sim.chance, 50)) {
        snprintf(ret->err.text, sizeof ret->err.text, "not now");
        return MG_RETRY;
    }
    if (!m || !m->waits)
        return MG_PASS;
    sim_after(sim_between(&sim.chance, 0, sim.plan.peer_us), answer,
              (void *)(uintptr_t)call->pending, sim.life);
    return MG_PENDING;
}

#define STEP(kind_, name_, fn)                                                                     \
    static const struct mg_step_ops fn##_ops = {sizeof(struct mg_step_ops), fn};                   \
    const struct mg_module sim_##fn##_module = {.abi = MG_ABI_HERE,                                \
                                                .kind = kind_,                                     \
                                                .name = name_,                                     \
                                                .version = "1",                                    \
                                                .summary = "A step of the simulation.",            \
                                                .life = &step_life,                                \
                                                .ops = &fn##_ops}
STEP(MG_FILTER, "sim-filter", filter);
STEP(MG_TRANSLATOR, "sim-split", split);
STEP(MG_ENRICHER, "sim-wait", wait_step);
