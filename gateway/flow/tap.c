/* SPDX-License-Identifier: Apache-2.0 */
/* Taps.  Each shard has a list of its own of those that look at it, changed by calls into the shard
 * only; copies go to the control thread over a list that all shards push to without a lock. */
#include "flow/tap.h"
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 2000, SECOND_US = 1000000 };

/* A tap on one shard. */
struct gw_tap_part {
    struct gw_tap_part *next;
    struct gw_tap *tap;
    int64_t second_us; /* when the second began in which `count` were taken */
    uint64_t count;
};

struct gw_tap {
    struct gw_gateway *gateway;
    struct gw_tap_settings settings;
    const struct gw_route *route;          /* NULL: every */
    const struct gw_bridge_config *bridge; /* NULL: every */
    struct gw_tap_part *parts;             /* one for each shard */
    _Atomic(struct gw_tapped *) newest;    /* a stack: last in, first out */
    atomic_size_t bytes;
    atomic_uint_fast64_t missed;
};

/* ---- on a shard ----------------------------------------------------------------------------- */

static bool may_take(struct gw_tap_part *part, mg_shard *shard)
{
    struct gw_tap *tap = part->tap;
    int64_t now = gw_now_us(shard);
    if (now - part->second_us >= SECOND_US) {
        part->second_us = now;
        part->count = 0;
    }
    if ((!tap->settings.rate || part->count < tap->settings.rate) &&
        atomic_load_explicit(&tap->bytes, memory_order_relaxed) < GW_TAP_BYTES_MOST) {
        part->count++;
        return true;
    }
    atomic_fetch_add_explicit(&tap->missed, 1, memory_order_relaxed);
    return false;
}

static struct gw_tapped *make(struct gw_tap *tap, const struct gw_record *record)
{
    struct gw_tapped *t = calloc(1, sizeof *t);
    if (t && !gw_record_encode(record, &t->record, &t->length)) {
        t->tap = tap;
        return t;
    }
    free(t);
    atomic_fetch_add_explicit(&tap->missed, 1, memory_order_relaxed);
    return NULL;
}

static void push(struct gw_tap *tap, struct gw_tapped *t)
{
    atomic_fetch_add_explicit(&tap->bytes, t->length + sizeof *t, memory_order_relaxed);
    t->next = atomic_load_explicit(&tap->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&tap->newest, &t->next, t, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* By its sources, not by the matches: a filter that routes share may have dropped it already. */
static bool takes(const struct gw_route *route, const struct mg_connection *c,
                  struct mg_str address)
{
    const struct gw_route_config *config = route->config;
    struct mg_str values[GW_CAPTURES_MAX];
    for (size_t i = 0; i < config->source_count; i++) {
        const struct gw_source_config *s = &config->sources[i];
        if (&c->gateway->model->bridges[s->bridge] == c->config &&
            (!s->match || gw_pattern_match(s->match, address, values)))
            return true;
    }
    return false;
}

void gw_tap_in_shard(struct mg_connection *c, const mg_event *event)
{
    for (struct gw_tap_part *part = c->shard->taps; part; part = part->next) {
        struct gw_tap *tap = part->tap;
        if (tap->settings.point != GW_TAP_IN || (tap->bridge && tap->bridge != c->config) ||
            (tap->route && !takes(tap->route, c, event->head.address)) || !may_take(part, c->shard))
            continue;
        struct gw_record record = {.arrived_us = gw_wall_us(c->shard),
                                   .message = gw_event_message(event)};
        struct gw_tapped *t = make(tap, &record);
        if (!t)
            continue;
        t->bridge = c->config->name;
        t->route = tap->route ? tap->route->config->name : NULL;
        push(tap, t);
    }
}

struct gw_tapped *gw_tap_out_shard(struct mg_sink *k, const struct mg_delivery *delivery)
{
    mg_shard *shard = k->connection->shard;
    struct gw_tapped *all = NULL;
    for (struct gw_tap_part *part = shard->taps; part; part = part->next) {
        struct gw_tap *tap = part->tap;
        if (tap->settings.point != GW_TAP_OUT ||
            (tap->bridge && tap->bridge != k->connection->config) ||
            (tap->route && tap->route != k->route) || !may_take(part, shard))
            continue;
        struct gw_record record = {.arrived_us = gw_wall_us(shard),
                                   .message = gw_event_message(delivery->event)};
        record.message.head.address = delivery->address;
        struct gw_tapped *t = make(tap, &record);
        if (!t)
            continue;
        t->bridge = k->connection->config->name;
        t->route = k->route->config->name;
        t->attempt = delivery->attempt;
        t->next = all;
        all = t;
    }
    return all;
}

void gw_tap_sent_shard(struct gw_tapped *all, bool taken)
{
    for (struct gw_tapped *t = all, *next; t; t = next) {
        next = t->next;
        if (taken)
            push(t->tap, t);
        else
            gw_tapped_free(t);
    }
}

static void attach_shard(mg_shard *shard, void *arg)
{
    struct gw_tap *tap = arg;
    struct gw_tap_part *part = &tap->parts[shard->index];
    *part = (struct gw_tap_part){.next = shard->taps, .tap = tap};
    shard->taps = part;
}

static void detach_shard(mg_shard *shard, void *arg)
{
    struct gw_tap *tap = arg;
    for (struct gw_tap_part **at = &shard->taps; *at; at = &(*at)->next) {
        if ((*at)->tap == tap) {
            *at = (*at)->next;
            return;
        }
    }
}

/* ---- control -------------------------------------------------------------------------------- */

static int find(struct gw_tap *tap, struct mg_err *err)
{
    const struct gw_gateway *g = tap->gateway;
    const struct gw_tap_settings *s = &tap->settings;
    for (size_t i = 0; s->route && i < g->model->route_count; i++)
        if (!strcmp(g->model->routes[i].name, s->route))
            tap->route = &g->routes[i];
    for (size_t i = 0; s->bridge && i < g->model->bridge_count; i++)
        if (!strcmp(g->model->bridges[i].name, s->bridge))
            tap->bridge = &g->model->bridges[i];
    if ((!s->route || tap->route) && (!s->bridge || tap->bridge))
        return 0;
    bool route = s->route && !tap->route;
    snprintf(err->text, sizeof err->text, "there is no %s \"%.64s\"", route ? "route" : "bridge",
             route ? s->route : s->bridge);
    return -ENOENT;
}

int gw_tap_open(struct gw_gateway *g, const struct gw_tap_settings *settings,
                struct gw_tap **ret_tap, struct mg_err *reterr)
{
    struct gw_tap *tap = calloc(1, sizeof *tap);
    if (!tap)
        return -ENOMEM;
    tap->gateway = g;
    tap->settings = *settings;
    tap->parts = calloc(g->shard_count, sizeof *tap->parts);
    int error = tap->parts ? find(tap, reterr) : -ENOMEM;
    if (error) {
        free(tap->parts);
        free(tap);
        return error;
    }
    for (uint32_t i = 0; i < g->shard_count && !error; i++)
        error = gw_shard_call(&g->shards[i], attach_shard, tap, CALL_MS);
    if (error) {
        snprintf(reterr->text, sizeof reterr->text, "a shard does not answer");
        gw_tap_close(tap);
        return error;
    }
    *ret_tap = tap;
    return 0;
}

struct gw_tapped *gw_tap_take(struct gw_tap *tap)
{
    struct gw_tapped *t = atomic_exchange_explicit(&tap->newest, NULL, memory_order_acquire);
    struct gw_tapped *oldest = NULL;
    while (t) {
        struct gw_tapped *next = t->next;
        atomic_fetch_sub_explicit(&tap->bytes, t->length + sizeof *t, memory_order_relaxed);
        t->next = oldest;
        oldest = t;
        t = next;
    }
    return oldest;
}

void gw_tapped_free(struct gw_tapped *t)
{
    free(t->record);
    free(t);
}

uint64_t gw_tap_missed(struct gw_tap *tap)
{
    return atomic_exchange_explicit(&tap->missed, 0, memory_order_relaxed);
}

void gw_tap_close(struct gw_tap *tap)
{
    int error = 0;
    if (!tap)
        return;
    for (uint32_t i = 0; i < tap->gateway->shard_count; i++)
        error |= gw_shard_call(&tap->gateway->shards[i], detach_shard, tap, CALL_MS);
    for (struct gw_tapped *t = gw_tap_take(tap), *next; t; t = next) {
        next = t->next;
        gw_tapped_free(t);
    }
    if (error) {
        gw_log(MG_ERROR, "a shard does not answer: a tap stays on it", NULL);
        return; /* the shard may still look at it */
    }
    free(tap->parts);
    free(tap);
}
