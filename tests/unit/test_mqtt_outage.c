/* SPDX-License-Identifier: Apache-2.0 */
/* The mqtt bridge when things go wrong: brokers that die, refuse, fall silent or never were there;
 * and with what protects a connection: TLS, passwords, access rules. */
#include "mqtt_rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <string.h>
#include <unistd.h>

#define QUICK "reconnect: {first: 50ms, most: 300ms}"

static struct rig_broker broker;
static struct rig_end in, out;

static int send_number(int number, const struct kit_sent **ret_sent)
{
    char text[16];
    struct mg_err err = {{0}, NULL};
    snprintf(text, sizeof(text), "%d", number);
    mg_event *event = kit_event("seq", text);
    int rc = kit_send(out.sink, event, "seq", true, ret_sent, &err);
    kit_host_table(rig_host)->event_unref(event);
    return rc;
}

static bool why_says(void *text)
{
    return strstr(kit_connection_why(out.connection), text) != NULL;
}

static void open_out(const char *url, const char *sink)
{
    rig_end_open(&out, "out", url, NULL, NULL, sink);
    rig_end_begin(&out, 0);
}

static void expect_why(const char *text)
{
    bool said = kit_run_until(rig_host, why_says, (void *)text, 15000);
    if (!said)
        fprintf(stderr, "status: %s\n", kit_connection_why(out.connection));
    CU_ASSERT_TRUE(said);
}

/* ---- brokers that die ----------------------------------------------------------------------- */

/* Sends 0…EVENTS-1 as a route would: what is released is sent again, with all that came behind it.
 * The broker is killed in between, some times. */
static void nothing_is_lost_when_the_broker_is_killed(void)
{
    enum { EVENTS = 3000, KILLS = 4 };
    static const struct kit_sent *sent[EVENTS];
    int next = 0, settled = 0, kills = 0;
    rig_broker_start(&broker, "allow_anonymous true\npersistence true\npersistence_location "
                              "%s/\nautosave_on_changes true\nautosave_interval 1\n");
    rig_host_open();
    open_out(rig_url(&broker, "mqtt", QUICK ", max_inflight: 50"), "{qos: 1}");
    rig_end_up(&out);
    time_t end = time(NULL) + 60;
    while (settled < EVENTS && time(NULL) < end) {
        if (kills < KILLS && next > (kills + 1) * EVENTS / (KILLS + 1)) {
            kills++;
            rig_broker_kill(&broker);
            rig_broker_again(&broker);
        }
        if (next < EVENTS && !send_number(next, &sent[next]))
            next++;
        else
            usleep(500);
        kit_turn(rig_host);
        while (settled < next && sent[settled]->outcome == MG_ACCEPTED)
            settled++;
        if (settled < next && sent[settled]->outcome == MG_RELEASED) {
            /* released in order: behind the first, nothing is under way any more */
            for (int i = settled; i < next; i++)
                CU_ASSERT_NOT_EQUAL(sent[i]->outcome, 0);
            next = settled;
        }
    }
    CU_ASSERT_EQUAL(settled, EVENTS);
    CU_ASSERT_EQUAL(kills, KILLS);
    CU_ASSERT_TRUE(kit_status_changes(out.connection) >= 2 * KILLS + 1);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void a_release_follows_the_order_of_sending(void)
{
    enum { EVENTS = 40 };
    static const struct kit_sent *sent[EVENTS];
    int port;
    char url[128];
    pid_t fake = rig_fake_start(RIG_DEAF, &port);
    snprintf(url, sizeof(url), "{url: \"mqtt://127.0.0.1:%d\", confirm_timeout: 500ms, " QUICK "}",
             port);
    rig_host_open();
    open_out(url, "{qos: 1}");
    rig_end_up(&out);
    for (int i = 0; i < EVENTS; i++)
        CU_ASSERT_EQUAL_FATAL(send_number(i, &sent[i]), 0);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    for (int i = 0; i < EVENTS; i++) {
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_RELEASED);
        CU_ASSERT_PTR_NOT_NULL(strstr(sent[i]->reason, "not confirmed in time"));
    }
    rig_end_up(&out); /* and there is a new connection */
    rig_end_close(&out);
    rig_host_close();
    rig_fake_stop(fake);
}

static void a_broker_that_is_away_at_the_start_is_waited_for(void)
{
    const struct kit_sent *sent;
    rig_broker_start(&broker, NULL);
    rig_broker_kill(&broker);
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", QUICK), "seq", "{}", NULL);
    rig_end_begin(&in, 100);
    open_out(rig_url(&broker, "mqtt", QUICK), "{}");
    expect_why("cannot connect");
    CU_ASSERT_EQUAL(send_number(1, &sent), -EAGAIN);
    rig_broker_again(&broker);
    rig_end_up(&in);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_is_sendable, out.sink, 10000));
    CU_ASSERT_EQUAL(send_number(2, &sent), 0);
    CU_ASSERT_TRUE(rig_wait_ingested(1, 5000));
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void the_next_url_is_tried(void)
{
    char url[160];
    rig_broker_start(&broker, NULL);
    rig_host_open();
    snprintf(url, sizeof(url),
             "{url: [\"mqtt://127.0.0.1:%d\", \"mqtt://127.0.0.1:%d\"], " QUICK "}",
             rig_free_port(), broker.port);
    open_out(url, "{}");
    rig_end_up(&out);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void a_kept_session_brings_what_came_meanwhile(void)
{
    rig_broker_start(&broker, NULL);
    rig_host_open();
    const char *kept =
        rig_url(&broker, "mqtt", "clean_start: false, session_expiry: 60s, client_id: keeper");
    rig_end_open(&in, "in", kept, "seq", "{}", NULL);
    rig_end_begin(&in, 100);
    rig_end_up(&in);
    rig_end_close(&in);
    open_out(rig_url(&broker, "mqtt", NULL), "{}");
    rig_end_up(&out);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL(send_number(1, &sent), 0);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    rig_end_open(
        &in, "in",
        rig_url(&broker, "mqtt", "clean_start: false, session_expiry: 60s, client_id: keeper"),
        "seq", "{}", NULL);
    rig_end_begin(&in, 100);
    CU_ASSERT_TRUE(rig_wait_ingested(1, 5000));
    CU_ASSERT_TRUE(kit_logged(rig_host, MG_INFO, "earlier session"));
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

/* ---- servers that misbehave ----------------------------------------------------------------- */

static void with_fake(enum rig_fake mode, const char *more, const char *why)
{
    int port;
    char url[256];
    pid_t fake = rig_fake_start(mode, &port);
    snprintf(url, sizeof(url), "{url: \"mqtt://127.0.0.1:%d\", %s%s" QUICK "}", port, more,
             *more ? ", " : "");
    rig_host_open();
    open_out(url, "{}");
    expect_why(why);
    rig_end_close(&out);
    rig_host_close();
    rig_fake_stop(fake);
}

static void a_server_that_never_answers_is_given_up(void)
{
    with_fake(RIG_SILENT, "connect_timeout: 300ms", "no answer to CONNECT");
}

static void a_server_that_ends_the_connection_is_quoted(void)
{
    with_fake(RIG_MOVED, "redirects: refuse", "names other:1883");
    with_fake(RIG_NOT_HERE, "", "server moved");
}

static void reason_codes_become_outcomes(void)
{
    static const uint32_t outcomes[] = {MG_RELEASED, MG_REJECTED, MG_ACCEPTED, MG_ACCEPTED};
    const struct kit_sent *sent[4];
    int port;
    char url[128];
    pid_t fake = rig_fake_start(RIG_PICKY, &port);
    snprintf(url, sizeof(url), "{url: \"mqtt://127.0.0.1:%d\"}", port);
    rig_host_open();
    open_out(url, "{}");
    rig_end_up(&out);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(send_number(i, &sent[i]), 0);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(sent[i]->outcome, outcomes[i]);
    CU_ASSERT_PTR_NOT_NULL(strstr(sent[0]->reason, "quota"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent[1]->reason, "payload format"));
    rig_end_close(&out);
    rig_host_close();
    rig_fake_stop(fake);
}

static void what_the_server_grants_is_kept_to(void)
{
    int port;
    char url[128], longer[200];
    struct mg_err err = {{0}, NULL};
    const struct kit_sent *sent;
    pid_t fake = rig_fake_start(RIG_NARROW, &port);
    snprintf(url, sizeof(url), "{url: \"mqtt://127.0.0.1:%d\"}", port);
    rig_host_open();
    open_out(url, "{qos: 2}");
    rig_end_up(&out);
    CU_ASSERT_EQUAL_FATAL(send_number(1, &sent), 0); /* as QoS 1, which that server acknowledges */
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_is_settled, (void *)sent, 5000));
    CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
    memset(longer, 'x', sizeof(longer));
    longer[199] = 0;
    mg_event *event = kit_event("t", longer);
    CU_ASSERT_EQUAL(kit_send(out.sink, event, "t", true, NULL, &err), -EMSGSIZE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "at most 100"));
    kit_host_table(rig_host)->event_unref(event);
    struct mg_message message = kit_message("t", "x");
    message.head.present = MG_HAS_RETAIN;
    message.head.retain = true;
    event = kit_host_table(rig_host)->event_new(&message);
    CU_ASSERT_EQUAL(kit_send(out.sink, event, "t", true, NULL, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "retain"));
    kit_host_table(rig_host)->event_unref(event);
    rig_end_close(&out);
    rig_host_close();
    rig_fake_stop(fake);
}

/* ---- protection ----------------------------------------------------------------------------- */

static void passwords_and_access_rules_are_heard(void)
{
    const struct kit_sent *sent;
    struct rig_broker setup = {.folder = "/tmp"};
    rig_broker_start(&broker, NULL);
    rig_broker_kill(&broker);
    setup = broker;
    CU_ASSERT_EQUAL(rig_shell(&setup,
                              "mosquitto_passwd -b -c pw bob secret && printf 'user bob\\ntopic "
                              "write seq\\ntopic readwrite ok\\n' > acl && "
                              "printf 'user root\\nlistener %d 127.0.0.1\\nallow_anonymous "
                              "false\\npassword_file %s/pw\\nacl_file %s/acl\\n' > mosquitto.conf",
                              broker.port, broker.folder, broker.folder),
                    0);
    rig_broker_again(&broker);
    static const char *const versions[] = {"5", "3.1.1"};
    for (size_t i = 0; i < 2; i++) {
        char more[160];
        rig_host_open();
        snprintf(more, sizeof(more), "version: %s, user: bob, password: wrong, " QUICK,
                 versions[i]);
        open_out(rig_url(&broker, "mqtt", more), "{}");
        expect_why("not authorized");
        CU_ASSERT_FALSE(kit_logged(rig_host, MG_DEBUG, "wrong"));
        rig_end_close(&out);
        snprintf(more, sizeof(more), "version: %s, user: bob, password: secret, " QUICK,
                 versions[i]);
        open_out(rig_url(&broker, "mqtt", more), "{}");
        rig_end_up(&out);
        CU_ASSERT_EQUAL(send_number(1, &sent), 0);
        CU_ASSERT_TRUE(kit_run_until(rig_host, kit_is_settled, (void *)sent, 5000));
        CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
        if (!i) { /* 3.1.1 cannot say it */
            struct mg_err err;
            mg_event *event = kit_event("forbidden", "x");
            CU_ASSERT_EQUAL(kit_send(out.sink, event, "forbidden", true, &sent, &err), 0);
            CU_ASSERT_TRUE(kit_run_until(rig_host, kit_is_settled, (void *)sent, 5000));
            CU_ASSERT_EQUAL(sent->outcome, MG_REJECTED);
            CU_ASSERT_PTR_NOT_NULL(strstr(sent->reason, "not authorized"));
            kit_host_table(rig_host)->event_unref(event);
        }
        rig_end_close(&out);
        rig_host_close();
    }
    rig_broker_stop(&broker);
}

static void make_certificates(void)
{
    CU_ASSERT_EQUAL_FATAL(
        rig_shell(&broker,
                  "(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                  "-subj /CN=ca -keyout ca.key -out ca.pem && "
                  "for n in server client; do openssl req -newkey ec -pkeyopt "
                  "ec_paramgen_curve:P-256 -nodes -subj /CN=$n -keyout $n.key -out $n.csr && "
                  "printf 'subjectAltName=IP:127.0.0.1' > $n.ext && "
                  "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
                  "-extfile $n.ext -out $n.pem; done && "
                  "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                  "-subj /CN=other -keyout other.key -out other.pem) >openssl.log 2>&1"),
        0);
}

static void over_tls(bool mutual, const char *more, bool expected, const char *why)
{
    char text[1024];
    snprintf(text, sizeof(text), QUICK ", tls: {ca: %s/%s%s%s%s%s%s%s}", broker.folder, more,
             mutual ? ", cert: " : "", mutual ? broker.folder : "",
             mutual ? "/client.pem, key: " : "", mutual ? broker.folder : "",
             mutual ? "/client.key" : "", "");
    rig_host_open();
    open_out(rig_url(&broker, "mqtts", text), "{}");
    if (expected) {
        const struct kit_sent *sent;
        rig_end_up(&out);
        CU_ASSERT_EQUAL(send_number(1, &sent), 0);
        CU_ASSERT_TRUE(kit_run_until(rig_host, kit_is_settled, (void *)sent, 5000));
        CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
    } else {
        expect_why(why);
        CU_ASSERT_FALSE(kit_connection_up(out.connection));
    }
    rig_end_close(&out);
    rig_host_close();
}

static void tls_and_client_certificates_are_checked(void)
{
    rig_broker_start(&broker, NULL);
    rig_broker_kill(&broker);
    make_certificates();
    CU_ASSERT_EQUAL(rig_shell(&broker,
                              "printf 'user root\\nlistener %d 127.0.0.1\\nallow_anonymous "
                              "true\\ncafile %s/ca.pem\\ncertfile %s/server.pem\\n"
                              "keyfile %s/server.key\\n' > mosquitto.conf",
                              broker.port, broker.folder, broker.folder, broker.folder),
                    0);
    rig_broker_again(&broker);
    over_tls(false, "ca.pem", true, NULL);
    over_tls(false, "other.pem", false, "certificate");
    rig_broker_kill(&broker);
    CU_ASSERT_EQUAL(rig_shell(&broker, "echo require_certificate true >> mosquitto.conf"), 0);
    rig_broker_again(&broker);
    over_tls(true, "ca.pem", true, NULL);
    over_tls(false, "ca.pem", false, "");
    rig_broker_stop(&broker);
}

static void websockets_work(void)
{
    const struct kit_sent *sent;
    rig_broker_start(&broker, "allow_anonymous true\nlistener %p 127.0.0.1\nprotocol websockets\n");
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "ws", NULL), "seq", "{}", NULL);
    rig_end_begin(&in, 100);
    open_out(rig_url(&broker, "ws", NULL), "{}");
    rig_end_up(&in);
    rig_end_up(&out);
    CU_ASSERT_EQUAL(send_number(7, &sent), 0);
    CU_ASSERT_TRUE(rig_wait_ingested(1, 5000));
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void settings_that_cannot_work_are_refused(void)
{
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        {"{url: http://x}", "begins with none of"},
        {"{url: \"mqtt://:1883\"}", "has no host"},
        {"{url: \"mqtt://bob@x\"}", "carries no user"},
        {"{url: \"mqtt://x\", tls: {ca: /x}}", "would not be used"},
        {"{url: \"mqtts://x\", tls: {cert: /x}}", "go together"},
        {"{url: \"mqtt://x\", clean_start: false}", "session_expiry"},
        {"{url: \"mqtt://x\", version: 3.1.1, session_expiry: 5s}", "needs version: 5"},
        {"{url: \"mqtt://x\", version: 3.1.1, password: p}", "without a user"},
        {"{url: \"mqtt://x\", will: {topic: \"a/#\"}}", "wildcard"},
        {"{url: \"mqtt://x\", will: {payload: x}}", "no topic"},
        {"{url: \"mqtt://x\", reconnect: {first: 5s, most: 1s}}", "less than"},
    };
    const struct mg_module *module = mg_module(NULL);
    rig_host_open();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mg_err err = {{0}, NULL};
        const void *settings =
            kit_settings(rig_host, module->options, module->settings_size, cases[i].yaml);
        if (!settings)
            fprintf(stderr, "%s: %s\n", cases[i].yaml, kit_settings_error());
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        CU_ASSERT_EQUAL(module->check(settings, &err), -EINVAL);
        if (!strstr(err.text, cases[i].words))
            fprintf(stderr, "%s: %s\n", cases[i].yaml, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].words));
        CU_ASSERT_PTR_NOT_NULL(err.option);
    }
    rig_host_close();
}

int main(int argc, char **argv)
{
    rig_choose(argc, argv);
    static const struct kit_test tests[] = {
        {"settings that cannot work are refused", settings_that_cannot_work_are_refused},
        {"nothing is lost when the broker is killed", nothing_is_lost_when_the_broker_is_killed},
        {"a release follows the order of sending", a_release_follows_the_order_of_sending},
        {"a broker that is away at the start is waited for",
         a_broker_that_is_away_at_the_start_is_waited_for},
        {"the next url is tried", the_next_url_is_tried},
        {"a kept session brings what came meanwhile", a_kept_session_brings_what_came_meanwhile},
        {"a server that never answers is given up", a_server_that_never_answers_is_given_up},
        {"a server that ends the connection is quoted",
         a_server_that_ends_the_connection_is_quoted},
        {"reason codes become outcomes", reason_codes_become_outcomes},
        {"what the server grants is kept to", what_the_server_grants_is_kept_to},
        {"passwords and access rules are heard", passwords_and_access_rules_are_heard},
        {"TLS and client certificates are checked", tls_and_client_certificates_are_checked},
        {"WebSockets work", websockets_work},
        {NULL, NULL},
    };
    return kit_main(rig_native ? "mqtt-outage-native" : "mqtt-outage-paho", tests);
}
