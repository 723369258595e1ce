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

enum amqp_durable_from amqp_durable_of(const struct amqp_encoder *e, bool *ret_durable)
{
    const struct mg_head *h = &e->m->head;
    bool said = h->present & MG_HAS_DURABLE, by_qos = h->present & MG_HAS_QOS && h->qos > 0;
    *ret_durable = said ? h->durable : by_qos;
    if (e->to->durable != AMQP_DURABLE_KEEP) {
        *ret_durable = e->to->durable == AMQP_DURABLE_ALWAYS;
        return AMQP_DURABLE_SAID;
    }
    return said ? AMQP_DURABLE_SAID : by_qos ? AMQP_DURABLE_BY_QOS : AMQP_DURABLE_UNSAID;
}

bool amqp_ttl_of(const struct amqp_encoder *e, uint32_t *ret_ttl_ms, bool *ret_clamped)
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
    bool durable, clamped, has_durable = amqp_durable_of(e, &durable) != AMQP_DURABLE_UNSAID;
    bool has_ttl = amqp_ttl_of(e, &ttl_ms, &clamped), has_priority = h->present & MG_HAS_PRIORITY;
    uint32_t delivery_count = e->to->delivery_count;
    if (!has_durable && !has_ttl && !has_priority && !delivery_count)
        return;
    amqp_put_descriptor(e->out, 0x70);
    amqp_open_list(e->out, &list);
    list.count = delivery_count ? 5 : has_ttl ? 3 : has_priority ? 2 : 1;
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
    else if (list.count > 2)
        amqp_put_null(e->out);
    if (delivery_count) {
        amqp_put_null(e->out); /* first-acquirer */
        amqp_put_uint(e->out, delivery_count);
    }
    amqp_close(e->out, &list);
}

bool amqp_id_displaced(const struct amqp_encoder *e, const struct mg_value *id)
{
    if (!amqp_peer_is(e, AMQP_PEER_SHORT_TEXTS) || id->type == MG_NULL)
        return false;
    return id->type == MG_TEXT ? id->as.text.len > SHORT_MAX
                               : id->type != MG_BINARY || id->as.binary.len > SHORT_MAX;
}

bool amqp_text_displaced(const struct amqp_encoder *e, struct mg_str text)
{
    return amqp_peer_is(e, AMQP_PEER_SHORT_TEXTS) && text.at && text.len > SHORT_MAX;
}

static void put_id(struct amqp_encoder *e, const struct mg_value *id)
{
    struct mg_value wide = *id;
    wide.width = 64;
    if (amqp_id_displaced(e, id))
        amqp_put_null(e->out);
    else
        amqp_put_value(e->out, id->type == MG_UINT ? &wide : id);
}

static void put_text(struct amqp_encoder *e, struct mg_str text, bool symbol)
{
    if (amqp_text_displaced(e, text))
        text = (struct mg_str){0};
    if (symbol)
        amqp_put_symbol(e->out, text);
    else
        amqp_put_string(e->out, text);
}

struct mg_str amqp_to_of(const struct amqp_encoder *e)
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

int64_t amqp_created_ms(const struct mg_head *h)
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
    amqp_put_string(e->out, amqp_to_of(e));
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
        put_time(e, h->present & MG_HAS_CREATED, amqp_created_ms(h));
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
        r = amqp_put_map(e, 0x71, AMQP_PART_DELIVERY, moved);
    if (r == 0)
        r = amqp_put_map(e, 0x72, AMQP_PART_ANNOTATION, moved);
    put_properties(e);
    if (r == 0 && m->property_count)
        r = amqp_put_map(e, 0x74, AMQP_PART_PROPERTY, moved);
    put_body(e);
    if (r == 0 && m->property_count)
        r = amqp_put_map(e, 0x78, AMQP_PART_FOOTER, moved);
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
