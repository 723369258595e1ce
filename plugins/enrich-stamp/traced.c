/* SPDX-License-Identifier: Apache-2.0 */
/* The trace context of an event. */
#include "stamp.h"
#include <string.h>

static bool named(const struct mg_property *property, const char *name)
{
    return property->name.len == strlen(name) &&
           !memcmp(property->name.at, name, property->name.len);
}

/* What an event has of the two texts. */
struct carried {
    struct trace trace; /* where valid */
    bool valid;         /* one traceparent, and a valid one */
    size_t parents, states;
    bool states_valid; /* also where there is none */
};

static struct carried read_trace(const struct work *w)
{
    const struct stamper *p = w->c->stamper;
    struct carried found = {.states_valid = true};
    size_t count;
    const struct mg_property *properties = w->host->event_properties(w->call->event, &count);
    for (size_t i = 0; i < count; i++) {
        const struct mg_value *value = &properties[i].value;
        bool is_text = value->type == MG_TEXT || value->type == MG_SYMBOL;
        if (named(&properties[i], p->traceparent)) {
            found.parents++;
            found.valid = is_text && trace_parse(value->as.text, &found.trace);
        } else if (named(&properties[i], p->tracestate)) {
            found.states++;
            found.states_valid &= is_text && trace_state_is_valid(value->as.text);
        }
    }
    found.valid &= found.parents == 1;
    return found;
}

static uint32_t new_ids(struct work *w, struct trace *t, bool starts)
{
    static const uint8_t zero[16];
    uint32_t lot;
    do {
        if (stamp_random(w, t->parent_id, sizeof t->parent_id) != MG_PASS)
            return MG_RETRY;
    } while (!memcmp(t->parent_id, zero, sizeof t->parent_id));
    if (!starts)
        return MG_PASS;
    do {
        if (stamp_random(w, t->trace_id, sizeof t->trace_id) != MG_PASS)
            return MG_RETRY;
    } while (!memcmp(t->trace_id, zero, sizeof t->trace_id));
    if (stamp_random(w, &lot, sizeof lot) != MG_PASS)
        return MG_RETRY;
    t->flags = lot < w->c->stamper->stamps.sample * 4294967296.0 ? TRACE_SAMPLED : 0;
    return MG_PASS;
}

uint32_t stamp_trace(struct work *w)
{
    const struct stamper *p = w->c->stamper;
    struct mg_str parent = {p->traceparent, strlen(p->traceparent)};
    struct mg_str state = {p->tracestate, strlen(p->tracestate)};
    struct carried found = read_trace(w);
    struct trace t = found.trace;
    uint32_t verdict = MG_PASS;
    w->host->count(p->instance, found.valid ? COUNT_CONTINUED : COUNT_STARTED, 1);
    if (found.parents && !found.valid)
        w->host->count(p->instance, COUNT_INVALID, 1);
    /* Without a valid traceparent tracestate must not be looked at. */
    if (found.states && (!found.valid || !found.states_valid))
        verdict = stamp_put_property(w, state, NULL);
    if (verdict != MG_PASS || (found.valid && p->settings->trace == TRACE_START))
        return verdict;
    verdict = new_ids(w, &t, !found.valid);
    if (verdict != MG_PASS)
        return verdict;
    char text[TRACE_TEXT_SIZE];
    trace_format(&t, text);
    struct mg_value value = stamp_text(text);
    return stamp_put_property(w, parent, &value);
}
