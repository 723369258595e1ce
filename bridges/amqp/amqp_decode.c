/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0 message → event. */
#include "amqp_address.h"
#include "amqp_decode.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEEP_BYTES = 64 * 1024, CHUNK_BYTES = 4096, KEEP_PROPERTIES = 256 };

struct amqp_decoder *amqp_decoder_create(void)
{
    return calloc(1, sizeof(struct amqp_decoder));
}

static void free_chunks(struct amqp_decoder *d, size_t keep)
{
    while (d->chunks && (d->chunks->next || d->chunks->room > keep)) {
        struct chunk *next = d->chunks->next;
        free(d->chunks);
        d->chunks = next;
    }
    if (d->chunks)
        d->chunks->used = 0;
}

void amqp_decoder_destroy(struct amqp_decoder *d)
{
    if (!d)
        return;
    free_chunks(d, 0);
    amqp_census_fini(&d->census);
    free(d->items);
    free(d->sorted);
    free(d);
}

void *amqp_decode_take(struct amqp_decoder *d, size_t size)
{
    if (!d->chunks || d->chunks->room - d->chunks->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        struct chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        *chunk = (struct chunk){.next = d->chunks, .room = room};
        d->chunks = chunk;
    }
    void *at = d->chunks->at + d->chunks->used;
    d->chunks->used += size;
    return at;
}

int amqp_decode_bad(struct amqp_decoder *d, const char *section, const char *what)
{
    snprintf(d->err->text, sizeof d->err->text, "%s: %s", section, what);
    return -EBADMSG;
}

int amqp_decode_no_memory(struct amqp_decoder *d)
{
    snprintf(d->err->text, sizeof d->err->text, "out of memory");
    return -ENOMEM;
}

int amqp_decode_add(struct amqp_decoder *d, struct mg_str name, const struct mg_value *value)
{
    if (d->count >= AMQP_PROPERTIES_MAX)
        return amqp_decode_bad(d, "message", "more than 65535 properties");
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : 32;
        struct mg_property *items = realloc(d->items, room * sizeof *items);
        if (!items)
            return amqp_decode_no_memory(d);
        d->items = items;
        d->room = room;
    }
    d->items[d->count++] = (struct mg_property){name, *value};
    return 0;
}

int amqp_decode_add_reserved(struct amqp_decoder *d, enum amqp_part part,
                             const struct mg_value *value)
{
    return amqp_decode_add(d, (struct mg_str){amqp_part_names[part], strlen(amqp_part_names[part])},
                           value);
}

/* "amqp.footer:KEY", "amqp.footer.raw:KEY", "amqp.footer.pair". */
int amqp_decode_add_entry(struct amqp_decoder *d, enum amqp_part part, enum amqp_form form,
                          struct mg_str key, const struct mg_value *value)
{
    const char *middle = form == AMQP_FORM_PLAIN ? ":" : form == AMQP_FORM_RAW ? ".raw:" : ".pair";
    size_t first = strlen(amqp_part_names[part]), second = strlen(middle);
    char *name = amqp_decode_take(d, first + second + key.len);
    if (!name)
        return amqp_decode_no_memory(d);
    memcpy(name, amqp_part_names[part], first);
    memcpy(name + first, middle, second);
    if (key.len)
        memcpy(name + first + second, key.at, key.len);
    return amqp_decode_add(d, (struct mg_str){name, first + second + key.len}, value);
}

/* ---- body ----------------------------------------------------------------------------------- */

static int join_data(struct amqp_decoder *d, const struct sections *s, struct mg_bytes *ret_payload,
                     struct mg_value *ret_sizes)
{
    struct amqp_cursor c = {s->body_raw.at, (const uint8_t *)s->body_raw.at + s->body_raw.len};
    uint8_t *payload = amqp_decode_take(d, s->body_raw.len);
    size_t size = 8 + (size_t)s->body_count * 12, at = 0, len = 0;
    char *sizes = amqp_decode_take(d, size);
    if (!payload || !sizes)
        return amqp_decode_no_memory(d);
    at = (size_t)snprintf(sizes, size, "%s", amqp_body_names[AMQP_BODY_SECTIONS]);
    for (uint32_t i = 0; i < s->body_count; i++) {
        struct amqp_item section, code, data;
        amqp_read(&c, &section);
        struct amqp_cursor in = section.inside;
        amqp_read(&in, &code);
        amqp_read(&in, &data);
        if (data.value.as.binary.len)
            memcpy(payload + len, data.value.as.binary.at, data.value.as.binary.len);
        len += data.value.as.binary.len;
        at += (size_t)snprintf(sizes + at, size - at, "%s%zu", i ? "," : "",
                               data.value.as.binary.len);
    }
    *ret_payload = (struct mg_bytes){payload, len};
    *ret_sizes = (struct mg_value){.type = MG_TEXT, .as.text = {sizes, at}};
    return 0;
}

static enum amqp_body value_body(const struct amqp_item *item, struct mg_bytes *ret_payload)
{
    if (item->kind == AMQP_SIMPLE) {
        const struct mg_value *v = &item->value;
        switch (v->type) {
        case MG_NULL:
            return AMQP_BODY_NULL;
        case MG_BINARY:
            *ret_payload = v->as.binary;
            return AMQP_BODY_BINARY;
        case MG_TEXT:
        case MG_SYMBOL:
            *ret_payload = (struct mg_bytes){v->as.text.at, v->as.text.len};
            return v->type == MG_TEXT ? AMQP_BODY_STRING : AMQP_BODY_SYMBOL;
        default:
            break;
        }
    }
    *ret_payload = item->raw;
    return AMQP_BODY_RAW;
}

static int decode_body(struct amqp_decoder *d, const struct sections *s, struct mg_message *m)
{
    enum amqp_body body = AMQP_BODY_NONE;
    struct mg_value say = {.type = MG_TEXT};
    if (s->body_code == 0x75 && s->body_count == 1) {
        m->payload = s->body.value.as.binary;
        return 0;
    }
    if (s->body_code == 0x75) {
        int r = join_data(d, s, &m->payload, &say);
        return r < 0 ? r : amqp_decode_add_reserved(d, AMQP_PART_BODY, &say);
    }
    if (s->body_code == 0x76) {
        if (!amqp_is_sequences(s->body_raw, false))
            return amqp_decode_bad(d, "amqp-sequence", "malformed list");
        m->payload = s->body_raw;
        body = AMQP_BODY_SEQUENCE;
    } else if (s->body_code == 0x77) {
        body = value_body(&s->body, &m->payload);
        if (body == AMQP_BODY_RAW && !amqp_well_formed(s->body.raw, false))
            return amqp_decode_bad(d, "amqp-value", "malformed value");
        if (body == AMQP_BODY_STRING) {
            m->head.text_payload = true;
            m->head.present |= MG_HAS_TEXT_PAYLOAD;
        }
    }
    say.as.text = (struct mg_str){amqp_body_names[body], strlen(amqp_body_names[body])};
    return amqp_decode_add_reserved(d, AMQP_PART_BODY, &say);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int find_body(struct amqp_decoder *d, struct sections *s, uint32_t code,
                     struct mg_bytes section, const struct amqp_item *value)
{
    if (s->body_count && (code != s->body_code || code == 0x77))
        return amqp_decode_bad(d, "body", "sections of different kinds");
    if (code == 0x75 && (value->kind != AMQP_SIMPLE || value->value.type != MG_BINARY))
        return amqp_decode_bad(d, "data", "not binary");
    if (s->body_count++ == 0) {
        s->body = *value;
        s->body_raw.at = section.at;
        s->body_code = code;
    }
    s->body_raw.len =
        (size_t)((const char *)section.at + section.len - (const char *)s->body_raw.at);
    return 0;
}

/* A section's descriptor and value; false: malformed. */
static bool read_section(struct amqp_cursor *c, uint64_t *ret_code, struct amqp_item *ret_value)
{
    if (c->end - c->at > 3 && c->at[0] == 0 && c->at[1] == 0x53) { /* as everybody writes it */
        *ret_code = c->at[2];
        c->at += 3;
    } else {
        struct amqp_item code;
        if (*c->at++ != 0 || amqp_read(c, &code) < 0)
            return false;
        *ret_code = amqp_descriptor(&code);
    }
    return amqp_read(c, ret_value) == 0;
}

/* Order and number of sections: AMQP 1.0 part 3 §3.2. */
static int find_sections(struct amqp_decoder *d, struct mg_bytes bytes, struct sections *s)
{
    struct amqp_cursor c = {bytes.at, (const uint8_t *)bytes.at + bytes.len};
    uint32_t reached = 0;
    if (bytes.len == 0)
        return amqp_decode_bad(d, "message", "empty");
    while (c.at < c.end) {
        const uint8_t *start = c.at;
        struct amqp_item value;
        uint64_t which;
        if (!read_section(&c, &which, &value))
            return amqp_decode_bad(d, "message", "malformed section");
        if (which < 0x70 || which > 0x78)
            return amqp_decode_bad(d, "message", "unknown section");
        uint32_t rank = which >= 0x75 && which <= 0x77 ? 0x75 : (uint32_t)which;
        if (rank < reached || (rank == reached && rank != 0x75))
            return amqp_decode_bad(d, "message", "sections repeated or out of order");
        reached = rank;
        struct amqp_item *into[] = {&s->header, &s->delivery, &s->annotations, &s->properties,
                                    &s->application};
        if (rank == 0x75) {
            int r = find_body(d, s, (uint32_t)which,
                              (struct mg_bytes){start, (size_t)(c.at - start)}, &value);
            if (r < 0)
                return r;
            continue;
        }
        *(which == 0x78 ? &s->footer : into[which - 0x70]) = value;
        s->present |= 1u << (which - 0x70);
    }
    return 0;
}

/* An order that the sender noted because the properties did not come in ours.  Anything but a
 * permutation other than the identity is ignored. */
static int restore_order(struct amqp_decoder *d, struct mg_bytes order)
{
    const uint8_t *at = order.at;
    if (order.len != d->count * 2 || d->count < 2)
        return 0;
    struct mg_property *sorted = realloc(d->sorted, d->count * sizeof *sorted);
    if (!sorted)
        return amqp_decode_no_memory(d);
    d->sorted = sorted;
    uint8_t *seen = amqp_decode_take(d, d->count);
    if (!seen)
        return amqp_decode_no_memory(d);
    memset(seen, 0, d->count);
    for (size_t i = 0; i < d->count; i++) {
        size_t to = (size_t)at[2 * i] << 8 | at[2 * i + 1];
        if (to >= d->count || seen[to])
            return 0;
        seen[to] = 1;
        sorted[to] = d->items[i];
    }
    memcpy(d->items, sorted, d->count * sizeof *sorted);
    return 0;
}

static void apply_facts(struct said *said, struct mg_head *head)
{
    const struct mg_value *f = said->facts;
    uint32_t has = said->has_facts;
    if (has & 1u << AMQP_FACT_QOS) {
        head->qos = (uint8_t)f[AMQP_FACT_QOS].as.u;
        head->present |= MG_HAS_QOS;
        /* The sender derived durable from the QoS, unless it says otherwise. */
        if (head->qos > 0 && head->durable && !(has & 1u << AMQP_FACT_DURABLE)) {
            head->durable = false;
            head->present &= ~(uint32_t)MG_HAS_DURABLE;
        }
    }
    if (has & 1u << AMQP_FACT_RETAIN) {
        head->retain = f[AMQP_FACT_RETAIN].as.b;
        head->present |= MG_HAS_RETAIN;
    }
    if (has & 1u << AMQP_FACT_TEXT) {
        head->text_payload = f[AMQP_FACT_TEXT].as.b;
        head->present |= MG_HAS_TEXT_PAYLOAD;
    }
    if (has & 1u << AMQP_FACT_CREATED && head->present & MG_HAS_CREATED)
        head->created_us += (int64_t)f[AMQP_FACT_CREATED].as.u;
    if (has & 1u << AMQP_FACT_USER)
        head->user = f[AMQP_FACT_USER].as.binary;
    if (has & 1u << AMQP_FACT_MESSAGE_ID)
        head->message_id = f[AMQP_FACT_MESSAGE_ID];
    if (has & 1u << AMQP_FACT_CORRELATION)
        head->correlation = f[AMQP_FACT_CORRELATION];
    if (has & 1u << AMQP_FACT_REPLY_TO)
        head->reply_to = f[AMQP_FACT_REPLY_TO].as.text;
    if (has & 1u << AMQP_FACT_CONTENT_TYPE)
        head->content_type = f[AMQP_FACT_CONTENT_TYPE].as.text;
    if (has & 1u << AMQP_FACT_CONTENT_ENCODING)
        head->content_encoding = f[AMQP_FACT_CONTENT_ENCODING].as.text;
    head->subject = said->subject;
    if (has & 1u << AMQP_FACT_SUBJECT)
        head->subject = f[AMQP_FACT_SUBJECT].type == MG_TEXT ? f[AMQP_FACT_SUBJECT].as.text
                                                             : (struct mg_str){0};
}

/* The address: what our own sender noted, the message's `to`, its routing key, or the source's. */
static int apply_address(struct amqp_decoder *d, const struct said *said,
                         const struct amqp_arrival *arrival, struct mg_head *head)
{
    head->address = arrival->address;
    if (said->has_facts & 1u << AMQP_FACT_ADDRESS) {
        head->address = said->facts[AMQP_FACT_ADDRESS].as.text;
        if (said->to.at) {
            struct mg_value to = {.type = MG_TEXT, .as.text = said->to};
            return amqp_decode_add_reserved(d, AMQP_PART_TO, &to);
        }
    } else if (said->to.at) {
        head->address = said->to;
    } else if (arrival->subject_is_key && said->subject.at) {
        size_t size = amqp_key_to_topic(said->subject, NULL, 0);
        char *topic = amqp_decode_take(d, size);
        if (!topic)
            return amqp_decode_no_memory(d);
        amqp_key_to_topic(said->subject, topic, size);
        head->address = (struct mg_str){topic, size};
    }
    return 0;
}

static int apply_expiry(struct amqp_decoder *d, const struct said *said, int64_t wall_us,
                        struct mg_head *head)
{
    if (said->has_ttl) {
        head->expires_us = wall_us + (int64_t)said->ttl_ms * 1000;
        if (said->ttl_ms == UINT32_MAX && said->has_facts & 1u << AMQP_FACT_EXPIRES)
            head->expires_us = said->facts[AMQP_FACT_EXPIRES].as.i * 1000;
        head->present |= MG_HAS_EXPIRY;
    }
    if (said->has_absolute) {
        struct mg_value absolute = {.type = MG_TIME, .as.i = said->absolute_ms};
        if (!said->has_ttl || said->absolute_ms * 1000 <= head->expires_us)
            head->expires_us = said->absolute_ms * 1000;
        head->present |= MG_HAS_EXPIRY;
        return amqp_decode_add_reserved(d, AMQP_PART_ABSOLUTE_EXPIRY, &absolute);
    }
    return 0;
}

int amqp_decode(struct amqp_decoder *d, struct mg_bytes bytes, const struct amqp_arrival *arrival,
                struct mg_message *m, struct mg_err *err)
{
    struct sections s;
    struct said said;
    s.present = s.body_code = s.body_count =
        0; /* the rest is read where these say that it is set */
    memset(&said, 0, offsetof(struct said, facts));
    *m = (struct mg_message){.head = {.size = sizeof m->head, .priority = 4}};
    d->err = err;
    d->count = 0;
    free_chunks(d, KEEP_BYTES);
    if (d->room > KEEP_PROPERTIES) {
        free(d->items);
        free(d->sorted);
        d->items = d->sorted = NULL;
        d->room = 0;
    }
    int r = find_sections(d, bytes, &s);
    if (r == 0 && s.present & 1)
        r = amqp_decode_header(d, &s.header, &m->head, &said);
    if (r == 0 && s.present & 8)
        r = amqp_decode_properties(d, &s.properties, &m->head, &said);
    if (r == 0 && said.has_ttl && said.has_absolute &&
        said.absolute_ms * 1000 <= arrival->wall_us + (int64_t)said.ttl_ms * 1000) {
        /* The nearer end is the event's; the other one must not get lost. */
        struct mg_value ttl = {.type = MG_UINT, .width = 32, .as.u = said.ttl_ms};
        r = amqp_decode_add_reserved(d, AMQP_PART_TTL, &ttl);
    }
    if (r == 0 && s.present & 2)
        r = amqp_decode_annotations(d, AMQP_PART_DELIVERY, &s.delivery, &said);
    if (r == 0 && s.present & 4)
        r = amqp_decode_annotations(d, AMQP_PART_ANNOTATION, &s.annotations, &said);
    if (r == 0)
        r = apply_address(d, &said, arrival, &m->head);
    if (r == 0)
        r = apply_expiry(d, &said, arrival->wall_us, &m->head);
    if (r == 0)
        r = decode_body(d, &s, m);
    if (r == 0 && s.present & 256)
        r = amqp_decode_annotations(d, AMQP_PART_FOOTER, &s.footer, &said);
    if (r == 0 && s.present & 16)
        r = amqp_decode_application(d, &s.application);
    if (r < 0)
        return r;
    apply_facts(&said, &m->head);
    if (said.has_facts & 1u << AMQP_FACT_ORDER)
        r = restore_order(d, said.facts[AMQP_FACT_ORDER].as.binary);
    m->properties = d->items;
    m->property_count = d->count;
    return r;
}
