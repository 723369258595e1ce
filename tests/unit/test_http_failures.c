/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "http" and a server that answers wrongly, late or not at all. */
#include "http_kit.h"
#include "unit.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- failures ---------------------------------------------------------------------------- */

static void failures_are_a_choice(void)
{
    static const struct {
        const char *name;
        uint32_t verdict;
    } choices[] = {
        {"pass", MG_PASS}, {"drop", MG_DROP}, {"retry", MG_RETRY}, {"reject", MG_REJECT}};
    for (size_t i = 0; i < 4; i++) {
        char more[128];
        snprintf(more, sizeof more, "into: x, on_failure: %s, on_not_found: %s", choices[i].name,
                 choices[i].name);
        open_http("/{m}", more);
        http_peer_says(peer, "/bad", "500 Oops", "", "");
        http_peer_says(peer, "/gone", "410 Gone", "", "");
        http_peer_says(peer, "/moved", "302 Found", "Location: /bad\r\n", "");
        expect("bad", "{}", choices[i].verdict, NULL);
        CU_ASSERT_TRUE(err_says("status 500"));
        expect("moved", "{}", choices[i].verdict, NULL);
        CU_ASSERT_TRUE(err_says("status 302"));
        CU_ASSERT_EQUAL(kit_counter(instance, FAILURES), 2);
        expect("gone", "{}", choices[i].verdict, NULL);
        expect("none", "{}", choices[i].verdict, NULL);
        CU_ASSERT_TRUE(err_says("status 404"));
        CU_ASSERT_EQUAL(kit_counter(instance, NOT_FOUND), 2);
        expect("bad", "{}", choices[i].verdict, NULL);
        CU_ASSERT_EQUAL(http_peer_count(peer), 5); /* failures are not kept */
        close_http();
    }
}

static void bad_answers_are_failures(void)
{
    static const struct {
        const char *what, *bytes, *says;
    } bad[] = {
        {"closes", "", "Empty reply"},
        {"garbage", "\x16\x03\x01 no http\r\n\r\n", "HTTP/0.9"},
        {"half", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"a\":", "transfer closed"},
        {"head", "HTTP/1.1 200 OK\r\nContent-Le", ""},
        {"no json", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{\"a\"", "the answer: "},
        {"large", "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", "larger than 64 bytes"},
        {"chunks",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n46\r\n"
         "1234567890123456789012345678901234567890123456789012345678901234567890\r\n0\r\n\r\n",
         "larger than 64 bytes"},
        {"chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ""},
    };
    open_http("/{m}", "into: x, max_size: 64, on_failure: reject");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        http_peer_answer(peer, "/a", bad[i].bytes, strlen(bad[i].bytes), true);
        expect("a", "{}", MG_REJECT, NULL);
        if (!err_says(bad[i].says))
            fprintf(stderr, "(%s)\n", bad[i].what);
        CU_ASSERT_TRUE(err_says(bad[i].says));
        CU_ASSERT_EQUAL(kit_counter(instance, FAILURES), (int64_t)i + 1);
    }
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "further failures are only counted"));
    http_peer_says(peer, "/a", "200 OK", "", "1");
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(kit_logged(host, MG_INFO, "answers again"));
    close_http();
}

static void a_silent_server_times_out(void)
{
    open_http("/{m}", "into: x, timeout: 100ms");
    http_peer_silent(peer, true);
    expect("a", "{}", MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("timed out"));
    CU_ASSERT_EQUAL(kit_counter(instance, TIMEOUTS), 1);
    http_peer_says(peer, "/a", "200 OK", "", "1");
    http_peer_silent(peer, false);
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    close_http();
}

static void a_server_may_go_and_come_back(void)
{
    open_http("/{m}", "into: x");
    int port = http_peer_port(peer);
    http_peer_says(peer, "/a", "200 OK", "", "1");
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    http_peer_stop(peer);
    http_peer_free(peer);
    expect("b", "{}", MG_RETRY, NULL);
    expect("a", "{}", MG_REPLACE, "{\"x\":1}"); /* it is known */
    peer = http_peer_start(port);
    http_peer_says(peer, "/b", "200 OK", "", "2");
    expect("b", "{}", MG_REPLACE, "{\"x\":2}");
    close_http();
}

static void retry_after_is_respected(void)
{
    open_http("/{m}", "into: x, cache: 0s");
    http_peer_says(peer, "/a", "429 Slow", "Retry-After: 30\r\n", "");
    http_peer_says(peer, "/b", "200 OK", "", "1");
    expect("a", "{}", MG_RETRY, NULL);
    kit_clock_by_hand(host);
    struct kit_pending *p = begin_event("b", "{}");
    kit_clock_advance_ms(host, 29000);
    CU_ASSERT_FALSE(kit_is_answered(p));
    CU_ASSERT_EQUAL(http_peer_count(peer), 1);
    kit_clock_advance_ms(host, 1100);
    verdict_is(end_event(p), MG_REPLACE, "{\"x\":1}");
    close_http();
    open_http("/{m}", "into: x, cache: 0s, on_failure: pass, retry_after: 2s");
    http_peer_says(peer, "/a", "503 Busy", "Retry-After: 999999999999\r\n", "");
    http_peer_says(peer, "/b", "200 OK", "", "1");
    expect("a", "{}", MG_PASS, NULL);
    kit_clock_by_hand(host);
    expect("b", "{}", MG_PASS, NULL); /* at once, and not asked */
    CU_ASSERT_EQUAL(http_peer_count(peer), 1);
    kit_clock_advance_ms(host, 2100);
    expect("b", "{}", MG_REPLACE, "{\"x\":1}");
    close_http();
}

static void redirects_are_followed_as_far_as_allowed(void)
{
    open_http("/{m}", "into: x, redirects: 1");
    http_peer_says(peer, "/a", "302 Found", "Location: /b\r\n", "not this");
    http_peer_says(peer, "/b", "200 OK", "", "1");
    http_peer_says(peer, "/c", "302 Found", "Location: /a\r\n", "");
    http_peer_says(peer, "/file", "302 Found", "Location: file:///etc/passwd\r\n", "");
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    expect("c", "{}", MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("redirects"));
    expect("file", "{}", MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("not supported or disabled"));
    close_http();
}

/* ---- the end ----------------------------------------------------------------------------- */

static void an_end_in_the_middle_gives_everything_back(void)
{
    struct kit_pending *p[8];
    open_http("/{m}", "into: x, in_flight: 2, on_failure: pass");
    http_peer_silent(peer, true);
    for (int i = 0; i < 8; i++) {
        char machine[8];
        snprintf(machine, sizeof machine, "m%d", i / 2);
        p[i] = begin_event(machine, "{}");
    }
    kit_turn(host);
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    for (int i = 0; i < 8; i++) {
        verdict_is(end_event(p[i]), MG_RETRY, NULL);
        CU_ASSERT_TRUE(err_says("stops"));
    }
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    http_peer_stop(peer);
    http_peer_free(peer);
}

/* ---- names ------------------------------------------------------------------------------- */

/* Stands in for the system's in this program, libcurl included, and may take its time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool slow;
    int waiting;
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    (void)node, (void)service, (void)hints;
    pthread_mutex_lock(&resolver.lock);
    resolver.waiting++;
    pthread_cond_broadcast(&resolver.changed);
    while (resolver.slow)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    resolver.waiting--;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    *ret = NULL;
    return EAI_NONAME;
}

static void slow_names(bool slow)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.slow = slow;
    pthread_cond_broadcast(&resolver.changed);
    while (!slow && resolver.waiting)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
}

static bool someone_resolves(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&resolver.lock);
    bool is_so = resolver.waiting > 0;
    pthread_mutex_unlock(&resolver.lock);
    return is_so;
}

static void names_are_resolved_beside_the_events(void)
{
    slow_names(true);
    open_url("http://name.test/", "into: x, timeout: 100ms");
    expect("a", "{}", MG_RETRY, NULL); /* times out while the resolver hangs */
    CU_ASSERT_TRUE(someone_resolves(NULL));
    CU_ASSERT_EQUAL(kit_counter(instance, TIMEOUTS), 1);
    struct kit_pending *p = begin_event("b", "{}");
    CU_ASSERT_TRUE(kit_run_until(host, someone_resolves, NULL, 5000));
    kit_instance_stop(instance); /* does not wait for it either */
    verdict_is(end_event(p), MG_RETRY, NULL);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    slow_names(false);
    open_url("http://name.test/", "into: x, on_failure: drop");
    expect("a", "{}", MG_DROP, NULL);
    CU_ASSERT_TRUE(err_says("resolve"));
    close_host();
}

/* ---- the loop ------------------------------------------------------------------------------ */

static mg_io *(*real_watch)(mg_shard *, int, uint32_t, void (*)(void *, uint32_t), void *);
static int watches_left;

static mg_io *scarce_watch(mg_shard *shard, int fd, uint32_t events,
                           void (*ready)(void *, uint32_t), void *arg)
{
    return watches_left-- > 0 ? real_watch(shard, fd, events, ready, arg) : NULL;
}

static bool has_asked(void *least)
{
    return http_peer_count(peer) >= *(size_t *)least;
}

/* Two are under way when the watch of the third cannot be had: curl gives all up, and begins anew.
 */
static void without_a_watch_all_fail_and_later_ones_do_not(void)
{
    open_http("/{m}", "into: x, on_failure: reject, timeout: 8s");
    struct mg_host *services = (struct mg_host *)(uintptr_t)table;
    real_watch = services->io_watch;
    services->io_watch = scarce_watch;
    http_peer_silent(peer, true);
    watches_left = 1000;
    struct kit_pending *first = begin_event("1", "{}"), *second = begin_event("2", "{}");
    CU_ASSERT_TRUE(kit_run_until(host, has_asked, &(size_t){2}, 5000));
    watches_left = 0;
    struct kit_pending *third = begin_event("3", "{}");
    verdict_is(end_event(third), MG_REJECT, NULL);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    verdict_is(end_event(first), MG_REJECT, NULL);
    verdict_is(end_event(second), MG_REJECT, NULL);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    CU_ASSERT_TRUE(ended.tv_sec - began.tv_sec < 4); /* at once, not by their timeout */
    watches_left = 1000;
    http_peer_silent(peer, false);
    http_peer_says(peer, "/4", "200 OK", "", "4");
    expect("4", "{}", MG_REPLACE, "{\"x\":4}");
    services->io_watch = real_watch;
    close_http();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(failures_are_a_choice)},
        {KIT_TEST(bad_answers_are_failures)},
        {KIT_TEST(a_silent_server_times_out)},
        {KIT_TEST(a_server_may_go_and_come_back)},
        {KIT_TEST(retry_after_is_respected)},
        {KIT_TEST(redirects_are_followed_as_far_as_allowed)},
        {KIT_TEST(an_end_in_the_middle_gives_everything_back)},
        {KIT_TEST(names_are_resolved_beside_the_events)},
        {KIT_TEST(without_a_watch_all_fail_and_later_ones_do_not)},
        {NULL, NULL},
    };
    return kit_main("http-failures", tests);
}
