/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of a rehearsal, as a bridge module that stands in for each real one: what they send,
 * what they take, and what they do wrong. */
#include "flow/rehearsal_internal.h"
#include "flow/virtual_time.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults --------------------------------------------------------------------------------- */

static bool concerns(const struct gw_planned_fault *f, const struct mg_sink *k)
{
    const struct gw_route *route = k->route;
    int64_t now = gw_virtual_now_us();
    if (f->fault.kind == GW_FAULT_RESTART || now < f->from_us || now >= f->to_us)
        return false;
    if (f->fault.times && f->used >= f->fault.times)
        return false;
    return f->fault.sink == GW_REHEARSAL_ANY || route->sinks[f->fault.sink] == k;
}

/* The first planned of those that concern it. */
static struct gw_planned_fault *fault_of(struct gw_rehearsal *r, const struct mg_sink *k)
{
    for (struct gw_planned_fault *f = r->faults; f; f = f->next)
        if (concerns(f, k))
            return f;
    return NULL;
}

void gw_rehearsal_sendable(struct gw_rehearsal *r)
{
    for (struct gw_planned_fault *f = r->faults; f; f = f->next) {
        if (f->over || f->fault.kind != GW_FAULT_DOWN || gw_virtual_now_us() < f->to_us)
            continue;
        f->over = true;
        for (size_t i = 0; i < r->model.bridge_count; i++)
            r->gateway->host.sendable(r->players[i].connection, NULL);
    }
}

/* ---- the sinks' side ------------------------------------------------------------------------ */

static void arrive(struct gw_rehearsal *r, struct mg_sink *k, const struct mg_delivery *d,
                   bool lost)
{
    uint32_t sink = 0;
    while (k->route->sinks[sink] != k)
        sink++;
    uint32_t route = (uint32_t)(k->route - r->gateway->routes) + r->first_route;
    if (r->seen.arrived)
        r->seen.arrived(r->seen.arg, route, sink, d, lost);
}

static int answer_later(struct gw_rehearsal *r, mg_token token, uint32_t outcome,
                        const char *reason)
{
    if (!token)
        return 0;
    struct gw_answer *a = malloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = (struct gw_answer){NULL, token, outcome, reason};
    *(r->last_answer ? &r->last_answer->next : &r->answers) = a;
    r->last_answer = a;
    return 0;
}

static int play_send(void *context, void *sink, const struct mg_delivery *d, struct mg_err *err)
{
    struct gw_player *player = context;
    struct gw_rehearsal *r = player->rehearsal;
    struct mg_sink *k = sink;
    struct gw_planned_fault *f = fault_of(r, k);
    uint32_t outcome = MG_ACCEPTED;
    (void)err;
    if (r->stopping || (f && f->fault.kind == GW_FAULT_DOWN))
        return -EAGAIN;
    if (f)
        outcome = f->fault.kind == GW_FAULT_REJECTS ? MG_REJECTED
                  : f->fault.kind == GW_FAULT_FAILS ? MG_MODIFIED
                                                    : MG_RELEASED;
    const char *reason = f ? f->fault.reason : NULL;
    if (f && f->fault.kind == GW_FAULT_UNCONFIRMED)
        reason = "the confirmation was lost";
    if (answer_later(r, d->token, outcome, reason))
        return -ENOMEM;
    if (f)
        f->used++;
    if (!f || f->fault.kind == GW_FAULT_UNCONFIRMED)
        arrive(r, k, d, f);
    return 0;
}

bool gw_rehearsal_answer(struct gw_rehearsal *r)
{
    struct gw_answer *first = r->answers;
    r->answers = r->last_answer = NULL;
    for (struct gw_answer *a = first, *next; a; a = next) {
        next = a->next;
        r->gateway->host.settle(a->token, a->outcome, a->reason);
        free(a);
    }
    return first;
}

void gw_rehearsal_forget(struct gw_rehearsal *r)
{
    for (struct gw_answer *a = r->answers, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    r->answers = r->last_answer = NULL;
}

/* ---- the sources' side ---------------------------------------------------------------------- */

static void free_given(struct gw_given *g)
{
    gw_event_unref(g->event);
    free(g);
}

/* Those that are done leave the list; behind the first that waits there are hardly any. */
static void sweep(struct gw_rehearsal *r)
{
    struct gw_given **at = &r->given, *last = NULL;
    while (*at && (*at)->state != GW_GIVEN_WAITS) {
        struct gw_given *g = *at;
        if (g->state == GW_GIVEN_DONE) {
            *at = g->next;
            free_given(g);
        } else {
            last = g;
            at = &g->next;
        }
    }
    if (!*at)
        r->last_given = last;
}

bool gw_rehearsal_hand_over(struct gw_rehearsal *r)
{
    bool any = false;
    int64_t now = gw_virtual_now_us();
    for (struct gw_given *g = r->given; g && g->at_us <= now; g = g->next) {
        if (g->state != GW_GIVEN_WAITS)
            continue;
        struct mg_connection *c = r->players[g->bridge].connection;
        struct mg_message message = gw_event_message(g->event);
        g->state = GW_GIVEN_IN_HAND; /* it may be settled before ingest returns */
        g->cookie = ++r->next_cookie;
        gw_shard_forget_time(c->shard);
        if (r->gateway->host.ingest(c, NULL, &message, g->cookie)) {
            g->state = GW_GIVEN_WAITS;
            break;
        }
        any = true;
    }
    if (any) {
        r->gave_up = false;
        sweep(r);
    }
    return any;
}

static void play_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    struct gw_player *player = context;
    struct gw_given *g = player->rehearsal->given;
    (void)source, (void)reason;
    while (g && g->cookie != cookie)
        g = g->next;
    if (g)
        g->state = outcome == MG_ACCEPTED || outcome == MG_REJECTED ? GW_GIVEN_DONE : GW_GIVEN_BACK;
}

static bool takes(const struct mg_connection *c, struct mg_str address)
{
    struct mg_str values[GW_CAPTURES_MAX];
    for (size_t i = 0; i < c->entry_count; i++)
        if (!c->entries[i].match || gw_pattern_match(c->entries[i].match, address, values))
            return true;
    return false;
}

/* Behind all that are not later. */
static int plan(struct gw_rehearsal *r, uint32_t bridge, const struct mg_message *message,
                int64_t at_us)
{
    struct gw_given *g = calloc(1, sizeof *g), **place = &r->given;
    mg_event *event = g ? gw_event_new(message) : NULL;
    if (!event) {
        free(g);
        return -ENOMEM;
    }
    if (r->last_given && r->last_given->at_us <= at_us)
        place = &r->last_given->next;
    while (*place && (*place)->at_us <= at_us)
        place = &(*place)->next;
    *g = (struct gw_given){.next = *place, .event = event, .bridge = bridge, .at_us = at_us};
    *place = g;
    if (!g->next)
        r->last_given = g;
    return 0;
}

int gw_rehearsal_give(struct gw_rehearsal *r, uint32_t bridge, bool each,
                      const struct mg_message *message, int64_t at_us)
{
    int taken = 0;
    for (uint32_t i = 0; i < r->model.bridge_count && (each || !taken); i++) {
        if ((bridge != GW_REHEARSAL_ANY && bridge != i) ||
            !takes(r->players[i].connection, message->head.address))
            continue;
        int error = plan(r, i, message, r->begin_us + at_us);
        if (error)
            return error;
        taken++;
    }
    return taken;
}

/* ---- the module ----------------------------------------------------------------------------- */

static int play_create(const struct mg_host *host, mg_instance *instance, const void *settings,
                       void **ret_self, struct mg_err *err)
{
    (void)host, (void)instance, (void)settings, (void)err;
    *ret_self = NULL; /* what it needs it finds by its connection */
    return 0;
}

static void play_destroy(void *self)
{
    (void)self;
}

static int play_end(const void *settings, uint32_t direction, const char *address,
                    const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)ret_end, (void)err;
    return 0; /* the real bridge was asked when the model was made */
}

/* The core's own type, which a stand-in may look into. */
static int play_open(void *self, mg_connection *c, uint32_t index, void **ret_context,
                     struct mg_err *err)
{
    (void)self, (void)index, (void)err;
    const struct gw_gateway *g = c->gateway;
    struct gw_rehearsal *r = g->trace->arg;
    *ret_context = &r->players[c->config - r->bridges];
    return 0;
}

static int play_open_source(void *context, mg_source *source, const char *address,
                            const void *settings, void **ret_source, struct mg_err *err)
{
    (void)context, (void)address, (void)settings, (void)err;
    *ret_source = source;
    return 0;
}

static int play_open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                          void **ret_sink, struct mg_err *err)
{
    (void)context, (void)address, (void)settings, (void)err;
    *ret_sink = sink;
    return 0;
}

static int play_begin(void *context, struct mg_err *err)
{
    (void)context, (void)err;
    return 0;
}

static void play_credit(void *context, void *source, uint32_t more)
{
    (void)context, (void)source, (void)more; /* hand_over tries each turn */
}

static void play_drain(void *context)
{
    (void)context;
}

static void play_close(void *context)
{
    struct gw_player *player = context;
    struct gw_rehearsal *r = player->rehearsal;
    struct gw_bridge *b = &r->gateway->bridges[player - r->players];
    for (uint32_t i = 0; i < b->connection_count; i++)
        r->gateway->host.closed(b->connections[i]);
}

static const struct mg_life play_life = {.create = play_create, .destroy = play_destroy};

void gw_rehearsal_play(struct gw_rehearsal *r, size_t bridge, const struct mg_module *real)
{
    const struct mg_bridge_ops *ops = real->ops;
    r->ops[bridge] = (struct mg_bridge_ops){
        .size = sizeof r->ops[bridge],
        .abilities = ops->abilities,
        .end = play_end,
        .open = play_open,
        .open_source = play_open_source,
        .open_sink = play_open_sink,
        .begin = play_begin,
        .credit = play_credit,
        .settled = play_settled,
        .send = play_send,
        .drain = play_drain,
        .close = play_close,
        .destroy = play_destroy,
        .escape = ops->escape,
    };
    r->modules[bridge] = (struct mg_module){
        .abi = MG_ABI_HERE,
        .kind = MG_BRIDGE,
        .name = real->name,
        .version = real->version,
        .summary = real->summary,
        .life = &play_life,
        .ops = &r->ops[bridge],
    };
    r->bridges[bridge] = r->model.bridges[bridge];
    r->bridges[bridge].module = &r->modules[bridge];
    r->bridges[bridge].shard = -1;
    r->players[bridge].rehearsal = r;
}
