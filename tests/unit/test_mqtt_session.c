/* SPDX-License-Identifier: Apache-2.0 */
/* The native MQTT client's session, against a server played packet by packet. */
#include "mqtt_player.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A session that is up, with nothing told or sent left over. */
static struct player *up(bool v5, struct mqtt_client_options options)
{
    struct player *p = calloc(1, sizeof(*p));
    p->options = options;
    player_open(p, v5);
    player_connect(p, false);
    CU_ASSERT_EQUAL(p->session.state, SESSION_UP);
    player_lose(p); /* the kept session is there from now on */
    player_connect(p, mqtt_session_kept(&p->session));
    player_clear(p);
    return p;
}

static struct player *fresh(bool v5, struct mqtt_client_options options)
{
    struct player *p = calloc(1, sizeof(*p));
    p->options = options;
    player_open(p, v5);
    player_connect(p, false);
    CU_ASSERT_EQUAL(p->session.state, SESSION_UP);
    player_clear(p);
    return p;
}

static void done(struct player *p)
{
    player_close(p);
    free(p);
}

static const struct mqtt_client_options keeping = {.session_expiry_s = 60};
static const struct mqtt_client_options plain = {.clean_start = true};

/* ---- connecting ----------------------------------------------------------------------------- */

static void a_clean_start_is_asked_for_once_where_the_session_is_kept(void)
{
    struct player p = {.options = {.clean_start = true, .session_expiry_s = 60}};
    player_open(&p, true);
    player_connect(&p, false);
    CU_ASSERT(player_sent(&p, "CONNECT clean"));
    player_lose(&p);
    player_connect(&p, true);
    CU_ASSERT(player_sent(&p, "CONNECT"));
    CU_ASSERT(player_told(&p, "connected; connected again"));
    player_close(&p);
}

static void a_session_that_was_to_begin_anew_must_not_be_an_old_one(void)
{
    struct player p = {.options = plain};
    player_open(&p, true);
    player_connect(&p, true);
    CU_ASSERT_EQUAL(p.result, -EPROTO);
    CU_ASSERT_EQUAL(p.session.end_reason, 0x82);
    CU_ASSERT(player_told(&p, ""));
    player_close(&p);
}

static void a_refusal_says_why_and_where_else(void)
{
    struct player p = {.options = plain};
    struct mqtt_packet connack = {
        .type = MQTT_CONNACK,
        .reason = 0x9c,
        .properties = {.has =
                           MQTT_HAS(MQTT_PROP_REASON_STRING) | MQTT_HAS(MQTT_PROP_SERVER_REFERENCE),
                       .reason_string = {"maintenance", 11},
                       .server_reference = {"other:1884", 10}},
    };
    player_open(&p, true);
    mqtt_session_begin(&p.session);
    player_server(&p, &connack, 1);
    CU_ASSERT_EQUAL(p.result, -ECONNREFUSED);
    CU_ASSERT_EQUAL(p.session.end_reason, 0x9c);
    CU_ASSERT_STRING_EQUAL(p.session.end_reference, "other:1884");
    CU_ASSERT_PTR_NOT_NULL(strstr(p.session.end_why, "maintenance"));
    CU_ASSERT(!p.session.connected);
    player_close(&p);
}

static void a_return_code_of_3_1_1_is_said_in_words(void)
{
    struct player p = {.options = plain};
    player_open(&p, false);
    mqtt_session_begin(&p.session);
    player_bytes(&p, "\x20\x02\x00\x05", 4);
    CU_ASSERT_EQUAL(p.result, -ECONNREFUSED);
    CU_ASSERT_EQUAL(p.session.end_reason, 0x87);
    player_close(&p);
}

static void a_disconnect_of_the_server_says_why(void)
{
    struct player *p = fresh(true, plain);
    player_answer(p, MQTT_DISCONNECT, 0, 0x8b);
    CU_ASSERT_EQUAL(p->result, -ECONNRESET);
    CU_ASSERT_EQUAL(p->session.end_reason, 0x8b);
    CU_ASSERT_PTR_NOT_NULL(strstr(p->session.end_why, "the server disconnects"));
    done(p);
}

static void packets_come_in_any_pieces(void)
{
    struct player *p = fresh(true, plain);
    struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                 .id = 7,
                                 .publish = {.topic = {"a/b", 3}, .payload = {"x", 1}, .qos = 1}};
    for (size_t step = 1; step < 9; step++) {
        char told[32];
        player_server(p, &packet, step);
        snprintf(told, sizeof(told), "message a/b #%zu", step);
        CU_ASSERT(player_told(p, told));
        CU_ASSERT(player_sent(p, "PUBACK 7"));
    }
    done(p);
}

static void what_is_malformed_ends_the_connection_with_its_reason(void)
{
    struct player *p = fresh(true, plain);
    player_bytes(p, "\x36\x05\x00\x01t\x00\x01", 7); /* PUBLISH of QoS 3 */
    CU_ASSERT_EQUAL(p->result, -EPROTO);
    CU_ASSERT_EQUAL(p->session.end_reason, 0x81);
    CU_ASSERT(player_sent(p, "DISCONNECT 0x81"));
    player_message(p, "late", 0, 0, false);
    CU_ASSERT(player_told(p, ""));
    done(p);
}

/* ---- enhanced authentication ---------------------------------------------------------------- */

static int answer(void *arg, struct mg_bytes challenge, struct mg_bytes *ret, struct mg_err *err)
{
    (void)arg;
    if (challenge.at && (challenge.len != 2 || memcmp(challenge.at, "c1", 2))) {
        snprintf(err->text, sizeof(err->text), "a strange challenge");
        return -EACCES;
    }
    *ret = challenge.at ? (struct mg_bytes){"r2", 2} : (struct mg_bytes){"r1", 2};
    return 0;
}

static int accepted(void *arg, struct mg_bytes last, struct mg_err *err)
{
    (void)arg;
    bool good = last.len == 2 && !memcmp(last.at, "ok", 2);
    if (!good)
        snprintf(err->text, sizeof(err->text), "the server did not prove itself");
    return good ? 0 : -EACCES;
}

static const struct mqtt_auth auth = {.method = "M", .answer = answer, .accepted = accepted};

static void authenticate(struct player *p, const char *challenge, const char *last)
{
    uint64_t both = MQTT_HAS(MQTT_PROP_AUTH_METHOD) | MQTT_HAS(MQTT_PROP_AUTH_DATA);
    struct mqtt_packet step = {.type = MQTT_AUTH, .reason = 0x18};
    struct mqtt_packet connack = {.type = MQTT_CONNACK};
    step.properties = (struct mqtt_properties){
        .has = both, .auth_method = {"M", 1}, .auth_data = {challenge, strlen(challenge)}};
    connack.properties = (struct mqtt_properties){
        .has = both, .auth_method = {"M", 1}, .auth_data = {last, strlen(last)}};
    p->options.clean_start = true;
    p->options.auth = &auth;
    player_open(p, true);
    mqtt_session_begin(&p->session);
    player_server(p, &step, 0);
    if (!p->result)
        player_server(p, &connack, 0);
}

static void challenges_are_answered_until_both_sides_are_content(void)
{
    struct player p = {0}, stranger = {0}, liar = {0};
    authenticate(&p, "c1", "ok");
    CU_ASSERT(player_sent(&p, "CONNECT clean; AUTH 0x18"));
    CU_ASSERT(player_told(&p, "connected"));
    authenticate(&stranger, "??", "ok");
    CU_ASSERT_EQUAL(stranger.result, -EACCES);
    CU_ASSERT_PTR_NOT_NULL(strstr(stranger.session.end_why, "a strange challenge"));
    authenticate(&liar, "c1", "no");
    CU_ASSERT_EQUAL(liar.result, -EACCES);
    CU_ASSERT(player_told(&liar, ""));
    player_close(&p);
    player_close(&stranger);
    player_close(&liar);
}

static void auth_that_nobody_asked_for_is_an_error(void)
{
    struct player *p = fresh(true, plain);
    struct mqtt_packet packet = {
        .type = MQTT_AUTH,
        .reason = 0x18,
        .properties = {.has = MQTT_HAS(MQTT_PROP_AUTH_METHOD), .auth_method = {"M", 1}}};
    player_server(p, &packet, 0);
    CU_ASSERT_EQUAL(p->session.end_reason, 0x82);
    done(p);
}

/* ---- acknowledging -------------------------------------------------------------------------- */

static void acknowledgements_keep_the_order_of_arrival(void)
{
    struct player *p = fresh(true, plain);
    p->keep_holds = true;
    player_message(p, "a", 1, 11, false);
    player_message(p, "b", 1, 12, false);
    player_message(p, "c", 1, 13, false);
    CU_ASSERT(player_told(p, "message a #1; message b #2; message c #3"));
    mqtt_session_settle(&p->session, 3, MG_ACCEPTED);
    mqtt_session_settle(&p->session, 2, MG_REJECTED);
    CU_ASSERT(player_sent(p, ""));
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, "PUBACK 11; PUBACK 12 0x83; PUBACK 13"));
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED); /* late and double: nothing */
    CU_ASSERT(player_sent(p, ""));
    done(p);
}

static void what_is_to_come_again_is_not_acknowledged(void)
{
    struct player *p = fresh(true, plain);
    p->keep_holds = true;
    player_message(p, "a", 1, 11, false);
    player_message(p, "b", 1, 12, false);
    mqtt_session_settle(&p->session, 1, MG_RELEASED);
    mqtt_session_settle(&p->session, 2, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, ""));
    done(p);
}

static void the_worst_of_several_holders_counts(void)
{
    struct player *p = fresh(true, plain);
    p->keep_holds = true;
    player_message(p, "a", 1, 11, false);
    CU_ASSERT(player_sent(p, ""));
    mqtt_session_hold(&p->session, 1);
    mqtt_session_settle(&p->session, 1, MG_REJECTED);
    CU_ASSERT(player_sent(p, ""));
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, "PUBACK 11 0x83"));
    done(p);
}

static void mqtt_3_1_1_acknowledges_a_rejection_without_a_reason(void)
{
    struct player *p = fresh(false, plain);
    p->keep_holds = true;
    player_message(p, "a", 1, 11, false);
    mqtt_session_settle(&p->session, 1, MG_REJECTED);
    CU_ASSERT(player_sent(p, "PUBACK 11"));
    done(p);
}

static void a_message_that_was_not_taken_is_offered_again_with_its_receipt(void)
{
    struct player *p = fresh(true, plain);
    static const char two[] = "\x32\x07\x00\x01t\x00\x05\x00x\x32\x07\x00\x01u\x00\x06\x00x";
    p->refuse = 2;
    CU_ASSERT_EQUAL(mqtt_session_input(&p->session, (const uint8_t *)two, 18), 0);
    CU_ASSERT(p->session.stalled);
    CU_ASSERT_EQUAL(mqtt_session_input(&p->session, (const uint8_t *)two, 18), 0);
    CU_ASSERT_EQUAL(mqtt_session_input(&p->session, (const uint8_t *)two, 18), 18);
    CU_ASSERT(player_told(p, "offered t #1; offered t #1; message t #1; message u #2"));
    CU_ASSERT(player_sent(p, "PUBACK 5; PUBACK 6"));
    done(p);
}

static void more_than_the_receive_maximum_is_borne_with(void)
{
    struct player *p =
        fresh(true, (struct mqtt_client_options){.clean_start = true, .receive_maximum = 2});
    p->keep_holds = true;
    for (uint16_t id = 1; id <= 100; id++)
        player_message(p, "a", 1, id, false);
    CU_ASSERT_EQUAL(p->result, 0);
    CU_ASSERT_EQUAL(p->session.receipt_next - p->session.receipt_first, 100);
    done(p);
}

static void a_packet_over_the_limit_is_refused_before_it_came(void)
{
    struct player *p =
        fresh(true, (struct mqtt_client_options){.clean_start = true, .max_packet = 100});
    player_bytes(p, "\x30\x63", 2); /* 101 bytes */
    CU_ASSERT_EQUAL(p->session.end_reason, 0x95);
    CU_ASSERT(player_sent(p, "DISCONNECT 0x95"));
    done(p);
}

static void thousands_of_messages_can_be_in_hand(void)
{
    struct player *p = fresh(false, plain);
    p->keep_holds = true;
    for (uint32_t i = 1; i <= 65535; i++) {
        player_message(p, "t", 1, (uint16_t)i, false);
        p->events[0] = '\0';
    }
    CU_ASSERT_EQUAL(p->result, 0);
    player_message(p, "t", 1, 1, false);
    CU_ASSERT_EQUAL(p->session.end_reason, 0x93);
    done(p);
}

/* ---- QoS 2 in ------------------------------------------------------------------------------- */

static void qos_2_comes_exactly_once(void)
{
    struct player *p = fresh(true, plain);
    p->keep_holds = true;
    player_message(p, "a", 2, 5, false);
    player_message(p, "b", 1, 6, false);
    mqtt_session_settle(&p->session, 2, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, ""));
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, "PUBREC 5; PUBACK 6"));
    player_message(p, "a", 2, 5, true);
    CU_ASSERT(player_sent(p, "PUBREC 5"));
    CU_ASSERT(player_told(p, "message a #1; message b #2"));
    player_answer(p, MQTT_PUBREL, 5, 0);
    player_answer(p, MQTT_PUBREL, 5, 0);
    CU_ASSERT(player_sent(p, "PUBCOMP 5; PUBCOMP 5 0x92"));
    player_message(p, "a", 2, 5, false); /* the identifier is free again */
    CU_ASSERT(player_told(p, "message a #4"));
    done(p);
}

static void a_rejected_qos_2_message_ends_its_exchange(void)
{
    struct player *p = fresh(true, plain);
    p->keep_holds = true;
    player_message(p, "a", 2, 5, false);
    mqtt_session_settle(&p->session, 1, MG_REJECTED);
    CU_ASSERT(player_sent(p, "PUBREC 5 0x83"));
    player_message(p, "b", 2, 5, false);
    CU_ASSERT(player_told(p, "message a #1; message b #2"));
    done(p);
}

static void qos_2_in_hand_at_a_loss_is_not_delivered_twice(void)
{
    struct player *p = up(true, keeping);
    p->keep_holds = true;
    player_message(p, "early", 2, 5, false); /* settled while the connection is away */
    player_message(p, "late", 2, 6, false);  /* settled after it is back */
    player_message(p, "given", 2, 7, false); /* given back while it is away */
    player_message(p, "done", 2, 8, false);
    player_message(p, "other", 2, 9, false);
    player_lose(p);
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED);
    mqtt_session_settle(&p->session, 3, MG_RELEASED);
    player_clear(p);
    player_connect(p, true);
    CU_ASSERT(player_sent(p, "CONNECT"));
    player_message(p, "early", 2, 5, true);
    player_message(p, "late", 2, 6, true);
    player_message(p, "given", 2, 7, true);
    player_message(p, "another", 2, 9, false); /* the identifier, used for something else */
    CU_ASSERT(player_told(p, "connected again; message given #8 dup; message another #9"));
    CU_ASSERT(player_sent(p, "PUBREC 5"));
    mqtt_session_settle(&p->session, 8, MG_ACCEPTED);
    mqtt_session_settle(&p->session, 2, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, "PUBREC 6; PUBREC 7"));
    done(p);
}

static void between_pubrec_and_pubrel_the_identifier_is_remembered(void)
{
    struct player *p = up(true, keeping);
    player_message(p, "a", 2, 5, false);
    player_lose(p); /* PUBREC never arrived */
    player_clear(p);
    player_connect(p, true);
    player_message(p, "a", 2, 5, true);
    CU_ASSERT(player_told(p, "connected again"));
    CU_ASSERT(player_sent(p, "CONNECT; PUBREC 5"));
    player_lose(p);
    p->events[0] = '\0';
    player_connect(p, false); /* the server has forgotten it: a new message */
    player_message(p, "a", 2, 5, false);
    CU_ASSERT(player_told(p, "connected; message a #3"));
    done(p);
}

static void qos_1_in_hand_at_a_loss_comes_again(void)
{
    struct player *p = up(true, keeping);
    p->keep_holds = true;
    player_message(p, "a", 1, 5, false);
    player_lose(p);
    player_connect(p, true);
    mqtt_session_settle(&p->session, 1, MG_ACCEPTED); /* means the connection before */
    player_clear(p);
    player_message(p, "a", 1, 5, true);
    CU_ASSERT(player_told(p, "message a #2 dup"));
    player_clear(p);
    mqtt_session_settle(&p->session, 2, MG_ACCEPTED);
    CU_ASSERT(player_sent(p, "PUBACK 5"));
    done(p);
}

/* ---- topic aliases -------------------------------------------------------------------------- */

static void server_alias(struct player *p, const char *topic, uint16_t alias)
{
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .topic_alias = alias,
        .publish = {.topic = {topic, strlen(topic)}, .payload = {"x", 1}},
    };
    player_server(p, &packet, 0);
}

static void aliases_of_the_server_are_resolved(void)
{
    struct mqtt_client_options options = {.session_expiry_s = 60, .topic_aliases = 2};
    struct player *p = up(true, options);
    server_alias(p, "one", 1);
    server_alias(p, "two", 2);
    server_alias(p, "", 1);
    server_alias(p, "three", 1);
    server_alias(p, "", 1);
    CU_ASSERT(player_told(
        p, "message one #0; message two #0; message one #0; message three #0; message three #0"));
    player_lose(p);
    player_connect(p, true);
    server_alias(p, "", 1); /* aliases end with their connection */
    CU_ASSERT_EQUAL(p->session.end_reason, 0x82);
    player_lose(p);
    player_connect(p, true);
    server_alias(p, "over", 3);
    CU_ASSERT_EQUAL(p->session.end_reason, 0x94);
    done(p);
}

static void connect_with_aliases(struct player *p, uint16_t most)
{
    struct mqtt_packet connack = {
        .type = MQTT_CONNACK,
        .session_present = true,
        .properties = {.has = MQTT_HAS(MQTT_PROP_TOPIC_ALIAS_MAXIMUM), .topic_alias_maximum = most},
    };
    mqtt_session_begin(&p->session);
    player_server(p, &connack, 0);
}

static void topics_are_replaced_by_aliases_and_put_back_for_a_repetition(void)
{
    struct mqtt_client_options options = {.session_expiry_s = 60, .topic_aliases = 1};
    struct player *p = up(true, options);
    player_lose(p);
    connect_with_aliases(p, 1);
    player_clear(p);
    player_clear(p);
    player_publish(p, "a/long/topic", 1, 0);
    player_publish(p, "a/long/topic", 1, 1);
    player_publish(p, "another/topic", 1, 2);
    player_publish(p, "short", 1, 3);
    CU_ASSERT(player_sent(p, "PUBLISH a/long/topic q1 1 a1; PUBLISH  q1 2 a1; "
                             "PUBLISH another/topic q1 3; PUBLISH short q1 4"));
    for (int i = 0; i < 300; i++) /* the alias is stale, but packet 2 still needs it */
        player_publish(p, "another/topic", 0, MQTT_NO_ID);
    player_lose(p);
    player_clear(p);
    connect_with_aliases(p, 1);
    CU_ASSERT(player_sent(p, "CONNECT; PUBLISH a/long/topic q1 1 dup; PUBLISH a/long/topic q1 2 "
                             "dup; PUBLISH another/topic q1 3 dup; PUBLISH short q1 4 dup"));
    player_publish(p, "a/long/topic", 0, MQTT_NO_ID);
    CU_ASSERT(player_sent(p, "PUBLISH a/long/topic q0 a1"));
    done(p);
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void confirmations_end_a_publish(void)
{
    struct player *p = fresh(true, plain);
    player_publish(p, "a", 0, MQTT_NO_ID);
    player_publish(p, "b", 1, 0);
    player_publish(p, "c", 1, 1);
    player_publish(p, "d", 2, 2);
    CU_ASSERT(player_sent(p, "PUBLISH a q0; PUBLISH b q1 1; PUBLISH c q1 2; PUBLISH d q2 3"));
    player_answer(p, MQTT_PUBACK, 2, 0x97);
    player_answer(p, MQTT_PUBACK, 1, 0);
    player_answer(p, MQTT_PUBACK, 1, 0); /* unknown by now */
    player_answer(p, MQTT_PUBREC, 3, 0);
    CU_ASSERT(player_told(p, "confirmed 1 0x97; confirmed 0"));
    player_answer(p, MQTT_PUBREC, 3, 0); /* PUBREL is on its way */
    CU_ASSERT(player_sent(p, "PUBREL 3"));
    player_answer(p, MQTT_PUBCOMP, 3, 0);
    CU_ASSERT(player_told(p, "confirmed 2"));
    player_answer(p, MQTT_PUBREC, 3, 0); /* unknown by now */
    player_answer(p, MQTT_PUBREC, 3, 0);
    CU_ASSERT(player_sent(p, "PUBREL 3 0x92"));
    /* Else its PUBCOMP would be taken for that of the next message. */
    CU_ASSERT_EQUAL(player_publish(p, "e", 2, 2), -EAGAIN);
    player_answer(p, MQTT_PUBCOMP, 3, 0x92);
    CU_ASSERT(mqtt_session_has_room(&p->session));
    CU_ASSERT_EQUAL(p->session.outbox.held, 0);
    done(p);
}

/* Also where the client itself sends nothing at QoS 2. */
static void an_unknown_pubrec_holds_nothing_up_for_ever(void)
{
    struct player *p = up(true, keeping);
    player_answer(p, MQTT_PUBREC, 3, 0);
    CU_ASSERT(player_sent(p, "PUBREL 3 0x92"));
    CU_ASSERT_FALSE(mqtt_session_has_room(&p->session));
    player_lose(p);
    player_connect(p, true);
    CU_ASSERT(player_sent(p, "CONNECT; PUBREL 3"));
    player_answer(p, MQTT_PUBCOMP, 3, 0x92);
    CU_ASSERT(mqtt_session_has_room(&p->session));
    done(p);
}

static void a_refused_qos_2_publish_ends_at_pubrec(void)
{
    struct player *p = fresh(true, plain);
    player_publish(p, "a", 2, 0);
    player_clear(p);
    player_answer(p, MQTT_PUBREC, 1, 0x99);
    CU_ASSERT(player_told(p, "confirmed 0 0x99"));
    CU_ASSERT(player_sent(p, ""));
    done(p);
}

static void an_answer_of_the_wrong_kind_is_an_error(void)
{
    static const struct {
        uint8_t qos;
        enum mqtt_type type;
    } cases[] = {{1, MQTT_PUBREC}, {1, MQTT_PUBCOMP}, {2, MQTT_PUBACK}, {2, MQTT_PUBCOMP}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct player *p = fresh(true, plain);
        player_publish(p, "a", cases[i].qos, 0);
        player_answer(p, cases[i].type, 1, 0);
        CU_ASSERT_EQUAL(p->result, -EPROTO);
        CU_ASSERT_EQUAL(p->session.end_reason, 0x82);
        CU_ASSERT(player_told(p, ""));
        done(p);
    }
}

static void what_is_not_confirmed_is_sent_again_in_order(void)
{
    struct player *p = up(true, keeping);
    player_publish(p, "a", 1, 3);
    player_publish(p, "b", 2, 1);
    player_publish(p, "c", 2, 0);
    player_publish(p, "d", 1, 2);
    player_answer(p, MQTT_PUBREC, 2, 0);
    player_lose(p);
    player_clear(p);
    player_connect(p, true);
    CU_ASSERT(player_sent(p, "CONNECT; PUBLISH a q1 4 dup; PUBREL 2; PUBLISH c q2 1 dup; "
                             "PUBLISH d q1 3 dup"));
    player_answer(p, MQTT_PUBACK, 4, 0);
    player_answer(p, MQTT_PUBCOMP, 2, 0);
    player_answer(p, MQTT_PUBREC, 1, 0);
    player_answer(p, MQTT_PUBCOMP, 1, 0);
    player_answer(p, MQTT_PUBACK, 3, 0);
    CU_ASSERT(
        player_told(p, "connected again; confirmed 3; confirmed 1; confirmed 0; confirmed 2"));
    CU_ASSERT_EQUAL(p->session.outbox.held, 0);
    done(p);
}

static void a_lost_session_gives_back_what_it_had_in_order(void)
{
    struct player *p = up(true, keeping);
    player_publish(p, "a", 1, 3);
    player_publish(p, "b", 2, 1);
    player_publish(p, "c", 1, 0);
    player_answer(p, MQTT_PUBREC, 2, 0);
    player_lose(p);
    player_clear(p);
    player_connect(p, false);
    CU_ASSERT(player_told(p, "returned 3; returned 1; returned 0; connected"));
    CU_ASSERT(player_sent(p, "CONNECT"));
    CU_ASSERT_EQUAL(p->session.outbox.held, 0);
    done(p);
}

static void without_a_session_nothing_is_kept(void)
{
    struct player *p = fresh(true, plain);
    player_publish(p, "a", 1, 3);
    player_lose(p);
    player_clear(p);
    player_connect(p, false);
    CU_ASSERT(player_told(p, "connected"));
    CU_ASSERT(player_sent(p, "CONNECT clean"));
    CU_ASSERT_EQUAL(p->session.outbox.held, 0);
    done(p);
}

static void forgotten_publishes_are_never_heard_of(void)
{
    struct player *p = up(true, keeping);
    player_publish(p, "a", 1, 3);
    player_publish(p, "b", 2, 1);
    mqtt_session_forget(&p->session);
    player_answer(p, MQTT_PUBACK, 4, 0);
    player_lose(p);
    player_clear(p);
    player_connect(p, true);
    CU_ASSERT(player_told(p, "connected again"));
    CU_ASSERT(player_sent(p, "CONNECT"));
    done(p);
}

static void a_repetition_keeps_to_the_receive_maximum(void)
{
    struct player *p = up(true, keeping);
    struct mqtt_packet connack = {
        .type = MQTT_CONNACK,
        .session_present = true,
        .properties = {.has = MQTT_HAS(MQTT_PROP_RECEIVE_MAXIMUM), .receive_maximum = 2},
    };
    for (uint32_t i = 0; i < 4; i++)
        player_publish(p, "t", 1, i);
    player_lose(p);
    player_clear(p);
    mqtt_session_begin(&p->session);
    player_server(p, &connack, 0);
    CU_ASSERT(player_sent(p, "CONNECT; PUBLISH t q1 1 dup; PUBLISH t q1 2 dup"));
    CU_ASSERT_EQUAL(player_publish(p, "new", 1, 9), -EAGAIN); /* it would overtake the others */
    player_answer(p, MQTT_PUBACK, 1, 0);
    CU_ASSERT(player_sent(p, "PUBLISH t q1 3 dup"));
    player_answer(p, MQTT_PUBACK, 2, 0);
    CU_ASSERT(player_sent(p, "PUBLISH t q1 4 dup"));
    CU_ASSERT(mqtt_session_has_room(&p->session));
    done(p);
}

static void identifiers_of_an_earlier_process_are_released_first(void)
{
    struct player p = {
        .options = {.session_expiry_s = 60, .in_flight_most = 2, .sends_qos2 = true}};
    player_open(&p, true);
    player_connect(&p, true);
    CU_ASSERT(player_sent(&p, "CONNECT; PUBREL 1; PUBREL 2"));
    player_answer(&p, MQTT_PUBCOMP, 1, 0x92);
    CU_ASSERT_EQUAL(player_publish(&p, "a", 2, 0), -EAGAIN);
    player_lose(&p); /* perhaps the second one has never arrived */
    player_connect(&p, true);
    CU_ASSERT(player_sent(&p, "CONNECT; PUBREL 2"));
    CU_ASSERT_EQUAL(player_publish(&p, "a", 2, 0), -EAGAIN);
    player_answer(&p, MQTT_PUBCOMP, 2, 0);
    CU_ASSERT_EQUAL(player_publish(&p, "a", 2, 0), 0);
    CU_ASSERT(player_sent(&p, "PUBLISH a q2 1"));
    player_answer(&p, MQTT_PUBREC, 1, 0);
    player_answer(&p, MQTT_PUBCOMP, 1, 0);
    CU_ASSERT(player_told(&p, "connected again; connected again; confirmed 0"));
    player_close(&p);
}

static void large_packets_have_room_of_their_own(void)
{
    struct player *p = up(true, keeping);
    size_t size = 3 << 20;
    char *payload = calloc(1, size);
    struct mqtt_publish publish = {.topic = {"t", 1}, .payload = {payload, size}, .qos = 1};
    CU_ASSERT_EQUAL(mqtt_session_publish(&p->session, &publish, 0), 0);
    CU_ASSERT_EQUAL(player_publish(p, "small", 1, 1), 0);
    CU_ASSERT_EQUAL(mqtt_session_publish(&p->session, &publish, 2), 0);
    CU_ASSERT_EQUAL(player_publish(p, "small", 1, 3), -EAGAIN); /* 6 MB wait to be written */
    CU_ASSERT(player_sent(p, "PUBLISH t q1 1; PUBLISH small q1 2; PUBLISH t q1 3"));
    CU_ASSERT(mqtt_session_has_room(&p->session));
    player_lose(p);
    player_connect(p, true);
    player_clear(p);
    for (uint16_t id = 1; id <= 3; id++)
        player_answer(p, MQTT_PUBACK, id, 0);
    CU_ASSERT_EQUAL(p->session.outbox.held, 0);
    free(payload);
    done(p);
}

/* ---- subscribing ---------------------------------------------------------------------------- */

static void subscriptions_are_asked_for_in_portions(void)
{
    enum { COUNT = 2500 };
    struct player *p = fresh(true, plain);
    struct mqtt_subscription *wanted = calloc(COUNT, sizeof(*wanted));
    uint32_t answered = 0, portions = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        wanted[i] = (struct mqtt_subscription){.filter = "t/#", .qos = 1, .id = i + 1};
    CU_ASSERT_EQUAL(mqtt_session_subscribe(&p->session, wanted, 0, COUNT), 0);
    while (p->session.asked_count) {
        uint8_t granted = 1;
        uint32_t asked = p->session.asked_count;
        CU_ASSERT(asked <= MQTT_SUBSCRIBES_MOST);
        for (uint32_t i = 0; i < asked; i++, answered++) {
            struct mqtt_packet suback = {.type = MQTT_SUBACK,
                                         .id = (uint16_t)(MQTT_SUBSCRIBE_ID + asked - 1 - i),
                                         .reasons = &granted,
                                         .reason_count = 1};
            player_server(p, &suback, 0);
            p->events[0] = '\0';
        }
        portions++;
    }
    CU_ASSERT_EQUAL(answered, COUNT);
    CU_ASSERT_EQUAL(portions, 3);
    player_answer(p, MQTT_PINGRESP, 0, 0);
    CU_ASSERT_EQUAL(p->result, 0);
    player_bytes(p, "\x90\x04\xff\xff\x00\x01", 6); /* SUBACK of nothing */
    CU_ASSERT_EQUAL(p->session.end_reason, 0x82);
    free(wanted);
    done(p);
}

static void a_refused_subscription_can_be_asked_for_again(void)
{
    struct player *p = fresh(true, plain);
    struct mqtt_subscription wanted[] = {{.filter = "a"}, {.filter = "b"}, {.filter = "c"}};
    uint8_t no = 0x87, yes = 0;
    struct mqtt_packet suback = {
        .type = MQTT_SUBACK, .id = MQTT_SUBSCRIBE_ID, .reasons = &no, .reason_count = 1};
    mqtt_session_subscribe(&p->session, wanted, 1, 1);
    CU_ASSERT(player_sent(p, "SUBSCRIBE b"));
    mqtt_session_subscribe(&p->session, wanted, 2, 1);
    CU_ASSERT(player_sent(p, ""));
    player_server(p, &suback, 0);
    CU_ASSERT(player_sent(p, "SUBSCRIBE c"));
    suback.reasons = &yes;
    player_server(p, &suback, 0);
    CU_ASSERT(player_told(p, "subscribed 1 135; subscribed 2 0"));
    done(p);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_clean_start_is_asked_for_once_where_the_session_is_kept)},
        {KIT_TEST(a_session_that_was_to_begin_anew_must_not_be_an_old_one)},
        {KIT_TEST(a_refusal_says_why_and_where_else)},
        {KIT_TEST(a_return_code_of_3_1_1_is_said_in_words)},
        {KIT_TEST(a_disconnect_of_the_server_says_why)},
        {KIT_TEST(packets_come_in_any_pieces)},
        {KIT_TEST(what_is_malformed_ends_the_connection_with_its_reason)},
        {KIT_TEST(challenges_are_answered_until_both_sides_are_content)},
        {KIT_TEST(auth_that_nobody_asked_for_is_an_error)},
        {KIT_TEST(acknowledgements_keep_the_order_of_arrival)},
        {KIT_TEST(what_is_to_come_again_is_not_acknowledged)},
        {KIT_TEST(the_worst_of_several_holders_counts)},
        {KIT_TEST(mqtt_3_1_1_acknowledges_a_rejection_without_a_reason)},
        {KIT_TEST(a_message_that_was_not_taken_is_offered_again_with_its_receipt)},
        {KIT_TEST(more_than_the_receive_maximum_is_borne_with)},
        {KIT_TEST(a_packet_over_the_limit_is_refused_before_it_came)},
        {KIT_TEST(thousands_of_messages_can_be_in_hand)},
        {KIT_TEST(qos_2_comes_exactly_once)},
        {KIT_TEST(a_rejected_qos_2_message_ends_its_exchange)},
        {KIT_TEST(qos_2_in_hand_at_a_loss_is_not_delivered_twice)},
        {KIT_TEST(between_pubrec_and_pubrel_the_identifier_is_remembered)},
        {KIT_TEST(qos_1_in_hand_at_a_loss_comes_again)},
        {KIT_TEST(aliases_of_the_server_are_resolved)},
        {KIT_TEST(topics_are_replaced_by_aliases_and_put_back_for_a_repetition)},
        {KIT_TEST(confirmations_end_a_publish)},
        {KIT_TEST(an_unknown_pubrec_holds_nothing_up_for_ever)},
        {KIT_TEST(a_refused_qos_2_publish_ends_at_pubrec)},
        {KIT_TEST(an_answer_of_the_wrong_kind_is_an_error)},
        {KIT_TEST(what_is_not_confirmed_is_sent_again_in_order)},
        {KIT_TEST(a_lost_session_gives_back_what_it_had_in_order)},
        {KIT_TEST(without_a_session_nothing_is_kept)},
        {KIT_TEST(forgotten_publishes_are_never_heard_of)},
        {KIT_TEST(a_repetition_keeps_to_the_receive_maximum)},
        {KIT_TEST(identifiers_of_an_earlier_process_are_released_first)},
        {KIT_TEST(large_packets_have_room_of_their_own)},
        {KIT_TEST(subscriptions_are_asked_for_in_portions)},
        {KIT_TEST(a_refused_subscription_can_be_asked_for_again)},
        {NULL, NULL},
    };
    return kit_main("mqtt-session", tests);
}
