/* SPDX-License-Identifier: Apache-2.0 */
/* What one step costs for one event: bench_steps MODULE.so SETTINGS PAYLOAD SECONDS.
 *
 * One thread, under the fake host; SETTINGS is YAML.  Events that come out are given back at once.
 * Prints one JSON line: the verdict of the first event, events out of it, nanoseconds per event by
 * the wall clock and by the thread's. */
#include "bind.h"
#include "fake_host.h"
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS_BETWEEN_CLOCKS = 256 };

struct step {
    const struct mg_host *table;
    const struct mg_step_ops *ops;
    void *self, *context;
    struct mg_step_call call;
};

static double cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint32_t once(const struct step *s, size_t *ret_count, char *ret_why, size_t size)
{
    struct mg_step_result result = {.count = 0};
    uint32_t verdict = s->ops->process(s->self, s->context, &s->call, &result);
    *ret_count = verdict == MG_REPLACE ? result.count : 0;
    for (size_t i = 0; i < *ret_count; i++)
        s->table->event_unref(result.events[i]);
    if (ret_why)
        snprintf(ret_why, size, "%s", result.err.text);
    return verdict;
}

static int measure(const struct step *s, double seconds)
{
    static const char *const verdicts[] = {"pass", "replace", "drop", "reject", "retry", "pending"};
    char why[256];
    size_t count, events = 0, more;
    uint32_t verdict = once(s, &count, why, sizeof why);
    if (verdict == MG_REJECT) {
        fprintf(stderr, "bench_steps: %s\n", why);
        return 1;
    }
    double elapsed = 0, cpu = cpu_now();
    uint64_t start_ns = load_now_ns();
    while (elapsed < seconds) {
        for (int i = 0; i < EVENTS_BETWEEN_CLOCKS; i++)
            once(s, &more, NULL, 0);
        events += EVENTS_BETWEEN_CLOCKS;
        elapsed = (double)(load_now_ns() - start_ns) / 1e9;
    }
    cpu = cpu_now() - cpu;
    printf("{\"verdict\":\"%s\",\"out\":%zu,\"events\":%zu,\"ns\":%.1f,\"cpu_ns\":%.1f}\n",
           verdict <= MG_PENDING ? verdicts[verdict] : "?", count, events,
           elapsed * 1e9 / (double)events, cpu * 1e9 / (double)events);
    return 0;
}

static int run(struct kit_host *host, const char *const *argv, struct mg_err *err)
{
    const struct mg_module *module = kit_module_load(argv[1], err);
    if (!module)
        return -1;
    const void *settings = kit_settings(host, module->options, module->settings_size, argv[2]);
    mg_instance *instance = NULL;
    if (!settings) {
        snprintf(err->text, sizeof err->text, "%s", kit_settings_error());
        return -1;
    }
    if (kit_instance_create(host, module, module->name, settings, &instance, err))
        return -1;
    mg_event *event = kit_event("plant/a/m1/telemetry", argv[3]);
    struct step s = {.table = kit_host_table(host),
                     .ops = module->ops,
                     .self = kit_instance_self(instance),
                     .call = {.event = event,
                              .scope = kit_scope(host, "hot", "line", "a", "machine", "m1", NULL)}};
    const struct mg_life *life = module->life;
    int code = life->shard_open ? life->shard_open(s.self, kit_shard(host, 0), &s.context, err) : 0;
    if (!code)
        code = measure(&s, strtod(argv[4], NULL));
    if (life->shard_close)
        life->shard_close(s.self, s.context);
    s.table->event_unref(event);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_steps MODULE.so SETTINGS PAYLOAD SECONDS\n");
        return 2;
    }
    struct mg_err err = {.text = ""};
    struct kit_host *host = kit_host_create();
    int code = run(host, (const char *const *)argv, &err);
    if (err.text[0])
        fprintf(stderr, "bench_steps: %s\n", err.text);
    return kit_host_destroy(host) || code ? 1 : 0;
}
