/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a loop turn: credit goes back to sources, bridges write what they have queued. */
#include "flow/internal.h"

void gw_turn_mark_shard(struct mg_connection *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = c->shard->dirty;
    c->shard->dirty = c;
}

bool gw_turn_end_shard(mg_shard *shard)
{
    struct mg_connection *c = shard->dirty;
    shard->dirty = NULL;
    while (c) {
        struct mg_connection *next = c->next_dirty;
        c->is_dirty = false;
        gw_window_grant_shard(c);
        if (c->opened && c->ops->flush) {
            struct gw_call outer = gw_call_begin(c->instance, "flush");
            c->ops->flush(c->context);
            gw_call_end(outer);
        }
        c = next;
    }
    return shard->dirty; /* granting credit or flushing may have moved events: another round */
}
