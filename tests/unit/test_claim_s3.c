/* SPDX-License-Identifier: Apache-2.0 */
/* The claim check with a server of S3 that checks each signature, and fails. */
#include "claim_kit.h"
#include "unit.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Some servers say 404 of an access key that they do not know, and proxies of what is not theirs.
 */
static void s3_may_say_404_of_other_things(void)
{
    s3_start();
    use_s3("claims", "se/cret+", "");
    char *reference = reference_to("payload");
    s3_do("forget");
    open_with("restore", "on_missing: pass");
    s3_do("fail 1 404 XAdminUserNotFound");
    free(after(reference, MG_RETRY));
    CU_ASSERT_TRUE(err_says("status 404 XAdminUserNotFound"));
    s3_do("fail 1 404");
    free(after(reference, MG_RETRY));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_FAILURES), 2);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_MISSING), 0);
    free(after(reference, MG_PASS));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_MISSING), 1);
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

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(s3_keeps_and_gives_back)},
        {KIT_TEST(s3_may_be_in_trouble)},
        {KIT_TEST(s3_may_say_404_of_other_things)},
        {KIT_TEST(s3_that_hangs_holds_nobody_up)},
        {NULL, NULL},
    };
    signal(SIGPIPE, SIG_IGN);
    return kit_main("claim-s3", tests);
}
