/* SPDX-License-Identifier: Apache-2.0 */
/* Events to MQTT 5 packets and back: golden pairs, and seeded round trips both ways. */
#include "../../bridges/mqtt/mqtt_mapping.h"
#include "../../bridges/mqtt/mqtt_tag.h"
#include "mqtt_same.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 20000 };
static const int64_t wall_us = 1790000000000000;
static const struct mqtt_encoding tagged = {.v5 = true, .tags = true};
static const struct mqtt_encoding plain = {.v5 = true, .tags = true, .doubtful = true};

static struct mqtt_scratch scratch_a, scratch_b;
static struct mg_err err;

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static int to_publish(const struct mg_message *message, const struct mqtt_encoding *encoding,
                      struct mqtt_scratch *scratch, struct mqtt_publish *ret)
{
    int rc = mqtt_from_event(&message->head, message->head.address, message->payload,
                             message->properties, message->property_count, encoding, wall_us,
                             scratch, ret, &err);
    if (!rc)
        ret->qos = message->head.qos;
    return rc;
}

/* ---- random material ------------------------------------------------------------------------ */

static uint64_t seed;
static char pool[1 << 20];
static size_t pool_used;

static uint64_t draw(void)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t bound)
{
    return (size_t)(draw() % bound);
}

static char *take(size_t size)
{
    char *at = pool + pool_used;
    pool_used += size;
    if (pool_used > sizeof(pool))
        abort();
    return at;
}

static struct mg_str text_of(const char *const *pieces, size_t count, size_t most)
{
    struct mg_str text = {pool + pool_used, 0};
    for (size_t n = below(most + 1); n; n--) {
        const char *piece = pieces[below(count)];
        size_t length = strlen(piece);
        memcpy(take(length), piece, length);
        text.len += length;
    }
    take(1);
    return text;
}

static const char *const fine[] = {"a", "b", "mg:",  "mg",         ":",        "=", "~", "/",
                                   " ", "ü", "日本", "\U0001F600", "mg:=:",    "e", "s", "u64",
                                   "%", "1", "true", "Cg==",       "priority", "+", "#"};
static const char *const nasty[] = {
    "a",        "mg:",          "mg:=:", ":",  "\n", "\x7f", "\x80", "\xff", "\xed\xa0\x80",
    "\xc0\x80", "\xef\xbf\xbf", "ü",     "e:", "~"};

static struct mg_str fine_text(void)
{
    return text_of(fine, sizeof(fine) / sizeof(fine[0]), 6);
}

static struct mg_str any_text(void)
{
    switch (below(6)) {
    case 0:
        return text_of(nasty, sizeof(nasty) / sizeof(nasty[0]), 5);
    case 1: {
        struct mg_str text = {take(8), below(8)};
        uint64_t bytes = draw();
        memcpy((char *)text.at, &bytes, 8);
        return text;
    }
    default:
        return fine_text();
    }
}

static struct mg_value any_value(uint32_t type)
{
    static const uint32_t widths[] = {0, 8, 16, 32, 64, 128, 4294967295u};
    struct mg_value value = {.type = type, .width = below(3) ? 0 : widths[below(7)]};
    double doubles[] = {0.0, -0.0, 1.5, 0.1, 1e300, 5e-324, 1.0 / 3, -2.5e-7};
    switch (type) {
    case MG_BOOL:
        value.as.b = below(2);
        break;
    case MG_INT:
    case MG_UINT:
    case MG_TIME:
    case MG_CHAR:
        value.as.u = draw() >> below(64);
        break;
    case MG_FLOAT:
        if (below(2))
            value.as.d = doubles[below(8)];
        else
            value.as.u = draw(); /* any bits: NaN, infinities, subnormals */
        break;
    case MG_UUID:
        for (size_t i = 0; i < 16; i++)
            value.as.uuid[i] = (uint8_t)draw();
        break;
    case MG_DECIMAL: {
        size_t length = (size_t)4 << below(3);
        char *at = take(16);
        for (size_t i = 0; i < length; i++)
            at[i] = (char)draw();
        value.as.binary = (struct mg_bytes){at, length};
        break;
    }
    case MG_BINARY: {
        struct mg_str bytes = any_text();
        value.as.binary = (struct mg_bytes){bytes.at, bytes.len};
        break;
    }
    case MG_TEXT:
    case MG_SYMBOL:
        value.as.text = any_text();
        break;
    default:
        break;
    }
    return value;
}

static struct mg_value any_id(void)
{
    static const uint32_t types[] = {MG_NULL, MG_NULL, MG_TEXT, MG_BINARY, MG_UINT, MG_UUID};
    struct mg_value value = any_value(types[below(6)]);
    value.width = value.type == MG_UINT ? 64 : 0;
    return value;
}

static struct mg_str perhaps(struct mg_str text)
{
    return below(3) ? (struct mg_str){NULL, 0} : text;
}

static struct mg_str a_topic(void)
{
    static const char *const pieces[] = {"a", "/", "b", "ü", "$", ".", "%2E", "spBv1.0"};
    struct mg_str text = text_of(pieces, 8, 6);
    return text.len ? text : str("t");
}

static void any_head(struct mg_head *head)
{
    *head = (struct mg_head){.size = sizeof(*head), .priority = 4, .address = a_topic()};
    head->present = (uint32_t)below(256);
    if (below(2))
        head->present |= MG_HAS_QOS | MG_HAS_RETAIN;
    head->qos = head->present & MG_HAS_QOS ? (uint8_t)below(3) : 0;
    head->retain = head->present & MG_HAS_RETAIN && below(2);
    head->durable = head->present & MG_HAS_DURABLE && below(2);
    head->priority = head->present & MG_HAS_PRIORITY ? (uint8_t)below(256) : 4;
    head->group_sequence = head->present & MG_HAS_GROUP_SEQUENCE ? (uint32_t)draw() : 0;
    head->created_us = head->present & MG_HAS_CREATED ? (int64_t)draw() : 0;
    head->text_payload = head->present & MG_HAS_TEXT_PAYLOAD && below(2);
    /* MQTT counts whole seconds */
    if (head->present & MG_HAS_EXPIRY)
        head->expires_us = wall_us + (int64_t)(uint32_t)(draw() >> (32 + below(32))) * 1000000;
    head->reply_to = perhaps(below(2) ? any_text() : a_topic());
    head->subject = perhaps(any_text());
    head->content_type = perhaps(any_text());
    head->content_encoding = perhaps(any_text());
    head->group = perhaps(any_text());
    head->reply_to_group = perhaps(any_text());
    struct mg_str user = perhaps(any_text());
    head->user = (struct mg_bytes){user.at, user.len};
    head->message_id = any_id();
    head->correlation = any_id();
}

static void shout(uint64_t of)
{
    fprintf(stderr, "seed of the case: %llu\n", (unsigned long long)of);
}

/* ---- round trips ---------------------------------------------------------------------------- */

static void events_survive(const struct mqtt_encoding *encoding)
{
    for (uint64_t round = 1; round <= CASES; round++) {
        struct mg_message message = {0}, back;
        struct mg_property properties[6];
        struct mqtt_publish publish;
        seed = round * 7919;
        pool_used = 0;
        any_head(&message.head);
        message.property_count = below(7);
        message.properties = properties;
        for (size_t i = 0; i < message.property_count; i++)
            properties[i] =
                (struct mg_property){any_text(), any_value((uint32_t)below(MG_SYMBOL + 1))};
        struct mg_str payload = any_text();
        message.payload = (struct mg_bytes){payload.at, payload.len};
        bool good = !to_publish(&message, encoding, &scratch_a, &publish) &&
                    !mqtt_to_message(&publish, wall_us, &scratch_b, &back) &&
                    mqtt_same_message(&message, &back);
        if (!good)
            shout(round);
        CU_ASSERT_TRUE_FATAL(good);
        for (size_t i = 0; i < publish.user_count; i++) {
            enum mqtt_text least = encoding->doubtful ? MQTT_TEXT_DOUBTFUL : MQTT_TEXT_FINE;
            CU_ASSERT_TRUE_FATAL(mqtt_text_kind(publish.users[i].name) >= least);
            CU_ASSERT_TRUE_FATAL(mqtt_text_kind(publish.users[i].value) >= least);
        }
    }
}

static void an_event_survives_the_packet(void)
{
    events_survive(&tagged);
}

static void an_event_survives_where_control_characters_are_plain(void)
{
    events_survive(&plain);
}

/* A user property: plain, a true tag, a damaged one, an escaped one. */
static struct mqtt_user any_user(void)
{
    static const char *const names[] = {"mg:unset",
                                        "mg:durable",
                                        "mg:priority",
                                        "mg:created",
                                        "mg:reply-to",
                                        "mg:subject",
                                        "mg:subject~",
                                        "mg:content-type",
                                        "mg:content-type~",
                                        "mg:content-encoding",
                                        "mg:group",
                                        "mg:group-sequence",
                                        "mg:reply-to-group",
                                        "mg:message-id",
                                        "mg:correlation",
                                        "mg:user",
                                        "mg:=:mg:priority",
                                        "mg:=:mg:=:mg:unset",
                                        "mg:i32:a",
                                        "mg:u:b",
                                        "mg:e:a",
                                        "mg:e32:a",
                                        "mg:s:a",
                                        "mg:b:",
                                        "mg:o:x",
                                        "mg:e~:Cg==",
                                        "mg:n:",
                                        "mg:y:a",
                                        "mg:=:mg:i32:a",
                                        "mg:=:mg:=:mg:b:",
                                        "mg:f64:x",
                                        "mg:=:plain"};
    static const char *const values[] = {"q",
                                         "r",
                                         "qr",
                                         "true",
                                         "false",
                                         "0",
                                         "4",
                                         "05",
                                         "-1",
                                         "256",
                                         "1e3",
                                         "0.1",
                                         "",
                                         "Cg==",
                                         "YQ==",
                                         "YR==",
                                         "a+b",
                                         "u64:7",
                                         "u64:07",
                                         "e:x",
                                         "s:Cg==",
                                         "b:YQ==",
                                         "g:00000000-0000-0000-0000-000000000001",
                                         "x",
                                         "n:"};
    struct mqtt_user user = {fine_text(), fine_text()};
    if (below(3))
        user.name = str(names[below(sizeof(names) / sizeof(names[0]))]);
    if (below(3))
        user.value = str(values[below(sizeof(values) / sizeof(values[0]))]);
    if (!below(4)) { /* a true tag, sometimes escaped */
        struct mg_property property = {any_text(), any_value((uint32_t)below(MG_SYMBOL + 1))};
        struct mqtt_user tag;
        struct mqtt_scratch scratch = {0};
        if (!mqtt_tag_encode(&scratch, &property, &tag)) {
            size_t escapes = below(3);
            char *name = take(tag.name.len + 5 * escapes), *value = take(tag.value.len + 1);
            for (size_t i = 0; i < escapes; i++)
                memcpy(name + 5 * i, "mg:=:", 5);
            memcpy(name + 5 * escapes, tag.name.at, tag.name.len);
            memcpy(value, tag.value.at, tag.value.len);
            user = (struct mqtt_user){{name, tag.name.len + 5 * escapes}, {value, tag.value.len}};
        }
        mqtt_scratch_fini(&scratch);
    }
    return user;
}

static void a_packet_survives_the_event(void)
{
    for (uint64_t round = 1; round <= CASES; round++) {
        struct mqtt_user users[8];
        struct mqtt_publish publish = {0}, back;
        struct mg_message message;
        seed = round * 104729;
        pool_used = 0;
        publish.topic = a_topic();
        publish.qos = (uint8_t)below(3);
        publish.retain = below(2);
        publish.has_format = below(2);
        publish.format = publish.has_format && below(2);
        publish.has_expiry = below(2);
        publish.expiry_s = publish.has_expiry ? (uint32_t)draw() : 0;
        publish.content_type = perhaps(fine_text());
        publish.response_topic = perhaps(a_topic());
        publish.has_correlation = below(2);
        if (publish.has_correlation) {
            struct mg_str bytes = any_text();
            publish.correlation = (struct mg_bytes){bytes.at, bytes.len};
        }
        publish.user_count = below(9);
        publish.users = users;
        for (size_t i = 0; i < publish.user_count; i++)
            users[i] = any_user();
        struct mg_str payload = any_text();
        publish.payload = (struct mg_bytes){payload.at, payload.len};
        bool good = !mqtt_to_message(&publish, wall_us, &scratch_a, &message) &&
                    !to_publish(&message, &tagged, &scratch_b, &back);
        if (good && !(message.head.present & MG_HAS_QOS))
            back.qos = publish.qos; /* the packet says that its QoS is the hop's alone */
        good = good && mqtt_same_publish(&publish, &back);
        if (!good)
            shout(round);
        if (!good)
            for (size_t i = 0; i < publish.user_count; i++)
                fprintf(stderr, "%.*s = %.*s | %.*s = %.*s\n", (int)users[i].name.len,
                        users[i].name.at, (int)users[i].value.len, users[i].value.at,
                        (int)back.users[i].name.len, back.users[i].name.at,
                        (int)back.users[i].value.len, back.users[i].value.at);
        CU_ASSERT_TRUE_FATAL(good);
    }
}

static void control_characters_survive_where_they_are_plain(void)
{
    struct mqtt_user users[] = {{str("line\nbreak"), str("tab\t")},
                                {str("k"), str("\xef\xbf\xbf")}};
    struct mqtt_publish publish = {.topic = str("a\x01/b"),
                                   .users = users,
                                   .user_count = 2,
                                   .content_type = str("a\x7f"),
                                   .response_topic = str("r\x02")},
                        back;
    struct mg_message message;
    CU_ASSERT_EQUAL(mqtt_to_message(&publish, wall_us, &scratch_a, &message), 0);
    CU_ASSERT_EQUAL(to_publish(&message, &plain, &scratch_b, &back), 0);
    CU_ASSERT_TRUE(mqtt_same_publish(&publish, &back));
    CU_ASSERT_EQUAL(to_publish(&message, &tagged, &scratch_b, &back),
                    -EINVAL); /* the topic has no tag */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "control"));
}

/* ---- golden --------------------------------------------------------------------------------- */

static void every_field_of_a_packet_has_its_place(void)
{
    struct mqtt_user users[] = {{str("k"), str("v")},
                                {str("k"), str("w")},
                                {str(""), str("")},
                                {str("mg:i32:n"), str("-7")}};
    uint32_t ids[] = {3};
    struct mqtt_publish publish = {.topic = str("plant/1"),
                                   .payload = {"\0\1", 2},
                                   .qos = 2,
                                   .retain = true,
                                   .dup = true,
                                   .has_format = true,
                                   .format = 1,
                                   .has_expiry = true,
                                   .expiry_s = 60,
                                   .content_type = str("text/plain"),
                                   .response_topic = str("re/ply"),
                                   .has_correlation = true,
                                   .correlation = {"\xff\0", 2},
                                   .users = users,
                                   .user_count = 4,
                                   .subscription_ids = ids,
                                   .subscription_id_count = 1};
    struct mg_message message;
    CU_ASSERT_EQUAL_FATAL(mqtt_to_message(&publish, wall_us, &scratch_a, &message), 0);
    const struct mg_head *head = &message.head;
    CU_ASSERT_EQUAL(head->present,
                    MG_HAS_QOS | MG_HAS_RETAIN | MG_HAS_EXPIRY | MG_HAS_TEXT_PAYLOAD);
    CU_ASSERT_TRUE(mqtt_same_text(head->address, str("plant/1")));
    CU_ASSERT_TRUE(mqtt_same_text(head->reply_to, str("re/ply")));
    CU_ASSERT_TRUE(mqtt_same_text(head->content_type, str("text/plain")));
    CU_ASSERT_EQUAL(head->qos, 2);
    CU_ASSERT_TRUE(head->retain && head->duplicate && head->text_payload);
    CU_ASSERT_EQUAL(head->expires_us, wall_us + 60000000);
    CU_ASSERT_EQUAL(head->correlation.type, MG_BINARY);
    CU_ASSERT_TRUE(mqtt_same_bytes(head->correlation.as.binary.at, head->correlation.as.binary.len,
                                   "\xff\0", 2));
    CU_ASSERT_EQUAL_FATAL(message.property_count, 4);
    CU_ASSERT_TRUE(mqtt_same_text(message.properties[1].value.as.text, str("w")));
    CU_ASSERT_EQUAL(message.properties[2].name.len, 0);
    CU_ASSERT_EQUAL(message.properties[3].value.type, MG_INT);
    CU_ASSERT_EQUAL(message.properties[3].value.width, 32);
    CU_ASSERT_EQUAL(message.properties[3].value.as.i, -7);
    CU_ASSERT_EQUAL(message.payload.len, 2);
}

static void check_user(const struct mqtt_publish *publish, size_t index, const char *name,
                       const char *value)
{
    CU_ASSERT_TRUE_FATAL(index < publish->user_count);
    bool good = mqtt_same_text(publish->users[index].name, str(name)) &&
                mqtt_same_text(publish->users[index].value, str(value));
    if (!good)
        fprintf(stderr, "user %zu: %.*s = %.*s\n", index, (int)publish->users[index].name.len,
                publish->users[index].name.at, (int)publish->users[index].value.len,
                publish->users[index].value.at);
    CU_ASSERT_TRUE(good);
}

static void what_mqtt_has_no_field_for_is_tagged(void)
{
    struct mg_property properties[] = {
        {str("plain"), {.type = MG_TEXT, .as.text = str("v")}},
        {str("mg:i32:n"), {.type = MG_TEXT, .as.text = str("-7")}},
        {str("f"), {.type = MG_FLOAT, .width = 64, .as.d = 0.1}},
        {str("b"), {.type = MG_BINARY, .as.binary = {"\xff\0", 2}}},
        {str("line"), {.type = MG_TEXT, .as.text = str("a\nb")}},
    };
    struct mg_message message = {.head = {.size = sizeof(struct mg_head),
                                          .present = MG_HAS_DURABLE | MG_HAS_PRIORITY |
                                                     MG_HAS_CREATED | MG_HAS_GROUP_SEQUENCE,
                                          .address = str("t"),
                                          .durable = true,
                                          .priority = 9,
                                          .created_us = 17,
                                          .group_sequence = 3,
                                          .reply_to = str("a/+"),
                                          .subject = str("s"),
                                          .content_encoding = str("gzip"),
                                          .group = str("g"),
                                          .message_id = {.type = MG_UINT, .width = 64, .as.u = 5},
                                          .correlation = {.type = MG_TEXT, .as.text = str("c")},
                                          .user = {"me", 2}},
                                 .properties = properties,
                                 .property_count = 5};
    struct mqtt_publish publish;
    CU_ASSERT_EQUAL_FATAL(to_publish(&message, &tagged, &scratch_a, &publish), 0);
    size_t i = 0;
    check_user(&publish, i++, "mg:unset", "qr");
    check_user(&publish, i++, "mg:durable", "true");
    check_user(&publish, i++, "mg:priority", "9");
    check_user(&publish, i++, "mg:created", "17");
    check_user(&publish, i++, "mg:reply-to", "a/+");
    check_user(&publish, i++, "mg:subject", "s");
    check_user(&publish, i++, "mg:content-encoding", "gzip");
    check_user(&publish, i++, "mg:group", "g");
    check_user(&publish, i++, "mg:group-sequence", "3");
    check_user(&publish, i++, "mg:message-id", "u64:5");
    check_user(&publish, i++, "mg:correlation", "e:c");
    check_user(&publish, i++, "mg:user", "bWU=");
    check_user(&publish, i++, "plain", "v");
    check_user(&publish, i++, "mg:=:mg:i32:n", "-7");
    check_user(&publish, i++, "mg:f64:f", "0.1");
    check_user(&publish, i++, "mg:b:b", "/wA=");
    check_user(&publish, i++, "mg:s:line", "YQpi");
    CU_ASSERT_EQUAL(publish.user_count, i);

    struct mqtt_encoding none = {.v5 = true};
    CU_ASSERT_EQUAL_FATAL(to_publish(&message, &none, &scratch_a, &publish), 0);
    CU_ASSERT_EQUAL(publish.user_count, 3);
    check_user(&publish, 0, "plain", "v");
    check_user(&publish, 1, "mg:i32:n", "-7");
    check_user(&publish, 2, "f", "0.1");

    struct mqtt_encoding old = {.tags = true};
    CU_ASSERT_EQUAL_FATAL(to_publish(&message, &old, &scratch_a, &publish), 0);
    CU_ASSERT_EQUAL(publish.user_count, 0);
    CU_ASSERT_FALSE(publish.has_expiry);
}

static void waiting_shortens_the_expiry(void)
{
    struct mg_head head = {
        .size = sizeof(head), .present = MG_HAS_EXPIRY, .expires_us = wall_us + 59000001};
    struct mqtt_publish publish;
    struct mg_bytes none = {NULL, 0};
    struct mqtt_encoding encoding = {.v5 = true};
    CU_ASSERT_EQUAL(mqtt_from_event(&head, str("t"), none, NULL, 0, &encoding, wall_us, &scratch_a,
                                    &publish, &err),
                    0);
    CU_ASSERT_EQUAL(publish.expiry_s, 60);
    CU_ASSERT_EQUAL(mqtt_from_event(&head, str("t"), none, NULL, 0, &encoding, wall_us + 50000001,
                                    &scratch_a, &publish, &err),
                    0);
    CU_ASSERT_EQUAL(publish.expiry_s, 9);
    CU_ASSERT_EQUAL(mqtt_from_event(&head, str("t"), none, NULL, 0, &encoding, wall_us + 90000000,
                                    &scratch_a, &publish, &err),
                    0);
    CU_ASSERT_TRUE(publish.has_expiry && !publish.expiry_s);
}

static void what_cannot_be_said_is_refused_in_words(void)
{
    static char longer[70000];
    memset(longer, 'x', sizeof(longer));
    struct mg_head head = {.size = sizeof(head), .present = MG_HAS_QOS | MG_HAS_RETAIN};
    struct mg_bytes none = {NULL, 0};
    struct mqtt_publish publish;
    struct mg_property property = {str("long"), {.type = MG_TEXT, .as.text = {longer, 65536}}};
    static const struct {
        const char *topic;
        size_t length;
        const char *words;
    } topics[] = {{"", 0, "at least one"}, {"a/+/b", 5, "wildcard"}, {"#", 1, "wildcard"},
                  {"a\0b", 3, "U+0000"},   {"\xff", 1, "UTF-8"},     {longer, 65536, "65536"}};
    for (size_t i = 0; i < 6; i++) {
        struct mg_str topic = {topics[i].topic, topics[i].length};
        CU_ASSERT_EQUAL(mqtt_from_event(&head, topic, none, NULL, 0, &tagged, wall_us, &scratch_a,
                                        &publish, &err),
                        -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, topics[i].words));
    }
    struct mg_str most = {longer, 65535};
    CU_ASSERT_EQUAL(
        mqtt_from_event(&head, most, none, NULL, 0, &tagged, wall_us, &scratch_a, &publish, &err),
        0);
    CU_ASSERT_EQUAL(publish.topic.len, 65535);
    CU_ASSERT_EQUAL(mqtt_from_event(&head, str("t"), none, &property, 1, &tagged, wall_us,
                                    &scratch_a, &publish, &err),
                    -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'long'"));
}

static void the_size_of_a_packet_is_exact(void)
{
    /* 1 type, 1 length, 2+1 topic, 2 id, 1 property length, 5 expiry, 3+1 content type, 5+1+2 user,
     * 3 payload */
    struct mqtt_user user = {str("k"), str("vv")};
    struct mqtt_publish publish = {.topic = str("t"),
                                   .payload = {"abc", 3},
                                   .qos = 1,
                                   .has_expiry = true,
                                   .content_type = str("c"),
                                   .users = &user,
                                   .user_count = 1};
    CU_ASSERT_EQUAL(mqtt_publish_size(&publish, true), 28);
    CU_ASSERT_EQUAL(mqtt_publish_size(&publish, false), 10);
}

static void test_fini(void)
{
    mqtt_scratch_fini(&scratch_a);
    mqtt_scratch_fini(&scratch_b);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every field of a packet has its place in the event",
         every_field_of_a_packet_has_its_place},
        {"what MQTT has no field for is tagged", what_mqtt_has_no_field_for_is_tagged},
        {"waiting shortens the expiry", waiting_shortens_the_expiry},
        {"what cannot be said is refused in words", what_cannot_be_said_is_refused_in_words},
        {"the size of a packet is exact", the_size_of_a_packet_is_exact},
        {"control characters survive where they are plain",
         control_characters_survive_where_they_are_plain},
        {"an event survives the packet", an_event_survives_the_packet},
        {"an event survives where control characters are plain",
         an_event_survives_where_control_characters_are_plain},
        {"a packet survives the event", a_packet_survives_the_event},
        {NULL, NULL},
    };
    int rc = kit_main("mqtt-mapping", tests);
    test_fini();
    return rc;
}
