/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream of the native MQTT client over TLS. */
#include "mqtt_net_tls_rig.h"
#include "unit.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server, and a client that trusts its authority. */
static void begin(struct rig *rig, struct rig_server *server, const struct rig_tls *tls)
{
    rig_begin(rig);
    rig_listen(server, AF_INET, 0);
    rig_server_tls(server, tls);
    rig->server = server;
    rig->tls.ca = rig_file("ca.pem");
}

static void bytes_go_both_ways(void)
{
    static const struct rig_tls versions[] = {
        {.certificate = "good"}, {.certificate = "good", .most_version = TLS1_2_VERSION}};
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, &versions[i]);
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        CU_ASSERT_FATAL(rig_opens(&rig));
        rig_accept(&rig, &server);
        rig_transfer(&rig, &server, 8 << 20);
        rig_end(&rig, &server);
    }
}

/* What a layer holds is no business of the socket, which has nothing any more. */
static void what_was_decrypted_is_read_later(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    unsigned char bytes[3000];
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    for (int turn = 0; turn < 20; turn++) /* TLS 1.3 sends tickets once it is open */
        kit_turn(rig.host);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = rig_byte(i);
    for (size_t at = 0; at < sizeof(bytes); at += 100)
        CU_ASSERT_EQUAL(rig_server_write(&server, bytes + at, 100), 100);
    rig.read_most = 70;
    for (size_t expected = 70; expected < sizeof(bytes); expected += 70) {
        int before = rig.calls[RIG_READABLE];
        CU_ASSERT(rig_reads(&rig, expected));
        CU_ASSERT_EQUAL(rig.calls[RIG_READABLE], before + 1);
        CU_ASSERT_EQUAL(rig.received, expected);
        for (int turn = 0; turn < 3; turn++)
            kit_turn(rig.host); /* not wanted: it does not come */
        CU_ASSERT_EQUAL(rig.calls[RIG_READABLE], before + 1);
        mqtt_net_want_read(rig.net, true);
        CU_ASSERT_EQUAL(rig.calls[RIG_READABLE], before + 1); /* nor out of a call */
    }
    CU_ASSERT(rig_reads(&rig, sizeof(bytes)));
    CU_ASSERT_EQUAL(rig.wrong, 0);
    rig_end(&rig, &server);
}

static void an_idle_stream_takes_no_turns(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    for (int turn = 0; turn < 20; turn++)
        kit_turn(rig.host);
    int before = rig.calls[RIG_READABLE];
    /* The first bytes of a record, which are not enough to decrypt. */
    CU_ASSERT_EQUAL(write(server.fd, "\x17\x03\x03\x10", 4), 4);
    for (int turn = 0; turn < 20; turn++)
        kit_turn(rig.host);
    CU_ASSERT(rig.calls[RIG_READABLE] <= before + 1);
    rig_end(&rig, &server);
}

/* ---- who the server is ---------------------------------------------------------------------- */

struct row {
    const char *certificate, *url, *server_name;
    enum mqtt_verify verify;
    const char *part; /* of the reason; NULL: it opens */
};

static void check_row(const struct row *row)
{
    struct rig rig;
    struct rig_server server;
    struct rig_tls tls = {.certificate = row->certificate};
    begin(&rig, &server, &tls);
    rig_names = "127.0.0.1";
    rig.tls.verify = row->verify;
    rig.tls.server_name = row->server_name;
    rig_connect(&rig, row->url, server.port, "");
    if (row->part)
        CU_ASSERT(rig_fails(&rig, row->part));
    if (!row->part)
        CU_ASSERT(rig_opens(&rig));
    rig_end(&rig, &server);
}

static void the_certificate_is_checked(void)
{
    static const struct row rows[] = {
        {"good", "mqtts://localhost", NULL, MQTT_VERIFY_FULL, NULL},
        {"good", "mqtts://broker.test", NULL, MQTT_VERIFY_FULL, NULL},
        {"good", "mqtts://127.0.0.1", NULL, MQTT_VERIFY_FULL, NULL},
        {"good", "mqtts://127.0.0.1", "localhost.", MQTT_VERIFY_FULL, NULL},
        {"other", "mqtts://127.0.0.1", "other.example", MQTT_VERIFY_FULL, NULL},
        {"other", "mqtts://localhost", "10.1.2.3", MQTT_VERIFY_FULL, NULL},
        {"other", "mqtts://localhost", NULL, MQTT_VERIFY_FULL,
         "hostname mismatch: the certificate is for other.example, 10.1.2.3 and not for localhost"},
        {"other", "mqtts://127.0.0.1", NULL, MQTT_VERIFY_FULL,
         "IP address mismatch: the certificate is for other.example, 10.1.2.3 and not for "
         "127.0.0.1; set tls.server_name"},
        {"good", "mqtts://localhost", "elsewhere.test", MQTT_VERIFY_FULL, "not for elsewhere.test"},
        {"other", "mqtts://localhost", NULL, MQTT_VERIFY_CHAIN, NULL},
        {"expired", "mqtts://localhost", NULL, MQTT_VERIFY_FULL, "certificate has expired (on 20"},
        {"expired", "mqtts://localhost", NULL, MQTT_VERIFY_CHAIN, "certificate has expired"},
        {"early", "mqtts://localhost", NULL, MQTT_VERIFY_FULL, "is not yet valid (before 20"},
        {"self", "mqtts://localhost", NULL, MQTT_VERIFY_FULL, "self-signed certificate"},
        {"self", "mqtts://localhost", NULL, MQTT_VERIFY_FULL, "set tls.ca"},
        {"stranger", "mqtts://localhost", NULL, MQTT_VERIFY_CHAIN, "issuer certificate"},
        {"stranger", "mqtts://localhost", NULL, MQTT_VERIFY_NONE, NULL},
        {"expired", "mqtts://127.0.0.1", NULL, MQTT_VERIFY_NONE, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check_row(&rows[i]);
}

static void a_folder_of_authorities_serves_as_well(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig.tls.ca = NULL;
    rig.tls.ca_path = rig_file("cas");
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT(rig_opens(&rig));
    rig_end(&rig, &server);
}

static void the_systems_authorities_are_the_default(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig.tls.ca = NULL;
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT(rig_fails(&rig, "unable to get local issuer certificate"));
    rig_end(&rig, &server);
}

static void the_server_hears_a_name_but_no_address(void)
{
    static const struct {
        const char *url, *server_name, *heard;
    } rows[] = {
        {"mqtts://localhost", NULL, "localhost"},
        {"mqtts://127.0.0.1", "localhost", "localhost"},
        {"mqtts://127.0.0.1", NULL, NULL},
    };
    static const struct rig_tls tls = {.certificate = "good"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, &tls);
        rig.tls.server_name = rows[i].server_name;
        rig_connect(&rig, rows[i].url, server.port, "");
        CU_ASSERT_FATAL(rig_opens(&rig));
        rig_accept(&rig, &server);
        const char *heard = SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name);
        CU_ASSERT(rows[i].heard ? heard && !strcmp(heard, rows[i].heard) : !heard);
        rig_end(&rig, &server);
    }
}

/* ---- who the client is ---------------------------------------------------------------------- */

/* TLS 1.3 refuses the client once it is open for the client. */
static bool is_refused(struct rig *rig, const char *part)
{
    if (!rig_opens_at_all(rig))
        return strstr(rig->why, part);
    return rig_ends(rig) && rig->end < 0 && strstr(mqtt_net_why(rig->net), part);
}

static void the_client_proves_itself(void)
{
    static const struct rig_tls versions[] = {
        {.certificate = "good", .wants_client = true},
        {.certificate = "good", .wants_client = true, .most_version = TLS1_2_VERSION}};
    static const struct {
        const char *cert, *key, *password, *part;
    } rows[] = {
        {"client.pem", "client.key", NULL, NULL},
        {"client.pem", "client-locked.key", "geheim", NULL},
        {NULL, NULL, NULL, "client certificate"},
        {"stranger.pem", "stranger.key", NULL, "does not trust the client certificate"},
        {"expired.pem", "expired.key", NULL, "has to be renewed"},
    };
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, &versions[i % 2]);
        rig.tls.cert = rows[i / 2].cert ? rig_file(rows[i / 2].cert) : NULL;
        rig.tls.key = rows[i / 2].key ? rig_file(rows[i / 2].key) : NULL;
        rig.tls.key_password = rows[i / 2].password;
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        if (rows[i / 2].part) {
            bool so = is_refused(&rig, rows[i / 2].part);
            if (!so)
                fprintf(stderr, "%zu: %s\n", i, mqtt_net_why(rig.net));
            CU_ASSERT(so);
        } else {
            CU_ASSERT(rig_opens(&rig));
            rig_accept(&rig, &server);
            X509 *client = SSL_get1_peer_certificate(server.ssl);
            CU_ASSERT_PTR_NOT_NULL(client);
            X509_free(client);
        }
        rig_end(&rig, &server);
    }
}

static void files_that_do_not_serve_are_named(void)
{
    static const struct {
        const char *ca, *ca_path, *cert, *key, *password, *part;
    } rows[] = {
        {"none.pem", NULL, NULL, NULL, NULL, "none.pem: No such file or directory"},
        {"good.key", NULL, NULL, NULL, NULL, "cannot use the CA certificates "},
        {NULL, "none", NULL, NULL, NULL, "none: No such file or directory"},
        {"ca.pem", NULL, "none.pem", "client.key", NULL, "none.pem: No such file or directory"},
        {"ca.pem", NULL, "client.pem", "none.key", NULL, "none.key: No such file or directory"},
        {"ca.pem", NULL, "client.pem", "good.key", NULL, "good.key: key values mismatch"},
        {"ca.pem", NULL, "client.pem", "client-locked.key", NULL,
         "encrypted: set tls.key_password"},
        {"ca.pem", NULL, "client.pem", "client-locked.key", "falsch", "client-locked.key: "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        rig_begin(&rig);
        rig.tls.ca = rows[i].ca ? rig_file(rows[i].ca) : NULL;
        rig.tls.ca_path = rows[i].ca_path ? rig_file(rows[i].ca_path) : NULL;
        rig.tls.cert = rows[i].cert ? rig_file(rows[i].cert) : NULL;
        rig.tls.key = rows[i].key ? rig_file(rows[i].key) : NULL;
        rig.tls.key_password = rows[i].password;
        rig_connect(&rig, "mqtts://localhost", rig_unused_port(), "");
        CU_ASSERT(rig_fails(&rig, rows[i].part));
        CU_ASSERT_PTR_NULL(strstr(rig.why, "falsch"));
        rig_end(&rig, NULL);
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void protocols_are_offered(void)
{
    static const unsigned char offered[] = "\4mqtt\3amq";
    static const struct {
        const char *selects;
        bool forces;
        const char *part;
    } rows[] = {
        {"mqtt", false, NULL},
        {"amq", false, NULL},
        {NULL, false, NULL}, /* a server that does not know of it */
        {"http/1.1", false, "the server takes none of the protocols of tls.alpn"},
        {"http/1.1", true, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        struct rig_tls tls = {
            .certificate = "good", .alpn = rows[i].selects, .forces_alpn = rows[i].forces};
        begin(&rig, &server, &tls);
        rig.tls.alpn = offered;
        rig.tls.alpn_length = sizeof(offered) - 1;
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        if (rows[i].part)
            CU_ASSERT(rig_fails(&rig, rows[i].part));
        if (!rows[i].part)
            CU_ASSERT(rig_opens(&rig));
        rig_end(&rig, &server);
    }
}

static void a_server_without_tls_is_told(void)
{
    static const struct {
        const char *says, *part;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS on this port"},
        {"\x20\x02\x00\x00\x00\x00\x00\x00", "does not speak TLS on this port"},
        {"", "does it speak TLS on this port?"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct rig rig;
        struct rig_server server;
        unsigned char hello[1000];
        rig_begin(&rig);
        rig_listen(&server, AF_INET, 0);
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        rig_accept(&rig, &server);
        while (rig_server_read(&server, hello, sizeof(hello)) < 0)
            kit_turn(rig.host);
        size_t length = i == 1 ? 8 : strlen(rows[i].says);
        CU_ASSERT_EQUAL(write(server.fd, rows[i].says, length), (ssize_t)length);
        shutdown(server.fd, SHUT_WR);
        CU_ASSERT(rig_fails(&rig, rows[i].part));
        rig_end(&rig, &server);
    }
}

static void a_server_of_old_is_refused(void)
{
    static const struct rig_tls tls = {.certificate = "good", .most_version = TLS1_1_VERSION};
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    SSL_CTX_set_min_proto_version(server.tls, TLS1_VERSION);
    SSL_CTX_set_security_level(server.tls, 0);
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT(rig_fails(&rig, "has neither TLS 1.2 nor 1.3"));
    rig_end(&rig, &server);
}

static void an_end_is_an_end_with_or_without_notice(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    for (int notice = 0; notice < 2; notice++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, &tls);
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        CU_ASSERT_FATAL(rig_opens(&rig));
        rig_accept(&rig, &server);
        if (notice)
            SSL_shutdown(server.ssl);
        else
            shutdown(server.fd, SHUT_WR);
        CU_ASSERT(rig_ends(&rig));
        CU_ASSERT_EQUAL(rig.end, 0);
        rig_end(&rig, &server);
    }
}

static void the_server_hears_a_goodbye(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    char byte;
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    mqtt_net_close(rig.net);
    rig.net = NULL;
    CU_ASSERT_EQUAL(rig_server_read(&server, &byte, 1), 0);
    CU_ASSERT(SSL_get_shutdown(server.ssl) & SSL_RECEIVED_SHUTDOWN);
    rig_end(&rig, &server);
}

static void garbage_breaks_an_open_stream(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    struct rig rig;
    struct rig_server server;
    begin(&rig, &server, &tls);
    rig_connect(&rig, "mqtts://localhost", server.port, "");
    CU_ASSERT_FATAL(rig_opens(&rig));
    rig_accept(&rig, &server);
    char garbage[100] = "\x17\x03\x03\x00\x40"; /* a record that decrypts to nothing */
    CU_ASSERT_EQUAL(write(server.fd, garbage, sizeof(garbage)), sizeof(garbage));
    CU_ASSERT(rig_ends(&rig));
    CU_ASSERT_EQUAL(rig.end, -EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(mqtt_net_why(rig.net), "TLS with localhost:"));
    struct iovec part = {garbage, 10};
    CU_ASSERT_EQUAL(mqtt_net_write(rig.net, &part, 1), -EPROTO);
    rig_end(&rig, &server);
}

static void it_may_be_closed_at_any_time(void)
{
    static const struct rig_tls tls = {.certificate = "good"};
    for (int turns = 0; turns < 40; turns++) {
        struct rig rig;
        struct rig_server server;
        begin(&rig, &server, &tls);
        rig_connect(&rig, "mqtts://localhost", server.port, "");
        for (int turn = 0; turn < turns; turn++) {
            rig_serve(&server);
            kit_turn(rig.host);
            if (turn < 8)
                usleep(300); /* jobs take their time */
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
        {KIT_TEST(what_was_decrypted_is_read_later)},
        {KIT_TEST(an_idle_stream_takes_no_turns)},
        {KIT_TEST(the_certificate_is_checked)},
        {KIT_TEST(a_folder_of_authorities_serves_as_well)},
        {KIT_TEST(the_systems_authorities_are_the_default)},
        {KIT_TEST(the_server_hears_a_name_but_no_address)},
        {KIT_TEST(the_client_proves_itself)},
        {KIT_TEST(files_that_do_not_serve_are_named)},
        {KIT_TEST(protocols_are_offered)},
        {KIT_TEST(a_server_without_tls_is_told)},
        {KIT_TEST(a_server_of_old_is_refused)},
        {KIT_TEST(an_end_is_an_end_with_or_without_notice)},
        {KIT_TEST(the_server_hears_a_goodbye)},
        {KIT_TEST(garbage_breaks_an_open_stream)},
        {KIT_TEST(it_may_be_closed_at_any_time)},
        {0},
    };
    rig_certificates();
    return kit_main("mqtt_net_tls", tests);
}
