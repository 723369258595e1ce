/* SPDX-License-Identifier: Apache-2.0 */
/* In which module's code a thread is: for the crash report, and for who watches slow callbacks. */
#pragma once
#include "plugin/instance.h"

/* NULL: in none. */
struct gw_call {
    struct mg_instance *instance;
    const char *operation; /* static text */
};

/* One for each thread, written by that thread alone, and read by its signal handler and by others:
 * plain stores, in any order, since a report may be one call off but never wrong about memory. */
struct gw_call_place {
    _Atomic(struct mg_instance *) instance;
    _Atomic(const char *) operation;
    atomic_uint_least64_t calls; /* into modules so far; those within another are not counted */
};

/* The calling thread's. */
extern _Thread_local struct gw_call_place gw_call_here;

/* Around each call of a module's function.  Answers what gw_call_end has to put back: a bridge
 * ingests, and a step runs within its callback. */
static inline struct gw_call gw_call_begin(struct mg_instance *instance, const char *operation)
{
    struct gw_call_place *here = &gw_call_here;
    struct gw_call outer = {
        atomic_load_explicit(&here->instance, memory_order_relaxed),
        atomic_load_explicit(&here->operation, memory_order_relaxed),
    };
    if (!outer.instance)
        atomic_store_explicit(&here->calls,
                              atomic_load_explicit(&here->calls, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    atomic_store_explicit(&here->operation, operation, memory_order_relaxed);
    atomic_store_explicit(&here->instance, instance, memory_order_relaxed);
    return outer;
}

static inline void gw_call_end(struct gw_call outer)
{
    atomic_store_explicit(&gw_call_here.instance, outer.instance, memory_order_relaxed);
    atomic_store_explicit(&gw_call_here.operation, outer.operation, memory_order_relaxed);
}

/* The core's own for a while, within a module's call: until gw_call_end. */
static inline struct gw_call gw_call_leave(void)
{
    struct gw_call outer = {
        atomic_load_explicit(&gw_call_here.instance, memory_order_relaxed),
        atomic_load_explicit(&gw_call_here.operation, memory_order_relaxed),
    };
    gw_call_end((struct gw_call){0});
    return outer;
}

/* Whose code runs now; NULL: the core's.  What is started there (a timer, a watch) is theirs. */
static inline struct mg_instance *gw_call_owner(void)
{
    return atomic_load_explicit(&gw_call_here.instance, memory_order_relaxed);
}
