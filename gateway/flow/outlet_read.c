/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a lane's next records from the store, on the thread pool, when half of what may be in
 * memory has gone. */
#include "flow/outlet.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A batch on its way from the disk: read on the thread pool, taken on the shard. */
struct gw_reading {
    struct mg_sink *sink;
    uint64_t from, end, next; /* sequences: first wanted, behind the last wanted, where to go on */
    uint64_t key;             /* a spilled one: no other is wanted; 0: all */
    uint32_t most;
    size_t most_bytes, bytes;
    int error;
    struct gw_leg *first, **last; /* by next */
};

static bool visit(void *arg, const struct gw_stored *stored)
{
    struct gw_reading *r = arg;
    if (stored->record.sequence >= r->end)
        return false;
    if (r->key && stored->record.key != r->key)
        return true;
    struct gw_leg *leg = gw_outlet_leg(r->sink, stored);
    if (!leg) {
        r->error = -ENOMEM;
        r->next = stored->record.sequence;
        return false;
    }
    *r->last = leg;
    r->last = &leg->next;
    r->bytes += stored->record.message.payload.len;
    return --r->most && r->bytes < r->most_bytes;
}

static void run_reading(void *arg)
{
    struct gw_reading *r = arg;
    uint64_t next = r->from;
    int error =
        gw_store_read(r->sink->route->log, r->sink->outlet->place, r->from, visit, r, &next);
    if (!r->error) {
        r->error = error;
        r->next = next < r->end ? next : r->end;
    }
}

/* The rest of a spilled key: perhaps others have come behind it meanwhile. */
static void note_progress(struct gw_outlet *o, const struct gw_reading *r)
{
    struct gw_spilled *s = r->key ? gw_keys_spilled(o, r->key) : NULL;
    if (!r->key && r->next > o->next)
        o->next = r->next;
    if (!s)
        return;
    s->from = r->next;
    if (s->from >= o->next)
        gw_keys_unspill(o, s);
}

static void reading_done(void *arg)
{
    struct gw_reading *r = arg;
    struct mg_sink *k = r->sink;
    struct gw_outlet *o = k->outlet;
    note_progress(o, r);
    for (struct gw_leg *leg = r->first, *next; leg; leg = next) {
        next = leg->next;
        leg->next = NULL;
        if (o->draining)
            gw_passage_unref(leg->passage);
        else
            gw_outlet_take_shard(k, leg, r->key != 0);
    }
    gw_outlet_take_late_shard(k);
    /* Not before: a leg that leaves at once would begin the next read while this one's are not
     * counted yet. */
    o->reading = false;
    int error = r->error;
    free(r);
    if (error)
        gw_log(MG_WARN, "the store could not be read; it is tried again", "route",
               k->route->config->name, "reason", strerror(-error), NULL);
    else
        gw_outlet_read_shard(k);
}

static void start_reading(struct mg_sink *k, uint64_t from, uint64_t end, uint64_t key)
{
    struct gw_outlet *o = k->outlet;
    struct gw_reading *r = malloc(sizeof *r);
    if (!r)
        return; /* the sweep comes again */
    *r = (struct gw_reading){.sink = k,
                             .from = from,
                             .end = end,
                             .next = from,
                             .key = key,
                             .most = k->route->gateway->lane_most - o->in_hand,
                             .most_bytes = GW_BYTES_MOST - o->bytes};
    r->last = &r->first;
    o->reading = true;
    if (k->route->gateway->host.work(k->connection->shard, run_reading, reading_done, r)) {
        o->reading = false;
        free(r);
    }
}

/* A spilled key of which nothing is in memory any more. */
static struct gw_spilled *readable_key(const struct gw_outlet *o)
{
    struct gw_spilled *s = o->spilled;
    while (s && gw_keys_has(o, s->key))
        s = s->next;
    return s;
}

static bool half_full(const struct gw_outlet *o)
{
    return o->in_hand > o->sink->route->gateway->lane_most / 2 || o->bytes > GW_BYTES_MOST / 2;
}

void gw_outlet_read_shard(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    if (o->reading || o->draining)
        return;
    bool full = half_full(o);
    if (full && o->held && !k->first_waiting && !k->sent) {
        gw_keys_spill_held(o); /* nothing moves but what is held */
        full = half_full(o);
    }
    if (full)
        return;
    struct gw_spilled *s = readable_key(o);
    if (s)
        start_reading(k, s->from, o->next, s->key);
    else if (o->next < o->missed)
        start_reading(k, o->next, UINT64_MAX, 0);
}
