/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the lookup share. */
#include "lookup_kit.h"
#include "bind.h"
#include "unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct kit_host *host;
const struct mg_host *table_of_host;
mg_instance *instance;
struct mg_err err;
static char folder[64];

const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void write_table(const char *name, const char *text)
{
    char final[128];
    snprintf(final, sizeof final, "%s", in_folder(name));
    FILE *f = fopen(in_folder("new"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
    CU_ASSERT_EQUAL(rename(in_folder("new"), final), 0);
}

void open_lookup(const char *name, const char *more)
{
    const struct mg_module *module = mg_module(NULL);
    char yaml[512];
    snprintf(yaml, sizeof yaml, "{table: %s, key: '{machine}', reload: 10ms, %s}", in_folder(name),
             more);
    host = kit_host_create();
    table_of_host = kit_host_table(host);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    int error = kit_instance_create(host, module, "lookup", settings, &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static bool no_job(void *unused)
{
    (void)unused;
    return kit_live_handles(host) == 0;
}

bool jobs_end(void)
{
    return kit_run_until(host, no_job, NULL, 5000);
}

void close_lookup(void)
{
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(jobs_end()); /* a last look at the file may be under way */
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

struct kit_verdict enrich(const char *machine, const char *payload)
{
    mg_event *event = kit_event("plant/a/x", payload);
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(host, "route", "machine", machine, NULL));
    err = v.err;
    table_of_host->event_unref(event);
    return v;
}

void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected)
{
    struct kit_verdict v = enrich(machine, payload);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    CU_ASSERT_EQUAL_FATAL(v.count, expected ? 1 : 0);
    if (expected && !kit_payload_is(v.events[0], expected)) {
        struct mg_bytes p = table_of_host->event_payload(v.events[0]);
        fprintf(stderr, "%.*s\n", (int)p.len, (const char *)p.at);
    }
    if (expected)
        CU_ASSERT_TRUE(kit_payload_is(v.events[0], expected));
    kit_verdict_fini(&v);
}

struct counting {
    uint32_t counter;
    int64_t least;
};

static bool has_counted(void *arg)
{
    const struct counting *c = arg;
    return kit_counter(instance, c->counter) >= c->least;
}

bool counts(uint32_t counter, int64_t least)
{
    struct counting c = {counter, least};
    return kit_run_until(host, has_counted, &c, 5000);
}

void comes_without_descriptors(const char *from, const char *to)
{
    char final[128];
    enum { FEW = 128 };
    int taken[FEW], count = 0;
    struct rlimit before, few;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = FEW;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < FEW && (taken[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    snprintf(final, sizeof final, "%s", in_folder(to));
    CU_ASSERT_EQUAL(rename(in_folder(from), final), 0);
    CU_ASSERT_TRUE(counts(COUNTED_FAILED, kit_counter(instance, COUNTED_FAILED) + 1));
    while (count)
        close(taken[--count]);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
}

void in_a_folder_of_its_own(void (*run)(void))
{
    snprintf(folder, sizeof folder, "/tmp/meshgate-lookup-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    run();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
}
