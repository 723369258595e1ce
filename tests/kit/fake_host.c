/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host as a whole, and the instances, connections and steps that a test drives. */
#include "event/event.h"
#include "event/template.h"
#include "host_internal.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kit_host *kit_the_host;

void *kit_alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fprintf(stderr, "kit: out of memory\n");
        abort();
    }
    return memory;
}

char *kit_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(kit_alloc(size), text, size);
}

void kit_keep(struct kit_host *host, void *what, void (*free_fn)(void *what))
{
    struct kit_kept *kept = kit_alloc(sizeof *kept);
    *kept = (struct kit_kept){.next = host->kept, .what = what, .free = free_fn};
    host->kept = kept;
}

void kit_fault(struct kit_host *host, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "kit: fault of the module: %s\n", text);
    pthread_mutex_lock(&host->lock);
    host->faults++;
    pthread_mutex_unlock(&host->lock);
}

void kit_on_shard(struct kit_host *host, const char *service)
{
    if (pthread_equal(pthread_self(), host->thread))
        return;
    fprintf(stderr, "kit: %s is for the shard's thread, and was called from another\n", service);
    abort();
}

/* ---- scopes and templates ------------------------------------------------------------------- */

struct mg_str kit_str(const char *text)
{
    return (struct mg_str){text, text ? strlen(text) : 0};
}

bool kit_str_is(struct mg_str text, const char *expected)
{
    if (!text.at || !expected)
        return !text.at && !expected;
    return text.len == strlen(expected) && !memcmp(text.at, expected, text.len);
}

bool kit_payload_is(const mg_event *event, const char *expected)
{
    struct mg_bytes payload = kit_the_host->table.event_payload(event);
    return payload.len == strlen(expected) &&
           (!payload.len || !memcmp(payload.at, expected, payload.len));
}

struct mg_message kit_message(const char *address, const char *payload)
{
    return (struct mg_message){
        .head = {.size = sizeof(struct mg_head), .priority = 4, .address = kit_str(address)},
        .payload = {payload, payload ? strlen(payload) : 0},
    };
}

mg_event *kit_event(const char *address, const char *payload)
{
    struct mg_message message = kit_message(address, payload);
    mg_event *event = gw_event_new(&message);
    if (!event)
        abort();
    return event;
}

static void free_template(void *what)
{
    gw_template_destroy(what);
}

const mg_template *kit_template(struct kit_host *host, const char *text)
{
    mg_template *template = NULL;
    size_t offset = 0;
    struct mg_err err = {0};
    if (gw_template_compile(text, &template, &offset, &err)) {
        fprintf(stderr, "kit: template \"%s\", byte %zu: %s\n", text, offset, err.text);
        abort();
    }
    kit_keep(host, template, free_template);
    return template;
}

enum { CAPTURES_MAX = 16 };

struct kit_scope_memory {
    struct mg_scope scope;
    struct gw_captures captures;
    struct mg_str names[CAPTURES_MAX], values[CAPTURES_MAX];
};

static struct mg_str keep_text(struct kit_host *host, const char *text)
{
    char *copy = kit_copy(text);
    kit_keep(host, copy, free);
    return kit_str(copy);
}

const mg_scope *kit_scope(struct kit_host *host, const char *route, ...)
{
    struct kit_scope_memory *memory = kit_alloc(sizeof *memory);
    kit_keep(host, memory, free);
    va_list args;
    va_start(args, route);
    size_t count = 0;
    for (const char *name; count < CAPTURES_MAX && (name = va_arg(args, const char *)); count++) {
        memory->names[count] = keep_text(host, name);
        memory->values[count] = keep_text(host, va_arg(args, const char *));
    }
    va_end(args);
    memory->captures = (struct gw_captures){count, memory->names, memory->values};
    memory->scope.route = keep_text(host, route);
    memory->scope.gateway = kit_str("kit");
    memory->scope.captures = &memory->captures;
    return &memory->scope;
}

static struct mg_str scope_route(const mg_scope *scope)
{
    return scope->route;
}

static struct mg_str scope_capture(const mg_scope *scope, struct mg_str name)
{
    const struct gw_captures *captures = scope->captures;
    for (size_t i = 0; captures && i < captures->count; i++)
        if (captures->names[i].len == name.len && !memcmp(captures->names[i].at, name.at, name.len))
            return captures->values[i];
    return (struct mg_str){0};
}

static ptrdiff_t expand(const mg_template *template, const mg_scope *scope, const mg_event *event,
                        char *buffer, size_t size, struct mg_err *reterr)
{
    return gw_template_expand(template, scope, event, NULL, buffer, size, reterr);
}

static struct mg_str instance_name(const mg_instance *instance)
{
    return kit_str(instance->name);
}

static struct mg_str gateway_name(const mg_instance *instance)
{
    (void)instance;
    return kit_str("kit");
}

static mg_shard *connection_shard(mg_connection *connection)
{
    return connection->shard;
}

/* ---- the host ------------------------------------------------------------------------------- */

struct kit_host *kit_host_create(void)
{
    struct kit_host *host = kit_alloc(sizeof *host);
    if (kit_the_host || pipe2(host->wake_fds, O_CLOEXEC | O_NONBLOCK)) {
        fprintf(stderr, "kit: %s\n", kit_the_host ? "one host at a time" : strerror(errno));
        abort();
    }
    kit_the_host = host;
    host->thread = pthread_self();
    pthread_mutex_init(&host->lock, NULL);
    host->ingested_last = &host->ingested;
    host->settle_outcome = MG_ACCEPTED;
    host->store.ops_last = &host->store.ops;
    for (uint32_t i = 0; i < KIT_SHARDS; i++)
        host->shards[i] = (mg_shard){.host = host, .index = i};
    host->table.size = sizeof host->table;
    gw_event_host_fill(&host->table);
    kit_loop_fill(&host->table);
    kit_records_fill(&host->table);
    kit_store_fill(&host->table);
    host->table.scope_route = scope_route;
    host->table.scope_capture = scope_capture;
    host->table.expand = expand;
    host->table.instance_name = instance_name;
    host->table.gateway_name = gateway_name;
    host->table.connection_shard = connection_shard;
    return host;
}

size_t kit_host_destroy(struct kit_host *host)
{
    size_t live = kit_live_handles(host);
    if (live)
        kit_fault(host, "%zu watches, timers, wakes or jobs were not ended", live);
    size_t faults = kit_faults(host) + (live ? live - 1 : 0);
    kit_loop_fini(host);
    kit_store_fini(host);
    kit_records_fini(host);
    for (struct kit_kept *kept; (kept = host->kept);) {
        host->kept = kept->next;
        kept->free(kept->what);
        free(kept);
    }
    close(host->wake_fds[0]);
    close(host->wake_fds[1]);
    pthread_mutex_destroy(&host->lock);
    free(host);
    kit_the_host = NULL;
    return faults;
}

const struct mg_host *kit_host_table(const struct kit_host *host)
{
    return &host->table;
}

mg_shard *kit_shard(struct kit_host *host, uint32_t index)
{
    return index < KIT_SHARDS ? &host->shards[index] : NULL;
}

size_t kit_faults(struct kit_host *host)
{
    pthread_mutex_lock(&host->lock);
    size_t faults = host->faults;
    pthread_mutex_unlock(&host->lock);
    return faults;
}

/* ---- instances ------------------------------------------------------------------------------ */

const struct mg_module *kit_module_load(const char *path, struct mg_err *reterr)
{
    const struct mg_module *(*get)(const struct mg_abi *) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "mg_module") : NULL;
    if (!symbol) {
        const char *why = dlerror();
        snprintf(reterr->text, sizeof reterr->text, "%s", why ? why : "mg_module is NULL");
        return NULL;
    }
    memcpy(&get, &symbol, sizeof get);
    const struct mg_abi here = MG_ABI_HERE;
    const struct mg_module *module = get(&here);
    if (!module)
        snprintf(reterr->text, sizeof reterr->text, "%s: mg_module answered NULL", path);
    return module;
}

int kit_instance_create(struct kit_host *host, const struct mg_module *module, const char *name,
                        const void *settings, mg_instance **ret_instance, struct mg_err *reterr)
{
    int result = module->check ? module->check(settings, reterr) : 0;
    if (result)
        return result;
    mg_instance *instance = kit_alloc(sizeof *instance);
    *instance = (mg_instance){.host = host, .module = module, .name = kit_copy(name)};
    result = module->life->create(&host->table, instance, settings, &instance->self, reterr);
    if (result) {
        module->life->destroy(instance->self);
        instance->self = NULL;
        free(instance->name);
        free(instance);
        return result;
    }
    *ret_instance = instance;
    return 0;
}

int kit_instance_start(mg_instance *instance, struct mg_err *reterr)
{
    const struct mg_life *life = instance->module->life;
    return life->start ? life->start(instance->self, reterr) : 0;
}

void kit_instance_drain(mg_instance *instance)
{
    if (instance->module->life->drain)
        instance->module->life->drain(instance->self);
}

void kit_instance_stop(mg_instance *instance)
{
    const struct mg_life *life = instance->module->life;
    if (instance->context_open && life->shard_close)
        life->shard_close(instance->self, instance->context);
    instance->context_open = false;
    instance->context = NULL;
    if (life->stop)
        life->stop(instance->self);
}

void kit_instance_destroy(mg_instance *instance)
{
    if (!instance)
        return;
    if (instance->context_open)
        kit_instance_stop(instance);
    for (mg_connection *c = instance->host->connections; c; c = c->next)
        if (c->instance == instance)
            kit_fault(instance->host, "(test) instance %s destroyed before its connection",
                      instance->name);
    instance->module->life->destroy(instance->self);
    free(instance->name);
    free(instance);
}

void *kit_instance_self(const mg_instance *instance)
{
    return instance->self;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static bool verdict_allowed(uint32_t kind, uint32_t verdict)
{
    switch (verdict) {
    case MG_PASS:
    case MG_DROP:
    case MG_REJECT:
        return true;
    case MG_REPLACE:
        return kind != MG_FILTER;
    case MG_RETRY:
    case MG_PENDING:
        return kind == MG_ENRICHER;
    default:
        return false;
    }
}

static bool has_resumed(void *arg)
{
    struct kit_pending *pending = arg;
    pthread_mutex_lock(&kit_the_host->lock);
    bool resumed = pending->resumed;
    pthread_mutex_unlock(&kit_the_host->lock);
    return resumed;
}

static struct kit_pending *pending_new(struct kit_host *host)
{
    struct kit_pending *pending = kit_alloc(sizeof *pending);
    pthread_mutex_lock(&host->lock);
    pending->token = ++host->last_token;
    pending->next = host->pending;
    host->pending = pending;
    pthread_mutex_unlock(&host->lock);
    return pending;
}

static void pending_remove(struct kit_host *host, struct kit_pending *pending)
{
    pthread_mutex_lock(&host->lock);
    struct kit_pending **at = &host->pending;
    while (*at != pending)
        at = &(*at)->next;
    *at = pending->next;
    pthread_mutex_unlock(&host->lock);
    free(pending);
}

static struct kit_verdict take_result(struct kit_host *host, uint32_t verdict,
                                      const struct mg_step_result *result)
{
    struct kit_verdict taken = {.verdict = verdict, .err = result->err};
    if (verdict == MG_REPLACE) {
        if (!result->count || result->count > MG_EMIT_MAX || !result->events) {
            kit_fault(host, "MG_REPLACE with %zu events", result->count);
            return taken;
        }
        taken.count = result->count;
        taken.events = kit_alloc(result->count * sizeof *taken.events);
        memcpy(taken.events, result->events, result->count * sizeof *taken.events);
    } else if (result->count) {
        kit_fault(host, "events beside a verdict that is not MG_REPLACE");
    }
    return taken;
}

bool kit_is_answered(void *pending)
{
    return has_resumed(pending);
}

struct kit_pending *kit_process_begin(mg_instance *instance, const mg_event *event,
                                      const mg_scope *scope)
{
    struct kit_host *host = instance->host;
    const struct mg_module *module = instance->module;
    const struct mg_step_ops *ops = module->ops;
    struct kit_pending *pending = pending_new(host);
    pending->kind = module->kind;
    if (!instance->context_open && module->life->shard_open &&
        module->life->shard_open(instance->self, &host->shards[0], &instance->context,
                                 &pending->verdict.err)) {
        kit_fault(host, "shard_open: %s", pending->verdict.err.text);
        pending->verdict.verdict = MG_REJECT;
        pending->resumed = true;
        return pending;
    }
    instance->context_open = true;
    const struct mg_step_call call = {.event = event, .scope = scope, .pending = pending->token};
    struct mg_step_result result = {0};
    kit_clocks_hold(host);
    uint32_t answer = ops->process(instance->self, instance->context, &call, &result);
    kit_clocks_release(host);
    if (!verdict_allowed(module->kind, answer))
        kit_fault(host, "%s: verdict %u is not for this kind of module", module->name, answer);
    pending->pended = answer == MG_PENDING;
    if (!pending->pended) {
        pending->verdict = take_result(host, answer, &result);
        pending->resumed = true;
    }
    return pending;
}

struct kit_verdict kit_process_end(struct kit_host *host, struct kit_pending *pending)
{
    struct kit_verdict verdict = {.verdict = MG_PENDING};
    if (kit_run_until(host, has_resumed, pending, 10000)) {
        verdict = pending->verdict;
        if (pending->pended &&
            (!verdict_allowed(pending->kind, verdict.verdict) || verdict.verdict == MG_PENDING))
            kit_fault(host, "a step resumed with verdict %u", verdict.verdict);
    } else {
        kit_fault(host, "MG_PENDING, and no resume within 10 s");
    }
    verdict.pended = pending->pended;
    pending_remove(host, pending);
    return verdict;
}

struct kit_verdict kit_process(mg_instance *instance, const mg_event *event, const mg_scope *scope)
{
    return kit_process_end(instance->host, kit_process_begin(instance, event, scope));
}

void kit_verdict_fini(struct kit_verdict *verdict)
{
    for (size_t i = 0; i < verdict->count; i++)
        gw_event_unref(verdict->events[i]);
    free(verdict->events);
    *verdict = (struct kit_verdict){0};
}
