/* SPDX-License-Identifier: Apache-2.0 */
/* stage: what each sink gets of an event, and under which address. */
#include "flow/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES_MAX = 65535 };

/* The event with the sink's properties, or the event itself. */
static int with_properties(struct gw_passage *p, struct gw_leg *leg, struct mg_err *err)
{
    const struct mg_list *list = &leg->sink->config->properties;
    const struct mg_pair *pairs = list->items;
    const struct mg_host *host = &p->route->gateway->host;
    if (!list->count)
        return 0;
    mg_edit *edit = host->edit_new(leg->event);
    int error = edit ? 0 : -ENOMEM;
    for (size_t i = 0; i < list->count && !error; i++) {
        char text[4096];
        struct mg_str name = {pairs[i].name, strlen(pairs[i].name)};
        ptrdiff_t n =
            gw_template_expand(pairs[i].value, &p->scope, leg->event, NULL, text, sizeof text, err);
        if (n < 0) {
            host->edit_free(edit);
            return (int)n;
        }
        struct mg_value value = {.type = MG_TEXT, .as.text = {text, (size_t)n}};
        error = host->edit_property(edit, name, NULL);
        if (!error)
            error = host->edit_property(edit, name, &value);
    }
    if (error) {
        host->edit_free(edit);
        return error;
    }
    leg->own = host->edit_publish(edit);
    leg->event = leg->own;
    return leg->own ? 0 : -ENOMEM;
}

static int address_leg(struct gw_passage *p, struct gw_leg *leg, struct mg_err *err)
{
    static _Thread_local char expanded[ADDRESS_BYTES_MAX + 1];
    const mg_template *t = leg->sink->config->address;
    size_t length;
    const char *literal = gw_template_literal(t, &length);
    if (literal) {
        leg->address = (struct mg_str){literal, length};
        return 0;
    }
    ptrdiff_t n = gw_template_expand(t, &p->scope, leg->event, leg->sink->connection->ops->escape,
                                     expanded, ADDRESS_BYTES_MAX, err);
    if (n < 0)
        return (int)n;
    char *own = leg->short_address;
    if ((size_t)n >= sizeof leg->short_address) {
        own = leg->long_address = malloc((size_t)n + 1);
        if (!own)
            return -ENOMEM;
    }
    memcpy(own, expanded, (size_t)n);
    own[n] = '\0';
    leg->address = (struct mg_str){own, (size_t)n};
    return 0;
}

static int room_for_legs(struct gw_passage *p, size_t legs)
{
    p->legs = &p->only_leg;
    p->outputs = &p->only_output;
    if (legs > 1)
        p->legs = malloc(legs * sizeof *p->legs);
    if (p->event_count > 1)
        p->outputs = malloc(p->event_count * sizeof *p->outputs);
    return p->legs && p->outputs ? 0 : -ENOMEM;
}

void gw_legs_free(struct gw_passage *p)
{
    for (size_t i = 0; i < p->leg_count; i++) {
        gw_event_unref(p->legs[i].own);
        free(p->legs[i].long_address);
        free(p->legs[i].reason);
    }
    if (p->legs != &p->only_leg)
        free(p->legs);
    if (p->outputs != &p->only_output)
        free(p->outputs);
}

static struct gw_leg *add_leg(struct gw_passage *p, size_t event, struct mg_sink *sink)
{
    struct gw_leg *leg = &p->legs[p->leg_count++];
    memset(leg, 0, offsetof(struct gw_leg, short_address));
    leg->passage = p;
    leg->sink = sink;
    leg->output = (uint32_t)event;
    leg->event = p->events[event];
    leg->task.run = gw_lane_offer_task;
    return leg;
}

static int make_legs(struct gw_passage *p, bool *ret_foreign, struct mg_err *err)
{
    size_t sinks = p->route->config->sink_count;
    int error = room_for_legs(p, p->event_count * sinks);
    for (size_t e = 0; e < p->event_count && !error; e++) {
        p->outputs[e] = (struct gw_output){.open = (uint32_t)sinks};
        for (size_t s = 0; s < sinks && !error; s++) {
            struct gw_leg *leg = add_leg(p, e, p->route->sinks[s]);
            *ret_foreign = *ret_foreign || leg->sink->connection->shard != p->shard;
            error = address_leg(p, leg, err);
            if (!error)
                error = with_properties(p, leg, err);
        }
    }
    p->open_legs = p->leg_count;
    return error;
}

void gw_passage_stage_shard(struct gw_passage *p)
{
    struct mg_err err;
    err.text[0] = '\0'; /* only where something is wrong is there more to say */
    bool foreign = false;
    int error = make_legs(p, &foreign, &err);
    if (!error && foreign)
        error = gw_passage_keep_shard(p);
    if (error == -ENOMEM) {
        gw_passage_release_shard(p, "stage", "out of memory");
        return;
    }
    if (error) {
        gw_passage_reject_shard(p, "stage", err.text);
        return;
    }
    if (p->route->stored) {
        gw_passage_store_shard(p);
        return;
    }
    /* Legs may settle at once, but the passage is not decided before every sink had its offer. */
    for (size_t i = 0; i < p->leg_count; i++) {
        mg_shard *shard = p->legs[i].sink->connection->shard;
        if (shard != p->shard)
            gw_passage_ref(p); /* until the leg is back */
        gw_shard_post(shard, &p->legs[i].task);
    }
    p->stage = GW_STAGED;
    gw_passage_decide_shard(p);
}
