/* SPDX-License-Identifier: Apache-2.0 */
/* What can be stamped. */
#include "stamp.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

uint32_t stamp_later(struct work *w, const char *why)
{
    snprintf(w->err->text, sizeof w->err->text, "%s", why);
    return MG_RETRY;
}

uint32_t stamp_no_memory(struct work *w)
{
    return stamp_later(w, "out of memory");
}

uint32_t stamp_random(struct work *w, void *out, size_t length)
{
    return random_take(&w->c->pool, out, length)
               ? MG_PASS
               : stamp_later(w, "the system has no random numbers at the moment");
}

struct mg_value stamp_text(const char *text)
{
    return (struct mg_value){.type = MG_TEXT, .as.text = {text, strlen(text)}};
}

struct mg_value stamp_number(int64_t number)
{
    return (struct mg_value){.type = MG_INT, .width = 64, .as.i = number};
}

/* RFC 3339, in UTC. */
static struct mg_value time_value(int64_t wall_us, char scratch[static SCRATCH_SIZE])
{
    int64_t seconds = wall_us / 1000000, rest = wall_us % 1000000;
    time_t t = (time_t)(rest < 0 ? seconds - 1 : seconds);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return (struct mg_value){.type = MG_NULL};
    size_t used = strftime(scratch, SCRATCH_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(scratch + used, SCRATCH_SIZE - used, ".%03dZ",
             (int)((rest < 0 ? rest + 1000000 : rest) / 1000));
    return stamp_text(scratch);
}

uint32_t stamp_id(struct work *w, enum stamp_kind kind, char out[static SCRATCH_SIZE])
{
    const struct mg_host *host = w->host;
    if (kind == STAMP_HASH) {
        content_hash(host->event_head(w->call->event)->address, host->event_payload(w->call->event),
                     out);
        return MG_PASS;
    }
    if (!w->has_random && stamp_random(w, w->random, sizeof w->random) != MG_PASS)
        return MG_RETRY;
    w->has_random = true;
    if (kind == STAMP_UUID)
        uuid_v4(w->random, out);
    else
        uuid_v7(w->random, host->wall_us(w->c->shard) / 1000, out);
    return MG_PASS;
}

static struct mg_value sequence_value(struct work *w)
{
    if (!w->sequence)
        w->sequence = atomic_fetch_add(&w->c->stamper->sequence, 1) + 1;
    return stamp_number((int64_t)w->sequence);
}

static struct mg_value created_value(struct work *w, bool as_ms, char scratch[static SCRATCH_SIZE])
{
    const struct mg_head *head = w->host->event_head(w->call->event);
    int64_t now_us = w->host->wall_us(w->c->shard);
    if (!(head->present & MG_HAS_CREATED) && !w->c->stamper->settings->created)
        return (struct mg_value){.type = MG_NULL};
    int64_t us = head->present & MG_HAS_CREATED ? head->created_us : now_us;
    return as_ms ? stamp_number(us / 1000) : time_value(us, scratch);
}

uint32_t stamp_value(struct work *w, enum stamp_kind kind, struct mg_value *ret,
                     char scratch[static SCRATCH_SIZE])
{
    const struct stamper *p = w->c->stamper;
    struct mg_value text = {.type = MG_TEXT};
    int64_t now_us = w->host->wall_us(w->c->shard);
    uint32_t verdict = MG_PASS;
    switch (kind) {
    case STAMP_TIME:
        *ret = time_value(now_us, scratch);
        break;
    case STAMP_TIME_MS:
        *ret = stamp_number(now_us / 1000);
        break;
    case STAMP_CREATED:
    case STAMP_CREATED_MS:
        *ret = created_value(w, kind == STAMP_CREATED_MS, scratch);
        break;
    case STAMP_GATEWAY:
        text.as.text = w->host->gateway_name(p->instance);
        *ret = text;
        break;
    case STAMP_ROUTE:
        text.as.text = w->host->scope_route(w->call->scope);
        *ret = text;
        break;
    case STAMP_HOST:
        *ret = stamp_text(p->host_name);
        break;
    case STAMP_RUN:
        *ret = stamp_text(p->run);
        break;
    case STAMP_SEQUENCE:
        *ret = sequence_value(w);
        break;
    default:
        verdict = stamp_id(w, kind, scratch);
        *ret = stamp_text(scratch);
        break;
    }
    if (ret->type == MG_TEXT && !ret->as.text.len)
        ret->type = MG_NULL;
    return verdict;
}
