/* SPDX-License-Identifier: Apache-2.0 */
/* One configured module: its life cycle, its counters, and how much failure it is allowed. */
#pragma once
#include "meshgate/plugin.h"
#include <pthread.h>
#include <stdatomic.h>

enum gw_instance_state {
    GW_INSTANCE_CREATED,
    GW_INSTANCE_STARTED,
    GW_INSTANCE_STOPPED,
    GW_INSTANCE_HUNG, /* in stop: never destroyed, its code never unloaded */
};

/* A step that fails this often within the window is left alone for the pause.  Then one failure
 * more opens the breaker again; one success closes it for good. */
enum {
    GW_INSTANCE_ERRORS_MAX = 20,
    GW_INSTANCE_ERRORS_WINDOW_MS = 10000,
    GW_INSTANCE_PAUSE_MS = 5000,
};

struct mg_instance {
    const struct mg_module *module;
    const void *settings;
    void *self;
    char *name;                   /* as in the YAML */
    char *gateway;                /* the gateway's name */
    enum gw_instance_state state; /* CONTROL */
    size_t counter_count;
    _Atomic int64_t *counters; /* in the order of module->counters */

    atomic_int_least64_t open_until_us; /* the breaker: 0 closed */
    atomic_bool on_probation;           /* the pause is over, nothing has succeeded yet */
    atomic_uint_least64_t pauses;       /* how often the breaker opened */
    atomic_uint_least64_t slow;         /* callbacks that held a shard up for too long */
    pthread_mutex_t budget_lock;        /* protects the two below */
    uint32_t errors;
    int64_t window_start_us;
};

/* What an instance is made of; all of it outlives the instance but name, which is copied. */
struct gw_instance_plan {
    const struct mg_module *module;
    const char *name;
    const void *settings;
};

/* The module's own check across its options, if it has one, noted as `name`'s: an instance that may
 * never be.  0 or negative errno with reterr. */
int gw_module_check(const struct mg_module *module, const char *name, const void *settings,
                    struct mg_err *reterr);

/* ---- one instance; all CONTROL -------------------------------------------------------------- */

/* The module's own check across its options.  0 or negative errno with reterr, which names the
 * instance; as for create and start. */
int gw_instance_check(const struct gw_instance_plan *plan, struct mg_err *reterr);
/* host outlives the instance.  What a failed create left behind is destroyed. */
int gw_instance_create(const struct mg_host *host, const char *gateway,
                       const struct gw_instance_plan *plan, struct mg_instance **ret_instance,
                       struct mg_err *reterr);
int gw_instance_start(struct mg_instance *instance, struct mg_err *reterr);
void gw_instance_drain(struct mg_instance *instance);
/* 0, or -ETIMEDOUT where the module is still in stop after timeout_ms: logged, and the instance is
 * given up for good.  Its thread goes on, so the process must end without unloading the module. */
int gw_instance_stop(struct mg_instance *instance, int64_t timeout_ms);
/* Stops first what was started and not stopped.  A hung instance is left as it is.  NULL is fine.
 */
void gw_instance_destroy(struct mg_instance *instance);

/* What create answered: the first argument of the module's operations.  ANY. */
static inline void *gw_instance_self(const struct mg_instance *instance)
{
    return instance->self;
}

/* ---- all instances of a gateway, in order; all CONTROL -------------------------------------- */

/* Checks all, then creates all, into `count` places.  On failure those created are destroyed, the
 * last first, and the places are NULL. */
int gw_instances_create(const struct mg_host *host, const char *gateway,
                        const struct gw_instance_plan *plans, size_t count,
                        struct mg_instance **ret_instances, struct mg_err *reterr);
/* On failure those started are drained and stopped, the last first. */
int gw_instances_start(struct mg_instance *const *instances, size_t count, struct mg_err *reterr);
void gw_instances_drain(struct mg_instance *const *instances, size_t count);
/* The last first, each within timeout_ms; -ETIMEDOUT where any hangs (the others are stopped). */
int gw_instances_stop(struct mg_instance *const *instances, size_t count, int64_t timeout_ms);
/* The last first; the places become NULL. */
void gw_instances_destroy(struct mg_instance **instances, size_t count);

/* ---- the error budget of a step; ANY thread ------------------------------------------------- */

/* Closed breaker?  now_us: monotonic.  False: answer for the step with MG_RETRY instead of calling
 * it, and come back at gw_instance_ready_at_us. */
bool gw_instance_ready(struct mg_instance *instance, int64_t now_us);
int64_t gw_instance_ready_at_us(const struct mg_instance *instance); /* 0: now */
/* The step failed by its own fault; why is for people.  Logs where it opens the breaker. */
void gw_instance_error(struct mg_instance *instance, int64_t now_us, const char *why);
void gw_instance_ok(struct mg_instance *instance); /* cheap: call it for every success */

/* Fills log, count, instance_name and gateway_name of a host table. */
void gw_instance_host_fill(struct mg_host *host);
