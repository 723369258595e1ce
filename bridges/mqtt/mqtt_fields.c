/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of an event's head as reserved user properties, and back. */
#include "mqtt_fields.h"
#include "mqtt_tag.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[MQTT_FIELDS] = {
    "mg:unset",       "mg:durable",        "mg:priority",       "mg:created",
    "mg:reply-to",    "mg:subject",        "mg:content-type",   "mg:content-encoding",
    "mg:group",       "mg:group-sequence", "mg:reply-to-group", "mg:message-id",
    "mg:correlation", "mg:user",
};

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static struct mg_str *field_text(struct mg_head *head, enum mqtt_field field)
{
    switch (field) {
    case MQTT_FIELD_REPLY_TO:
        return &head->reply_to;
    case MQTT_FIELD_SUBJECT:
        return &head->subject;
    case MQTT_FIELD_CONTENT_TYPE:
        return &head->content_type;
    case MQTT_FIELD_CONTENT_ENCODING:
        return &head->content_encoding;
    case MQTT_FIELD_GROUP:
        return &head->group;
    case MQTT_FIELD_REPLY_TO_GROUP:
        return &head->reply_to_group;
    default:
        return NULL;
    }
}

bool mqtt_field_is_native(const struct mg_head *head, enum mqtt_field field, bool doubtful)
{
    switch (field) {
    case MQTT_FIELD_REPLY_TO:
        return !mqtt_topic_name_check(head->reply_to, !doubtful, NULL);
    case MQTT_FIELD_CONTENT_TYPE:
        return mqtt_text_sayable(head->content_type, doubtful);
    case MQTT_FIELD_CORRELATION:
        return head->correlation.type == MG_BINARY && !head->correlation.width &&
               head->correlation.as.binary.len <= MQTT_TEXT_MOST;
    default:
        return false;
    }
}

/* ---- the tags of the head ------------------------------------------------------------------- */

static int number(struct mqtt_scratch *scratch, int64_t value, struct mg_str *ret_text)
{
    char *text = mqtt_scratch_alloc(scratch, 24);
    if (!text)
        return -ENOMEM;
    int length = snprintf(text, 24, "%" PRId64, value);
    *ret_text = (struct mg_str){text, (size_t)length};
    return 0;
}

/* CODE ":" text, for the identifiers, which have types. */
static int typed(struct mqtt_scratch *scratch, const struct mg_value *value,
                 struct mg_str *ret_text)
{
    char code[16];
    struct mg_str text;
    int rc = mqtt_value_encode(scratch, value, code, &text);
    if (rc)
        return rc;
    size_t length = strlen(code);
    char *both = mqtt_scratch_alloc(scratch, length + 1 + text.len);
    if (!both)
        return -ENOMEM;
    memcpy(both, code, length);
    both[length] = ':';
    if (text.len)
        memcpy(both + length + 1, text.at, text.len);
    *ret_text = (struct mg_str){both, length + 1 + text.len};
    return 0;
}

static int field_text_encode(enum mqtt_field field, struct mg_str text,
                             struct mqtt_scratch *scratch, struct mqtt_user *ret_user)
{
    ret_user->value = text;
    if (mqtt_text_sayable(text, false))
        return 1;
    char *name = mqtt_scratch_alloc(scratch, 32);
    if (!name)
        return -ENOMEM;
    int length = snprintf(name, 32, "%s~", field_names[field]);
    ret_user->name = (struct mg_str){name, (size_t)length};
    int rc = mqtt_base64_encode(scratch, (struct mg_bytes){text.at, text.len}, &ret_user->value);
    return rc ? rc : 1;
}

int mqtt_field_encode(const struct mg_head *head, enum mqtt_field field, bool doubtful,
                      struct mqtt_scratch *scratch, struct mqtt_user *ret_user)
{
    uint32_t has = head->present;
    int rc = 0;
    ret_user->name = str(field_names[field]);
    switch (field) {
    case MQTT_FIELD_UNSET:
        ret_user->value = str(has & MG_HAS_QOS ? "r" : has & MG_HAS_RETAIN ? "q" : "qr");
        return (has & (MG_HAS_QOS | MG_HAS_RETAIN)) != (MG_HAS_QOS | MG_HAS_RETAIN);
    case MQTT_FIELD_DURABLE:
        ret_user->value = str(head->durable ? "true" : "false");
        return !!(has & MG_HAS_DURABLE);
    case MQTT_FIELD_PRIORITY:
        rc = has & MG_HAS_PRIORITY ? number(scratch, head->priority, &ret_user->value) : 0;
        return rc ? rc : !!(has & MG_HAS_PRIORITY);
    case MQTT_FIELD_CREATED:
        rc = has & MG_HAS_CREATED ? number(scratch, head->created_us, &ret_user->value) : 0;
        return rc ? rc : !!(has & MG_HAS_CREATED);
    case MQTT_FIELD_GROUP_SEQUENCE:
        rc = has & MG_HAS_GROUP_SEQUENCE ? number(scratch, head->group_sequence, &ret_user->value)
                                         : 0;
        return rc ? rc : !!(has & MG_HAS_GROUP_SEQUENCE);
    case MQTT_FIELD_MESSAGE_ID:
    case MQTT_FIELD_CORRELATION: {
        const struct mg_value *id =
            field == MQTT_FIELD_MESSAGE_ID ? &head->message_id : &head->correlation;
        if (id->type == MG_NULL || mqtt_field_is_native(head, field, doubtful))
            return 0;
        rc = typed(scratch, id, &ret_user->value);
        return rc ? rc : 1;
    }
    case MQTT_FIELD_USER:
        if (!head->user.at)
            return 0;
        rc = mqtt_base64_encode(scratch, head->user, &ret_user->value);
        return rc ? rc : 1;
    default: {
        struct mg_str text = *field_text((struct mg_head *)head, field);
        if (!text.at || mqtt_field_is_native(head, field, doubtful))
            return 0;
        return field_text_encode(field, text, scratch, ret_user);
    }
    }
}

static int field_parse(struct mg_head *head, enum mqtt_field field, bool base64,
                       const struct mqtt_user *user, struct mqtt_scratch *scratch)
{
    char buffer[24] = "";
    if (user->value.len && user->value.len < sizeof(buffer))
        memcpy(buffer, user->value.at, user->value.len);
    long long parsed = strtoll(buffer, NULL, 10);
    struct mg_bytes bytes;
    int rc = 0;
    switch (field) {
    case MQTT_FIELD_UNSET:
        if (strchr(buffer, 'r') && head->retain)
            return -EINVAL;
        if (strchr(buffer, 'q'))
            head->qos = 0; /* this hop's, not the event's */
        head->present &=
            ~(strchr(buffer, 'q') ? MG_HAS_QOS : 0u) & ~(strchr(buffer, 'r') ? MG_HAS_RETAIN : 0u);
        return 0;
    case MQTT_FIELD_DURABLE:
        head->present |= MG_HAS_DURABLE;
        head->durable = buffer[0] == 't';
        return 0;
    case MQTT_FIELD_PRIORITY:
        head->present |= MG_HAS_PRIORITY;
        head->priority = (uint8_t)parsed;
        return 0;
    case MQTT_FIELD_CREATED:
        head->present |= MG_HAS_CREATED;
        head->created_us = parsed;
        return 0;
    case MQTT_FIELD_GROUP_SEQUENCE:
        head->present |= MG_HAS_GROUP_SEQUENCE;
        head->group_sequence = (uint32_t)parsed;
        return 0;
    case MQTT_FIELD_MESSAGE_ID:
    case MQTT_FIELD_CORRELATION: {
        struct mg_value *id =
            field == MQTT_FIELD_MESSAGE_ID ? &head->message_id : &head->correlation;
        const char *colon = user->value.len ? memchr(user->value.at, ':', user->value.len) : NULL;
        if (!colon || id->type != MG_NULL)
            return -EINVAL;
        struct mg_str code = {user->value.at, (size_t)(colon - user->value.at)};
        struct mg_str text = {colon + 1, user->value.len - code.len - 1};
        return mqtt_value_decode(scratch, code, text, id);
    }
    case MQTT_FIELD_USER:
        return mqtt_base64_decode(scratch, user->value, &head->user);
    default: {
        struct mg_str *text = field_text(head, field);
        if (text->at)
            return -EINVAL;
        *text = (struct mg_str){user->value.at ? user->value.at : "", user->value.len};
        if (base64) {
            rc = mqtt_base64_decode(scratch, user->value, &bytes);
            if (!rc)
                *text = (struct mg_str){bytes.at, bytes.len};
        }
        return rc;
    }
    }
}

int mqtt_field_decode(struct mg_head *head, int *last, const struct mqtt_user *user,
                      struct mqtt_scratch *scratch)
{
    for (int field = *last + 1; field < MQTT_FIELDS; field++) {
        struct mg_str name = str(field_names[field]);
        bool base64 = user->name.len == name.len + 1 && user->name.at[name.len] == '~';
        if (user->name.len < name.len || memcmp(user->name.at, name.at, name.len) ||
            (user->name.len != name.len && !base64))
            continue;
        struct mg_head changed = *head;
        struct mqtt_user again = {{NULL, 0}, {NULL, 0}};
        int rc = field_parse(&changed, (enum mqtt_field)field, base64, user, scratch);
        if (!rc)
            rc = mqtt_field_encode(&changed, (enum mqtt_field)field, false, scratch, &again);
        if (rc < 0)
            return rc;
        if (!rc || !same(again.name, user->name) || !same(again.value, user->value))
            return -EINVAL;
        *head = changed;
        *last = field;
        return 0;
    }
    return -EINVAL;
}
