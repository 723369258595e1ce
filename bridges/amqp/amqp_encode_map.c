/* SPDX-License-Identifier: Apache-2.0 */
/* Event → AMQP 1.0 message: annotations, application properties and footer. */
#include "amqp_encode.h"
#include <errno.h>
#include <stdio.h>

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
    if (amqp_id_displaced(e, &h->message_id)) {
        put_fact(e, map, AMQP_FACT_MESSAGE_ID);
        amqp_put_value(e->out, &h->message_id);
    }
    if (amqp_id_displaced(e, &h->correlation)) {
        put_fact(e, map, AMQP_FACT_CORRELATION);
        amqp_put_value(e->out, &h->correlation);
    }
    if (amqp_text_displaced(e, h->reply_to))
        put_text_fact(e, map, AMQP_FACT_REPLY_TO, h->reply_to);
    if (amqp_text_displaced(e, h->content_type))
        put_text_fact(e, map, AMQP_FACT_CONTENT_TYPE, h->content_type);
    if (amqp_text_displaced(e, h->content_encoding))
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
    if (amqp_durable_of(e, &durable) == AMQP_DURABLE_SAID && durable && h->present & MG_HAS_QOS &&
        h->qos > 0) {
        put_fact(e, map, AMQP_FACT_DURABLE);
        amqp_put_bool(e->out, true);
    }
    if (h->present & MG_HAS_CREATED && h->created_us - amqp_created_ms(h) * 1000 > 0) {
        struct mg_value rest = {.type = MG_UINT,
                                .width = 32,
                                .as.u = (uint64_t)(h->created_us - amqp_created_ms(h) * 1000)};
        put_fact(e, map, AMQP_FACT_CREATED);
        amqp_put_value(e->out, &rest);
    }
    if (amqp_ttl_of(e, &ttl_ms, &clamped) && clamped) {
        put_fact(e, map, AMQP_FACT_EXPIRES);
        amqp_put_time(e->out, h->expires_us / 1000);
    }
    if (h->address.at && (e->to_field.at || !same(amqp_to_of(e), h->address)))
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

int amqp_put_map(struct amqp_encoder *e, uint8_t code, enum amqp_part part, bool moved)
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
