/* SPDX-License-Identifier: Apache-2.0 */
/* Event → AMQP 1.0 message: where each property of the event goes. */
#include "amqp_encode.h"
#include <errno.h>
#include <stdlib.h>

static struct amqp_cursor cursor_of(struct mg_bytes bytes)
{
    return (struct amqp_cursor){bytes.at, (const uint8_t *)bytes.at + bytes.len};
}

/* Would the decoder have made exactly this raw value of an entry? */
static bool raw_fits(const struct amqp_encoder *e, const struct mg_value *v)
{
    struct amqp_item item;
    if (v->type != MG_BINARY ||
        !amqp_well_formed(v->as.binary, amqp_peer_is(e, AMQP_PEER_PLAIN_VALUES)))
        return false;
    struct amqp_cursor c = cursor_of(v->as.binary);
    return amqp_read(&c, &item) == 0 && item.kind != AMQP_SIMPLE;
}

static bool pair_fits(const struct amqp_encoder *e, enum amqp_part part, const struct mg_value *v)
{
    struct amqp_item key, value;
    bool plain = amqp_peer_is(e, AMQP_PEER_PLAIN_VALUES);
    if (v->type != MG_BINARY || v->as.binary.len == 0)
        return false;
    struct amqp_cursor c = cursor_of(v->as.binary);
    if (amqp_read(&c, &key) < 0 || amqp_read(&c, &value) < 0 || c.at != c.end ||
        !amqp_well_formed(key.raw, plain) || !amqp_well_formed(value.raw, plain))
        return false;
    if (key.kind != AMQP_SIMPLE)
        return true;
    if (part == AMQP_PART_PROPERTY)
        return key.value.type != MG_TEXT;
    if (key.value.type != MG_SYMBOL)
        return true;
    return part == AMQP_PART_ANNOTATION && amqp_starts(key.value.as.text, AMQP_MESH) &&
           amqp_fact_of(key.value.as.text, &value) == AMQP_FACT_NONE;
}

static bool entry_fits(const struct amqp_encoder *e, struct plan *plan, struct mg_str rest,
                       const struct mg_value *v)
{
    if (amqp_is(rest, ".pair")) {
        plan->form = AMQP_FORM_PAIR;
        return pair_fits(e, plan->part, v);
    }
    if (amqp_starts(rest, ".raw:")) {
        plan->form = AMQP_FORM_RAW;
        plan->key = (struct mg_str){rest.at + 5, rest.len - 5};
        if (!raw_fits(e, v))
            return false;
    } else if (amqp_starts(rest, ":")) {
        plan->form = AMQP_FORM_PLAIN;
        plan->key = (struct mg_str){rest.at + 1, rest.len - 1};
    } else {
        return false;
    }
    if (plan->part == AMQP_PART_PROPERTY)
        return amqp_utf8(plan->key.at, plan->key.len);
    return amqp_ascii(plan->key.at, plan->key.len) &&
           !(plan->part == AMQP_PART_ANNOTATION && amqp_starts(plan->key, AMQP_MESH));
}

/* "3,5": canonical decimals that add up to the payload, and not just one. */
static bool sizes_fit(struct mg_str text, size_t payload)
{
    size_t sum = 0, count = 0, i = 0;
    for (;;) {
        size_t start = i, size = 0;
        while (i < text.len && text.at[i] >= '0' && text.at[i] <= '9' && i - start < 10)
            size = size * 10 + (size_t)(text.at[i++] - '0');
        if (i == start || (text.at[start] == '0' && i - start > 1) || size > payload - sum)
            return false;
        sum += size;
        count++;
        if (i == text.len)
            return sum == payload && count > 1;
        if (text.at[i++] != ',')
            return false;
    }
}

static bool raw_body_fits(const struct amqp_encoder *e)
{
    struct amqp_item item;
    if (!amqp_well_formed(e->m->payload, amqp_peer_is(e, AMQP_PEER_PLAIN_VALUES)))
        return false;
    struct amqp_cursor c = cursor_of(e->m->payload);
    if (amqp_read(&c, &item) < 0 ||
        (amqp_peer_is(e, AMQP_PEER_PLAIN_VALUES) && item.kind == AMQP_LIST))
        return false;
    return item.kind != AMQP_SIMPLE ||
           (item.value.type != MG_NULL && item.value.type != MG_BINARY &&
            item.value.type != MG_TEXT && item.value.type != MG_SYMBOL);
}

/* Does the payload still have the shape that "amqp.body" says?  A step may have changed it. */
static bool body_fits(struct amqp_encoder *e, const struct mg_value *v)
{
    const struct mg_head *h = &e->m->head;
    struct mg_bytes payload = e->m->payload;
    enum amqp_body body = AMQP_BODY_SECTIONS;
    if (v->type != MG_TEXT)
        return false;
    if (amqp_starts(v->as.text, amqp_body_names[AMQP_BODY_SECTIONS])) {
        size_t head = strlen(amqp_body_names[AMQP_BODY_SECTIONS]);
        if (!sizes_fit((struct mg_str){v->as.text.at + head, v->as.text.len - head}, payload.len))
            return false;
        e->body_sizes = v;
    } else {
        body = AMQP_BODY_NONE;
        while (body <= AMQP_BODY_SEQUENCE && !amqp_is(v->as.text, amqp_body_names[body]))
            body++;
    }
    bool fits = true;
    switch (body) {
    case AMQP_BODY_NONE:
    case AMQP_BODY_NULL:
        fits = payload.len == 0;
        break;
    case AMQP_BODY_STRING:
        fits = h->present & MG_HAS_TEXT_PAYLOAD && h->text_payload &&
               amqp_utf8(payload.at, payload.len);
        break;
    case AMQP_BODY_SYMBOL:
        fits = amqp_ascii(payload.at, payload.len);
        break;
    case AMQP_BODY_RAW:
        fits = raw_body_fits(e);
        break;
    case AMQP_BODY_SEQUENCE:
        fits = amqp_is_sequences(payload, amqp_peer_is(e, AMQP_PEER_PLAIN_VALUES));
        break;
    default:
        fits = body <= AMQP_BODY_SEQUENCE;
        break;
    }
    if (fits)
        e->body = body;
    return fits;
}

/* Those that stand once.  amqp.ttl only ever stands beside the absolute time. */
static bool single_fits(struct amqp_encoder *e, enum amqp_part part, const struct mg_value *v)
{
    switch (part) {
    case AMQP_PART_TTL:
        if (e->ttl || v->type != MG_UINT || v->width != 32)
            return false;
        e->ttl = v;
        return true;
    case AMQP_PART_TO:
        if (e->to_field.at || e->to->to.at || v->type != MG_TEXT || !v->as.text.at ||
            !e->m->head.address.at)
            return false;
        e->to_field = v->as.text;
        return true;
    case AMQP_PART_ABSOLUTE_EXPIRY:
        if (e->absolute || v->type != MG_TIME || v->as.i > INT64_MAX / 1000 - 1 ||
            v->as.i < INT64_MIN / 1000 + 1)
            return false;
        e->absolute = v;
        return true;
    default:
        return e->body == AMQP_BODY_DATA && body_fits(e, v);
    }
}

static void plan_property(struct amqp_encoder *e, uint32_t index, struct plan *plan)
{
    const struct mg_property *p = &e->m->properties[index];
    *plan = (struct plan){.part = AMQP_PART_PROPERTY, .index = index, .key = p->name};
    if (!amqp_starts(p->name, AMQP_RESERVED))
        return;
    for (unsigned part = 0; part <= AMQP_PART_PROPERTY; part++) {
        size_t len = strlen(amqp_part_names[part]);
        if (!amqp_starts(p->name, amqp_part_names[part]))
            continue;
        struct mg_str rest = {p->name.at + len, p->name.len - len};
        struct plan as = *plan;
        bool fits;
        as.part = (uint8_t)part;
        if (part == AMQP_PART_DELIVERY && amqp_peer_is(e, AMQP_PEER_NO_DELIVERY_ANNOTATIONS))
            continue;
        if (part == AMQP_PART_DELIVERY || part == AMQP_PART_ANNOTATION ||
            part == AMQP_PART_FOOTER || part == AMQP_PART_PROPERTY)
            fits = entry_fits(e, &as, rest, &p->value);
        else
            fits = rest.len == 0 && single_fits(e, part, &p->value);
        if (!fits)
            continue;
        *plan = as;
        /* Whether the key may stand as it is depends on those before it: see put_property. */
        plan->foreign = part == AMQP_PART_PROPERTY && as.form == AMQP_FORM_PLAIN;
        return;
    }
}

/* What does not fit where it belongs travels as an ordinary property. */
static void demote(struct amqp_encoder *e, enum amqp_part part)
{
    for (size_t i = 0; i < e->m->property_count; i++)
        if (e->plans[i].part == part)
            e->plans[i] = (struct plan){
                .part = AMQP_PART_PROPERTY, .index = (uint32_t)i, .key = e->m->properties[i].name};
}

/* The absolute time must not end before the event does (a step may have changed either), and
 * amqp.ttl stands only beside an absolute time that is nearer: the decoder would not make others.
 */
static void check_expiry(struct amqp_encoder *e)
{
    const struct mg_head *h = &e->m->head;
    if (e->absolute &&
        (!(h->present & MG_HAS_EXPIRY) || h->expires_us > e->absolute->as.i * 1000)) {
        demote(e, AMQP_PART_ABSOLUTE_EXPIRY);
        e->absolute = NULL;
    }
    if (e->ttl && (!e->absolute || h->expires_us != e->absolute->as.i * 1000 ||
                   h->expires_us > e->to->wall_us + (int64_t)e->ttl->as.u * 1000)) {
        demote(e, AMQP_PART_TTL);
        e->ttl = NULL;
    }
}

int amqp_plan(struct amqp_encoder *e, bool *ret_moved)
{
    size_t n = e->m->property_count, counts[AMQP_PART_PROPERTY + 1] = {0}, at = 0;
    *ret_moved = false;
    if (n > AMQP_PROPERTIES_MAX)
        return -EMSGSIZE;
    if (n > e->room) {
        size_t room = n < 16 ? 16 : n * 2;
        struct plan *plans = realloc(e->plans, room * sizeof *plans);
        if (plans)
            e->plans = plans;
        struct plan *sorted = plans ? realloc(e->sorted, room * sizeof *sorted) : NULL;
        if (!sorted)
            return -ENOMEM;
        e->sorted = sorted;
        e->room = room;
    }
    for (size_t i = 0; i < n; i++)
        plan_property(e, (uint32_t)i, &e->plans[i]);
    check_expiry(e);
    for (size_t i = 0; i < n; i++) {
        counts[e->plans[i].part]++;
        *ret_moved |= i > 0 && e->plans[i].part < e->plans[i - 1].part;
    }
    if (!*ret_moved)
        return 0;
    size_t starts[AMQP_PART_PROPERTY + 1];
    for (size_t part = 0; part <= AMQP_PART_PROPERTY; at += counts[part++])
        starts[part] = at;
    for (size_t i = 0; i < n; i++)
        e->sorted[starts[e->plans[i].part]++] = e->plans[i];
    memcpy(e->plans, e->sorted, n * sizeof *e->plans);
    return 0;
}
