/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "http" against a server that answers as told, wrongly, late or not at all. */
#include "bind.h"
#include "fake_host.h"
#include "http_peer.h"
#include "unit.h"
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS, CACHE_HITS, NEGATIVE_HITS, COALESCED, NOT_FOUND, FAILURES, TIMEOUTS, IN_FLIGHT };

static struct kit_host *host;
static const struct mg_host *table;
static mg_instance *instance;
static struct http_peer *peer;
static struct mg_err err;

/* ---- the enricher --------------------------------------------------------------------------- */

static const void *bind_settings(const char *url, const char *more)
{
    const struct mg_module *module = mg_module(NULL);
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "{url: '%s', %s}", url, more);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void open_url(const char *url, const char *more)
{
    host = kit_host_create();
    table = kit_host_table(host);
    int error = kit_instance_create(host, mg_module(NULL), "http", bind_settings(url, more),
                                    &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void open_http(const char *path, const char *more)
{
    char url[512];
    peer = http_peer_start(0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_peer_port(peer), path);
    open_url(url, more);
}

static void close_host(void)
{
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void close_http(void)
{
    CU_ASSERT_EQUAL(kit_counter(instance, IN_FLIGHT), 0);
    close_host();
    http_peer_stop(peer);
    http_peer_free(peer);
}

static struct kit_pending *begin(const char *machine, const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    struct kit_pending *p =
        kit_process_begin(instance, event, kit_scope(host, "route", "m", machine, NULL));
    table->event_unref(event);
    return p;
}

static struct kit_verdict end(struct kit_pending *pending)
{
    struct kit_verdict v = kit_process_end(host, pending);
    err = v.err;
    return v;
}

static void is(struct kit_verdict v, uint32_t verdict, const char *expected)
{
    if (v.verdict != verdict)
        fprintf(stderr, "verdict %u: %s\n", v.verdict, v.err.text);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    CU_ASSERT_EQUAL_FATAL(v.count, expected ? 1 : 0);
    if (expected && !kit_payload_is(v.events[0], expected)) {
        struct mg_bytes p = table->event_payload(v.events[0]);
        fprintf(stderr, "%.*s\n", (int)p.len, (const char *)p.at);
        CU_FAIL("another payload");
    }
    kit_verdict_fini(&v);
}

static void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected)
{
    is(end(begin(machine, payload)), verdict, expected);
}

static bool err_says(const char *part)
{
    if (!strstr(err.text, part))
        fprintf(stderr, "%s\n", err.text);
    return strstr(err.text, part);
}

static bool peer_got(size_t index, const char *part)
{
    char text[8192];
    bool there = http_peer_got(peer, index, text, sizeof text) && strstr(text, part);
    if (!there)
        fprintf(stderr, "%s\n", text);
    return there;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void the_answer_goes_into_the_payload(void)
{
    open_http("/m/{m}", "into: data.machine");
    http_peer_says(peer, "/m/m%2F1", "200 OK", "",
                   "{ \"hall\" : 1.50, \"id\": 12345678901234567890123 }");
    struct kit_verdict v = end(begin("m/1", "{\"t\": 20.10}"));
    CU_ASSERT_TRUE(v.pended);
    is(v, MG_REPLACE, "{\"t\":20.10,\"machine\":{\"hall\":1.50,\"id\":12345678901234567890123}}");
    CU_ASSERT_TRUE(peer_got(0, "GET /m/m%2F1 HTTP/1.1\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "Accept: application/json\r\n"));
    expect("m/1", "no json", MG_REJECT, NULL);
    expect("m/1", "[]", MG_REJECT, NULL);
    CU_ASSERT_TRUE(err_says("no place for data.machine"));
    CU_ASSERT_EQUAL(kit_counter(instance, REQUESTS), 1);
    CU_ASSERT_EQUAL(kit_counter(instance, CACHE_HITS), 2);
    close_http();
}

static void a_part_of_the_answer_is_selected(void)
{
    open_http("/{m}", "into: name, select: items.0.name, on_not_found: drop");
    http_peer_says(peer, "/a", "200 OK", "", "{\"items\":[{\"name\":\"press\"}]}");
    http_peer_says(peer, "/b", "200 OK", "", "{\"items\":[]}");
    expect("a", "{}", MG_REPLACE, "{\"name\":\"press\"}");
    expect("b", "{}", MG_DROP, NULL);
    CU_ASSERT_TRUE(err_says("the answer has no items.0.name"));
    expect("b", "{}", MG_DROP, NULL);
    CU_ASSERT_EQUAL(kit_counter(instance, NEGATIVE_HITS), 1);
    close_http();
}

static void the_answer_goes_into_properties(void)
{
    struct mg_value value;
    open_http("/{m}", "into: 'property:m'");
    http_peer_says(peer, "/a", "200 OK", "",
                   "{\"hall\":\"n\",\"no\":7,\"t\":1.5,\"on\":true,\"l\":[1, "
                   "2],\"big\":98765432109876543210}");
    struct kit_verdict v = end(begin("a", "\xff any bytes"));
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "\xff any bytes"));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.hall"), &value));
    CU_ASSERT_TRUE(value.type == MG_TEXT && kit_str_is(value.as.text, "n"));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.no"), &value));
    CU_ASSERT_TRUE(value.type == MG_INT && value.as.i == 7);
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.t"), &value));
    CU_ASSERT_TRUE(value.type == MG_FLOAT && value.as.d == 1.5);
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.on"), &value));
    CU_ASSERT_TRUE(value.type == MG_BOOL && value.as.b);
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.l"), &value));
    CU_ASSERT_TRUE(value.type == MG_TEXT && kit_str_is(value.as.text, "[1,2]"));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("m.big"), &value));
    CU_ASSERT_TRUE(value.type == MG_TEXT && kit_str_is(value.as.text, "98765432109876543210"));
    kit_verdict_fini(&v);
    close_http();
}

static void text_becomes_a_text(void)
{
    open_http("/{m}", "into: note, answer: text");
    http_peer_says(peer, "/a", "200 OK", "", "say \"h\xc3\xa4\"");
    http_peer_says(peer, "/b", "200 OK", "", "\xff");
    http_peer_says(peer, "/c", "200 OK", "", "");
    expect("a", "{}", MG_REPLACE, "{\"note\":\"say \\\"h\xc3\xa4\\\"\"}");
    expect("b", "{}", MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("no UTF-8"));
    expect("c", "{}", MG_REPLACE, "{\"note\":\"\"}");
    close_http();
}

/* ---- questions ------------------------------------------------------------------------------ */

static void headers_and_secrets_are_sent(void)
{
    open_http("/x", "into: x, user: u, password: p, headers: {X-Machine: '{m}', X-Empty: ''}, "
                    "secret_headers: 'X-Api-Key: k1'");
    http_peer_says(peer, "/x", "200 OK", "", "1");
    expect("m1", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(peer_got(0, "\r\nX-Machine: m1\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\nX-Empty:"));
    CU_ASSERT_TRUE(peer_got(0, "\r\nX-Api-Key: k1\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\nAuthorization: Basic dTpw\r\n"));
    expect("m2", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_EQUAL(kit_counter(instance, REQUESTS), 2); /* another header, another question */
    expect("m\r\nX-Evil: 1", "{}", MG_REJECT, NULL);
    CU_ASSERT_TRUE(err_says("line break"));
    CU_ASSERT_EQUAL(http_peer_count(peer), 2);
    close_http();
}

static void post_sends_the_payload_or_a_body(void)
{
    open_http("/q", "into: x, method: post, bearer: t0");
    http_peer_says(peer, "/q", "200 OK", "", "1");
    expect("m1", "{\"a\":1}", MG_REPLACE, "{\"a\":1,\"x\":1}");
    CU_ASSERT_TRUE(peer_got(0, "POST /q HTTP/1.1\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\nContent-Type: application/json\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\nAuthorization: Bearer t0\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\n\r\n{\"a\":1}"));
    expect("m1", "{\"a\":2}", MG_REPLACE, "{\"a\":2,\"x\":1}");
    CU_ASSERT_TRUE(peer_got(1, "\r\n\r\n{\"a\":2}"));
    close_http();
    open_http("/q", "into: x, method: post, body: 'q={m}', headers: {content-type: text/plain}");
    http_peer_says(peer, "/q", "200 OK", "", "1");
    expect("m1", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(peer_got(0, "\r\ncontent-type: text/plain\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\n\r\nq=m1"));
    expect("m1", "{\"other\":1}", MG_REPLACE, "{\"other\":1,\"x\":1}");
    CU_ASSERT_EQUAL(kit_counter(instance, CACHE_HITS), 1);
    close_http();
}

static void an_event_without_a_field_asks_nothing(void)
{
    open_http("/{property.id}", "into: x, on_not_found: reject");
    expect("m1", "{}", MG_REJECT, NULL);
    CU_ASSERT_TRUE(err_says("{property.id}"));
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "{property.id}"));
    CU_ASSERT_EQUAL(http_peer_count(peer), 0);
    close_http();
}

static void equal_questions_are_asked_once(void)
{
    struct kit_pending *p[6];
    open_http("/{m}", "into: x, cache: 0s");
    http_peer_says(peer, "/a", "200 OK", "", "1");
    http_peer_says(peer, "/b", "200 OK", "", "2");
    http_peer_silent(peer, true);
    for (int i = 0; i < 6; i++)
        p[i] = begin(i < 4 ? "a" : "b", "{}");
    http_peer_silent(peer, false);
    for (int i = 0; i < 6; i++)
        is(end(p[i]), MG_REPLACE, i < 4 ? "{\"x\":1}" : "{\"x\":2}");
    CU_ASSERT_EQUAL(http_peer_count(peer), 2);
    CU_ASSERT_EQUAL(kit_counter(instance, COALESCED), 4);
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_EQUAL(http_peer_count(peer), 3); /* nothing is kept */
    close_http();
}

static void answers_age(void)
{
    open_http("/{m}", "into: x, cache: {ttl: 10s, negative_ttl: 2s}");
    http_peer_says(peer, "/a", "200 OK", "", "1");
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    expect("none", "{}", MG_PASS, NULL);
    kit_clock_by_hand(host);
    kit_clock_advance_ms(host, 1900);
    expect("a", "{}", MG_REPLACE, "{\"x\":1}");
    expect("none", "{}", MG_PASS, NULL);
    CU_ASSERT_EQUAL(http_peer_count(peer), 2);
    kit_clock_advance_ms(host, 200);
    http_peer_says(peer, "/none", "200 OK", "", "3");
    expect("none", "{}", MG_REPLACE, "{\"x\":3}");
    kit_clock_advance_ms(host, 8000);
    http_peer_says(peer, "/a", "200 OK", "", "2");
    expect("a", "{}", MG_REPLACE, "{\"x\":2}");
    CU_ASSERT_EQUAL(http_peer_count(peer), 4);
    close_http();
}

static void there_are_limits_to_what_waits(void)
{
    struct kit_pending *p[5];
    char machine[8];
    open_http("/{m}", "into: x, in_flight: 2, waiting: 4");
    http_peer_silent(peer, true);
    for (int i = 0; i < 5; i++) {
        snprintf(machine, sizeof machine, "m%d", i);
        char path[16];
        snprintf(path, sizeof path, "/%s", machine);
        http_peer_says(peer, path, "200 OK", "", "1");
        p[i] = begin(machine, "{}");
    }
    is(end(p[4]), MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("too many events wait"));
    CU_ASSERT_EQUAL(kit_counter(instance, IN_FLIGHT), 2);
    http_peer_silent(peer, false);
    for (int i = 0; i < 4; i++)
        is(end(p[i]), MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(http_peer_connections(peer) <= 2);
    expect("m4", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(http_peer_connections(peer) <= 2); /* kept alive, and used again */
    close_http();
}

/* ---- failures ------------------------------------------------------------------------------- */

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
    struct kit_pending *p = begin("b", "{}");
    kit_clock_advance_ms(host, 29000);
    CU_ASSERT_FALSE(kit_is_answered(p));
    CU_ASSERT_EQUAL(http_peer_count(peer), 1);
    kit_clock_advance_ms(host, 1100);
    is(end(p), MG_REPLACE, "{\"x\":1}");
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

/* ---- the end -------------------------------------------------------------------------------- */

static void an_end_in_the_middle_gives_everything_back(void)
{
    struct kit_pending *p[8];
    open_http("/{m}", "into: x, in_flight: 2, on_failure: pass");
    http_peer_silent(peer, true);
    for (int i = 0; i < 8; i++) {
        char machine[8];
        snprintf(machine, sizeof machine, "m%d", i / 2);
        p[i] = begin(machine, "{}");
    }
    kit_turn(host);
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    for (int i = 0; i < 8; i++) {
        is(end(p[i]), MG_RETRY, NULL);
        CU_ASSERT_TRUE(err_says("stops"));
    }
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    http_peer_stop(peer);
    http_peer_free(peer);
}

/* ---- names ---------------------------------------------------------------------------------- */

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
    struct kit_pending *p = begin("b", "{}");
    CU_ASSERT_TRUE(kit_run_until(host, someone_resolves, NULL, 5000));
    kit_instance_stop(instance); /* does not wait for it either */
    is(end(p), MG_RETRY, NULL);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    slow_names(false);
    open_url("http://name.test/", "into: x, on_failure: drop");
    expect("a", "{}", MG_DROP, NULL);
    CU_ASSERT_TRUE(err_says("resolve"));
    close_host();
}

/* ---- settings ------------------------------------------------------------------------------- */

static void bad_settings_are_refused(void)
{
    static const struct {
        const char *url, *more, *option, *why;
    } bad[] = {
        {"h", "into: x", "url", "http://"},
        {"http://{m}/", "into: x", "url", "fields"},
        {"http://h/", "into: .", "into", "cannot replace"},
        {"http://h/", "into: data", "into", "cannot replace"},
        {"http://h/", "into: 'property:'", "into", "name behind it"},
        {"http://h/", "into: x, body: y", "body", "method: post"},
        {"http://h/", "into: x, user: u", "user", "together"},
        {"http://h/", "into: x, user: 'u:v', password: p", "user", "colon"},
        {"http://h/", "into: x, user: u, password: p, bearer: b", "bearer", "either"},
        {"http://h/", "into: x, headers: {Host: y}", "headers", "Host is set"},
        {"http://h/", "into: x, headers: {'a b': y}", "headers", "a name and a value"},
        {"http://h/", "into: x, secret_headers: nothing", "secret_headers", "one line"},
        {"http://h/", "into: x, tls: {ca: x.pem}", "tls", "not https"},
        {"https://h/", "into: x, tls: {key: x.pem}", "tls", "together"},
        {"http://h/", "into: x, answer: text, select: a", "select", "JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host = kit_host_create();
        const void *settings = bind_settings(bad[i].url, bad[i].more);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings, &err), -EINVAL);
        if (!err.option || strcmp(err.option, bad[i].option) != 0)
            fprintf(stderr, "%s\n", bad[i].more);
        CU_ASSERT_TRUE(err.option && !strcmp(err.option, bad[i].option));
        CU_ASSERT_TRUE(err_says(bad[i].why));
        CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_answer_goes_into_the_payload)},
        {KIT_TEST(a_part_of_the_answer_is_selected)},
        {KIT_TEST(the_answer_goes_into_properties)},
        {KIT_TEST(text_becomes_a_text)},
        {KIT_TEST(headers_and_secrets_are_sent)},
        {KIT_TEST(post_sends_the_payload_or_a_body)},
        {KIT_TEST(an_event_without_a_field_asks_nothing)},
        {KIT_TEST(equal_questions_are_asked_once)},
        {KIT_TEST(answers_age)},
        {KIT_TEST(there_are_limits_to_what_waits)},
        {KIT_TEST(failures_are_a_choice)},
        {KIT_TEST(bad_answers_are_failures)},
        {KIT_TEST(a_silent_server_times_out)},
        {KIT_TEST(a_server_may_go_and_come_back)},
        {KIT_TEST(retry_after_is_respected)},
        {KIT_TEST(redirects_are_followed_as_far_as_allowed)},
        {KIT_TEST(an_end_in_the_middle_gives_everything_back)},
        {KIT_TEST(names_are_resolved_beside_the_events)},
        {KIT_TEST(bad_settings_are_refused)},
        {NULL, NULL},
    };
    return kit_main("plugin-http", tests);
}
