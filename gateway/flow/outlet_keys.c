/* SPDX-License-Identifier: Apache-2.0 */
/* Order per key: of each key one leg at a time is in the lane, the others stand behind it.  A key
 * whose first leg has to wait for long would fill the lane's memory; it is spilled then: what
 * stands behind stays in the store, and is read again when the first has gone. */
#include "flow/outlet.h"
#include <stdlib.h>

static struct gw_leg **bucket_of(struct gw_outlet *o, uint64_t key)
{
    return &o->keys[key % GW_KEY_BUCKETS];
}

/* false: it stands behind another leg of its key. */
bool gw_keys_enter(struct gw_outlet *o, struct gw_leg *leg)
{
    if (!o->keys || !leg->key)
        return true;
    struct gw_leg **bucket = bucket_of(o, leg->key), *head = *bucket;
    while (head && head->key != leg->key)
        head = head->same_bucket;
    leg->behind = NULL;
    if (head) {
        *(head->last_behind ? &head->last_behind->behind : &head->behind) = leg;
        head->last_behind = leg;
        return false;
    }
    leg->last_behind = NULL;
    leg->same_bucket = *bucket;
    *bucket = leg;
    return true;
}

/* The first of its key goes; the one behind it, if any, is the first now. */
struct gw_leg *gw_keys_leave(struct gw_outlet *o, struct gw_leg *leg)
{
    if (!o->keys || !leg->key)
        return NULL;
    struct gw_leg **at = bucket_of(o, leg->key), *next = leg->behind;
    while (*at != leg)
        at = &(*at)->same_bucket;
    if (next) {
        next->same_bucket = leg->same_bucket;
        next->last_behind = leg->last_behind == next ? NULL : leg->last_behind;
        *at = next;
    } else {
        *at = leg->same_bucket;
    }
    leg->behind = leg->same_bucket = NULL;
    return next;
}

struct gw_spilled *gw_keys_spilled(const struct gw_outlet *o, uint64_t key)
{
    struct gw_spilled *s = o->spilled;
    while (s && s->key != key)
        s = s->next;
    return s;
}

void gw_keys_unspill(struct gw_outlet *o, struct gw_spilled *spilled)
{
    struct gw_spilled **at = &o->spilled;
    while (*at != spilled)
        at = &(*at)->next;
    *at = spilled->next;
    free(spilled);
}

static void spill(struct gw_outlet *o, struct gw_leg *head)
{
    struct gw_leg *leg = head->behind, *next;
    struct gw_spilled *s = gw_keys_spilled(o, head->key);
    if (!leg)
        return;
    if (!s) {
        s = malloc(sizeof *s);
        if (!s)
            return; /* it stays in memory, and holds the others up */
        *s = (struct gw_spilled){.key = head->key, .from = leg->sequence, .next = o->spilled};
        o->spilled = s;
    }
    if (leg->sequence < s->from)
        s->from = leg->sequence;
    head->behind = head->last_behind = NULL;
    for (; leg; leg = next) {
        next = leg->behind;
        o->in_hand--;
        o->bytes -= leg->event->payload.len;
        leg->state = GW_LEG_DONE;
        gw_passage_unref(leg->passage);
    }
}

void gw_keys_spill_held(struct gw_outlet *o)
{
    for (struct gw_leg *leg = o->held; leg; leg = leg->next_held)
        spill(o, leg);
}

bool gw_keys_has(const struct gw_outlet *o, uint64_t key)
{
    const struct gw_leg *head = o->keys[key % GW_KEY_BUCKETS];
    while (head && head->key != key)
        head = head->same_bucket;
    return head;
}
