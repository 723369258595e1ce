/* SPDX-License-Identifier: Apache-2.0 */
/* The claim check with a folder: there and back, damage, limits, settings. */
#include "claim_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- folders ----------------------------------------------------------------------------- */
static void an_event_comes_back_as_it_was(void)
{
    char big[100000];
    struct mg_value value;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 + i / 251);
    static const char *const types[] = {NULL, "", "image/png", "x/\"y\"\n"};
    for (size_t i = 0; i < 4; i++) {
        open_with("store", "");
        mg_event *event = event_of((struct mg_bytes){big, sizeof big - i}, types[i], types[3 - i]);
        struct kit_verdict v = process(event);
        CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
        CU_ASSERT_TRUE(table->event_payload(v.events[0]).len < 300);
        CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->content_type,
                                  "application/vnd.meshgate.claim-check+json"));
        CU_ASSERT_PTR_NULL(table->event_head(v.events[0])->content_encoding.at);
        struct mg_bytes p = table->event_payload(v.events[0]);
        struct mg_bytes reference = {strndup(p.at, p.len), p.len};
        kit_verdict_fini(&v);
        table->event_unref(event);
        close_claim();
        open_with("restore", "");
        event = event_of(reference, "any/type", NULL);
        v = process(event);
        CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
        p = table->event_payload(v.events[0]);
        CU_ASSERT_TRUE(p.len == sizeof big - i && !memcmp(p.at, big, p.len));
        const struct mg_head *head = table->event_head(v.events[0]);
        CU_ASSERT_EQUAL(!head->content_type.at, !types[i]);
        CU_ASSERT_TRUE(!types[i] || kit_str_is(head->content_type, types[i]));
        CU_ASSERT_TRUE(!types[3 - i] || kit_str_is(head->content_encoding, types[3 - i]));
        CU_ASSERT_TRUE(kit_str_is(head->address, "plant/a"));
        CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("n"), &value));
        kit_verdict_fini(&v);
        table->event_unref(event);
        free((void *)(uintptr_t)reference.at);
        close_claim();
    }
}

static void only_large_payloads_are_stored(void)
{
    open_with("store", "threshold: 4");
    free(after("1234", MG_PASS));
    free(after("", MG_PASS));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STORED), 0);
    free(after("12345", MG_REPLACE));
    CU_ASSERT_TRUE(is_kept("12345"));
    free(after("12345", MG_REPLACE));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STORED), 1);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_KNOWN), 1);
    close_claim();
    open_with("restore", "");
    free(after("12345", MG_PASS));
    free(after("{\"claimCheck\":{}}", MG_PASS));
    close_claim();
}

static void what_looks_like_a_reference_is_stored(void)
{
    char *reference = reference_to("secret of others");
    open_with("store", "");
    char *wrapped = after(reference, MG_REPLACE);
    char *bad = after("{\"claimCheck\":{\"sha256\":\"x\"}}", MG_REPLACE);
    close_claim();
    open_with("restore", "");
    char *back = after(wrapped, MG_REPLACE);
    CU_ASSERT_STRING_EQUAL(back, reference);
    free(back);
    back = after(bad, MG_REPLACE);
    CU_ASSERT_STRING_EQUAL(back, "{\"claimCheck\":{\"sha256\":\"x\"}}");
    free(back);
    free(after("{\"claimCheck\":{\"sha256\":\"x\"}}", MG_REJECT));
    CU_ASSERT_TRUE(err_says("sha256"));
    close_claim();
    free(reference);
    free(wrapped);
    free(bad);
}

static void a_damaged_file_is_found_and_mended(void)
{
    char *reference = reference_to("payload");
    static const char *const damages[] = {"", "payloae", "payload and more"};
    for (size_t i = 0; i < 3; i++) {
        overwrite("payload", damages[i]);
        open_with("restore", "");
        free(after(reference, MG_REJECT));
        CU_ASSERT_EQUAL(kit_counter(instance, COUNT_DAMAGED), 1);
        close_claim();
        open_with("store", "threshold: 3");
        free(after("payload", MG_REPLACE));
        CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STORED), 1);
        close_claim();
        open_with("restore", "");
        char *back = after(reference, MG_REPLACE);
        CU_ASSERT_STRING_EQUAL(back, "payload");
        free(back);
        close_claim();
    }
    free(reference);
}

static void a_missing_payload_is_a_choice(void)
{
    static const struct {
        const char *name;
        uint32_t verdict;
    } choices[] = {{"retry", MG_RETRY}, {"reject", MG_REJECT}, {"pass", MG_PASS}};
    char path[256], more[64];
    char *reference = reference_to("payload");
    path_of("payload", path, sizeof path);
    CU_ASSERT_EQUAL(unlink(path), 0);
    for (size_t i = 0; i < 3; i++) {
        snprintf(more, sizeof more, "on_missing: %s", choices[i].name);
        open_with("restore", more);
        free(after(reference, choices[i].verdict));
        CU_ASSERT_TRUE(err_says("No such file"));
        CU_ASSERT_EQUAL(kit_counter(instance, COUNT_MISSING), 1);
        close_claim();
    }
    open_with("restore", "on_missing: reject");
    char aside[80];
    snprintf(aside, sizeof aside, "%s.aside", folder);
    CU_ASSERT_EQUAL(rename(folder, aside), 0);
    free(after(reference, MG_RETRY)); /* the whole folder is away: that says nothing */
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_FAILURES), 1);
    CU_ASSERT_EQUAL(rename(aside, folder), 0);
    close_claim();
    free(reference);
}

static void there_are_limits(void)
{
    char *reference = reference_to("payload");
    open_with("restore", "max_size: 6");
    free(after(reference, MG_REJECT));
    CU_ASSERT_TRUE(err_says("max_size allows 6"));
    close_claim();
    free(reference);
    snprintf(store_yaml, sizeof store_yaml, "folder: %s, least_free: 1000000GiB", folder);
    open_with("store", "threshold: 3");
    free(after("other", MG_RETRY));
    CU_ASSERT_TRUE(err_says("least_free"));
    CU_ASSERT_FALSE(is_kept("other"));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_FAILURES), 1);
    close_claim();
    snprintf(store_yaml, sizeof store_yaml, "folder: %s, least_free: 0", folder);
    char type[REFERENCE_TYPE_BYTES_MAX + 2];
    memset(type, 'x', sizeof type - 1);
    type[sizeof type - 1] = '\0';
    open_with("store", "threshold: 3");
    mg_event *event = event_of((struct mg_bytes){"payload", 7}, type, NULL);
    struct kit_verdict v = process(event);
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    table->event_unref(event);
    kit_verdict_fini(&v);
    event = event_of((struct mg_bytes){"payload", 7}, "text/\xe4", NULL);
    v = process(event);
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT); /* or its reference would be no JSON */
    CU_ASSERT_PTR_NOT_NULL(strstr(v.err.text, "UTF-8"));
    table->event_unref(event);
    kit_verdict_fini(&v);
    close_claim();
}

static void a_folder_that_cannot_be_is_said_at_start(void)
{
    char yaml[256];
    host = kit_host_create();
    snprintf(yaml, sizeof yaml, "{mode: restore, folder: %s/none}", folder);
    CU_ASSERT_EQUAL(
        kit_instance_create(host, mg_module(NULL), "claim", bind_settings(yaml), &instance, &err),
        0);
    CU_ASSERT_EQUAL(kit_instance_start(instance, &err), -ENOENT);
    CU_ASSERT_TRUE(err_says("none"));
    kit_instance_destroy(instance);
    snprintf(yaml, sizeof yaml, "{mode: store, folder: /dev/null}");
    CU_ASSERT_EQUAL(
        kit_instance_create(host, mg_module(NULL), "claim", bind_settings(yaml), &instance, &err),
        0);
    CU_ASSERT_EQUAL(kit_instance_start(instance, &err), -ENOTDIR);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void many_at_a_time_and_an_end_in_the_middle(void)
{
    enum { MANY = 40 };
    struct kit_pending *p[MANY];
    char payload[32];
    size_t replaced = 0, back = 0;
    open_with("store", "threshold: 3, in_flight: 3, waiting: 30");
    for (int i = 0; i < MANY; i++) {
        snprintf(payload, sizeof payload, "payload %d", i);
        mg_event *event = kit_event("a", payload);
        p[i] = kit_process_begin(instance, event, kit_scope(host, "r", NULL));
        table->event_unref(event);
    }
    CU_ASSERT_TRUE(kit_counter(instance, COUNT_IN_FLIGHT) <= 3);
    CU_ASSERT_TRUE(kit_run_until(host, kit_is_answered, p[4], 5000));
    kit_instance_stop(instance);
    for (int i = 0; i < MANY; i++) {
        struct kit_verdict v = kit_process_end(host, p[i]);
        replaced += v.verdict == MG_REPLACE;
        back += v.verdict == MG_RETRY;
        kit_verdict_fini(&v);
    }
    CU_ASSERT_TRUE(replaced >= 3);
    CU_ASSERT_TRUE(back >= 10); /* that found no room to wait */
    CU_ASSERT_EQUAL(replaced + back, MANY);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(kit_run_until(host, nothing_lives, NULL, 5000));
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static int folders_say; /* errno of fsync of a folder; 0: as it is */

int fsync(int fd)
{
    struct stat st;
    if (!folders_say || fstat(fd, &st) || !S_ISDIR(st.st_mode))
        return (int)syscall(SYS_fsync, fd);
    errno = folders_say;
    return -1;
}

static void a_file_system_may_not_sync_folders(void)
{
    open_with("store", "threshold: 3");
    folders_say = EIO;
    free(after("payload", MG_RETRY));
    CU_ASSERT_TRUE(err_says("cannot write into"));
    folders_say = EINVAL;
    free(after("payload", MG_REPLACE));
    free(after("another payload", MG_REPLACE));
    folders_say = 0;
    close_claim();
    CU_ASSERT_TRUE(is_kept("payload") && is_kept("another payload"));
}

/* ---- settings ---------------------------------------------------------------------------- */

static void bad_settings_are_refused(void)
{
    static const struct {
        const char *yaml, *option, *why;
    } bad[] = {
        {"{mode: store}", "folder", "either a folder or s3"},
        {"{mode: store, folder: f, s3: {bucket: b}}", "s3", "either a folder or s3"},
        {"{mode: store, s3: {bucket: b}}", "s3", "needs endpoint"},
        {"{mode: store, s3: {endpoint: 'ftp://h', bucket: b, access_key: a, secret_key: s}}", "s3",
         "http://"},
        {"{mode: store, s3: {endpoint: 'http://h/x', bucket: b, access_key: a, secret_key: s}}",
         "s3", "a server alone"},
        {"{mode: store, s3: {endpoint: 'http://h', bucket: 'a/b', access_key: a, secret_key: s}}",
         "s3", "bucket has"},
        {"{mode: store, s3: {endpoint: 'http://h', bucket: b, prefix: '../', access_key: a, "
         "secret_key: s}}",
         "s3", "prefix has"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host = kit_host_create();
        const void *settings = bind_settings(bad[i].yaml);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings, &err), -EINVAL);
        CU_ASSERT_TRUE(err.option && !strcmp(err.option, bad[i].option));
        CU_ASSERT_TRUE(err_says(bad[i].why));
        CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    }
}

IN_FOLDER(an_event_comes_back_as_it_was)
IN_FOLDER(only_large_payloads_are_stored)
IN_FOLDER(what_looks_like_a_reference_is_stored)
IN_FOLDER(a_damaged_file_is_found_and_mended)
IN_FOLDER(a_missing_payload_is_a_choice)
IN_FOLDER(there_are_limits)
IN_FOLDER(a_folder_that_cannot_be_is_said_at_start)
IN_FOLDER(many_at_a_time_and_an_end_in_the_middle)
IN_FOLDER(a_file_system_may_not_sync_folders)

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(in_folder_an_event_comes_back_as_it_was)},
        {KIT_TEST(in_folder_only_large_payloads_are_stored)},
        {KIT_TEST(in_folder_what_looks_like_a_reference_is_stored)},
        {KIT_TEST(in_folder_a_damaged_file_is_found_and_mended)},
        {KIT_TEST(in_folder_a_missing_payload_is_a_choice)},
        {KIT_TEST(in_folder_there_are_limits)},
        {KIT_TEST(in_folder_a_folder_that_cannot_be_is_said_at_start)},
        {KIT_TEST(in_folder_many_at_a_time_and_an_end_in_the_middle)},
        {KIT_TEST(in_folder_a_file_system_may_not_sync_folders)},
        {KIT_TEST(bad_settings_are_refused)},
        {NULL, NULL},
    };
    return kit_main("plugin-claim-check", tests);
}
