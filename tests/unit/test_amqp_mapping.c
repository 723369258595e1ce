/* SPDX-License-Identifier: Apache-2.0 */
/* The AMQP 1.0 mapping: golden messages, and seeded random ones through both directions. */
#include "../../bridges/amqp/amqp_mapping.h"
#include "unit.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20000, NOW_US = 1700000000 };
static const int64_t wall_us = (int64_t)NOW_US * 1000000;

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, text ? strlen(text) : 0};
}

static bool same_text(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (a.at != NULL) == (b.at != NULL) && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static bool same_bytes(struct mg_bytes a, struct mg_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MG_NULL: return true;
    case MG_BOOL: return a->as.b == b->as.b;
    case MG_INT: return a->as.i == b->as.i && a->width == b->width;
    case MG_UINT: return a->as.u == b->as.u && a->width == b->width;
    case MG_TIME: return a->as.i == b->as.i;
    case MG_CHAR: return a->as.u == b->as.u;
    case MG_FLOAT: return a->width == b->width && (a->as.d == b->as.d || (isnan(a->as.d) && isnan(b->as.d)));
    case MG_TEXT:
    case MG_SYMBOL: return same_text(a->as.text, b->as.text);
    case MG_UUID: return memcmp(a->as.uuid, b->as.uuid, 16) == 0;
    default: return same_bytes(a->as.binary, b->as.binary);
    }
}

/* NULL, or what differs. */
static const char *difference(const struct mg_message *a, const struct mg_message *b)
{
    const struct mg_head *x = &a->head, *y = &b->head;
    if (x->present != y->present)
        return "present";
    if (!same_text(x->address, y->address))
        return "address";
    if (!same_text(x->reply_to, y->reply_to) || !same_text(x->subject, y->subject))
        return "reply_to or subject";
    if (!same_text(x->content_type, y->content_type) || !same_text(x->content_encoding, y->content_encoding))
        return "content type or encoding";
    if (!same_text(x->group, y->group) || !same_text(x->reply_to_group, y->reply_to_group))
        return "groups";
    if (!same_value(&x->message_id, &y->message_id) || !same_value(&x->correlation, &y->correlation))
        return "ids";
    if (!same_bytes(x->user, y->user) || (x->user.at != NULL) != (y->user.at != NULL))
        return "user";
    if (x->qos != y->qos || x->priority != y->priority || x->retain != y->retain || x->durable != y->durable ||
        x->text_payload != y->text_payload || x->group_sequence != y->group_sequence)
        return "numbers and flags";
    if (x->created_us != y->created_us || x->expires_us != y->expires_us)
        return "times";
    if (!same_bytes(a->payload, b->payload))
        return "payload";
    if (a->property_count != b->property_count)
        return "property count";
    for (size_t i = 0; i < a->property_count; i++)
        if (!same_text(a->properties[i].name, b->properties[i].name) ||
            !same_value(&a->properties[i].value, &b->properties[i].value))
            return a->properties[i].name.at;
    return NULL;
}

/* ---- random input --------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t rnd(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % bound);
}

static char pool[1 << 20];
static size_t pool_used;

static void *from_pool(size_t size)
{
    void *at = pool + pool_used;
    pool_used += size;
    if (pool_used > sizeof pool)
        abort();
    return at;
}

static struct mg_str rnd_text(void)
{
    static const char *const bits[] = {"a", "plant", "/", ".", "#", "%2E", "%", "\xc3\xa9", "\xf0\x9f\x98\x80", " ",
                                       "amqp.", "mesh:", "1:", "2:", "annotation:", "x-opt-mesh-", "qos", "property:"};
    size_t n = rnd(5), len = 0;
    char *at = from_pool(200);
    if (rnd(60) == 0) {
        at = from_pool(400);
        memset(at, 'z', 400);
        return (struct mg_str){at, 200 + rnd(200)};
    }
    for (size_t i = 0; i < n; i++) {
        const char *bit = bits[rnd(sizeof bits / sizeof *bits)];
        memcpy(at + len, bit, strlen(bit));
        len += strlen(bit);
    }
    return (struct mg_str){at, len};
}

static struct mg_str rnd_text_or_unset(void)
{
    return rnd(2) ? rnd_text() : (struct mg_str){0};
}

static struct mg_bytes rnd_bytes(size_t most)
{
    size_t len = rnd((uint32_t)most + 1);
    uint8_t *at = from_pool(len + 1);
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)rnd(256);
    return (struct mg_bytes){at, len};
}

static uint64_t rnd64(void)
{
    uint64_t wide = (uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX);
    return wide >> rnd(64);
}

static struct mg_value rnd_value(void)
{
    static const uint32_t widths[] = {8, 16, 32, 64};
    struct mg_value v = {.type = rnd(MG_SYMBOL + 1)};
    uint32_t width = widths[rnd(4)];
    switch (v.type) {
    case MG_BOOL: v.as.b = rnd(2); break;
    case MG_INT:
        v.width = width;
        v.as.i = (int64_t)(rnd64() << (64 - width)) >> (64 - width);
        break;
    case MG_UINT:
        v.width = width;
        v.as.u = rnd64() << (64 - width) >> (64 - width);
        break;
    case MG_FLOAT:
        v.width = rnd(2) ? 32 : 64;
        v.as.d = rnd(9) == 0 ? NAN : rnd(9) == 0 ? INFINITY : (double)(float)((double)rnd(1000000) / 7);
        break;
    case MG_DECIMAL:
        v.width = widths[2 + rnd(2)];
        v.as.binary = (struct mg_bytes){"0123456789abcdef", v.width / 8};
        break;
    case MG_CHAR: v.as.u = rnd(0x110000); break;
    case MG_TIME: v.as.i = (int64_t)rnd64(); break;
    case MG_UUID: memcpy(v.as.uuid, "0123456789abcdef", 16); break;
    case MG_BINARY: v.as.binary = rnd_bytes(300); break;
    case MG_TEXT: v.as.text = rnd_text(); break;
    case MG_SYMBOL: v.as.text = str(rnd(2) ? "a-symbol" : ""); break;
    default: break;
    }
    return v;
}

static struct mg_value rnd_id(void)
{
    struct mg_value v;
    do
        v = rnd_value();
    while (v.type != MG_NULL && v.type != MG_TEXT && v.type != MG_BINARY && v.type != MG_UUID &&
           !(v.type == MG_UINT && v.width == 64));
    return v;
}

/* Encodings that no mg_value holds. */
static struct mg_value rnd_raw(void)
{
    static const char *const raws[] = {
        "\x45", "\xc0\x03\x01\x50\x07", "\xc1\x05\x02\xa1\x01" "k\x41", "\xe0\x04\x02\x50\x01\x02",
        "\x00\x53\x09\x41", "\x72\x7f\xc0\x00\x01", "\xa3\x01\xff", "\xd0\x00\x00\x00\x05\x00\x00\x00\x01\x40"};
    static const size_t sizes[] = {1, 5, 7, 6, 4, 5, 3, 10};
    uint32_t i = rnd(8);
    return (struct mg_value){.type = MG_BINARY, .as.binary = {raws[i], sizes[i]}};
}

static struct mg_property rnd_property(void)
{
    static const char *const names[] = {
        "amqp.delivery-annotation:x-d", "amqp.annotation:x-a", "amqp.footer:x-f", "amqp.property:amqp.own",
        "amqp.property:mesh:9:n", "amqp.annotation:x-opt-mesh-qos", "amqp.ttl", "amqp.nonsense", "mesh:1:a", "a", "a",
        "mesh:2:a", "b"};
    static const char *const raws[] = {"amqp.delivery-annotation.raw:x-d", "amqp.annotation.raw:x", "amqp.footer.raw:f",
                                       "amqp.property.raw:p", "amqp.property.raw:mesh:1:q"};
    static const char *const pairs[] = {"amqp.delivery-annotation.pair", "amqp.annotation.pair", "amqp.property.pair"};
    struct mg_property p = {.value = rnd_value()};
    switch (rnd(8)) {
    case 0:
    case 1: p.name = rnd_text(); break;
    case 2:
        p.name = str(raws[rnd(5)]);
        if (rnd(4))
            p.value = rnd_raw();
        break;
    case 3:
        p.name = str(pairs[rnd(3)]);
        if (rnd(4))
            p.value = (struct mg_value){.type = MG_BINARY, .as.binary = {"\x53\x07\x41", 3}};
        break;
    case 4:
        p.name = str(rnd(2) ? "amqp.absolute-expiry-time" : "amqp.to");
        if (rnd(4)) {
            bool time = p.name.len > 8;
            p.value = (struct mg_value){.type = time ? MG_TIME : MG_TEXT};
            if (time)
                p.value.as.i = wall_us / 1000 + rnd(100000);
            else
                p.value.as.text = rnd_text();
        }
        break;
    default: p.name = str(names[rnd(sizeof names / sizeof *names)]); break;
    }
    return p;
}

static void rnd_body(struct mg_message *m, struct mg_property *p)
{
    *p = (struct mg_property){str("amqp.body"), {.type = MG_TEXT}};
    switch (rnd(9)) {
    case 0:
        p->value.as.text = str("data:2,0,3");
        m->payload = (struct mg_bytes){"hello", 5 - (rnd(5) == 0)};
        break;
    case 1:
        p->value.as.text = str("none");
        m->payload.len = rnd(2);
        break;
    case 2:
        p->value.as.text = str("value:null");
        m->payload.len = 0;
        break;
    case 3:
        p->value.as.text = str("value:string");
        m->payload = (struct mg_bytes){"gr\xc3\xbc\xc3\x9f", 6};
        if (rnd(3)) {
            m->head.present |= MG_HAS_TEXT_PAYLOAD;
            m->head.text_payload = true;
        }
        break;
    case 4: p->value.as.text = str("value:binary"); break;
    case 5:
        p->value.as.text = str("value:symbol");
        m->payload = (struct mg_bytes){"sym", 3};
        break;
    case 6:
        p->value.as.text = str("value:raw");
        m->payload = rnd(3) ? rnd_raw().as.binary : (struct mg_bytes){"\x52\x07", 2};
        break;
    case 7:
        p->value.as.text = str("sequence");
        m->payload = (struct mg_bytes){"\x00\x53\x76\x45\x00\x53\x76\xc0\x02\x01\x41", 11};
        break;
    default: p->value.as.text = str("other"); break;
    }
}

static void rnd_event(struct mg_message *m)
{
    static struct mg_property properties[16];
    pool_used = 0;
    *m = (struct mg_message){.head = {.size = sizeof m->head, .priority = 4}};
    struct mg_head *h = &m->head;
    h->address = rnd_text();
    h->reply_to = rnd_text_or_unset();
    h->subject = rnd_text_or_unset();
    if (rnd(3) == 0)
        h->content_type = str("text/plain");
    if (rnd(3) == 0)
        h->content_encoding = str("gzip");
    h->group = rnd_text_or_unset();
    h->reply_to_group = rnd_text_or_unset();
    h->message_id = rnd_id();
    h->correlation = rnd_id();
    if (rnd(3) == 0)
        h->user = rnd_bytes(20);
    h->present = rnd(256);
    if (h->present & MG_HAS_QOS)
        h->qos = (uint8_t)rnd(3);
    if (h->present & MG_HAS_RETAIN)
        h->retain = rnd(2);
    if (h->present & MG_HAS_DURABLE)
        h->durable = rnd(2);
    if (h->present & MG_HAS_PRIORITY)
        h->priority = (uint8_t)rnd(256);
    if (h->present & MG_HAS_GROUP_SEQUENCE)
        h->group_sequence = rnd(UINT32_MAX);
    if (h->present & MG_HAS_CREATED)
        h->created_us = (int64_t)rnd64() / 1000 - (int64_t)rnd(2) * 1000000;
    if (h->present & MG_HAS_EXPIRY) /* whole milliseconds: the resolution of AMQP's ttl */
        h->expires_us = wall_us + (rnd(9) ? (int64_t)rnd(100000000) : (int64_t)(rnd64() >> 24)) * 1000;
    if (h->present & MG_HAS_TEXT_PAYLOAD)
        h->text_payload = rnd(2);
    m->payload = rnd_bytes(600);
    m->properties = properties;
    m->property_count = rnd(12);
    for (size_t i = 0; i < m->property_count; i++)
        properties[i] = rnd_property();
    if (h->present & MG_HAS_EXPIRY && rnd(3) == 0) {
        size_t at = m->property_count++;
        properties[at] = (struct mg_property){str("amqp.absolute-expiry-time"), {.type = MG_TIME}};
        properties[at].value.as.i = h->expires_us / 1000 + (int64_t)rnd(3) - 1;
        if (rnd(2))
            properties[m->property_count++] =
                (struct mg_property){str("amqp.ttl"), {.type = MG_UINT, .width = 32, .as.u = rnd(UINT32_MAX)}};
    }
    if (m->property_count && rnd(2))
        rnd_body(m, &properties[rnd((uint32_t)m->property_count)]);
}

/* ---- round trips ---------------------------------------------------------------------------- */

static struct amqp_decoder *decoder;
static struct amqp_encoder *encoder;
static struct amqp_buffer out;

static struct amqp_departure departure(uint32_t peer)
{
    return (struct amqp_departure){.wall_us = wall_us, .peer = peer};
}

static void events_survive(uint32_t peer, bool anonymous, bool key)
{
    struct amqp_arrival arrival = {.wall_us = wall_us, .address = str("elsewhere")};
    state = 0x9e3779b97f4a7c15u + peer;
    for (int i = 0; i < ROUNDS; i++) {
        struct mg_message event, back;
        struct mg_err err;
        struct amqp_departure to = departure(peer);
        rnd_event(&event);
        if (anonymous)
            to.to = str("/queue/q");
        if (key)
            to.subject = str("plant.a");
        amqp_buffer_reset(&out, 1 << 16);
        int r = amqp_encode(encoder, &event, &to, &out, &err);
        CU_ASSERT_EQUAL_FATAL(r, 0);
        r = amqp_decode(decoder, (struct mg_bytes){out.at, out.len}, &arrival, &back, &err);
        CU_ASSERT_EQUAL_FATAL(r, 0);
        const char *differs = difference(&event, &back);
        if (differs)
            fprintf(stderr, "round %d, peer %u: %s differs\n", i, peer, differs);
        CU_ASSERT_PTR_NULL_FATAL(differs);
    }
}

static void test_every_event_survives(void)
{
    events_survive(0, false, false);
}

static void test_every_event_survives_a_peer_with_limits(void)
{
    events_survive(AMQP_PEER_NO_DELIVERY_ANNOTATIONS | AMQP_PEER_SHORT_TEXTS | AMQP_PEER_NO_USER |
                       AMQP_PEER_PLAIN_VALUES, false, false);
}

static void test_every_event_survives_a_routing_key_in_the_subject(void)
{
    events_survive(0, false, true);
}

static void test_message_encodings_are_reproduced(void)
{
    struct amqp_arrival arrival = {.wall_us = wall_us, .address = str("elsewhere")};
    struct amqp_buffer again = {0};
    state = 42;
    for (int i = 0; i < ROUNDS; i++) {
        struct mg_message event, back;
        struct mg_err err;
        struct amqp_departure to = departure(0);
        rnd_event(&event);
        amqp_buffer_reset(&out, 1 << 16);
        amqp_buffer_reset(&again, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &event, &to, &out, &err), 0);
        CU_ASSERT_EQUAL_FATAL(amqp_decode(decoder, (struct mg_bytes){out.at, out.len}, &arrival, &back, &err), 0);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &back, &to, &again, &err), 0);
        bool same = again.len == out.len && memcmp(again.at, out.at, out.len) == 0;
        if (!same)
            fprintf(stderr, "round %d: %zu bytes became %zu\n", i, out.len, again.len);
        CU_ASSERT_TRUE_FATAL(same);
    }
    amqp_buffer_fini(&again);
}

/* ---- golden --------------------------------------------------------------------------------- */

static int decode(const char *bytes, size_t len, struct mg_message *m, struct mg_err *err)
{
    struct amqp_arrival arrival = {.wall_us = wall_us, .address = str("/queue/q")};
    return amqp_decode(decoder, (struct mg_bytes){bytes, len}, &arrival, m, err);
}
#define DECODE(literal, m, err) decode(literal, sizeof literal - 1, m, err)

static bool reproduced(const struct mg_message *m, const char *bytes, size_t len)
{
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    return amqp_encode(encoder, m, &to, &out, &err) == 0 && out.len == len && memcmp(out.at, bytes, len) == 0;
}

static void test_a_message_of_every_section(void)
{
    static const char bytes[] = "\x00\x53\x70\xc0\x05\x03\x41\x50\x07\x43"     /* durable, priority 7, ttl 0 */
                                "\x00\x53\x71\xc1\x07\x02\xa3\x01" "d\xa1\x01" "D" /* delivery annotation d */
                                "\x00\x53\x72\xc1\x05\x02\xa3\x01" "a\x41"       /* annotation a: true */
                                "\x00\x53\x73\xc0\x0e\x06\x53\x05\x40\xa1\x03" "x/y\xa1\x01s\x40\x40"
                                "\x00\x53\x74\xc1\x06\x02\xa1\x01" "p\x54\xff"    /* p: -1 */
                                "\x00\x53\x75\xa0\x03" "abc"
                                "\x00\x53\x78\xc1\x05\x02\xa3\x01" "f\x42";
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(DECODE(bytes, &m, &err), 0);
    CU_ASSERT_TRUE(same_text(m.head.address, str("x/y")));
    CU_ASSERT_TRUE(same_text(m.head.subject, str("s")));
    CU_ASSERT_TRUE(m.head.durable && m.head.priority == 7 && m.head.expires_us == wall_us);
    CU_ASSERT_EQUAL(m.head.message_id.as.u, 5);
    CU_ASSERT_TRUE(same_bytes(m.payload, (struct mg_bytes){"abc", 3}));
    CU_ASSERT_EQUAL_FATAL(m.property_count, 4);
    CU_ASSERT_TRUE(same_text(m.properties[0].name, str("amqp.delivery-annotation:d")));
    CU_ASSERT_TRUE(same_text(m.properties[1].name, str("amqp.annotation:a")));
    CU_ASSERT_TRUE(same_text(m.properties[2].name, str("amqp.footer:f")));
    CU_ASSERT_TRUE(same_text(m.properties[3].name, str("p")));
    CU_ASSERT_EQUAL(m.properties[3].value.as.i, -1);
    CU_ASSERT_TRUE(reproduced(&m, bytes, sizeof bytes - 1));
}

static void test_a_redelivery_is_a_duplicate(void)
{
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(DECODE("\x00\x53\x70\xc0\x06\x05\x40\x40\x40\x41\x43\x00\x53\x75\xa0\x00", &m, &err), 0);
    CU_ASSERT_FALSE(m.head.duplicate);
    CU_ASSERT_TRUE(same_text(m.head.address, str("/queue/q")));
    CU_ASSERT_EQUAL_FATAL(DECODE("\x00\x53\x70\xc0\x07\x05\x40\x40\x40\x41\x52\x02\x00\x53\x75\xa0\x00", &m, &err), 0);
    CU_ASSERT_TRUE(m.head.duplicate);
    CU_ASSERT_EQUAL_FATAL(DECODE("\x00\x53\x70\xc0\x05\x04\x40\x40\x40\x42\x00\x53\x75\xa0\x00", &m, &err), 0);
    CU_ASSERT_TRUE(m.head.duplicate);
}

static void test_a_string_body_is_text(void)
{
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(DECODE("\x00\x53\x77\xa1\x02hi", &m, &err), 0);
    CU_ASSERT_TRUE(same_bytes(m.payload, (struct mg_bytes){"hi", 2}));
    CU_ASSERT_TRUE(m.head.text_payload);
    CU_ASSERT_TRUE(same_text(m.properties[0].value.as.text, str("value:string")));
}

static void test_a_routing_key_becomes_the_address(void)
{
    static const char bytes[] = "\x00\x53\x73\xc0\x11\x04\x40\x40\x40\xa1\x0b" "plant.a%2Em\x00\x53\x75\xa0\x00";
    struct amqp_arrival arrival = {.wall_us = wall_us, .address = str("/topic/#"), .subject_is_key = true};
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(amqp_decode(decoder, (struct mg_bytes){bytes, sizeof bytes - 1}, &arrival, &m, &err), 0);
    CU_ASSERT_TRUE(same_text(m.head.address, str("plant/a.m")));
}

static void test_an_unset_durable_follows_the_qos(void)
{
    struct mg_message m = {.head = {.size = sizeof m.head, .present = MG_HAS_QOS, .qos = 1, .address = str("t")}};
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &out, &err), 0);
    CU_ASSERT_TRUE(out.len > 7 && memcmp(out.at, "\x00\x53\x70\xc0\x02\x01\x41", 7) == 0);
}

static void test_the_unexpected_is_refused_with_words(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *words;
    } wrong[] = {
        {"", 0, "empty"},
        {"\x41", 1, "malformed section"},
        {"\x00\x53\x75\xa0\x05" "a", 6, "malformed section"},
        {"\x00\x53\x79\x40", 4, "unknown section"},
        {"\x00\x53\x75\xa0\x00\x00\x53\x70\x45", 9, "out of order"},
        {"\x00\x53\x77\x40\x00\x53\x77\x40", 8, "different kinds"},
        {"\x00\x53\x73\xc0\x02\x01\x41\x00\x53\x75\xa0\x00", 12, "message-id"},
        {"\x00\x53\x74\xc1\x03\x02\x40\xc0\x00\x53\x75\xa0\x00", 13, "malformed"},
        {"\x00\x53\x74\xc1\x05\x02\xa1\x01\xff\x41\x00\x53\x75\xa0\x00", 15, NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mg_message m;
        struct mg_err err = {{0}, NULL};
        int r = decode(wrong[i].bytes, wrong[i].len, &m, &err);
        if (!wrong[i].words) {
            CU_ASSERT_EQUAL(r, 0); /* a key that is not UTF-8 travels raw */
            continue;
        }
        CU_ASSERT_EQUAL(r, -EBADMSG);
        if (!strstr(err.text, wrong[i].words))
            fprintf(stderr, "%zu: %s\n", i, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].words));
    }
}

static void test_truncated_and_damaged_messages_do_no_harm(void)
{
    struct mg_message event, m;
    struct mg_err err;
    struct amqp_departure to = departure(0);
    state = 7;
    for (int i = 0; i < 300; i++) {
        rnd_event(&event);
        amqp_buffer_reset(&out, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &event, &to, &out, &err), 0);
        for (int k = 0; k < 50; k++) {
            size_t len = rnd(2) ? out.len : rnd((uint32_t)out.len + 1);
            char *copy = malloc(len + 1); /* exactly: the sanitizer sees a step beyond */
            memcpy(copy, out.at, len);
            if (len)
                copy[rnd((uint32_t)len)] ^= (char)(1 << rnd(8));
            decode(copy, len, &m, &err);
            free(copy);
        }
    }
    CU_PASS("survived");
}

static void test_a_message_beyond_the_limit_is_refused(void)
{
    struct mg_message m = {.head = {.size = sizeof m.head, .address = str("t")}, .payload = {pool, 5000}};
    struct mg_err err;
    struct amqp_departure to = departure(0);
    struct amqp_buffer small = {.limit = 4096};
    CU_ASSERT_EQUAL(amqp_encode(encoder, &m, &to, &small, &err), -EMSGSIZE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "4096"));
    amqp_buffer_fini(&small);
}

static void test_sixteen_megabytes_pass(void)
{
    size_t len = 16u << 20;
    char *payload = calloc(1, len);
    struct mg_message m = {.head = {.size = sizeof m.head, .address = str("t")}, .payload = {payload, len}}, back;
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &out, &err), 0);
    CU_ASSERT_EQUAL_FATAL(decode((char *)out.at, out.len, &back, &err), 0);
    CU_ASSERT_TRUE(same_bytes(m.payload, back.payload));
    free(payload);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every event survives", test_every_event_survives},
        {"every event survives a peer with limits", test_every_event_survives_a_peer_with_limits},
        {"every event survives a routing key in the subject", test_every_event_survives_a_routing_key_in_the_subject},
        {"message encodings are reproduced", test_message_encodings_are_reproduced},
        {"a message of every section", test_a_message_of_every_section},
        {"a redelivery is a duplicate", test_a_redelivery_is_a_duplicate},
        {"a string body is text", test_a_string_body_is_text},
        {"a routing key becomes the address", test_a_routing_key_becomes_the_address},
        {"an unset durable follows the QoS", test_an_unset_durable_follows_the_qos},
        {"the unexpected is refused with words", test_the_unexpected_is_refused_with_words},
        {"truncated and damaged messages do no harm", test_truncated_and_damaged_messages_do_no_harm},
        {"a message beyond the limit is refused", test_a_message_beyond_the_limit_is_refused},
        {"sixteen megabytes pass", test_sixteen_megabytes_pass},
        {NULL, NULL},
    };
    decoder = amqp_decoder_create();
    encoder = amqp_encoder_create();
    int status = kit_main("amqp_mapping", tests);
    amqp_decoder_destroy(decoder);
    amqp_encoder_destroy(encoder);
    amqp_buffer_fini(&out);
    return status;
}
