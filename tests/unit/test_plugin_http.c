/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "http": questions, answers and settings. */
#include "http_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- answers ----------------------------------------------------------------------------- */

static void the_answer_goes_into_the_payload(void)
{
    open_http("/m/{m}", "into: data.machine");
    http_peer_says(peer, "/m/m%2F1", "200 OK", "",
                   "{ \"hall\" : 1.50, \"id\": 12345678901234567890123 }");
    struct kit_verdict v = end_event(begin_event("m/1", "{\"t\": 20.10}"));
    CU_ASSERT_TRUE(v.pended);
    verdict_is(v, MG_REPLACE,
               "{\"t\":20.10,\"machine\":{\"hall\":1.50,\"id\":12345678901234567890123}}");
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
    struct kit_verdict v = end_event(begin_event("a", "\xff any bytes"));
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

/* ---- questions --------------------------------------------------------------------------- */

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
    open_http("/q", "into: x, method: post, body: 'q={m}', headers: {content-type: text/plain, "
                    "accept: text/x-json}");
    http_peer_says(peer, "/q", "200 OK", "", "1");
    expect("m1", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(peer_got(0, "\r\ncontent-type: text/plain\r\n"));
    CU_ASSERT_TRUE(peer_got(0, "\r\naccept: text/x-json\r\n"));
    char text[1024];
    CU_ASSERT_TRUE(http_peer_got(peer, 0, text, sizeof text));
    CU_ASSERT_PTR_NULL(strstr(text, "application/json"));
    CU_ASSERT_TRUE(peer_got(0, "\r\n\r\nq=m1"));
    expect("m1", "{\"other\":1}", MG_REPLACE, "{\"other\":1,\"x\":1}");
    CU_ASSERT_EQUAL(kit_counter(instance, CACHE_HITS), 1);
    close_http();
}

static void an_object_becomes_so_many_properties_and_no_more(void)
{
    static char text[32 * 1025 + 2];
    open_http("/{m}", "into: 'property:s', on_failure: drop");
    for (size_t members = 1024; members <= 1025; members++) {
        size_t used = 0;
        for (size_t i = 0; i < members; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%c\"m%zu\":%zu",
                                     i ? ',' : '{', i, i);
        snprintf(text + used, sizeof text - used, "}");
        http_peer_says(peer, members <= 1024 ? "/few" : "/many", "200 OK", "", text);
    }
    expect("few", "any", MG_REPLACE, "any");
    expect("many", "any", MG_DROP, NULL);
    CU_ASSERT_TRUE(err_says("more than 1024 members"));
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
        p[i] = begin_event(i < 4 ? "a" : "b", "{}");
    http_peer_silent(peer, false);
    for (int i = 0; i < 6; i++)
        verdict_is(end_event(p[i]), MG_REPLACE, i < 4 ? "{\"x\":1}" : "{\"x\":2}");
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
        p[i] = begin_event(machine, "{}");
    }
    verdict_is(end_event(p[4]), MG_RETRY, NULL);
    CU_ASSERT_TRUE(err_says("too many events wait"));
    CU_ASSERT_EQUAL(kit_counter(instance, IN_FLIGHT), 2);
    http_peer_silent(peer, false);
    for (int i = 0; i < 4; i++)
        verdict_is(end_event(p[i]), MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(http_peer_connections(peer) <= 2);
    expect("m4", "{}", MG_REPLACE, "{\"x\":1}");
    CU_ASSERT_TRUE(http_peer_connections(peer) <= 2); /* kept alive, and used again */
    close_http();
}

/* ---- settings ---------------------------------------------------------------------------- */

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

static void a_missing_file_is_said_at_start(void)
{
    host = kit_host_create();
    CU_ASSERT_EQUAL_FATAL(
        kit_instance_create(host, mg_module(NULL), "http",
                            bind_settings("https://h/", "into: x, tls: {ca: /none/ca.pem}"),
                            &instance, &err),
        0);
    CU_ASSERT_EQUAL(kit_instance_start(instance, &err), -ENOENT);
    CU_ASSERT_TRUE(err_says("/none/ca.pem"));
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void logs_name_the_server_alone(void)
{
    open_http("/x?key=secret", "into: x");
    expect("m", "{}", MG_PASS, NULL); /* nothing is there */
    http_peer_says(peer, "/x?key=secret", "500 Oops", "", "");
    kit_clock_by_hand(host);
    kit_clock_advance_ms(host, 20000);
    expect("m", "{}", MG_RETRY, NULL);
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "status 500"));
    CU_ASSERT_FALSE(kit_logged(host, MG_DEBUG, "secret"));
    close_http();
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
        {KIT_TEST(an_object_becomes_so_many_properties_and_no_more)},
        {KIT_TEST(an_event_without_a_field_asks_nothing)},
        {KIT_TEST(equal_questions_are_asked_once)},
        {KIT_TEST(answers_age)},
        {KIT_TEST(there_are_limits_to_what_waits)},
        {KIT_TEST(bad_settings_are_refused)},
        {KIT_TEST(a_missing_file_is_said_at_start)},
        {KIT_TEST(logs_name_the_server_alone)},
        {NULL, NULL},
    };
    return kit_main("plugin-http", tests);
}
