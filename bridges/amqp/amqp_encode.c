/* SPDX-License-Identifier: Apache-2.0 */
/* Event → AMQP 1.0 message. */
#include "amqp_encode.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHORT_MAX = 255, APART_MIN = 2048 };

struct amqp_encoder *amqp_encoder_create(void)
{
    return calloc(1, sizeof(struct amqp_encoder));
}

void amqp_encoder_destroy(struct amqp_encoder *e)
{
    if (!e)
        return;
    amqp_census_fini(&e->census);
    free(e->plans);
    free(e->sorted);
    free(e);
}

/* ---- header and properties ------------------------------------------------------------------ */

enum durable_from { DURABLE_UNSAID, DURABLE_SAID, DURABLE_BY_QOS };

static enum durable_from durable_of(const struct amqp_encoder *e, bool *ret_durable)
{
    const struct mg_head *h = &e->m->head;
    bool said = h->present & MG_HAS_DURABLE, by_qos = h->present & MG_HAS_QOS && h->qos > 0;
    *ret_durable = said ? h->durable : by_qos;
    if (e->to->durable != AMQP_DURABLE_KEEP) {
        *ret_durable = e->to->durable == AMQP_DURABLE_ALWAYS;
        return DURABLE_SAID;
    }
    return said ? DURABLE_SAID : by_qos ? DURABLE_BY_QOS : DURABLE_UNSAID;
}

/* Milliseconds left, rounded up; AMQP's ttl has 32 bits. */
static bool ttl_of(const struct amqp_encoder *e, uint32_t *ret_ttl_ms, bool *ret_clamped)
{
    const struct mg_head *h = &e->m->head;
    *ret_clamped = false;
    if (e->ttl) {
        *ret_ttl_ms = (uint32_t)e->ttl->as.u;
        return true;
    }
    if (!(h->present & MG_HAS_EXPIRY) || (e->absolute && e->absolute->as.i * 1000 == h->expires_us))
        return false;
    int64_t left;
    if (h->expires_us <= e->to->wall_us ||
        __builtin_sub_overflow(h->expires_us, e->to->wall_us, &left))
        left = h->expires_us <= e->to->wall_us ? 0 : INT64_MAX - 999;
    left = left > INT64_MAX - 999 ? left / 1000 : (left + 999) / 1000;
    *ret_clamped = left >= UINT32_MAX;
    *ret_ttl_ms = *ret_clamped ? UINT32_MAX : (uint32_t)left;
    return true;
}

static void put_header(struct amqp_encoder *e)
{
    const struct mg_head *h = &e->m->head;
    struct amqp_compound list;
    uint32_t ttl_ms;
    bool durable, clamped, has_durable = durable_of(e, &durable) != DURABLE_UNSAID;
    bool has_ttl = ttl_of(e, &ttl_ms, &clamped), has_priority = h->present & MG_HAS_PRIORITY;
    if (!has_durable && !has_ttl && !has_priority)
        return;
    amqp_put_descriptor(e->out, 0x70);
    amqp_open_list(e->out, &list);
    list.count = has_ttl ? 3 : has_priority ? 2 : 1;
    if (has_durable)
        amqp_put_bool(e->out, durable);
    else
        amqp_put_null(e->out);
    if (has_priority)
        amqp_put_ubyte(e->out, h->priority);
    else if (list.count > 1)
        amqp_put_null(e->out);
    if (has_ttl)
        amqp_put_uint(e->out, ttl_ms);
    amqp_close(e->out, &list);
}

/* Fields that this peer cannot take in their place go into an annotation. */
static bool id_displaced(const struct amqp_encoder *e, const struct mg_value *id)
{
    if (!amqp_peer_is(e, AMQP_PEER_SHORT_TEXTS) || id->type == MG_NULL)
        return false;
    return id->type == MG_TEXT ? id->as.text.len > SHORT_MAX
                               : id->type != MG_BINARY || id->as.binary.len > SHORT_MAX;
}

static bool text_displaced(const struct amqp_encoder *e, struct mg_str text)
{
    return amqp_peer_is(e, AMQP_PEER_SHORT_TEXTS) && text.at && text.len > SHORT_MAX;
}

static void put_id(struct amqp_encoder *e, const struct mg_value *id)
{
    struct mg_value wide = *id;
    wide.width = 64;
    if (id_displaced(e, id))
        amqp_put_null(e->out);
    else
        amqp_put_value(e->out, id->type == MG_UINT ? &wide : id);
}

static void put_text(struct amqp_encoder *e, struct mg_str text, bool symbol)
{
    if (text_displaced(e, text))
        text = (struct mg_str){0};
    if (symbol)
        amqp_put_symbol(e->out, text);
    else
        amqp_put_string(e->out, text);
}

static struct mg_str to_of(const struct amqp_encoder *e)
{
    return e->to->to.at ? e->to->to : e->to_field.at ? e->to_field : e->m->head.address;
}

static void put_time(struct amqp_encoder *e, bool present, int64_t ms)
{
    if (present)
        amqp_put_time(e->out, ms);
    else
        amqp_put_null(e->out);
}

static int64_t created_ms(const struct mg_head *h)
{
    int64_t ms = h->created_us / 1000;
    return h->created_us % 1000 < 0 ? ms - 1 : ms; /* the remainder is 0..999 */
}

static void put_properties(struct amqp_encoder *e)
{
    const struct mg_head *h = &e->m->head;
    struct amqp_compound list;
    bool sequence = h->present & MG_HAS_GROUP_SEQUENCE;
    amqp_put_descriptor(e->out, 0x73);
    amqp_open_list(e->out, &list);
    /* Trailing nulls may be left out (part 1 §1.4). */
    list.count = h->reply_to_group.at          ? 13
                 : sequence                    ? 12
                 : h->group.at                 ? 11
                 : h->present & MG_HAS_CREATED ? 10
                 : e->absolute                 ? 9
                 : h->content_encoding.at      ? 8
                 : h->content_type.at          ? 7
                                               : 6;
    put_id(e, &h->message_id);
    if (h->user.at && !amqp_peer_is(e, AMQP_PEER_NO_USER))
        amqp_put_binary(e->out, h->user);
    else
        amqp_put_null(e->out);
    amqp_put_string(e->out, to_of(e));
    amqp_put_string(e->out, e->to->subject.at ? e->to->subject : h->subject);
    put_text(e, h->reply_to, false);
    put_id(e, &h->correlation);
    if (list.count > 6)
        put_text(e, h->content_type, true);
    if (list.count > 7)
        put_text(e, h->content_encoding, true);
    if (list.count > 8)
        put_time(e, e->absolute != NULL, e->absolute ? e->absolute->as.i : 0);
    if (list.count > 9)
        put_time(e, h->present & MG_HAS_CREATED, created_ms(h));
    if (list.count > 10)
        amqp_put_string(e->out, h->group);
    if (list.count > 11 && sequence)
        amqp_put_uint(e->out, h->group_sequence);
    else if (list.count > 11)
        amqp_put_null(e->out);
    if (list.count > 12)
        amqp_put_string(e->out, h->reply_to_group);
    amqp_close(e->out, &list);
}

/* ---- maps ----------------------------------------------------------------------------------- */

/* A map section that is left out where nothing was put into it. */
struct map {
    size_t before;
    struct amqp_compound compound;
};

static void open_map(struct amqp_encoder *e, struct map *map, uint8_t code)
{
    map->before = e->out->len;
    amqp_put_descriptor(e->out, code);
    amqp_open_map(e->out, &map->compound);
}

static void close_map(struct amqp_encoder *e, struct map *map)
{
    if (map->compound.count)
        amqp_close(e->out, &map->compound);
    else if (!e->out->failed)
        e->out->len = map->before;
}

static void put_fact(struct amqp_encoder *e, struct map *map, enum amqp_fact fact)
{
    amqp_put_symbol(e->out, (struct mg_str){amqp_fact_names[fact], strlen(amqp_fact_names[fact])});
    map->compound.count += 2;
}

static void put_text_fact(struct amqp_encoder *e, struct map *map, enum amqp_fact fact,
                          struct mg_str text)
{
    put_fact(e, map, fact);
    amqp_put_string(e->out, text);
}

static void put_displaced(struct amqp_encoder *e, struct map *map)
{
    const struct mg_head *h = &e->m->head;
    if (h->user.at && amqp_peer_is(e, AMQP_PEER_NO_USER)) {
        put_fact(e, map, AMQP_FACT_USER);
        amqp_put_binary(e->out, h->user);
    }
    if (id_displaced(e, &h->message_id)) {
        put_fact(e, map, AMQP_FACT_MESSAGE_ID);
        amqp_put_value(e->out, &h->message_id);
    }
    if (id_displaced(e, &h->correlation)) {
        put_fact(e, map, AMQP_FACT_CORRELATION);
        amqp_put_value(e->out, &h->correlation);
    }
    if (text_displaced(e, h->reply_to))
        put_text_fact(e, map, AMQP_FACT_REPLY_TO, h->reply_to);
    if (text_displaced(e, h->content_type))
        put_text_fact(e, map, AMQP_FACT_CONTENT_TYPE, h->content_type);
    if (text_displaced(e, h->content_encoding))
        put_text_fact(e, map, AMQP_FACT_CONTENT_ENCODING, h->content_encoding);
}

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (a.at != NULL) == (b.at != NULL) &&
           (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static void put_facts(struct amqp_encoder *e, struct map *map)
{
    const struct mg_head *h = &e->m->head;
    uint32_t ttl_ms;
    bool durable, clamped;
    if (h->present & MG_HAS_QOS) {
        put_fact(e, map, AMQP_FACT_QOS);
        amqp_put_ubyte(e->out, h->qos);
    }
    if (h->present & MG_HAS_RETAIN) {
        put_fact(e, map, AMQP_FACT_RETAIN);
        amqp_put_bool(e->out, h->retain);
    }
    if (h->present & MG_HAS_TEXT_PAYLOAD && e->body != AMQP_BODY_STRING) {
        put_fact(e, map, AMQP_FACT_TEXT);
        amqp_put_bool(e->out, h->text_payload);
    }
    if (durable_of(e, &durable) == DURABLE_SAID && durable && h->present & MG_HAS_QOS &&
        h->qos > 0) {
        put_fact(e, map, AMQP_FACT_DURABLE);
        amqp_put_bool(e->out, true);
    }
    if (h->present & MG_HAS_CREATED && h->created_us - created_ms(h) * 1000 > 0) {
        struct mg_value rest = {
            .type = MG_UINT, .width = 32, .as.u = (uint64_t)(h->created_us - created_ms(h) * 1000)};
        put_fact(e, map, AMQP_FACT_CREATED);
        amqp_put_value(e->out, &rest);
    }
    if (ttl_of(e, &ttl_ms, &clamped) && clamped) {
        put_fact(e, map, AMQP_FACT_EXPIRES);
        amqp_put_time(e->out, h->expires_us / 1000);
    }
    if (h->address.at && (e->to_field.at || !same(to_of(e), h->address)))
        put_text_fact(e, map, AMQP_FACT_ADDRESS, h->address);
    if (e->to->subject.at && !same(e->to->subject, h->subject))
        put_text_fact(e, map, AMQP_FACT_SUBJECT, h->subject);
    put_displaced(e, map);
}

static void put_entry(struct amqp_encoder *e, struct map *map, const struct plan *plan)
{
    const struct mg_value *v = &amqp_property(e, plan)->value;
    map->compound.count += 2;
    if (plan->form == AMQP_FORM_PAIR) {
        amqp_put(e->out, v->as.binary.at, v->as.binary.len);
        return;
    }
    if (plan->part == AMQP_PART_PROPERTY)
        amqp_put_string(e->out, plan->key);
    else
        amqp_put_symbol(e->out, plan->key);
    if (plan->form == AMQP_FORM_RAW)
        amqp_put(e->out, v->as.binary.at, v->as.binary.len);
    else
        amqp_put_value(e->out, v);
}

/* An event's own property: by its name, or tagged where it repeats or looks reserved. */
static int put_property(struct amqp_encoder *e, struct map *map, const struct plan *plan)
{
    const struct mg_property *p = amqp_property(e, plan);
    if (plan->form != AMQP_FORM_PLAIN ||
        (plan->foreign && amqp_key_foreign(plan->key, &e->census))) {
        put_entry(e, map, plan);
        return 0;
    }
    uint32_t count = amqp_census_add(&e->census, p->name);
    if (!count)
        return -ENOMEM;
    if (!amqp_tag_needed(p->name, count)) {
        struct plan by_name = *plan;
        by_name.key = p->name.at ? p->name : (struct mg_str){"", 0};
        put_entry(e, map, &by_name);
        return 0;
    }
    char tag[24];
    size_t len = (size_t)snprintf(tag, sizeof tag, AMQP_TAG "%u:", count),
           total = len + p->name.len;
    map->compound.count += 2;
    amqp_put_byte(e->out, total < 256 ? 0xa1 : 0xb1);
    if (total >= 256)
        amqp_put(e->out,
                 (const uint8_t[]){(uint8_t)(total >> 24), (uint8_t)(total >> 16),
                                   (uint8_t)(total >> 8)},
                 3);
    amqp_put_byte(e->out, (uint8_t)total);
    amqp_put(e->out, tag, len);
    amqp_put(e->out, p->name.at, p->name.len);
    amqp_put_value(e->out, &p->value);
    return 0;
}

static int put_map(struct amqp_encoder *e, uint8_t code, enum amqp_part part, bool moved)
{
    struct map map;
    size_t n = e->m->property_count;
    int r = 0;
    open_map(e, &map, code);
    if (part == AMQP_PART_ANNOTATION)
        put_facts(e, &map);
    if (part == AMQP_PART_ANNOTATION && moved) {
        put_fact(e, &map, AMQP_FACT_ORDER);
        amqp_put_byte(e->out, n * 2 < 256 ? 0xa0 : 0xb0);
        if (n * 2 >= 256)
            amqp_put(e->out, (const uint8_t[]){0, (uint8_t)(n * 2 >> 16), (uint8_t)(n * 2 >> 8)},
                     3);
        amqp_put_byte(e->out, (uint8_t)(n * 2));
        for (size_t i = 0; i < n; i++)
            amqp_put(
                e->out,
                (const uint8_t[]){(uint8_t)(e->plans[i].index >> 8), (uint8_t)e->plans[i].index},
                2);
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        if (e->plans[i].part != part)
            continue;
        if (part == AMQP_PART_PROPERTY)
            r = put_property(e, &map, &e->plans[i]);
        else
            put_entry(e, &map, &e->plans[i]);
    }
    close_map(e, &map);
    return r;
}

/* ---- body ----------------------------------------------------------------------------------- */

static void put_data(struct amqp_encoder *e, const uint8_t *at, size_t len)
{
    amqp_put_descriptor(e->out, 0x75);
    amqp_put_binary(e->out, (struct mg_bytes){at, len});
}

static bool has_footer(const struct amqp_encoder *e)
{
    for (size_t i = 0; i < e->m->property_count; i++)
        if (e->plans[i].part == AMQP_PART_FOOTER)
            return true;
    return false;
}

/* The one data section, but for the bytes in it. */
static void put_data_head(struct amqp_encoder *e, struct mg_bytes payload)
{
    amqp_put_descriptor(e->out, 0x75);
    amqp_put(e->out,
             (const uint8_t[]){0xb0, (uint8_t)(payload.len >> 24), (uint8_t)(payload.len >> 16),
                               (uint8_t)(payload.len >> 8), (uint8_t)payload.len},
             5);
    e->rest = payload;
}

static void put_body(struct amqp_encoder *e)
{
    struct mg_bytes payload = e->m->payload;
    struct mg_str text = {payload.len ? payload.at : "", payload.len};
    switch (e->body) {
    case AMQP_BODY_NONE:
        return;
    case AMQP_BODY_SEQUENCE:
        amqp_put(e->out, payload.at, payload.len);
        return;
    case AMQP_BODY_SECTIONS: {
        const uint8_t *at = payload.at;
        struct mg_str sizes = e->body_sizes->as.text;
        for (size_t i = strlen(amqp_body_names[AMQP_BODY_SECTIONS]), size = 0; i <= sizes.len;
             i++) {
            if (i < sizes.len && sizes.at[i] != ',') {
                size = size * 10 + (size_t)(sizes.at[i] - '0');
                continue;
            }
            put_data(e, at, size);
            at = size ? at + size : at;
            size = 0;
        }
        return;
    }
    case AMQP_BODY_DATA:
        if (e->apart && payload.len >= APART_MIN && payload.len <= UINT32_MAX && !has_footer(e))
            put_data_head(e, payload);
        else
            put_data(e, payload.at, payload.len);
        return;
    default:
        break;
    }
    amqp_put_descriptor(e->out, 0x77);
    if (e->body == AMQP_BODY_NULL)
        amqp_put_null(e->out);
    else if (e->body == AMQP_BODY_STRING)
        amqp_put_string(e->out, text);
    else if (e->body == AMQP_BODY_SYMBOL)
        amqp_put_symbol(e->out, text);
    else if (e->body == AMQP_BODY_BINARY)
        amqp_put_binary(e->out, payload);
    else
        amqp_put(e->out, payload.at, payload.len);
}

static int failed(const struct amqp_buffer *out, struct mg_err *err, int r)
{
    if (r == -EMSGSIZE)
        snprintf(err->text, sizeof err->text, "more than %d properties", AMQP_PROPERTIES_MAX);
    else if (r == 0 && out->failed == -EMSGSIZE)
        snprintf(err->text, sizeof err->text, "larger than %zu bytes, the most that the peer takes",
                 out->limit);
    else
        snprintf(err->text, sizeof err->text, "out of memory");
    return r ? r : out->failed;
}

static int encode(struct amqp_encoder *e, const struct mg_message *m,
                  const struct amqp_departure *to, struct amqp_buffer *out, struct mg_err *err)
{
    bool moved;
    e->rest = (struct mg_bytes){0};
    e->m = m;
    e->to = to;
    e->out = out;
    e->body = AMQP_BODY_DATA;
    e->ttl = e->absolute = e->body_sizes = NULL;
    e->to_field = (struct mg_str){0};
    amqp_census_reset(&e->census);
    int r = amqp_plan(e, &moved);
    if (r < 0)
        return failed(out, err, r);
    put_header(e);
    if (m->property_count)
        r = put_map(e, 0x71, AMQP_PART_DELIVERY, moved);
    if (r == 0)
        r = put_map(e, 0x72, AMQP_PART_ANNOTATION, moved);
    put_properties(e);
    if (r == 0 && m->property_count)
        r = put_map(e, 0x74, AMQP_PART_PROPERTY, moved);
    put_body(e);
    if (r == 0 && m->property_count)
        r = put_map(e, 0x78, AMQP_PART_FOOTER, moved);
    if (!out->failed && out->limit && out->len + e->rest.len > out->limit)
        out->failed = -EMSGSIZE;
    return r < 0 || out->failed ? failed(out, err, r) : 0;
}

int amqp_encode(struct amqp_encoder *e, const struct mg_message *m, const struct amqp_departure *to,
                struct amqp_buffer *out, struct mg_err *err)
{
    e->apart = false;
    return encode(e, m, to, out, err);
}

int amqp_encode_apart(struct amqp_encoder *e, const struct mg_message *m,
                      const struct amqp_departure *to, struct amqp_buffer *out,
                      struct mg_bytes *ret_rest, struct mg_err *err)
{
    e->apart = true;
    int r = encode(e, m, to, out, err);
    *ret_rest = e->rest;
    return r;
}
