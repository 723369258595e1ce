/* SPDX-License-Identifier: Apache-2.0 */
/* The claim check: payloads into a folder or a signed S3 and back, what is wrong on the way, and
 * the sweep. */
#include "bind.h"
#include "claim.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kit_host *host;
static const struct mg_host *table;
static mg_instance *instance;
static char folder[64], store_yaml[512];
static struct mg_err err;

/* ---- the enricher --------------------------------------------------------------------------- */

static const void *bind_settings(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void open_with(const char *mode, const char *more)
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

static bool nothing_lives(void *unused)
{
    (void)unused;
    return kit_live_handles(host) == 0;
}

static void close_claim(void)
{
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_IN_FLIGHT), 0);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(kit_run_until(host, nothing_lives, NULL, 5000)); /* a job may be under way */
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static mg_event *event_of(struct mg_bytes payload, const char *type, const char *encoding)
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

static struct kit_verdict process(mg_event *event)
{
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "r", NULL));
    err = v.err;
    return v;
}

/* What came of an event with that payload; the caller frees the text. */
static char *after(const char *payload, uint32_t expected)
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

static bool err_says(const char *part)
{
    if (!strstr(err.text, part))
        fprintf(stderr, "%s\n", err.text);
    return strstr(err.text, part);
}

/* Its reference, stored by an enricher of its own. */
static char *reference_to(const char *payload)
{
    open_with("store", "threshold: 3");
    char *reference = after(payload, MG_REPLACE);
    close_claim();
    return reference;
}

/* ---- folders -------------------------------------------------------------------------------- */

static void path_of(const char *payload, char *path, size_t size)
{
    char hash[HASH_TEXT_BYTES + 1];
    CU_ASSERT_EQUAL_FATAL(hash_text((struct mg_bytes){payload, strlen(payload)}, hash), 0);
    snprintf(path, size, "%s/%.2s/%.2s/%s", folder, hash, hash + 2, hash);
}

static bool is_kept(const char *payload)
{
    char path[256];
    path_of(payload, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void make_older(const char *payload, int64_t by_s)
{
    char path[256];
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[0].tv_sec -= by_s;
    now[1] = now[0];
    path_of(payload, path, sizeof path);
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, now, 0), 0);
}

static void overwrite(const char *payload, const char *with)
{
    char path[256];
    path_of(payload, path, sizeof path);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(with, f);
    fclose(f);
}

static void begin_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/claims-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* the module makes it */
    snprintf(store_yaml, sizeof store_yaml, "folder: %s, least_free: 0", folder);
}

static void end_folder(void)
{
    pid_t pid = fork();
    if (!pid) {
        execl("/bin/rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

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

/* ---- the sweep ------------------------------------------------------------------------------ */

static int sweep_all(const struct store *s, uint64_t *removed)
{
    struct sweep w = {0};
    int error;
    *removed = 0;
    do {
        error = folder_sweep(s, &w, &err);
        *removed += w.removed;
    } while (!error && !w.ended);
    return error;
}

static void store_all(const char *const *payloads, size_t count)
{
    open_with("store", "threshold: 3");
    for (size_t i = 0; i < count; i++)
        free(after(payloads[i], MG_REPLACE));
    close_claim();
}

static void what_is_old_is_removed_and_what_is_used_again_is_not(void)
{
    static const char *const payloads[] = {"payload one", "payload two", "payload three"};
    struct store s = {.folder = folder, .keep_ms = 100000, .sweep_ms = 1000};
    uint64_t removed;
    store_all(payloads, 3);
    make_older("payload one", 200);
    make_older("payload two", 200);
    make_older("payload three", 50);
    store_all(payloads + 1, 1); /* again: it is young */
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), 0);
    CU_ASSERT_EQUAL(removed, 1);
    CU_ASSERT_FALSE(is_kept("payload one"));
    CU_ASSERT_TRUE(is_kept("payload two") && is_kept("payload three"));
    s.sweep_ms = 600000;
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), -EAGAIN); /* it has just been swept */
}

static bool has_removed(void *unused)
{
    (void)unused;
    return kit_counter(instance, COUNT_REMOVED) == 1;
}

static void the_module_sweeps_by_itself(void)
{
    static const char *const payloads[] = {"payload one", "payload two"};
    char path[128];
    store_all(payloads, 2);
    make_older("payload one", 90000);
    snprintf(path, sizeof path, "%s/sweep", folder);
    unlink(path);
    open_with("store", "keep: 1d, threshold: 3");
    free(after("any", MG_PASS));
    kit_clock_by_hand(host);
    kit_clock_advance_ms(host, 1000);
    for (int i = 0; i < 100 && !has_removed(NULL); i++) {
        /* A part at a time: the job, then the pause. */
        CU_ASSERT_TRUE(kit_run_until(host, has_removed, NULL, 20) || i < 99);
        kit_clock_advance_ms(host, 100);
    }
    CU_ASSERT_TRUE(has_removed(NULL));
    CU_ASSERT_FALSE(is_kept("payload one"));
    CU_ASSERT_TRUE(is_kept("payload two"));
    close_claim();
}

/* Of two that store and one that sweeps all the time, none may lose what the others rely on. */
static void a_sweep_never_takes_what_is_being_stored(void)
{
    enum { ROUNDS = 300 };
    static const char payload[] = "payload of the race";
    struct store s = {.folder = folder, .keep_ms = 10000, .sweep_ms = 0};
    int status = 0, lost = 0;
    struct mg_bytes bytes = {payload, sizeof payload - 1};
    char hash[HASH_TEXT_BYTES + 1];
    bool known;
    CU_ASSERT_EQUAL_FATAL(hash_text(bytes, hash), 0);
    CU_ASSERT_EQUAL_FATAL(folder_open(&s, true, &err), 0);
    pid_t sweeper = fork();
    if (!sweeper) {
        struct sweep at = {.began = true};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            at.place = (uint32_t)strtoul((char[]){hash[0], hash[1], hash[2], hash[3], 0}, NULL, 16);
            folder_sweep(&s, &at, &err);
            at.began = true;
        }
    }
    for (int i = 0; i < ROUNDS; i++) {
        err.text[0] = '\0';
        CU_ASSERT_EQUAL(folder_put(&s, hash, bytes, &known, &err), 0);
        lost += !is_kept(payload); /* it is younger than keep: nobody may have taken it */
        char path[256];
        struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        path_of(payload, path, sizeof path);
        utimensat(AT_FDCWD, path, old, 0); /* now it may go, or not yet */
    }
    CU_ASSERT_EQUAL(lost, 0);
    kill(sweeper, SIGKILL);
    waitpid(sweeper, &status, 0);
}

/* ---- S3 ------------------------------------------------------------------------------------- */

static struct {
    pid_t pid;
    FILE *to, *from;
    int port;
} s3;

static void s3_says(char *line, size_t size)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, (int)size, s3.from));
}

static void s3_do(const char *what)
{
    char line[64];
    fprintf(s3.to, "%s\n", what);
    fflush(s3.to);
    s3_says(line, sizeof line);
    CU_ASSERT_STRING_EQUAL(line, "ok\n");
}

static void s3_counts(int objects, int puts)
{
    char line[64], expected[64];
    fprintf(s3.to, "count\n");
    fflush(s3.to);
    s3_says(line, sizeof line);
    snprintf(expected, sizeof expected, "count %d %d ", objects, puts);
    line[strlen(expected)] = '\0';
    CU_ASSERT_STRING_EQUAL(line, expected);
}

static void s3_start(void)
{
    int in[2], out[2];
    char line[64];
    CU_ASSERT_EQUAL_FATAL(pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC), 0);
    s3.pid = fork();
    if (!s3.pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", S3_PEER, "AKID", "se/cret+", "eu-test-1", "claims",
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s3.to = fdopen(in[1], "w");
    s3.from = fdopen(out[0], "r");
    s3_says(line, sizeof line);
    s3.port = (int)strtol(line + 5, NULL, 10);
    CU_ASSERT_TRUE_FATAL(s3.port > 0);
}

static void s3_stop(void)
{
    kill(s3.pid, SIGKILL);
    waitpid(s3.pid, NULL, 0);
    fclose(s3.to);
    fclose(s3.from);
}

static void use_s3(const char *bucket, const char *secret, const char *more)
{
    snprintf(store_yaml, sizeof store_yaml,
             "s3: {endpoint: 'http://127.0.0.1:%d/', bucket: %s, prefix: a_b/c.d-, region: "
             "eu-test-1, access_key: AKID, secret_key: '%s', timeout: 5s %s}",
             s3.port, bucket, secret, more);
}

static void s3_keeps_and_gives_back(void)
{
    static char big[3000000];
    s3_start();
    use_s3("claims", "se/cret+", "");
    for (size_t i = 0; i < sizeof big - 1; i++)
        big[i] = (char)('a' + i * i % 23);
    char *small = reference_to("payload"), *large = reference_to(big);
    free(reference_to("payload")); /* again, so that it does not grow old in the bucket */
    s3_counts(2, 3);
    use_s3("claims", "se/cret+", ", session_token: t0");
    open_with("restore", "");
    char *back = after(small, MG_REPLACE);
    CU_ASSERT_STRING_EQUAL(back, "payload");
    free(back);
    back = after(large, MG_REPLACE);
    CU_ASSERT_TRUE(back && !strcmp(back, big));
    free(back);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_RESTORED), 2);
    close_claim();
    free(small);
    free(large);
    s3_stop();
}

static void s3_may_be_in_trouble(void)
{
    s3_start();
    use_s3("claims", "se/cret+", "");
    char *reference = reference_to("payload");
    open_with("restore", "on_missing: reject");
    s3_do("fail 1");
    free(after(reference, MG_RETRY));
    CU_ASSERT_TRUE(err_says("status 503 SlowDown"));
    s3_do("cut");
    free(after(reference, MG_REJECT));
    CU_ASSERT_TRUE(err_says("has not 7 bytes"));
    s3_do("forget");
    free(after(reference, MG_REJECT));
    CU_ASSERT_TRUE(err_says("NoSuchKey"));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_MISSING), 1);
    close_claim();
    free(reference_to("payload"));
    s3_do("damage");
    open_with("restore", "");
    free(after(reference, MG_REJECT));
    CU_ASSERT_TRUE(err_says("has the hash"));
    close_claim();
    open_with("store", "threshold: 3");
    s3_do("fail 1");
    free(after("payload", MG_RETRY));
    free(after("payload", MG_REPLACE)); /* mended */
    close_claim();
    use_s3("other", "se/cret+", "");
    open_with("restore", "on_missing: reject");
    free(after(reference, MG_RETRY)); /* a bucket that is not there says nothing of its objects */
    CU_ASSERT_TRUE(err_says("NoSuchBucket"));
    close_claim();
    use_s3("claims", "wrong", "");
    open_with("restore", "");
    free(after(reference, MG_RETRY));
    CU_ASSERT_TRUE(err_says("SignatureDoesNotMatch"));
    close_claim();
    free(reference);
    s3_stop();
}

static void s3_that_hangs_holds_nobody_up(void)
{
    s3_start();
    use_s3("claims", "se/cret+", "");
    char *reference = reference_to("payload");
    open_with("restore", "");
    s3_do("hang 1");
    mg_event *event = kit_event("a", reference);
    struct kit_pending *p = kit_process_begin(instance, event, kit_scope(host, "r", NULL));
    kit_turn(host);
    kit_instance_stop(instance); /* in the middle of a transfer */
    struct kit_verdict v = kit_process_end(host, p);
    CU_ASSERT_EQUAL(v.verdict, MG_RETRY);
    table->event_unref(event);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    s3_do("hang 2"); /* the one before may come only now */
    snprintf(strstr(store_yaml, "timeout"), 32, "timeout: 100ms}");
    open_with("restore", "");
    free(after(reference, MG_RETRY));
    CU_ASSERT_TRUE(err_says("timed out"));
    close_claim();
    free(reference);
    s3_stop();
    use_s3("claims", "se/cret+", "");
    open_with("store", "threshold: 3");
    free(after("payload", MG_RETRY)); /* nobody is there */
    close_claim();
}

/* ---- settings ------------------------------------------------------------------------------- */

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

/* Each in a folder of its own. */
#define IN_FOLDER(test)                                                                            \
    static void in_folder_##test(void)                                                             \
    {                                                                                              \
        begin_folder();                                                                            \
        test();                                                                                    \
        end_folder();                                                                              \
    }
IN_FOLDER(an_event_comes_back_as_it_was)
IN_FOLDER(only_large_payloads_are_stored)
IN_FOLDER(what_looks_like_a_reference_is_stored)
IN_FOLDER(a_damaged_file_is_found_and_mended)
IN_FOLDER(a_missing_payload_is_a_choice)
IN_FOLDER(there_are_limits)
IN_FOLDER(a_folder_that_cannot_be_is_said_at_start)
IN_FOLDER(many_at_a_time_and_an_end_in_the_middle)
IN_FOLDER(what_is_old_is_removed_and_what_is_used_again_is_not)
IN_FOLDER(the_module_sweeps_by_itself)
IN_FOLDER(a_sweep_never_takes_what_is_being_stored)

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
        {KIT_TEST(in_folder_what_is_old_is_removed_and_what_is_used_again_is_not)},
        {KIT_TEST(in_folder_the_module_sweeps_by_itself)},
        {KIT_TEST(in_folder_a_sweep_never_takes_what_is_being_stored)},
        {KIT_TEST(s3_keeps_and_gives_back)},
        {KIT_TEST(s3_may_be_in_trouble)},
        {KIT_TEST(s3_that_hangs_holds_nobody_up)},
        {KIT_TEST(bad_settings_are_refused)},
        {NULL, NULL},
    };
    signal(SIGPIPE, SIG_IGN);
    return kit_main("plugin-claim-check", tests);
}
