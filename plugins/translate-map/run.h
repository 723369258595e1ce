/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules run on for one event. */
#pragma once
#include "arena.h"
#include "json_doc.h"

struct run {
    const struct mg_host *host;
    const mg_instance *instance;
    const struct mg_step_call *step;
    struct doc *doc;     /* what is made for this event */
    struct arena *arena; /* likewise; see run_take */
    int64_t unknown;     /* values that an enum did not know */
};

/* Not cleared, good until the event is done.  NULL: out of memory. */
static inline void *run_take(struct run *run, size_t size)
{
    return arena_take(run->arena, size);
}
