/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream of the native MQTT client over TCP: urls, dialling, back-pressure, closing. */
#include "mqtt_net_rig.h"
#include "native/mqtt_net_url.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- urls ----------------------------------------------------------------------------------- */

static void urls_are_taken_apart(void)
{
    static const struct {
        const char *url, *host, *port, *at, *path;
        bool tls, web_socket, literal;
    } rows[] = {
        {"mqtt://broker", "broker", "1883", "broker:1883", NULL, false, false, false},
        {"mqtt://broker:1/", "broker", "1", "broker:1", NULL, false, false, false},
        {"mqtts://10.0.0.7", "10.0.0.7", "8883", "10.0.0.7:8883", NULL, true, false, true},
        {"mqtt://[::1]:65535", "::1", "65535", "[::1]:65535", NULL, false, false, true},
        {"mqtt://[fe80::1%eth0]", "fe80::1%eth0", "1883", "[fe80::1%eth0]:1883", NULL, false, false,
         true},
        {"ws://broker", "broker", "80", "broker:80", "/mqtt", false, true, false},
        {"ws://broker/", "broker", "80", "broker:80", "/", false, true, false},
        {"wss://b:8080/a/b?c=d", "b", "8080", "b:8080", "/a/b?c=d", true, true, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct mqtt_where where;
        struct mg_err err;
        CU_ASSERT_EQUAL_FATAL(mqtt_where_parse(rows[i].url, &where, &err), 0);
        CU_ASSERT_STRING_EQUAL(where.host, rows[i].host);
        CU_ASSERT_STRING_EQUAL(where.port, rows[i].port);
        CU_ASSERT_STRING_EQUAL(where.at, rows[i].at);
        CU_ASSERT_EQUAL(where.tls, rows[i].tls);
        CU_ASSERT_EQUAL(where.web_socket, rows[i].web_socket);
        CU_ASSERT_EQUAL(where.literal, rows[i].literal);
        if (rows[i].path)
            CU_ASSERT(where.path && !strcmp(where.path, rows[i].path));
    }
}

static void urls_that_are_none_are_refused_in_words(void)
{
    static const struct {
        const char *url, *part;
    } rows[] = {
        {"http://broker", "begins with none of"},
        {"", "begins with none of"},
        {"mqtt://", "has no host"},
        {"mqtt://:1883", "has no host"},
        {"mqtt://user@broker", "has no host"},
        {"mqtt://[::1", "has no host"},
        {"mqtt://[broker]", "has no host"},
        {"mqtt://[]", "has no host"},
        {"mqtt://a b", "has no host"},
        {"mqtt://broker:", "has no port"},
        {"mqtt://broker:0", "has no port"},
        {"mqtt://broker:65536", "has no port"},
        {"mqtt://broker:123456", "has no port"},
        {"mqtt://broker:1883x", "only ws:// and wss:// have a path"},
        {"mqtt://::1", "has no host"},
        {"mqtt://broker/path", "only ws:// and wss:// have a path"},
        {"ws://broker?a", "has no path"},
        {"ws://broker/a b", "has no path"},
        {"ws://broker/a\r\nX: y", "has no path"},
        {"ws://broker/a#b", "has no path"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct mqtt_where where;
        struct mg_err err = {0};
        CU_ASSERT_EQUAL(mqtt_where_parse(rows[i].url, &where, &err), -EINVAL);
        if (!strstr(err.text, rows[i].part)) {
            fprintf(stderr, "%s: %s\n", rows[i].url, err.text);
            CU_FAIL("not the reason that was expected");
        }
    }
    char url[400];
    struct mqtt_where where;
    struct mg_err err;
    snprintf(url, sizeof(url), "mqtt://%0300d", 0);
    CU_ASSERT_EQUAL(mqtt_where_parse(url, &where, &err), -EINVAL);
}

/* ---- dialling ------------------------------------------------------------------------------- */

static void bytes_go_both_ways(void)
{
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    rig_connect(&rig, "mqtt://127.0.0.1", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    rig_transfer(&rig, &server, 16 << 20);
    rig_end(&rig, &server);
}

static void a_name_is_looked_up(void)
{
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0); /* ::1, which localhost may be as well, refuses */
    rig_connect(&rig, "mqtt://localhost", server.port, "");
    CU_ASSERT(rig_opens(&rig));
    rig_end(&rig, &server);
}

static void the_other_family_is_tried(void)
{
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    if (!rig_listen(&server, AF_INET6, 0)) {
        rig_end(&rig, NULL); /* a machine without IPv6 */
        return;
    }
    rig_connect(&rig, "mqtt://[::1]", server.port, "");
    CU_ASSERT(rig_opens(&rig));
    mqtt_net_close(rig.net);
    rig.net = NULL;
    rig_names = "127.0.0.1 ::1"; /* the first refuses */
    rig_connect(&rig, "mqtt://two.test", server.port, "");
    CU_ASSERT(rig_opens(&rig));
    rig_end(&rig, &server);
}

static void addresses_are_tried_side_by_side(void)
{
    struct rig rig;
    struct rig_server server, full;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    /* One that neither answers nor refuses: a queue of connections that is full. */
    rig_listen_full(&full, "127.0.0.2", server.port);
    rig_names = "127.0.0.2 127.0.0.3 127.0.0.1";
    int64_t begin_us = kit_host_table(rig.host)->now_us(kit_shard(rig.host, 0));
    rig_connect(&rig, "mqtt://three.test", server.port, "");
    CU_ASSERT(rig_opens(&rig));
    int64_t took_us = kit_host_table(rig.host)->now_us(kit_shard(rig.host, 0)) - begin_us;
    CU_ASSERT(took_us >= 240000 && took_us < 5000000); /* SYN is repeated for two minutes */
    rig_end(&rig, &server);
    rig_server_stop(&full);
}

static void every_address_that_failed_is_named(void)
{
    struct rig rig;
    rig_begin(&rig);
    rig_names = "127.0.0.1 127.0.0.9 ::1";
    rig_connect(&rig, "mqtt://three.test", rig_unused_port(), "");
    CU_ASSERT(rig_fails(&rig, "cannot connect to three.test:"));
    CU_ASSERT(rig_fails(&rig, "127.0.0.1: Connection refused; ::1: C")); /* families in turn */
    CU_ASSERT(rig_fails(&rig, "; 127.0.0.9: Connection refused"));
    rig_end(&rig, NULL);
}

static void more_addresses_than_are_tried_are_left_out(void)
{
    struct rig rig;
    char names[1000] = "";
    rig_begin(&rig);
    for (int i = 1; i <= 40; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "127.0.0.%d ", i);
    rig_names = names;
    rig_connect(&rig, "mqtt://many.test", rig_unused_port(), "");
    CU_ASSERT(rig_fails(&rig, "127.0.0.16: "));
    CU_ASSERT_PTR_NULL(strstr(rig.why, "127.0.0.17: "));
    rig_end(&rig, NULL);
}

static void a_refusal_names_host_and_error(void)
{
    struct rig rig;
    rig_begin(&rig);
    rig_connect(&rig, "mqtt://127.0.0.1", rig_unused_port(), "");
    CU_ASSERT(rig_fails(&rig, "cannot connect to 127.0.0.1:"));
    CU_ASSERT(rig_fails(&rig, "127.0.0.1: Connection refused"));
    rig_end(&rig, NULL);
}

static void an_unknown_name_is_said(void)
{
    struct rig rig;
    rig_begin(&rig);
    rig_connect(&rig, "mqtt://no-such-host.invalid", 1883, ""); /* RFC 6761 §6.4 */
    CU_ASSERT(rig_fails(&rig, "cannot resolve no-such-host.invalid: "));
    rig_end(&rig, NULL);
}

static void it_may_be_closed_at_any_time(void)
{
    static const char *const urls[] = {"mqtt://127.0.0.1", "mqtt://localhost",
                                       "mqtt://no-such-host.invalid", "mqtt://192.0.2.1"};
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        for (int turns = 0; turns < 4; turns++) {
            rig_connect(&rig, urls[i], server.port, "");
            for (int turn = 0; turn < turns; turn++)
                kit_turn(rig.host);
            mqtt_net_close(rig.net);
            rig.net = NULL;
            int calls = rig_calls(&rig);
            rig_settle_jobs(&rig);
            CU_ASSERT_EQUAL(rig_calls(&rig), calls);
        }
    }
    rig_end(&rig, &server);
}

static void closing_inside_a_callback_is_fine(void)
{
    struct rig rig;
    struct rig_server server;
    for (enum rig_event at = RIG_OPEN; at <= RIG_FAILED; at++) {
        rig_begin(&rig);
        rig_listen(&server, AF_INET, 0);
        rig.close_in = at;
        rig_connect(&rig, "mqtt://127.0.0.1", at == RIG_FAILED ? rig_unused_port() : server.port,
                    "");
        if (at == RIG_READABLE || at == RIG_WRITABLE) {
            CU_ASSERT_FATAL(rig_opens(&rig));
            rig_accept(&rig, &server);
        }
        if (at == RIG_READABLE)
            CU_ASSERT_EQUAL(write(server.fd, "x", 1), 1);
        if (at == RIG_WRITABLE)
            rig_fill_and_drain(&rig, &server);
        CU_ASSERT(rig_is_closed(&rig));
        rig_end(&rig, &server);
    }
}

/* ---- an open stream ------------------------------------------------------------------------- */

static void nothing_is_read_unless_wanted(void)
{
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    rig_connect(&rig, "mqtt://127.0.0.1", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    mqtt_net_want_read(rig.net, false);
    CU_ASSERT_EQUAL(write(server.fd, "x", 1), 1);
    for (int i = 0; i < 5; i++)
        kit_turn(rig.host);
    CU_ASSERT_EQUAL(rig.calls[RIG_READABLE], 0);
    mqtt_net_want_read(rig.net, true);
    CU_ASSERT(rig_reads(&rig, 1));
    rig_end(&rig, &server);
}

static void the_end_and_a_reset_are_told_apart(void)
{
    struct rig rig;
    struct rig_server server;
    for (int reset = 0; reset < 2; reset++) {
        rig_begin(&rig);
        rig_listen(&server, AF_INET, 0);
        rig_connect(&rig, "mqtt://127.0.0.1", server.port, "");
        CU_ASSERT_FATAL(rig_opens(&rig));
        rig_accept(&rig, &server);
        rig_hang_up(&server, reset);
        CU_ASSERT(rig_ends(&rig));
        CU_ASSERT_EQUAL(rig.end, reset ? -ECONNRESET : 0);
        if (reset)
            CU_ASSERT_PTR_NOT_NULL(strstr(mqtt_net_why(rig.net), "reading from 127.0.0.1:"));
        rig_end(&rig, &server);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(urls_are_taken_apart)},
        {KIT_TEST(urls_that_are_none_are_refused_in_words)},
        {KIT_TEST(bytes_go_both_ways)},
        {KIT_TEST(a_name_is_looked_up)},
        {KIT_TEST(the_other_family_is_tried)},
        {KIT_TEST(addresses_are_tried_side_by_side)},
        {KIT_TEST(every_address_that_failed_is_named)},
        {KIT_TEST(more_addresses_than_are_tried_are_left_out)},
        {KIT_TEST(a_refusal_names_host_and_error)},
        {KIT_TEST(an_unknown_name_is_said)},
        {KIT_TEST(it_may_be_closed_at_any_time)},
        {KIT_TEST(closing_inside_a_callback_is_fine)},
        {KIT_TEST(nothing_is_read_unless_wanted)},
        {KIT_TEST(the_end_and_a_reset_are_told_apart)},
        {0},
    };
    return kit_main("mqtt_net", tests);
}
