/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream of the native MQTT client over WebSockets. */
#include "mqtt_net_tls_rig.h"
#include "mqtt_net_ws_rig.h"
#include "native/mqtt_net_ws.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void begin(struct rig *rig, struct rig_server *server, const char *answer)
{
    rig_begin(rig);
    rig_listen(server, AF_INET, 0);
    rig_server_ws(server, answer);
    rig->server = server;
}

static void begin_open(struct rig *rig, struct rig_server *server)
{
    begin(rig, server, NULL);
    rig_connect(rig, "ws://127.0.0.1", server->port, "");
    CU_ASSERT_FATAL(rig_opens(rig));
    rig_accept(rig, server);
}

static void bytes_go_both_ways(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    for (int with_tls = 0; with_tls < 2; with_tls++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, NULL);
        if (with_tls)
            rig_server_tls(&server, &tls);
        rig.tls.ca = rig_file("ca.pem");
        rig_connect(&rig, with_tls ? "wss://127.0.0.1" : "ws://127.0.0.1", server.port, "");
        CU_ASSERT_FATAL(rig_opens(&rig));
        rig_accept(&rig, &server);
        rig_transfer(&rig, &server, 8 << 20);
        CU_ASSERT(rig_ws_pongs(&server) > 0); /* RFC 6455 §5.5.3: to the last of many */
        rig_end(&rig, &server);
    }
}

static void the_request_says_what_it_has_to(void)
{
    static const struct {
        const char *suffix, *line;
    } rows[] = {{"", "GET /mqtt HTTP/1.1\r\n"},
                {"/", "GET / HTTP/1.1\r\n"},
                {"/a/b?c=d%20e", "GET /a/b?c=d%20e HTTP/1.1\r\n"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        char host[64];
        begin(&rig, &server, NULL);
        rig_connect(&rig, "ws://127.0.0.1", server.port, rows[i].suffix);
        CU_ASSERT_FATAL(rig_opens(&rig));
        const char *request = rig_ws_request(&server);
        snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", server.port);
        CU_ASSERT_EQUAL(strncmp(request, rows[i].line, strlen(rows[i].line)), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(request, host));
        CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nUpgrade: websocket\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nConnection: Upgrade\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nSec-WebSocket-Version: 13\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nSec-WebSocket-Protocol: mqtt\r\n"));
        rig_end(&rig, &server);
    }
    struct mqtt_where where;
    struct mg_err err;
    CU_ASSERT_EQUAL(mqtt_where_parse("wss://[::1]/x", &where, &err), 0);
    char *request = mqtt_ws_request(&where, "key");
    CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nHost: [::1]\r\n")); /* the usual port is left out */
    free(request);
}

#define OK      "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT  "Sec-WebSocket-Accept: %s\r\n"
#define MQTT    "Sec-WebSocket-Protocol: mqtt\r\n"

static void an_answer_that_is_no_upgrade_is_refused(void)
{
    static const struct {
        const char *answer, *part;
    } rows[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
         "answered 404 Not Found to the upgrade at /mqtt; is this the right path?"},
        {"HTTP/1.1 302 Found\r\nLocation: wss://other/\r\n\r\n", "it refers to wss://other/"},
        {"HTTP/1.0 401\r\n\r\n", "answered 401 "},
        {"HTTP/1.1 200 \x1b[31mred\r\n\r\n", "answered 200 ?[31mred"},
        {"\x20\x02", "does not speak HTTP on this port"},
        {"HTTP/2 nonsense\r\n\r\n", "does not speak HTTP on this port"},
        {"HTTP/1.1 abc nonsense\r\n\r\n", "is no HTTP"},
        {OK ACCEPT MQTT "\r\n", "101 without an upgrade"},
        {OK "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT MQTT "\r\n", "101 without"},
        {OK UPGRADE MQTT "\r\n", "does not prove"},
        {OK UPGRADE "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n" MQTT "\r\n",
         "does not prove"},
        {OK UPGRADE ACCEPT "\r\n", "does not speak mqtt there"},
        {OK UPGRADE ACCEPT "Sec-WebSocket-Protocol: mqttv3.1\r\n\r\n", "does not speak mqtt there"},
        {OK UPGRADE ACCEPT MQTT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
         "uses an extension"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, rows[i].answer);
        rig_connect(&rig, "ws://127.0.0.1", server.port, "");
        CU_ASSERT(rig_fails(&rig, rows[i].part));
        CU_ASSERT_EQUAL(rig.calls[RIG_OPEN], 0);
        rig_end(&rig, &server);
    }
}

static void an_answer_may_come_in_pieces_and_with_more_behind_it(void)
{
    static const char answer[] = OK UPGRADE ACCEPT MQTT "\r\n\x82\x03";
    struct rig rig;
    struct rig_server server;
    unsigned char bytes[3] = {rig_byte(0), rig_byte(1), rig_byte(2)};
    begin(&rig, &server, answer);
    rig_connect(&rig, "ws://127.0.0.1", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    CU_ASSERT_EQUAL(write(server.fd, bytes, 3), 3);
    CU_ASSERT(rig_reads(&rig, 3));
    CU_ASSERT_EQUAL(rig.wrong, 0);
    rig_end(&rig, &server);
    struct mqtt_where where;
    struct mqtt_why why;
    struct mg_err err;
    size_t length;
    static const char whole[] = /* the example of RFC 6455 §1.3 */
        OK UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" MQTT "\r\n";
    CU_ASSERT_EQUAL(mqtt_where_parse("ws://b", &where, &err), 0);
    for (size_t i = 0; i < sizeof(whole) - 1; i++)
        CU_ASSERT_EQUAL(
            mqtt_ws_response(whole, i, &where, "dGhlIHNhbXBsZSBub25jZQ==", &why, &length), -EAGAIN);
    CU_ASSERT_EQUAL(mqtt_ws_response(whole, sizeof(whole) - 1, &where,
                                     "dGhlIHNhbXBsZSBub25jZQ==", &why, &length),
                    0);
    CU_ASSERT_EQUAL(length, sizeof(whole) - 1);
}

static void an_answer_without_end_is_given_up(void)
{
    struct rig rig;
    struct rig_server server;
    static char junk[20000];
    memset(junk, 'x', sizeof(junk));
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    rig_connect(&rig, "ws://127.0.0.1", server.port, "");
    rig_accept(&rig, &server);
    CU_ASSERT_EQUAL(write(server.fd, "HTTP/1.1 101 X\r\nX: ", 19), 19);
    CU_ASSERT_EQUAL(write(server.fd, junk, sizeof(junk)), sizeof(junk));
    CU_ASSERT(rig_fails(&rig, "the server's answer is too long"));
    rig_end(&rig, &server);
}

static void a_server_that_hangs_up_is_told(void)
{
    struct rig rig;
    struct rig_server server;
    rig_begin(&rig);
    rig_listen(&server, AF_INET, 0);
    rig_connect(&rig, "ws://127.0.0.1", server.port, "");
    rig_accept(&rig, &server);
    shutdown(server.fd, SHUT_WR);
    CU_ASSERT(rig_fails(&rig, "closed the connection without an answer"));
    rig_end(&rig, &server);
}

/* ---- frames --------------------------------------------------------------------------------- */

struct frames {
    const char *bytes;
    size_t length;
    uint16_t fault;
    const char *payload;
};
#define FRAMES(bytes) bytes, sizeof(bytes) - 1

static void frames_are_strict_however_they_are_cut(void)
{
    static const struct frames rows[] = {
        {FRAMES("\x82\x03"
                "abc"
                "\x82\x00\x82\x01"
                "d"),
         0, "abcd"},
        {FRAMES("\x02\x01"
                "a"
                "\x89\x01x\x00\x00\x80\x01"
                "b"),
         0, "ab"},
        {FRAMES("\x82\x7e\x00\x7e"), 0, ""},
        {FRAMES("\x8a\x03xyz\x82\x01"
                "a"),
         0, "a"}, /* a pong that nobody asked for is fine */
        {FRAMES("\x82\x01"
                "a\xc2\x00"),
         1002, "a"},                    /* reserved bit */
        {FRAMES("\x82\x81"), 1002, ""}, /* masked */
        {FRAMES("\x81\x01"), 1003, ""}, /* text */
        {FRAMES("\x83\x00"), 1002, ""},
        {FRAMES("\x87\x00"), 1002, ""},
        {FRAMES("\x8b\x00"), 1002, ""},
        {FRAMES("\x8f\x00"), 1002, ""},
        {FRAMES("\x09\x00"), 1002, ""},         /* a ping in parts */
        {FRAMES("\x89\x7e\x00\x7e"), 1002, ""}, /* and a long one */
        {FRAMES("\x80\x00"), 1002, ""},         /* nothing to continue */
        {FRAMES("\x02\x00\x82\x00"), 1002, ""}, /* one inside another */
        {FRAMES("\x82\x7e\x00\x7d"), 1002, ""}, /* not the shortest length */
        {FRAMES("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), 1002, ""},
        {FRAMES("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"), 1002, ""}, /* 64 bits */
        {FRAMES("\x88\x01x"), 1002, ""},
        {FRAMES("\x88\x02\x03\xe7"), 1002, ""}, /* 999 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (size_t step = 1; step <= rows[i].length; step++) {
            struct mqtt_ws_reader reader = {0};
            uint8_t bytes[64], payload[64];
            size_t got = 0;
            for (size_t at = 0; at < rows[i].length; at += step) {
                size_t n = rows[i].length - at < step ? rows[i].length - at : step;
                memcpy(bytes, rows[i].bytes + at, n);
                n = mqtt_ws_take(&reader, bytes, n);
                memcpy(payload + got, bytes, n);
                got += n;
            }
            CU_ASSERT_EQUAL(reader.fault, rows[i].fault);
            CU_ASSERT(!reader.fault || reader.fault_text);
            CU_ASSERT_EQUAL(got, strlen(rows[i].payload));
            CU_ASSERT_EQUAL(memcmp(payload, rows[i].payload, got), 0);
        }
    }
}

static void masks_are_undone_by_masking_again(void)
{
    uint8_t bytes[40], mask[4] = {1, 2, 3, 0x80};
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = rig_byte(i);
        mqtt_ws_mask(bytes, length, mask);
        for (size_t i = 0; i < length; i++)
            CU_ASSERT_EQUAL(bytes[i] ^ mask[i % 4], rig_byte(i));
    }
}

/* ---- an open one ---------------------------------------------------------------------------- */

static void a_ping_is_answered_though_nothing_else_is_written(void)
{
    struct rig rig;
    struct rig_server server;
    unsigned char bytes[100];
    begin_open(&rig, &server);
    CU_ASSERT_EQUAL(write(server.fd, "\x89\x02hi", 4), 4);
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n < 0; i++) {
        kit_turn(rig.host);
        n = rig_server_read(&server, bytes, sizeof(bytes));
    }
    CU_ASSERT_EQUAL_FATAL(n, 8);
    CU_ASSERT(bytes[0] == 0x8a && bytes[1] == 0x82);
    CU_ASSERT((bytes[6] ^ bytes[2]) == 'h' && (bytes[7] ^ bytes[3]) == 'i');
    rig_end(&rig, &server);
}

static void a_close_is_answered_and_said_in_words(void)
{
    static const struct {
        const char *bytes;
        size_t length;
        ssize_t end;
        int answer;
        const char *part;
    } rows[] = {
        {FRAMES("\x88\x02\x03\xe8"), 0, 1000, ""},
        {FRAMES("\x88\x00"), 0, 0, ""},
        {FRAMES("\x88\x05\x03\xe9"
                "bye"),
         -ECONNRESET, 1001, "the server closed it with status 1001: bye"},
        {FRAMES("\x81\x01x"), -EPROTO, 1003, "the server sent a text message"},
        {FRAMES("\xff\xff\xff\xff"), -EPROTO, 1002, "the server sent a frame with reserved bits"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        unsigned char bytes[100];
        begin_open(&rig, &server);
        CU_ASSERT_EQUAL(write(server.fd, rows[i].bytes, rows[i].length), (ssize_t)rows[i].length);
        CU_ASSERT(rig_ends(&rig));
        CU_ASSERT_EQUAL(rig.end, rows[i].end);
        CU_ASSERT_PTR_NOT_NULL(strstr(mqtt_net_why(rig.net), rows[i].part));
        mqtt_net_close(rig.net);
        rig.net = NULL;
        CU_ASSERT_EQUAL(rig_ws_read(&server, bytes, sizeof(bytes)), -1);
        CU_ASSERT_EQUAL(rig_ws_closed(&server), rows[i].answer);
        rig_end(&rig, &server);
    }
}

static void the_server_hears_a_goodbye(void)
{
    struct rig rig;
    struct rig_server server;
    unsigned char bytes[100];
    begin_open(&rig, &server);
    mqtt_net_close(rig.net);
    rig.net = NULL;
    CU_ASSERT_EQUAL(rig_ws_read(&server, bytes, sizeof(bytes)), -1);
    CU_ASSERT_EQUAL(rig_ws_closed(&server), 1000);
    CU_ASSERT_EQUAL(rig_server_read(&server, bytes, sizeof(bytes)), 0);
    rig_end(&rig, &server);
}

static void a_break_without_goodbye_is_an_end(void)
{
    struct rig rig;
    struct rig_server server;
    begin_open(&rig, &server);
    rig_hang_up(&server, false);
    rig.server = NULL;
    CU_ASSERT(rig_ends(&rig));
    CU_ASSERT_EQUAL(rig.end, 0);
    rig_end(&rig, &server);
}

static void frames_that_bring_nothing_do_not_hold_the_loop(void)
{
    static unsigned char pings[2000];
    struct rig rig;
    struct rig_server server;
    begin_open(&rig, &server);
    for (size_t i = 0; i < sizeof(pings); i += 2)
        memcpy(pings + i, "\x8a\x00", 2);
    rig.read_most = 2;
    CU_ASSERT_EQUAL(write(server.fd, pings, sizeof(pings)), sizeof(pings));
    CU_ASSERT_EQUAL(write(server.fd, "\x82\x00", 2), 2);
    unsigned char byte = rig_byte(0), frame[3] = {0x82, 1, byte};
    CU_ASSERT_EQUAL(write(server.fd, frame, 3), 3);
    CU_ASSERT(rig_reads(&rig, 1));
    CU_ASSERT(rig.calls[RIG_READABLE] > 20);
    rig_end(&rig, &server);
}

static void it_may_be_closed_at_any_time(void)
{
    for (int turns = 0; turns < 10; turns++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, NULL);
        rig_connect(&rig, "ws://127.0.0.1", server.port, "");
        for (int turn = 0; turn < turns; turn++) {
            rig_serve(&server);
            kit_turn(rig.host);
        }
        mqtt_net_close(rig.net);
        rig.net = NULL;
        int calls = rig_calls(&rig);
        rig_settle_jobs(&rig);
        CU_ASSERT_EQUAL(rig_calls(&rig), calls);
        rig_end(&rig, &server);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(bytes_go_both_ways)},
        {KIT_TEST(the_request_says_what_it_has_to)},
        {KIT_TEST(an_answer_that_is_no_upgrade_is_refused)},
        {KIT_TEST(an_answer_may_come_in_pieces_and_with_more_behind_it)},
        {KIT_TEST(an_answer_without_end_is_given_up)},
        {KIT_TEST(a_server_that_hangs_up_is_told)},
        {KIT_TEST(frames_are_strict_however_they_are_cut)},
        {KIT_TEST(masks_are_undone_by_masking_again)},
        {KIT_TEST(a_ping_is_answered_though_nothing_else_is_written)},
        {KIT_TEST(a_close_is_answered_and_said_in_words)},
        {KIT_TEST(the_server_hears_a_goodbye)},
        {KIT_TEST(a_break_without_goodbye_is_an_end)},
        {KIT_TEST(frames_that_bring_nothing_do_not_hold_the_loop)},
        {KIT_TEST(it_may_be_closed_at_any_time)},
        {0},
    };
    rig_certificates();
    return kit_main("mqtt_net_ws", tests);
}
