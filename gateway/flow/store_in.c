/* SPDX-License-Identifier: Apache-2.0 */
/* stage, under `stored`: an event becomes a record, and is acknowledged once the store has it. */
#include "base/hash.h"
#include "flow/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 4096 };

/* ---- order keys and identities -------------------------------------------------------------- */

/* Events without a value for the key are in order among themselves. */
static uint64_t order_key(struct gw_passage *p, const mg_event *event)
{
    const mg_template *t = p->route->config->delivery.order_by;
    char text[KEY_BYTES_MAX];
    struct mg_err err;
    if (!t)
        return 0;
    ptrdiff_t n = gw_template_expand(t, &p->scope, event, NULL, text, sizeof text, &err);
    uint64_t key = gw_hash64(text, n > 0 ? (size_t)n : 0);
    return key ? key : 1; /* 0 is no key */
}

static struct mg_bytes value_bytes(const struct mg_value *value)
{
    switch (value->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        return (struct mg_bytes){value->as.text.at, value->as.text.len};
    case MG_BINARY:
        return value->as.binary;
    case MG_UUID:
        return (struct mg_bytes){value->as.uuid, sizeof value->as.uuid};
    case MG_UINT:
    case MG_INT:
        return (struct mg_bytes){&value->as.u, sizeof value->as.u};
    default:
        return (struct mg_bytes){NULL, 0};
    }
}

/* Two parts, so that "a" + "bc" is not "ab" + "c". */
static bool identify(uint64_t ret_identity[2], uint32_t kind, struct mg_bytes a, struct mg_bytes b)
{
    struct gw_hash128 first = gw_hash128(a.at, a.len), second = gw_hash128(b.at, b.len);
    uint64_t mixed[5] = {kind, first.low, first.high, second.low, second.high};
    struct gw_hash128 both = gw_hash128(mixed, sizeof mixed);
    ret_identity[0] = both.low;
    ret_identity[1] = both.high;
    return true;
}

static bool attribute(const struct mg_host *host, const mg_event *event, const char *prefix,
                      const char *name, struct mg_bytes *ret)
{
    char full[64];
    int n = snprintf(full, sizeof full, "%s%s", prefix, name);
    struct mg_value value;
    if (!host->event_find(event, (struct mg_str){full, (size_t)n}, &value) || value.type != MG_TEXT)
        return false;
    *ret = value_bytes(&value);
    return true;
}

/* CloudEvents 1.0, binary mode: attributes are properties; AMQP gives them the prefix cloudEvents:
 * or cloudEvents_ (its binding, §3.1.3.1), MQTT 5 their plain names (its binding, §3.1).  All of
 * them the same way: an `id` beside cloudEvents:id is something of the sender's own. */
static bool cloudevent(const struct gw_passage *p, uint64_t ret_identity[2])
{
    static const char *const prefixes[] = {"cloudEvents:", "cloudEvents_", ""};
    const struct mg_host *host = &p->route->gateway->host;
    struct mg_bytes version, id, source;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (attribute(host, p->origin, prefixes[i], "specversion", &version) &&
            attribute(host, p->origin, prefixes[i], "id", &id) &&
            attribute(host, p->origin, prefixes[i], "source", &source))
            return identify(ret_identity, GW_DEDUP_CLOUDEVENT, source, id);
    return false;
}

static bool message_id(const struct gw_passage *p, uint64_t ret_identity[2])
{
    const struct mg_value *id = &p->origin->head.message_id;
    struct mg_bytes bytes = value_bytes(id);
    return bytes.len && identify(ret_identity, GW_DEDUP_MESSAGE_ID,
                                 (struct mg_bytes){&id->type, sizeof id->type}, bytes);
}

static bool field(struct gw_passage *p, uint64_t ret_identity[2])
{
    char text[KEY_BYTES_MAX];
    struct mg_err err;
    ptrdiff_t n = gw_template_expand(p->route->config->delivery.dedup_field, &p->scope, p->origin,
                                     NULL, text, sizeof text, &err);
    return n > 0 && identify(ret_identity, GW_DEDUP_FIELD, (struct mg_bytes){text, (size_t)n},
                             (struct mg_bytes){NULL, 0});
}

static bool identity_of(struct gw_passage *p, uint64_t ret_identity[2])
{
    const struct mg_head *head = &p->origin->head;
    switch (p->route->config->delivery.dedup_by) {
    case GW_DEDUP_AUTO:
        return cloudevent(p, ret_identity) || message_id(p, ret_identity);
    case GW_DEDUP_CLOUDEVENT:
        return cloudevent(p, ret_identity);
    case GW_DEDUP_MESSAGE_ID:
        return message_id(p, ret_identity);
    case GW_DEDUP_FIELD:
        return field(p, ret_identity);
    case GW_DEDUP_HASH:
        return identify(ret_identity, GW_DEDUP_HASH,
                        (struct mg_bytes){head->address.at, head->address.len}, p->origin->payload);
    default:
        return false;
    }
}

/* ---- records -------------------------------------------------------------------------------- */

/* Room for what the legs of one record point to; on the shard's thread. */
static _Thread_local struct gw_record_leg record_legs[GW_RECORD_SINKS_MAX];

/* The properties that staging set on the leg's own event, as the record has them. */
static size_t leg_properties(const struct mg_host *host, const struct gw_leg *leg,
                             struct mg_property *ret_properties)
{
    const struct mg_list *list = &leg->sink->config->properties;
    const struct mg_pair *pairs = list->items;
    if (!leg->own)
        return 0;
    for (size_t i = 0; i < list->count; i++) {
        ret_properties[i].name = (struct mg_str){pairs[i].name, strlen(pairs[i].name)};
        host->event_find(leg->own, ret_properties[i].name, &ret_properties[i].value);
    }
    return list->count;
}

static int encode_output(struct gw_passage *p, size_t output, void **ret_bytes, size_t *ret_length)
{
    size_t sinks = p->route->config->sink_count, wanted = 0, used = 0;
    for (size_t s = 0; s < sinks; s++)
        wanted += p->route->sinks[s]->config->properties.count;
    struct mg_property *properties = malloc((wanted + 1) * sizeof *properties);
    if (!properties)
        return -ENOMEM;
    for (size_t s = 0; s < sinks; s++) {
        const struct gw_leg *leg = &p->legs[output * sinks + s];
        struct gw_record_leg *r = &record_legs[s];
        *r = (struct gw_record_leg){
            .sink = (uint32_t)s, .address = leg->address, .properties = properties + used};
        r->property_count = leg_properties(&p->route->gateway->host, leg, properties + used);
        used += r->property_count;
    }
    struct gw_record record = {
        .arrived_us = p->arrived_wall_us,
        .expires_us = p->expires_us,
        .key = p->legs[output * sinks].key,
        .flags = p->route->config->step_count ? GW_RECORD_STEPPED : 0,
        .origin = p->origin->head.address,
        .message = gw_event_message(p->events[output]),
        .legs = record_legs,
        .leg_count = sinks,
    };
    int error = gw_record_encode(&record, ret_bytes, ret_length);
    free(properties);
    return error;
}

void gw_staging_free(struct gw_passage *p)
{
    struct gw_staging *s = &p->staging;
    if (s->records && s->records != &s->record) {
        for (size_t i = 0; i < s->append.count; i++)
            free(s->records[i]);
        free(s->records);
        free(s->lengths);
    } else {
        free(s->record);
    }
    free(s->original);
    s->original = s->record = NULL;
    s->records = NULL;
    s->append.count = 0;
}

/* The event as it came in, without legs. */
static int encode_original(struct gw_passage *p, uint32_t flags, void **ret_bytes,
                           size_t *ret_length)
{
    struct gw_record record = {
        .arrived_us = p->arrived_wall_us,
        .expires_us = p->expires_us,
        .flags = flags,
        .origin = p->origin->head.address,
        .message = gw_event_message(p->origin),
    };
    return gw_record_encode(&record, ret_bytes, ret_length);
}

static bool is_archived(const struct gw_route *route)
{
    const struct gw_delivery_settings *d = &route->config->delivery;
    return d->archive_keep_ms || d->archive_bytes;
}

static int encode_all(struct gw_passage *p)
{
    struct gw_staging *s = &p->staging;
    size_t sinks = p->route->config->sink_count;
    s->records = &s->record;
    s->lengths = &s->length;
    if (p->route->config->step_count && is_archived(p->route)) {
        int error = encode_original(p, GW_RECORD_ORIGINAL, &s->original, &s->original_length);
        if (error)
            return error;
    }
    if (p->event_count > 1) {
        s->records = calloc(p->event_count, sizeof(*s->records));
        s->lengths = calloc(p->event_count, sizeof *s->lengths);
        if (!s->records || !s->lengths)
            return -ENOMEM;
    }
    for (size_t e = 0; e < p->event_count; e++) {
        uint64_t key = order_key(p, p->events[e]);
        for (size_t i = 0; i < sinks; i++)
            p->legs[e * sinks + i].key = key;
        int error = encode_output(p, e, &s->records[e], &s->lengths[e]);
        if (error)
            return error;
        s->append.count++;
    }
    return 0;
}

/* ---- to the store and back ------------------------------------------------------------------ */

/* On the store's thread. */
static void kept(struct gw_store_op *op)
{
    struct gw_staging *s =
        (struct gw_staging *)(void *)((char *)op - offsetof(struct gw_staging, append));
    struct gw_passage *p =
        (struct gw_passage *)(void *)((char *)s - offsetof(struct gw_passage, staging));
    gw_shard_queue(p->shard, &s->task);
}

static struct gw_passage *passage_of(struct gw_task *task)
{
    return (struct gw_passage *)(void *)((char *)task - offsetof(struct gw_passage, staging.task));
}

/* Each leg goes to its lane, which takes it where it is the next one there, and else reads it from
 * the store in its turn. */
static void offer_legs(struct gw_passage *p)
{
    size_t sinks = p->route->config->sink_count;
    p->stage = GW_IN_STORE;
    for (size_t i = 0; i < p->leg_count; i++) {
        struct gw_leg *leg = &p->legs[i];
        leg->sequence = p->staging.append.first_sequence + i / sinks;
        if (p->staging.append.refused >> (i % sinks) & 1)
            leg->state = GW_LEG_DONE; /* a full backlog did not let it in */
        gw_passage_ref(p);
        gw_shard_post(leg->sink->connection->shard, &leg->task);
    }
}

/* The store has answered for a passage that is still in hand. */
static void answered(struct gw_passage *p)
{
    struct gw_staging *s = &p->staging;
    if (s->state) {
        s->state->handed = false;
        s->state->kept = !s->append.op.error && !s->append.duplicate;
        s->state = NULL; /* the arrival's again */
    }
    if (s->append.op.error) {
        gw_passage_release_shard(p, "stage", "the store was closed before it had the event");
    } else if (s->append.duplicate) {
        gw_route_log_shard(p->route, p->shard, MG_DEBUG, "duplicate, not sent again", p->events[0],
                           p->event_id, "stage", NULL);
        gw_passage_moved_shard(p);
    } else {
        offer_legs(p);
        gw_passage_moved_shard(p);
    }
}

static void run_kept(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct gw_passage *p = passage_of(task);
    gw_staging_free(p);
    /* Else it was given back at the end of a drain, and its holds are gone: it may come again, and
     * the log has it all the same. */
    if (!p->ended) {
        gw_passage_hold_shard(p);
        answered(p);
        gw_passage_drop_shard(p);
    }
    free(p->staging.state);
    gw_passage_unref(p); /* the store's */
}

void gw_passage_store_shard(struct gw_passage *p)
{
    struct gw_staging *s = &p->staging;
    int error = gw_passage_keep_shard(p);
    if (p->shard->store_closed) {
        gw_passage_release_shard(p, "stage", "the gateway stops");
        return;
    }
    *s = (struct gw_staging){.task.run = run_kept};
    if (!error)
        error = encode_all(p);
    if (error) {
        gw_staging_free(p);
        if (error == -ENOMEM)
            gw_passage_release_shard(p, "stage", "out of memory");
        else
            gw_passage_reject_shard(p, "stage", "too large to be stored");
        return;
    }
    s->append.op = (struct gw_store_op){.kind = GW_OP_APPEND, .done = kept};
    s->append.log = p->route->log;
    s->append.records = s->records;
    s->append.lengths = s->lengths;
    s->append.original = s->original;
    s->append.original_length = s->original_length;
    /* What comes again by somebody's hand is meant to. */
    s->append.identified = !p->arrival->replay && identity_of(p, s->append.identity);
    struct gw_arrival_state *state = p->arrival->state;
    if (state && p->arrival->untold == 1) {
        state->handed = true; /* an arrival that is released meanwhile leaves it behind */
        s->state = state;
        s->append.state_key = state->op.key;
        s->append.state_value = state->op.value;
    }
    p->stage = GW_STORING;
    gw_passage_ref(p); /* until it is back */
    if (s->state && p->shard->states.first)
        gw_store_turn_shard(p->shard); /* perhaps with an older entry of its key */
    gw_store_submit(p->route->gateway->store, &s->append.op, &s->append.op);
}

/* ---- dead letters of steps ------------------------------------------------------------------ */

static void buried(struct gw_store_op *op)
{
    struct gw_staging *s =
        (struct gw_staging *)(void *)((char *)op - offsetof(struct gw_staging, bury));
    struct gw_passage *p =
        (struct gw_passage *)(void *)((char *)s - offsetof(struct gw_passage, staging));
    gw_shard_queue(p->shard, &s->task);
}

static void run_buried(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct gw_passage *p = passage_of(task);
    struct gw_staging *s = &p->staging;
    free((char *)(uintptr_t)s->bury.reason);
    free((char *)(uintptr_t)s->bury.step);
    int error = s->bury.op.error;
    gw_staging_free(p);
    if (!p->ended && error)
        gw_passage_end_shard(p, GW_RETURNED, MG_RELEASED, "stage",
                             "the store was closed before it had the dead letter");
    else if (!p->ended)
        gw_passage_moved_shard(p);
    gw_passage_unref(p); /* the store's */
}

bool gw_passage_bury_shard(struct gw_passage *p, const char *step, const char *reason)
{
    struct gw_staging *s = &p->staging;
    if (p->stage >= GW_STORING || p->shard->store_closed || gw_passage_keep_shard(p))
        return false;
    *s = (struct gw_staging){.task.run = run_buried, .records = &s->record};
    char *why = gw_reason_copy(reason ? reason : "refused, without a reason");
    char *where = strdup(step);
    if (!why || !where || encode_original(p, 0, &s->record, &s->length)) {
        free(why);
        free(where);
        s->records = NULL;
        return false;
    }
    s->bury = (struct gw_store_bury){
        .op = {.kind = GW_OP_BURY, .done = buried},
        .log = p->route->log,
        .sink = UINT32_MAX,
        .record = s->record,
        .record_length = s->length,
        .step = where,
        .reason = why,
        .attempts = p->step_attempts + 1,
    };
    p->stage = GW_STORING;
    gw_passage_ref(p);
    gw_steps_leave_shard(p); /* those behind it go on */
    gw_store_submit(p->route->gateway->store, &s->bury.op, &s->bury.op);
    return true;
}
