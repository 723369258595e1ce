/* SPDX-License-Identifier: Apache-2.0 */
/* Events at random, full of what the AMQP mapping treats specially. */
#include "amqp_same.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const int64_t amqp_random_wall_us = (int64_t)1700000000 * 1000000;

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, text ? strlen(text) : 0};
}

static uint64_t state;

void amqp_random_seed(uint64_t seed)
{
    state = seed;
}

uint32_t amqp_random(uint32_t bound)
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
    static const char *const bits[] = {"a",           "plant",    "/",
                                       ".",           "#",        "%2E",
                                       "%",           "\xc3\xa9", "\xf0\x9f\x98\x80",
                                       " ",           "amqp.",    "mesh:",
                                       "1:",          "2:",       "annotation:",
                                       "x-opt-mesh-", "qos",      "property:"};
    size_t n = amqp_random(5), len = 0;
    char *at = from_pool(200);
    if (amqp_random(60) == 0) {
        at = from_pool(400);
        memset(at, 'z', 400);
        return (struct mg_str){at, 200 + amqp_random(200)};
    }
    for (size_t i = 0; i < n; i++) {
        const char *bit = bits[amqp_random(sizeof bits / sizeof *bits)];
        memcpy(at + len, bit, strlen(bit));
        len += strlen(bit);
    }
    return (struct mg_str){at, len};
}

static struct mg_str rnd_text_or_unset(void)
{
    return amqp_random(2) ? rnd_text() : (struct mg_str){0};
}

static struct mg_bytes rnd_bytes(size_t most)
{
    size_t len = amqp_random((uint32_t)most + 1);
    uint8_t *at = from_pool(len + 1);
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)amqp_random(256);
    return (struct mg_bytes){at, len};
}

static uint64_t rnd64(void)
{
    uint64_t wide = (uint64_t)amqp_random(UINT32_MAX) << 32 | amqp_random(UINT32_MAX);
    return wide >> amqp_random(64);
}

static struct mg_value rnd_value(void)
{
    static const uint32_t widths[] = {8, 16, 32, 64};
    struct mg_value v = {.type = amqp_random(MG_SYMBOL + 1)};
    uint32_t width = widths[amqp_random(4)];
    switch (v.type) {
    case MG_BOOL:
        v.as.b = amqp_random(2);
        break;
    case MG_INT:
        v.width = width;
        v.as.i = (int64_t)(rnd64() << (64 - width)) >> (64 - width);
        break;
    case MG_UINT:
        v.width = width;
        v.as.u = rnd64() << (64 - width) >> (64 - width);
        break;
    case MG_FLOAT:
        v.width = amqp_random(2) ? 32 : 64;
        v.as.d = amqp_random(9) == 0   ? NAN
                 : amqp_random(9) == 0 ? INFINITY
                                       : (double)(float)((double)amqp_random(1000000) / 7);
        break;
    case MG_DECIMAL:
        v.width = widths[2 + amqp_random(2)];
        v.as.binary = (struct mg_bytes){"0123456789abcdef", v.width / 8};
        break;
    case MG_CHAR:
        v.as.u = amqp_random(0x110000);
        break;
    case MG_TIME:
        v.as.i = (int64_t)rnd64();
        break;
    case MG_UUID:
        memcpy(v.as.uuid, "0123456789abcdef", 16);
        break;
    case MG_BINARY:
        v.as.binary = rnd_bytes(300);
        break;
    case MG_TEXT:
        v.as.text = rnd_text();
        break;
    case MG_SYMBOL:
        v.as.text = str(amqp_random(2) ? "a-symbol" : "");
        break;
    default:
        break;
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
    static const char *const raws[] = {"\x45",
                                       "\xc0\x03\x01\x50\x07",
                                       ("\xc1\x05\x02\xa1\x01"
                                        "k\x41"),
                                       "\xe0\x04\x02\x50\x01\x02",
                                       "\x00\x53\x09\x41",
                                       "\x72\x7f\xc0\x00\x01",
                                       "\xa3\x01\xff",
                                       "\xd0\x00\x00\x00\x05\x00\x00\x00\x01\x40"};
    static const size_t sizes[] = {1, 5, 7, 6, 4, 5, 3, 10};
    uint32_t i = amqp_random(8);
    return (struct mg_value){.type = MG_BINARY, .as.binary = {raws[i], sizes[i]}};
}

static struct mg_property rnd_property(void)
{
    static const char *const names[] = {"amqp.delivery-annotation:x-d",
                                        "amqp.annotation:x-a",
                                        "amqp.footer:x-f",
                                        "amqp.property:amqp.own",
                                        "amqp.property:mesh:9:n",
                                        "amqp.annotation:x-opt-mesh-qos",
                                        "amqp.ttl",
                                        "amqp.nonsense",
                                        "mesh:1:a",
                                        "a",
                                        "a",
                                        "mesh:2:a",
                                        "b"};
    static const char *const raws[] = {"amqp.delivery-annotation.raw:x-d", "amqp.annotation.raw:x",
                                       "amqp.footer.raw:f", "amqp.property.raw:p",
                                       "amqp.property.raw:mesh:1:q"};
    static const char *const pairs[] = {"amqp.delivery-annotation.pair", "amqp.annotation.pair",
                                        "amqp.property.pair"};
    struct mg_property p = {.value = rnd_value()};
    switch (amqp_random(8)) {
    case 0:
    case 1:
        p.name = rnd_text();
        break;
    case 2:
        p.name = str(raws[amqp_random(5)]);
        if (amqp_random(4))
            p.value = rnd_raw();
        break;
    case 3:
        p.name = str(pairs[amqp_random(3)]);
        if (amqp_random(4))
            p.value = (struct mg_value){.type = MG_BINARY, .as.binary = {"\x53\x07\x41", 3}};
        break;
    case 4:
        p.name = str(amqp_random(2) ? "amqp.absolute-expiry-time" : "amqp.to");
        if (amqp_random(4)) {
            bool time = p.name.len > 8;
            p.value = (struct mg_value){.type = time ? MG_TIME : MG_TEXT};
            if (time)
                p.value.as.i = amqp_random_wall_us / 1000 + amqp_random(100000);
            else
                p.value.as.text = rnd_text();
        }
        break;
    default:
        p.name = str(names[amqp_random(sizeof names / sizeof *names)]);
        break;
    }
    return p;
}

static void rnd_body(struct mg_message *m, struct mg_property *p)
{
    *p = (struct mg_property){str("amqp.body"), {.type = MG_TEXT}};
    switch (amqp_random(9)) {
    case 0:
        p->value.as.text = str("data:2,0,3");
        m->payload = (struct mg_bytes){"hello", 5 - (amqp_random(5) == 0)};
        break;
    case 1:
        p->value.as.text = str("none");
        m->payload.len = amqp_random(2);
        break;
    case 2:
        p->value.as.text = str("value:null");
        m->payload.len = 0;
        break;
    case 3:
        p->value.as.text = str("value:string");
        m->payload = (struct mg_bytes){"gr\xc3\xbc\xc3\x9f", 6};
        if (amqp_random(3)) {
            m->head.present |= MG_HAS_TEXT_PAYLOAD;
            m->head.text_payload = true;
        }
        break;
    case 4:
        p->value.as.text = str("value:binary");
        break;
    case 5:
        p->value.as.text = str("value:symbol");
        m->payload = (struct mg_bytes){"sym", 3};
        break;
    case 6:
        p->value.as.text = str("value:raw");
        m->payload = amqp_random(3) ? rnd_raw().as.binary : (struct mg_bytes){"\x52\x07", 2};
        break;
    case 7:
        p->value.as.text = str("sequence");
        m->payload = (struct mg_bytes){"\x00\x53\x76\x45\x00\x53\x76\xc0\x02\x01\x41", 11};
        break;
    default:
        p->value.as.text = str("other");
        break;
    }
}

void amqp_random_event(struct mg_message *m)
{
    static struct mg_property properties[16];
    pool_used = 0;
    *m = (struct mg_message){.head = {.size = sizeof m->head, .priority = 4}};
    struct mg_head *h = &m->head;
    h->address = rnd_text();
    h->reply_to = rnd_text_or_unset();
    h->subject = rnd_text_or_unset();
    if (amqp_random(3) == 0)
        h->content_type = str("text/plain");
    if (amqp_random(3) == 0)
        h->content_encoding = str("gzip");
    h->group = rnd_text_or_unset();
    h->reply_to_group = rnd_text_or_unset();
    h->message_id = rnd_id();
    h->correlation = rnd_id();
    if (amqp_random(3) == 0)
        h->user = rnd_bytes(20);
    h->present = amqp_random(256);
    if (h->present & MG_HAS_QOS)
        h->qos = (uint8_t)amqp_random(3);
    if (h->present & MG_HAS_RETAIN)
        h->retain = amqp_random(2);
    if (h->present & MG_HAS_DURABLE)
        h->durable = amqp_random(2);
    if (h->present & MG_HAS_PRIORITY)
        h->priority = (uint8_t)amqp_random(256);
    if (h->present & MG_HAS_GROUP_SEQUENCE)
        h->group_sequence = amqp_random(UINT32_MAX);
    if (h->present & MG_HAS_CREATED)
        h->created_us = (int64_t)rnd64() / 1000 - (int64_t)amqp_random(2) * 1000000;
    if (h->present & MG_HAS_EXPIRY) /* whole milliseconds: the resolution of AMQP's ttl */
        h->expires_us =
            amqp_random_wall_us +
            (amqp_random(9) ? (int64_t)amqp_random(100000000) : (int64_t)(rnd64() >> 24)) * 1000;
    if (h->present & MG_HAS_TEXT_PAYLOAD)
        h->text_payload = amqp_random(2);
    m->payload = rnd_bytes(600);
    m->properties = properties;
    m->property_count = amqp_random(12);
    for (size_t i = 0; i < m->property_count; i++)
        properties[i] = rnd_property();
    if (h->present & MG_HAS_EXPIRY && amqp_random(3) == 0) {
        size_t at = m->property_count++;
        properties[at] = (struct mg_property){str("amqp.absolute-expiry-time"), {.type = MG_TIME}};
        properties[at].value.as.i = h->expires_us / 1000 + (int64_t)amqp_random(3) - 1;
        if (amqp_random(2))
            properties[m->property_count++] = (struct mg_property){
                str("amqp.ttl"), {.type = MG_UINT, .width = 32, .as.u = amqp_random(UINT32_MAX)}};
    }
    if (m->property_count && amqp_random(2))
        rnd_body(m, &properties[amqp_random((uint32_t)m->property_count)]);
}
