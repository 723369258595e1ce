/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and properties as values.  Texts get the quotes that they would have in JSON. */
#include "attributes.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const head_names[] = {
    "subject",     "content_type", "content_encoding", "reply_to",       "group", "message_id",
    "correlation", "user",         "created",          "group_sequence", "qos",   "priority",
    "retain"};
enum { HEAD_NAMES = sizeof head_names / sizeof head_names[0], NUMBER_BYTES = 32 };
_Static_assert(HEAD_NAMES <= (size_t)ATTRIBUTES_MAX, "one place for each");

void attribute_names_of(const struct set *set, struct attribute_names *ret_names)
{
    *ret_names = (struct attribute_names){
        .address = name_child(set, ROOT_EVENT, "address", 7),
        .attributes = name_child(set, ROOT_EVENT, "attributes", 10),
        .properties = name_child(set, ROOT_EVENT, "properties", 10),
    };
    for (size_t i = 0; i < HEAD_NAMES && ret_names->attributes; i++)
        ret_names->by_head[i] =
            name_child(set, ret_names->attributes, head_names[i], strlen(head_names[i]));
}

static void put(struct scratch *s, uint32_t name, const char *at, size_t length)
{
    uint32_t path = name ? s->set->names[name].path : 0;
    if (path)
        scratch_value(s, path - 1, at, length, 0);
}

static void put_text(struct scratch *s, uint32_t name, const void *at, size_t length)
{
    if (!at || !name || !s->set->names[name].path)
        return;
    char *quoted = scratch_text(s, length + 2);
    if (!quoted)
        return;
    quoted[0] = quoted[length + 1] = '"';
    memcpy(quoted + 1, at, length);
    put(s, name, quoted, length + 2);
}

__attribute__((format(printf, 3, 4))) static void put_number(struct scratch *s, uint32_t name,
                                                             const char *format, ...)
{
    char *text = name ? scratch_text(s, NUMBER_BYTES) : NULL;
    if (!text)
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, NUMBER_BYTES, format, args);
    va_end(args);
    put(s, name, text, (size_t)length);
}

static void put_double(struct scratch *s, uint32_t name, double value)
{
    char text[NUMBER_BYTES];
    if (!isfinite(value))
        return; /* JSON has no such number */
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put_number(s, name, "%s", text);
}

static void put_uuid(struct scratch *s, uint32_t name, const uint8_t uuid[16])
{
    static const char hex[] = "0123456789abcdef";
    char text[36];
    size_t used = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[used++] = '-';
        text[used++] = hex[uuid[i] >> 4];
        text[used++] = hex[uuid[i] & 15];
    }
    put_text(s, name, text, used);
}

static void put_value(struct scratch *s, uint32_t name, const struct mg_value *v)
{
    if (!name)
        return;
    switch (v->type) {
    case MG_BOOL:
        put(s, name, v->as.b ? "true" : "false", v->as.b ? 4 : 5);
        break;
    case MG_INT:
    case MG_TIME:
        put_number(s, name, "%" PRId64, v->as.i);
        break;
    case MG_UINT:
        put_number(s, name, "%" PRIu64, v->as.u);
        break;
    case MG_FLOAT:
        put_double(s, name, v->as.d);
        break;
    case MG_TEXT:
    case MG_SYMBOL:
        put_text(s, name, v->as.text.at ? v->as.text.at : "", v->as.text.len);
        break;
    case MG_BINARY:
        put_text(s, name, v->as.binary.at ? v->as.binary.at : "", v->as.binary.len);
        break;
    case MG_UUID:
        put_uuid(s, name, v->as.uuid);
        break;
    default:
        break; /* decimals and single characters have no form in JSON */
    }
}

static void read_head(struct scratch *s, const struct attribute_names *n, const struct mg_head *h)
{
    const struct mg_str texts[] = {h->subject, h->content_type, h->content_encoding, h->reply_to,
                                   h->group};
    const uint32_t *name = n->by_head;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_text(s, *name++, texts[i].at, texts[i].len);
    put_value(s, *name++, &h->message_id);
    put_value(s, *name++, &h->correlation);
    put_text(s, *name++, h->user.at, h->user.len);
    if (h->present & MG_HAS_CREATED)
        put_number(s, name[0], "%" PRId64, h->created_us / 1000);
    if (h->present & MG_HAS_GROUP_SEQUENCE)
        put_number(s, name[1], "%" PRIu32, h->group_sequence);
    if (h->present & MG_HAS_QOS)
        put_number(s, name[2], "%u", h->qos);
    if (h->present & MG_HAS_PRIORITY)
        put_number(s, name[3], "%u", h->priority);
    if (h->present & MG_HAS_RETAIN)
        put(s, name[4], h->retain ? "true" : "false", h->retain ? 4 : 5);
}

/* The attribute of a CloudEvent in binary mode that a property is; unset: none. */
static struct mg_str cloudevent_name(struct mg_str name, bool bare)
{
    static const char *const prefixes[] = {"cloudEvents:", "cloudEvents_", "ce-", "ce_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t length = strlen(prefixes[i]);
        if (name.len > length && !memcmp(name.at, prefixes[i], length))
            return (struct mg_str){name.at + length, name.len - length};
    }
    return bare ? name : (struct mg_str){0};
}

static void read_properties(struct scratch *s, const struct attribute_names *n,
                            const struct mg_property *properties, size_t count)
{
    bool bare = false; /* MQTT's binary mode has the attributes' own names */
    for (size_t i = 0; i < count; i++)
        bare |= properties[i].name.len == 11 && !memcmp(properties[i].name.at, "specversion", 11);
    for (size_t i = 0; i < count; i++) {
        const struct mg_property *p = &properties[i];
        if (n->properties)
            put_value(s, name_descend(s->set, n->properties, p->name.at, p->name.len), &p->value);
        struct mg_str name = n->attributes ? cloudevent_name(p->name, bare) : (struct mg_str){0};
        if (name.at)
            put_value(s, name_descend(s->set, n->attributes, name.at, name.len), &p->value);
    }
}

void read_attributes(struct scratch *s, const struct attribute_names *n, const struct mg_host *host,
                     const mg_event *event)
{
    const struct mg_head *head = host->event_head(event);
    size_t count = 0;
    if (n->address)
        put_text(s, n->address, head->address.at, head->address.len);
    if (n->attributes)
        read_head(s, n, head);
    if (n->attributes || n->properties) {
        const struct mg_property *properties = host->event_properties(event, &count);
        read_properties(s, n, properties, count);
    }
}
