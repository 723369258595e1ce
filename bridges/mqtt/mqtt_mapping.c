/* SPDX-License-Identifier: Apache-2.0 */
/* Events to MQTT PUBLISH packets and back. */
#include "mqtt_mapping.h"
#include "mqtt_fields.h"
#include "mqtt_tag.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of a genuine user property that would be read as a tag. */
static const char escape_prefix[] = "mg:=:";
enum { ESCAPE_LENGTH = sizeof(escape_prefix) - 1 };

/* ---- the escape ----------------------------------------------------------------------------- */

/* Whether a reader that has read the head's tags up to `last` takes this pair, less any number of
 * escapes, for a tag: such a genuine pair gets one escape more.  1, 0 or -ENOMEM. */
static int looks_tagged(const struct mqtt_user *user, const struct mg_head *head, int last,
                        struct mqtt_scratch *scratch, bool *ret_escaped)
{
    struct mqtt_user inner = *user;
    *ret_escaped = false;
    if (inner.name.len < 3 || memcmp(inner.name.at, "mg:", 3))
        return 0;
    while (inner.name.len >= ESCAPE_LENGTH &&
           !memcmp(inner.name.at, escape_prefix, ESCAPE_LENGTH)) {
        inner.name.at += ESCAPE_LENGTH;
        inner.name.len -= ESCAPE_LENGTH;
        *ret_escaped = true;
    }
    struct mg_property property;
    int rc = mqtt_tag_decode(scratch, &inner, &property);
    if (rc == -EINVAL) {
        struct mg_head copy = *head;
        rc = mqtt_field_decode(&copy, &last, &inner, scratch);
    }
    return !rc ? 1 : rc == -EINVAL ? 0 : rc;
}

/* ---- packet to event ------------------------------------------------------------------------ */

static int property_decode(const struct mqtt_user *user, struct mg_head *head, int *last,
                           struct mqtt_scratch *scratch, struct mg_property *ret_property)
{
    bool escaped;
    *ret_property = (struct mg_property){
        .name = {user->name.at ? user->name.at : "", user->name.len},
        .value = {.type = MG_TEXT,
                  .as.text = {user->value.at ? user->value.at : "", user->value.len}},
    };
    int rc = looks_tagged(user, head, *last, scratch, &escaped);
    if (rc > 0 && !escaped)
        rc = mqtt_tag_decode(scratch, user, ret_property);
    else if (rc > 0) {
        ret_property->name.at += ESCAPE_LENGTH;
        ret_property->name.len -= ESCAPE_LENGTH;
        rc = 0;
    }
    *last = MQTT_FIELDS; /* behind the first property, nothing is a tag of the head */
    return rc;
}

static int properties_decode(const struct mqtt_publish *publish, struct mqtt_scratch *scratch,
                             struct mg_message *message)
{
    if (publish->user_count > scratch->property_capacity) {
        size_t capacity = publish->user_count + 16;
        struct mg_property *grown = realloc(scratch->properties, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        scratch->properties = grown;
        scratch->property_capacity = capacity;
    }
    int last = -1;
    size_t count = 0;
    for (size_t i = 0; i < publish->user_count; i++) {
        const struct mqtt_user *user = &publish->users[i];
        int rc = -EINVAL;
        if (last < MQTT_FIELDS && user->name.len > 3 && !memcmp(user->name.at, "mg:", 3))
            rc = mqtt_field_decode(&message->head, &last, user, scratch);
        if (rc == -EINVAL)
            rc = property_decode(user, &message->head, &last, scratch,
                                 &scratch->properties[count++]);
        if (rc)
            return rc;
    }
    message->properties = scratch->properties;
    message->property_count = count;
    return 0;
}

int mqtt_to_message(const struct mqtt_publish *publish, int64_t wall_us,
                    struct mqtt_scratch *scratch, struct mg_message *ret_message)
{
    mqtt_scratch_reset(scratch);
    *ret_message = (struct mg_message){
        .head =
            {
                .size = sizeof(struct mg_head),
                .present = MG_HAS_QOS | MG_HAS_RETAIN,
                .address = publish->topic,
                .reply_to = publish->response_topic,
                .content_type = publish->content_type,
                .qos = publish->qos,
                .priority = 4,
                .retain = publish->retain,
                .duplicate = publish->dup,
            },
        .payload = publish->payload,
    };
    struct mg_head *head = &ret_message->head;
    if (publish->has_format) {
        head->present |= MG_HAS_TEXT_PAYLOAD;
        head->text_payload = publish->format == 1;
    }
    if (publish->has_expiry) {
        head->present |= MG_HAS_EXPIRY;
        head->expires_us = wall_us + (int64_t)publish->expiry_s * 1000000;
    }
    if (publish->has_correlation) {
        head->correlation.type = MG_BINARY;
        head->correlation.as.binary = publish->correlation;
    }
    return properties_decode(publish, scratch, ret_message);
}

/* ---- event to packet ------------------------------------------------------------------------ */

static int too_long(struct mg_str name, size_t length, struct mg_err *err)
{
    if (err)
        snprintf(err->text, sizeof(err->text),
                 "the property '%.*s' takes %zu bytes in MQTT, where a text has at most %d",
                 (int)(name.len > 60 ? 60 : name.len), name.len ? name.at : "", length,
                 MQTT_TEXT_MOST);
    return -EINVAL;
}

/* The pair for one property; 1, 0 (left out: tags are off), or negative. */
static int property_encode(const struct mg_property *property, const struct mqtt_encoding *encoding,
                           const struct mg_head *head, int last, struct mqtt_scratch *scratch,
                           struct mqtt_user *ret_user)
{
    const struct mg_value *value = &property->value;
    bool named = mqtt_text_sayable(property->name, encoding->doubtful);
    bool escaped;
    int rc;
    if (value->type == MG_TEXT && (!value->width || !encoding->tags) && named &&
        mqtt_text_sayable(value->as.text, encoding->doubtful)) {
        *ret_user = (struct mqtt_user){property->name, value->as.text};
        rc = encoding->tags ? looks_tagged(ret_user, head, last, scratch, &escaped) : 0;
        if (rc <= 0)
            return rc ? rc : 1;
        char *name = mqtt_scratch_alloc(scratch, ESCAPE_LENGTH + property->name.len);
        if (!name)
            return -ENOMEM;
        memcpy(name, escape_prefix, ESCAPE_LENGTH);
        memcpy(name + ESCAPE_LENGTH, property->name.at, property->name.len);
        ret_user->name = (struct mg_str){name, ESCAPE_LENGTH + property->name.len};
        return 1;
    }
    if (encoding->tags) {
        rc = mqtt_tag_encode(scratch, property, ret_user);
        return rc ? rc : 1;
    }
    char code[16];
    ret_user->name = property->name;
    rc = mqtt_value_encode(scratch, value, code, &ret_user->value);
    if (rc)
        return rc;
    return named && !strchr("nsYb", code[0]);
}

static int users_encode(const struct mg_head *head, const struct mg_property *properties,
                        size_t count, const struct mqtt_encoding *encoding,
                        struct mqtt_scratch *scratch, struct mqtt_publish *publish,
                        struct mg_err *err)
{
    if (count + MQTT_FIELDS > scratch->user_capacity) {
        size_t capacity = count + MQTT_FIELDS + 16;
        struct mqtt_user *grown = realloc(scratch->users, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        scratch->users = grown;
        scratch->user_capacity = capacity;
    }
    struct mqtt_user *users = scratch->users;
    size_t used = 0;
    int last = -1;
    for (int field = 0; encoding->tags && field < MQTT_FIELDS; field++) {
        int rc = mqtt_field_encode(head, (enum mqtt_field)field, encoding->doubtful, scratch,
                                   &users[used]);
        if (rc < 0)
            return rc;
        if (rc && users[used].value.len > MQTT_TEXT_MOST)
            return too_long(users[used].name, users[used].value.len, err);
        if (rc)
            last = field;
        used += (size_t)rc;
    }
    for (size_t i = 0; i < count; i++) {
        int rc = property_encode(&properties[i], encoding, head, last, scratch, &users[used]);
        if (rc < 0)
            return rc;
        if (rc && users[used].name.len > MQTT_TEXT_MOST)
            return too_long(properties[i].name, users[used].name.len, err);
        if (rc && users[used].value.len > MQTT_TEXT_MOST)
            return too_long(properties[i].name, users[used].value.len, err);
        used += (size_t)rc;
        last = MQTT_FIELDS;
    }
    publish->users = users;
    publish->user_count = used;
    return 0;
}

/* Whole seconds left, rounded up: an event never lives shorter for having been forwarded. */
static uint32_t seconds_left(int64_t expires_us, int64_t wall_us)
{
    if (expires_us <= wall_us)
        return 0;
    uint64_t left = ((uint64_t)expires_us - (uint64_t)wall_us + 999999) / 1000000;
    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static struct mg_head with_retain(const struct mg_head *head, enum mqtt_retain retain)
{
    struct mg_head changed = *head;
    if (retain == MQTT_RETAIN_SET)
        changed.present |= MG_HAS_RETAIN;
    if (retain != MQTT_RETAIN_KEEP)
        changed.retain = retain == MQTT_RETAIN_SET;
    return changed;
}

int mqtt_from_event(const struct mg_head *of, struct mg_str topic, struct mg_bytes payload,
                    const struct mg_property *properties, size_t property_count,
                    const struct mqtt_encoding *encoding, int64_t wall_us,
                    struct mqtt_scratch *scratch, struct mqtt_publish *ret_publish,
                    struct mg_err *reterr)
{
    const struct mg_head changed = with_retain(of, encoding->retain), *head = &changed;
    mqtt_scratch_reset(scratch);
    int rc = mqtt_topic_name_check(topic, !encoding->doubtful, reterr);
    if (rc)
        return rc;
    struct mqtt_publish publish = {
        .topic = topic,
        .payload = payload,
        .retain = head->retain && (head->present & MG_HAS_RETAIN),
    };
    if (encoding->v5) {
        publish.has_format = head->present & MG_HAS_TEXT_PAYLOAD;
        publish.format = head->text_payload;
        publish.has_expiry = head->present & MG_HAS_EXPIRY;
        publish.expiry_s = publish.has_expiry ? seconds_left(head->expires_us, wall_us) : 0;
        if (head->content_type.at &&
            mqtt_field_is_native(head, MQTT_FIELD_CONTENT_TYPE, encoding->doubtful))
            publish.content_type = head->content_type;
        if (head->reply_to.at &&
            mqtt_field_is_native(head, MQTT_FIELD_REPLY_TO, encoding->doubtful))
            publish.response_topic = head->reply_to;
        if (mqtt_field_is_native(head, MQTT_FIELD_CORRELATION, encoding->doubtful)) {
            publish.has_correlation = true;
            publish.correlation = head->correlation.as.binary;
        }
        rc = users_encode(head, properties, property_count, encoding, scratch, &publish, reterr);
        if (rc == -EINVAL && reterr && !reterr->text[0])
            snprintf(reterr->text, sizeof(reterr->text),
                     "a property has a type that is not known here");
        if (rc)
            return rc;
    }
    *ret_publish = publish;
    return 0;
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static uint64_t varint_size(uint64_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

uint64_t mqtt_publish_size(const struct mqtt_publish *publish, bool v5)
{
    uint64_t size = 2 + publish->topic.len + (publish->qos ? 2 : 0) + publish->payload.len;
    if (v5) {
        uint64_t properties = (publish->has_format ? 2u : 0u) + (publish->has_expiry ? 5u : 0u);
        if (publish->content_type.at)
            properties += 3 + publish->content_type.len;
        if (publish->response_topic.at)
            properties += 3 + publish->response_topic.len;
        if (publish->has_correlation)
            properties += 3 + publish->correlation.len;
        for (size_t i = 0; i < publish->user_count; i++)
            properties += 5 + publish->users[i].name.len + publish->users[i].value.len;
        size += varint_size(properties) + properties;
    }
    return 1 + varint_size(size) + size;
}
