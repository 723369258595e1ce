/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the claim check share. */
#include "claim_kit.h"
#include "bind.h"
#include "unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct kit_host *host;
const struct mg_host *table;
mg_instance *instance;
char folder[64], store_yaml[512];
struct mg_err err;

const void *bind_settings(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

void open_with(const char *mode, const char *more)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "{mode: %s, %s, %s}", mode, store_yaml, more);
    host = kit_host_create();
    table = kit_host_table(host);
    int error =
        kit_instance_create(host, mg_module(NULL), "claim", bind_settings(yaml), &instance, &err);
    if (!error)
        error = kit_instance_start(instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

bool nothing_lives(void *unused)
{
    (void)unused;
    return kit_live_handles(host) == 0;
}

void close_claim(void)
{
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_IN_FLIGHT), 0);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(kit_run_until(host, nothing_lives, NULL, 5000)); /* a job may be under way */
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

mg_event *event_of(struct mg_bytes payload, const char *type, const char *encoding)
{
    struct mg_message m = kit_message("plant/a", "");
    struct mg_property property = {kit_str("n"), {.type = MG_TEXT, .as.text = kit_str("v")}};
    m.payload = payload;
    m.head.content_type = kit_str(type);
    m.head.content_encoding = kit_str(encoding);
    m.properties = &property;
    m.property_count = 1;
    return table->event_new(&m);
}

struct kit_verdict process(mg_event *event)
{
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "r", NULL));
    err = v.err;
    return v;
}

char *after(const char *payload, uint32_t expected)
{
    mg_event *event = event_of((struct mg_bytes){payload, strlen(payload)}, NULL, NULL);
    struct kit_verdict v = process(event);
    char *text = NULL;
    if (v.verdict != expected)
        fprintf(stderr, "verdict %u: %s\n", v.verdict, v.err.text);
    CU_ASSERT_EQUAL(v.verdict, expected);
    if (v.count == 1) {
        struct mg_bytes p = table->event_payload(v.events[0]);
        text = strndup(p.at, p.len);
    }
    kit_verdict_fini(&v);
    table->event_unref(event);
    return text;
}

bool err_says(const char *part)
{
    if (!strstr(err.text, part))
        fprintf(stderr, "%s\n", err.text);
    return strstr(err.text, part);
}

char *reference_to(const char *payload)
{
    open_with("store", "threshold: 3");
    char *reference = after(payload, MG_REPLACE);
    close_claim();
    return reference;
}

/* ---- folders ---------------------------------------------------------------------------- */

void path_of(const char *payload, char *path, size_t size)
{
    char hash[HASH_TEXT_BYTES + 1];
    CU_ASSERT_EQUAL_FATAL(hash_text((struct mg_bytes){payload, strlen(payload)}, hash), 0);
    snprintf(path, size, "%s/%.2s/%.2s/%s", folder, hash, hash + 2, hash);
}

bool is_kept(const char *payload)
{
    char path[256];
    path_of(payload, path, sizeof path);
    return access(path, F_OK) == 0;
}

void make_older(const char *payload, int64_t by_s)
{
    char path[256];
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[0].tv_sec -= by_s;
    now[1] = now[0];
    path_of(payload, path, sizeof path);
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, now, 0), 0);
}

void overwrite(const char *payload, const char *with)
{
    char path[256];
    path_of(payload, path, sizeof path);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(with, f);
    fclose(f);
}

void begin_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/claims-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* the module makes it */
    snprintf(store_yaml, sizeof store_yaml, "folder: %s, least_free: 0", folder);
}

void end_folder(void)
{
    pid_t pid = fork();
    if (!pid) {
        execl("/bin/rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}
