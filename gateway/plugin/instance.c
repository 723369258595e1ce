/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one configured module, and the services of the host that are about it. */
#include "plugin/instance.h"
#include "base/log.h"
#include "plugin/call.h"
#include "plugin/registry.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void name_instance(const char *name, const char *what, struct mg_err *err)
{
    char text[sizeof err->text];
    snprintf(text, sizeof text, "%s", err->text[0] ? err->text : what);
    snprintf(err->text, sizeof err->text, "%.80s: %.170s", name, text);
}

int gw_module_check(const struct mg_module *module, const char *name, const void *settings,
                    struct mg_err *reterr)
{
    struct mg_instance planned = {.module = module, .name = (char *)(uintptr_t)name};
    if (!module->check)
        return 0;
    struct gw_call outer = gw_call_begin(&planned, "check");
    int result = module->check(settings, reterr);
    gw_call_end(outer);
    return result;
}

int gw_instance_check(const struct gw_instance_plan *plan, struct mg_err *reterr)
{
    *reterr = (struct mg_err){0};
    int result = gw_module_check(plan->module, plan->name, plan->settings, reterr);
    if (result)
        name_instance(plan->name, "the module refuses these settings and does not say why", reterr);
    return result;
}

static void free_instance(struct mg_instance *instance)
{
    pthread_mutex_destroy(&instance->budget_lock);
    free(instance->counters);
    free(instance->gateway);
    free(instance->name);
    free(instance);
}

static struct mg_instance *new_instance(const char *gateway, const struct gw_instance_plan *plan)
{
    struct mg_instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        return NULL;
    instance->module = plan->module;
    instance->settings = plan->settings;
    instance->name = strdup(plan->name);
    instance->gateway = strdup(gateway);
    while (plan->module->counters && plan->module->counters[instance->counter_count])
        instance->counter_count++;
    instance->counters = calloc(instance->counter_count + 1, sizeof *instance->counters);
    pthread_mutex_init(&instance->budget_lock, NULL);
    if (!instance->name || !instance->gateway || !instance->counters) {
        free_instance(instance);
        return NULL;
    }
    return instance;
}

int gw_instance_create(const struct mg_host *host, const char *gateway,
                       const struct gw_instance_plan *plan, struct mg_instance **ret_instance,
                       struct mg_err *reterr)
{
    *reterr = (struct mg_err){0};
    struct mg_instance *instance = new_instance(gateway, plan);
    if (!instance) {
        name_instance(plan->name, "out of memory", reterr);
        return -ENOMEM;
    }
    const struct mg_life *life = plan->module->life;
    struct gw_call outer = gw_call_begin(instance, "create");
    int result = life->create(host, instance, plan->settings, &instance->self, reterr);
    if (result) {
        name_instance(plan->name, "the module cannot be created and does not say why", reterr);
        life->destroy(instance->self);
    }
    gw_call_end(outer);
    if (result) {
        free_instance(instance);
        return result;
    }
    *ret_instance = instance;
    return 0;
}

int gw_instance_start(struct mg_instance *instance, struct mg_err *reterr)
{
    *reterr = (struct mg_err){0};
    const struct mg_life *life = instance->module->life;
    struct gw_call outer = gw_call_begin(instance, "start");
    int result = life->start ? life->start(instance->self, reterr) : 0;
    gw_call_end(outer);
    if (result)
        name_instance(instance->name, "the module cannot be started and does not say why", reterr);
    else
        instance->state = GW_INSTANCE_STARTED;
    return result;
}

void gw_instance_drain(struct mg_instance *instance)
{
    if (instance->state != GW_INSTANCE_STARTED || !instance->module->life->drain)
        return;
    struct gw_call outer = gw_call_begin(instance, "drain");
    instance->module->life->drain(instance->self);
    gw_call_end(outer);
}

/* ---- stop, with a deadline ------------------------------------------------------------------ */

/* Shared by who waits and who stops; the last of the two frees it. */
struct stopping {
    pthread_mutex_t lock;
    pthread_cond_t done_or_not;
    struct mg_instance *instance; /* outlives this: a hung one is never freed */
    bool done, given_up;
};

static void free_stopping(struct stopping *stopping)
{
    pthread_cond_destroy(&stopping->done_or_not);
    pthread_mutex_destroy(&stopping->lock);
    free(stopping);
}

static void *run_stop(void *arg)
{
    struct stopping *stopping = arg;
    struct gw_call outer = gw_call_begin(stopping->instance, "stop");
    stopping->instance->module->life->stop(stopping->instance->self);
    gw_call_end(outer);
    pthread_mutex_lock(&stopping->lock);
    stopping->done = true;
    bool mine = stopping->given_up;
    pthread_cond_signal(&stopping->done_or_not);
    pthread_mutex_unlock(&stopping->lock);
    if (mine)
        free_stopping(stopping);
    return NULL;
}

static struct stopping *new_stopping(struct mg_instance *instance)
{
    struct stopping *stopping = calloc(1, sizeof *stopping);
    if (!stopping)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&stopping->done_or_not, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&stopping->lock, NULL);
    stopping->instance = instance;
    return stopping;
}

static bool wait_for_stop(struct stopping *stopping, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(timeout_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&stopping->lock);
    int error = 0;
    while (!stopping->done && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&stopping->done_or_not, &stopping->lock, &until);
    bool done = stopping->done;
    stopping->given_up = !done;
    pthread_mutex_unlock(&stopping->lock);
    return done;
}

int gw_instance_stop(struct mg_instance *instance, int64_t timeout_ms)
{
    if (instance->state != GW_INSTANCE_STARTED)
        return instance->state == GW_INSTANCE_HUNG ? -ETIMEDOUT : 0;
    instance->state = GW_INSTANCE_STOPPED;
    if (!instance->module->life->stop)
        return 0;
    struct stopping *stopping = new_stopping(instance);
    pthread_t thread;
    if (!stopping || pthread_create(&thread, NULL, run_stop, stopping)) {
        /* No watch is possible where threads have run out, but stopping still is. */
        if (stopping)
            free_stopping(stopping);
        instance->module->life->stop(instance->self);
        return 0;
    }
    if (wait_for_stop(stopping, timeout_ms)) {
        pthread_join(thread, NULL);
        free_stopping(stopping);
        return 0;
    }
    pthread_detach(thread);
    instance->state = GW_INSTANCE_HUNG;
    char text[160];
    snprintf(text, sizeof text,
             "stop has not returned after %" PRId64 " ms; the module is given up", timeout_ms);
    gw_log(MG_ERROR, text, "instance", instance->name, "kind", gw_kind_name(instance->module->kind),
           "module", instance->module->name, "version", instance->module->version, NULL);
    return -ETIMEDOUT;
}

void gw_instance_destroy(struct mg_instance *instance)
{
    enum { LAST_STOP_MS = 5000 };
    if (!instance ||
        (instance->state == GW_INSTANCE_STARTED && gw_instance_stop(instance, LAST_STOP_MS)) ||
        instance->state == GW_INSTANCE_HUNG)
        return;
    struct gw_call outer = gw_call_begin(instance, "destroy");
    instance->module->life->destroy(instance->self);
    gw_call_end(outer);
    free_instance(instance);
}

/* ---- all of them ---------------------------------------------------------------------------- */

int gw_instances_create(const struct mg_host *host, const char *gateway,
                        const struct gw_instance_plan *plans, size_t count,
                        struct mg_instance **ret_instances, struct mg_err *reterr)
{
    int result = 0;
    for (size_t i = 0; i < count; i++)
        ret_instances[i] = NULL;
    for (size_t i = 0; i < count && !result; i++)
        result = gw_instance_check(&plans[i], reterr);
    for (size_t i = 0; i < count && !result; i++)
        result = gw_instance_create(host, gateway, &plans[i], &ret_instances[i], reterr);
    if (result)
        gw_instances_destroy(ret_instances, count);
    return result;
}

int gw_instances_start(struct mg_instance *const *instances, size_t count, struct mg_err *reterr)
{
    enum { ROLLBACK_STOP_MS = 5000 };
    size_t started = 0;
    int result = 0;
    while (started < count && !(result = gw_instance_start(instances[started], reterr)))
        started++;
    if (result) {
        gw_instances_drain(instances, started);
        gw_instances_stop(instances, started, ROLLBACK_STOP_MS);
    }
    return result;
}

void gw_instances_drain(struct mg_instance *const *instances, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_instance_drain(instances[i]);
}

int gw_instances_stop(struct mg_instance *const *instances, size_t count, int64_t timeout_ms)
{
    int result = 0;
    while (count--)
        if (gw_instance_stop(instances[count], timeout_ms))
            result = -ETIMEDOUT;
    return result;
}

void gw_instances_destroy(struct mg_instance **instances, size_t count)
{
    while (count--) {
        gw_instance_destroy(instances[count]);
        instances[count] = NULL;
    }
}

/* ---- the error budget ----------------------------------------------------------------------- */

bool gw_instance_ready(struct mg_instance *instance, int64_t now_us)
{
    int_least64_t until = atomic_load_explicit(&instance->open_until_us, memory_order_relaxed);
    if (!until)
        return true;
    if (now_us < until)
        return false;
    /* Of several shards, the first through here puts it on probation. */
    if (atomic_compare_exchange_strong(&instance->open_until_us, &until, 0))
        atomic_store(&instance->on_probation, true);
    return true;
}

int64_t gw_instance_ready_at_us(const struct mg_instance *instance)
{
    return atomic_load_explicit(&instance->open_until_us, memory_order_relaxed);
}

void gw_instance_error(struct mg_instance *instance, int64_t now_us, const char *why)
{
    pthread_mutex_lock(&instance->budget_lock);
    if (now_us - instance->window_start_us >= (int64_t)GW_INSTANCE_ERRORS_WINDOW_MS * 1000) {
        instance->window_start_us = now_us;
        instance->errors = 0;
    }
    instance->errors++;
    bool open = instance->errors >= GW_INSTANCE_ERRORS_MAX || atomic_load(&instance->on_probation);
    bool opened = open && !atomic_load(&instance->open_until_us);
    if (opened) {
        instance->errors = 0;
        atomic_store(&instance->on_probation, false);
        atomic_store(&instance->open_until_us, now_us + (int64_t)GW_INSTANCE_PAUSE_MS * 1000);
        atomic_fetch_add_explicit(&instance->pauses, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&instance->budget_lock);
    if (opened) {
        char text[80];
        snprintf(text, sizeof text, "the module fails too often; left alone for %d ms",
                 GW_INSTANCE_PAUSE_MS);
        gw_log(MG_ERROR, text, "instance", instance->name, "module", instance->module->name,
               "reason", why, NULL);
    }
}

void gw_instance_ok(struct mg_instance *instance)
{
    if (atomic_load_explicit(&instance->on_probation, memory_order_relaxed))
        atomic_store(&instance->on_probation, false);
}

/* ---- services ------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
host_log(mg_instance *instance, uint32_t level, const char *format, ...)
{
    char text[1024];
    if (!gw_log_wanted(level))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gw_log(level, text, "instance", instance ? instance->name : NULL, "module",
           instance ? instance->module->name : NULL, NULL);
}

static void host_count(mg_instance *instance, uint32_t counter, int64_t by)
{
    if (counter < instance->counter_count)
        atomic_fetch_add_explicit(&instance->counters[counter], by, memory_order_relaxed);
}

static struct mg_str host_instance_name(const mg_instance *instance)
{
    return (struct mg_str){instance->name, strlen(instance->name)};
}

static struct mg_str host_gateway_name(const mg_instance *instance)
{
    return (struct mg_str){instance->gateway, strlen(instance->gateway)};
}

void gw_instance_host_fill(struct mg_host *host)
{
    host->log = host_log;
    host->count = host_count;
    host->instance_name = host_instance_name;
    host->gateway_name = host_gateway_name;
}
