/* SPDX-License-Identifier: Apache-2.0 */
/* Where it is put. */
#include "stamp.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool begin_edit(struct work *w)
{
    if (!w->edit)
        w->edit = w->host->edit_new(w->call->event);
    return w->edit;
}

uint32_t stamp_put_property(struct work *w, struct mg_str name, const struct mg_value *value)
{
    if (!begin_edit(w) || w->host->edit_property(w->edit, name, NULL))
        return stamp_no_memory(w);
    return value && w->host->edit_property(w->edit, name, value) ? stamp_no_memory(w) : MG_PASS;
}

static uint32_t put_path(struct work *w, const struct doc_path *path, const struct mg_value *value)
{
    struct doc *doc = w->c->doc;
    int error = doc_path_set(path, doc, w->payload,
                             value->type == MG_INT ? doc_int(doc, value->as.i)
                                                   : doc_text(doc, value->as.text));
    if (error == -ENOMEM)
        return stamp_no_memory(w);
    if (error) {
        snprintf(w->err->text, sizeof w->err->text,
                 "the payload has no place for %.120s: something on the way there is neither "
                 "object nor list",
                 doc_path_text(path));
        return MG_REJECT;
    }
    w->payload_changed = true;
    return MG_PASS;
}

static uint32_t read_payload(struct work *w)
{
    int error =
        w->payload ? 0 : doc_of_payload(w->c->doc, w->host, w->call->event, &w->payload, w->err);
    return error == -ENOMEM ? stamp_no_memory(w) : error ? MG_REJECT : MG_PASS;
}

static int64_t hops_of(const struct mg_value *value)
{
    if (value->type == MG_INT)
        return value->as.i;
    if (value->type == MG_UINT)
        return value->as.u < INT64_MAX ? (int64_t)value->as.u : INT64_MAX;
    int64_t hops = 0;
    for (size_t i = 0; value->type == MG_TEXT && i < value->as.text.len; i++) {
        char c = value->as.text.at[i];
        if (c < '0' || c > '9')
            return 0;
        if (hops > INT64_MAX / 10 - 1)
            return INT64_MAX; /* not 0: this is no new event */
        hops = hops * 10 + (c - '0');
    }
    return hops;
}

static uint32_t count_hops(struct work *w, int64_t before, struct mg_value *ret)
{
    const struct stamper *p = w->c->stamper;
    int64_t hops = before < 0 ? 1 : before < INT64_MAX ? before + 1 : before;
    *ret = stamp_number(hops);
    if (!p->settings->max_hops || hops <= p->settings->max_hops)
        return MG_PASS;
    w->host->count(p->instance, COUNT_CIRCLES, 1);
    snprintf(w->err->text, sizeof w->err->text,
             "this is hop %lld, and max_hops allows %lld: the event goes in circles",
             (long long)hops, (long long)p->settings->max_hops);
    return MG_REJECT;
}

/* What is in the place now; false: nothing. */
static bool find_old(struct work *w, const struct stamp *s, struct mg_value *ret)
{
    if (!s->path)
        return w->host->event_find(w->call->event, s->property, ret);
    const struct doc_value *old = doc_path_get(s->path, w->payload);
    int64_t number;
    *ret = (struct mg_value){.type = MG_NULL};
    if (old && old->kind == DOC_TEXT)
        *ret = (struct mg_value){.type = MG_TEXT, .as.text = old->text};
    else if (old && doc_as_int(old, &number))
        *ret = stamp_number(number);
    return old && old->kind != DOC_NULL;
}

uint32_t stamp_place(struct work *w, const struct stamp *s)
{
    char scratch[SCRATCH_SIZE];
    struct mg_value old = {.type = MG_NULL}, value;
    uint32_t verdict = s->path ? read_payload(w) : MG_PASS;
    if (verdict != MG_PASS)
        return verdict;
    bool there = find_old(w, s, &old);
    if (s->kind == STAMP_HOPS)
        verdict = count_hops(w, hops_of(&old), &value);
    else if (there && !w->c->stamper->settings->overwrite)
        return MG_PASS;
    else
        verdict = stamp_value(w, s->kind, &value, scratch);
    if (verdict != MG_PASS || value.type == MG_NULL)
        return verdict;
    if (s->path)
        return put_path(w, s->path, &value);
    if (value.type == MG_INT) { /* MQTT has texts alone; a number would hide under a tagged name */
        snprintf(scratch, sizeof scratch, "%" PRId64, value.as.i);
        value = stamp_text(scratch);
    }
    return stamp_put_property(w, s->property, &value);
}

uint32_t stamp_head(struct work *w)
{
    static const enum stamp_kind kinds[] = {
        [ID_UUID] = STAMP_UUID, [ID_UUID7] = STAMP_UUID7, [ID_HASH] = STAMP_HASH};
    const struct settings *s = w->c->stamper->settings;
    const struct mg_head *head = w->host->event_head(w->call->event);
    if (s->message_id != ID_NONE && head->message_id.type == MG_NULL) {
        uint32_t verdict = stamp_id(w, kinds[s->message_id], w->id);
        if (verdict != MG_PASS)
            return verdict;
        if (!begin_edit(w))
            return stamp_no_memory(w);
        w->host->edit_head(w->edit)->message_id = stamp_text(w->id);
    }
    if (s->created && !(head->present & MG_HAS_CREATED)) {
        if (!begin_edit(w))
            return stamp_no_memory(w);
        struct mg_head *new = w->host->edit_head(w->edit);
        new->created_us = w->host->wall_us(w->c->shard);
        new->present |= MG_HAS_CREATED;
    }
    return MG_PASS;
}

uint32_t stamp_payload(struct work *w)
{
    size_t length;
    if (!w->payload_changed)
        return MG_PASS;
    char *text = doc_write(w->payload, &length);
    if (!text || !begin_edit(w) ||
        w->host->edit_payload(w->edit, (struct mg_bytes){text, length}, free, text)) {
        free(text);
        return stamp_no_memory(w);
    }
    return MG_PASS;
}
