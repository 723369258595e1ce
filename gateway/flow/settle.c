/* SPDX-License-Identifier: Apache-2.0 */
/* Settlements and resumptions: at once on the token's own shard, through its inbox from elsewhere.
 */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settlement {
    struct gw_task task;
    mg_token token;
    uint32_t outcome;
    char reason[]; /* empty: none */
};

struct resumption {
    struct gw_task task;
    mg_token token;
    uint32_t verdict;
    char reason[GW_REASON_MOST + 1];
    bool has_reason;
    size_t count;
    mg_event *events[];
};

char *gw_reason_copy(const char *reason)
{
    size_t length = strnlen(reason, GW_REASON_MOST);
    char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, reason, length);
    copy[length] = '\0';
    return copy;
}

static void settle_shard(mg_shard *shard, mg_token token, uint32_t outcome, const char *reason)
{
    void *object = gw_token_object_shard(shard, token);
    uint32_t place = token & 0xffffffu;
    if (!object || !shard->slots[place].settled) {
        shard->late_settlements++; /* late or double: counted, harmless */
        return;
    }
    if (outcome < MG_ACCEPTED || outcome > MG_MODIFIED) {
        outcome = MG_MODIFIED;
        reason = "the bridge settled with an unknown outcome";
    }
    shard->slots[place].settled(shard, object, outcome, reason);
}

static void run_settlement(mg_shard *shard, struct gw_task *task)
{
    struct settlement *s = (struct settlement *)task;
    settle_shard(shard, s->token, s->outcome, s->reason[0] ? s->reason : NULL);
    free(s);
}

static void settle(mg_token token, uint32_t outcome, const char *reason)
{
    mg_shard *shard = gw_shard_of_token(token);
    if (!shard)
        return;
    if (shard == gw_shard_self()) {
        settle_shard(shard, token, outcome, reason);
        return;
    }
    size_t length = reason ? strnlen(reason, GW_REASON_MOST) : 0;
    struct settlement *s = malloc(sizeof *s + length + 1);
    if (!s) {
        /* The event stays in hand and is sent again after a restart: late, but never lost. */
        gw_log(MG_ERROR, "out of memory: a settlement could not be handed over", NULL);
        return;
    }
    *s = (struct settlement){.task = {.run = run_settlement}, .token = token, .outcome = outcome};
    if (length)
        memcpy(s->reason, reason, length);
    s->reason[length] = '\0';
    gw_shard_queue(shard, &s->task);
}

static void unref_all(mg_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_event_unref(events[i]);
}

static void run_resumption(mg_shard *shard, struct gw_task *task)
{
    struct resumption *r = (struct resumption *)task;
    struct gw_passage *passage = gw_token_object_shard(shard, r->token);
    if (passage && !shard->slots[r->token & 0xffffffu].settled) {
        gw_token_free_shard(shard, r->token);
        passage->pending = 0;
        gw_steps_resumed_shard(passage, r->verdict, r->events, r->count,
                               r->has_reason ? r->reason : NULL);
    } else {
        shard->late_settlements++;
        unref_all(r->events, r->count);
    }
    free(r);
}

/* Always through the inbox: a step may answer before its process has returned PENDING. */
static void resume(mg_token token, uint32_t verdict, mg_event *const *events, size_t count,
                   const char *reason)
{
    mg_shard *shard = gw_shard_of_token(token);
    struct resumption *r =
        shard && count <= MG_EMIT_MAX ? malloc(sizeof *r + count * sizeof *events) : NULL;
    if (!r) {
        unref_all(events, count);
        gw_log(MG_ERROR, "a step's answer could not be taken", "reason",
               !shard                ? "unknown token"
               : count > MG_EMIT_MAX ? "too many events"
                                     : "out of memory",
               NULL);
        return;
    }
    *r = (struct resumption){
        .task = {.run = run_resumption},
        .token = token,
        .verdict = verdict,
        .count = count,
        .has_reason = reason,
    };
    if (count)
        memcpy(r->events, events, count * sizeof *events);
    snprintf(r->reason, sizeof r->reason, "%s", reason ? reason : "");
    gw_shard_queue(shard, &r->task);
}

void gw_settle_host_fill(struct mg_host *host)
{
    host->settle = settle;
    host->resume = resume;
}
