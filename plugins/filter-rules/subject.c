/* SPDX-License-Identifier: Apache-2.0 */
/* Names of subjects, and their values. */
#include "subject.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct mg_head, field)
static const struct {
    const char *name;
    enum subject_kind kind;
    size_t offset;
    uint32_t present;
} fields[] = {
    {"address", SUBJECT_TEXT, AT(address), 0},
    {"reply_to", SUBJECT_TEXT, AT(reply_to), 0},
    {"subject", SUBJECT_TEXT, AT(subject), 0},
    {"content_type", SUBJECT_TEXT, AT(content_type), 0},
    {"content_encoding", SUBJECT_TEXT, AT(content_encoding), 0},
    {"group", SUBJECT_TEXT, AT(group), 0},
    {"reply_to_group", SUBJECT_TEXT, AT(reply_to_group), 0},
    {"message_id", SUBJECT_VALUE, AT(message_id), 0},
    {"correlation", SUBJECT_VALUE, AT(correlation), 0},
    {"user", SUBJECT_USER, AT(user), 0},
    {"qos", SUBJECT_BYTE, AT(qos), MG_HAS_QOS},
    {"priority", SUBJECT_BYTE, AT(priority), MG_HAS_PRIORITY},
    {"retain", SUBJECT_FLAG, AT(retain), MG_HAS_RETAIN},
    {"durable", SUBJECT_FLAG, AT(durable), MG_HAS_DURABLE},
    {"duplicate", SUBJECT_FLAG, AT(duplicate), 0},
    {"text_payload", SUBJECT_FLAG, AT(text_payload), MG_HAS_TEXT_PAYLOAD},
    {"group_sequence", SUBJECT_GROUP_SEQUENCE, 0, MG_HAS_GROUP_SEQUENCE},
    {"created", SUBJECT_CREATED, 0, MG_HAS_CREATED},
    {"age", SUBJECT_AGE, 0, MG_HAS_CREATED},
    {"expires_in", SUBJECT_EXPIRES_IN, 0, MG_HAS_EXPIRY},
    {"size", SUBJECT_SIZE, 0, 0},
};
enum { FIELDS = sizeof fields / sizeof fields[0], NAME_BYTES_MAX = 255 };

static int find_field(const char *name, size_t length)
{
    for (int i = 0; i < FIELDS; i++)
        if (strlen(fields[i].name) == length && !memcmp(fields[i].name, name, length))
            return i;
    return -1;
}

static int unknown_field(const char *text, struct mg_err *reterr)
{
    int used =
        snprintf(reterr->text, sizeof reterr->text, "\"%.24s\" is not known; there are: ", text);
    for (size_t i = 0; i < FIELDS && used < (int)sizeof reterr->text; i++)
        used += snprintf(reterr->text + used, sizeof reterr->text - (size_t)used, "%s%s",
                         i ? ", " : "event.", fields[i].name);
    return -EINVAL;
}

static int parse_capture(const char *text, struct subject *ret, struct mg_err *reterr)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    bool braces = *text == '{';
    size_t length = strspn(text + braces, known);
    const char *behind = text + braces + length;
    if (!length || length > NAME_BYTES_MAX || strcmp(behind, braces ? "}" : "") != 0) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.40s\" is nothing to look at: event.FIELD, property.NAME, or a capture like "
                 "line; or all, any, none, not",
                 text);
        return -EINVAL;
    }
    /* Most likely a slip; as a capture it would only be absent. */
    if (!braces && find_field(text, length) >= 0) {
        snprintf(reterr->text, sizeof reterr->text,
                 "write event.%.20s; a capture of that name is written \"{%.20s}\"", text, text);
        return -EINVAL;
    }
    *ret = (struct subject){.kind = SUBJECT_CAPTURE, .name = {text + braces, length}};
    return 0;
}

int subject_parse(const char *text, struct subject *ret_subject, struct mg_err *reterr)
{
    if (!strncmp(text, "event.", 6)) {
        int i = find_field(text + 6, strlen(text + 6));
        if (i < 0)
            return unknown_field(text, reterr);
        *ret_subject = (struct subject){
            .kind = fields[i].kind, .offset = fields[i].offset, .present = fields[i].present};
        return 0;
    }
    if (!strncmp(text, "property.", 9) && text[9]) {
        *ret_subject =
            (struct subject){.kind = SUBJECT_PROPERTY, .name = {text + 9, strlen(text + 9)}};
        return 0;
    }
    return parse_capture(text, ret_subject, reterr);
}

/* ---- values --------------------------------------------------------------------------------- */

static void set_text(struct value *v, const void *at, size_t length)
{
    v->kind = VALUE_TEXT;
    v->text = (struct mg_str){at ? at : "", length};
}

static void set_number(struct value *v, struct amount number)
{
    v->kind = VALUE_NUMBER;
    v->number = number;
}

static void set_bool(struct value *v, bool truth)
{
    v->kind = VALUE_BOOL;
    v->truth = truth;
}

static void set_uuid(struct value *v, const uint8_t uuid[16])
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            v->scratch[used++] = '-';
        v->scratch[used++] = hex[uuid[i] >> 4];
        v->scratch[used++] = hex[uuid[i] & 15];
    }
    set_text(v, v->scratch, used);
}

static void set_character(struct value *v, uint64_t c)
{
    char *s = v->scratch;
    size_t used = 0;
    if (c > 0x10ffff)
        return;
    if (c < 0x80) {
        s[used++] = (char)c;
    } else {
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        s[used++] = (char)((0xff00 >> (more + 1) & 0xff) | c >> 6 * more);
        while (more--)
            s[used++] = (char)(0x80 | (c >> 6 * more & 0x3f));
    }
    set_text(v, s, used);
}

static void set_value(struct value *v, const struct mg_value *from)
{
    v->kind = VALUE_OTHER; /* decimals, null, what is no number */
    switch (from->type) {
    case MG_BOOL:
        set_bool(v, from->as.b);
        break;
    case MG_INT:
    case MG_TIME:
        set_number(v, amount_of_int(from->as.i));
        break;
    case MG_UINT:
        set_number(v, amount_of_uint(from->as.u));
        break;
    case MG_FLOAT:
        if (amount_of_double(from->as.d, &v->number))
            v->kind = VALUE_NUMBER;
        break;
    case MG_CHAR:
        set_character(v, from->as.u);
        break;
    case MG_TEXT:
    case MG_SYMBOL:
        set_text(v, from->as.text.at, from->as.text.len);
        break;
    case MG_BINARY:
        set_text(v, from->as.binary.at, from->as.binary.len);
        break;
    case MG_UUID:
        set_uuid(v, from->as.uuid);
        break;
    default:
        break;
    }
}

/* A peer may say any time. */
static struct amount difference(int64_t a, int64_t b)
{
    return (struct amount){.whole = true, .i = (__int128)a - b};
}

static void head_value(const struct subject *s, const struct look *look, struct value *v)
{
    const struct mg_head *head = look->host->event_head(look->event);
    const void *field = (const char *)head + s->offset;
    const struct mg_str *text = field;
    const struct mg_value *value = field;
    switch (s->kind) {
    case SUBJECT_TEXT:
        if (text->at)
            set_text(v, text->at, text->len);
        break;
    case SUBJECT_VALUE:
        if (value->type != MG_NULL)
            set_value(v, value);
        break;
    case SUBJECT_USER:
        if (head->user.at)
            set_text(v, head->user.at, head->user.len);
        break;
    case SUBJECT_BYTE:
        set_number(v, amount_of_uint(*(const uint8_t *)field));
        break;
    case SUBJECT_FLAG:
        set_bool(v, *(const bool *)field);
        break;
    case SUBJECT_GROUP_SEQUENCE:
        set_number(v, amount_of_uint(head->group_sequence));
        break;
    case SUBJECT_CREATED:
        set_number(v, amount_of_int(head->created_us / 1000));
        break;
    case SUBJECT_AGE:
        set_number(v, difference(look->wall_us, head->created_us));
        break;
    case SUBJECT_EXPIRES_IN:
        set_number(v, difference(head->expires_us, look->wall_us));
        break;
    default:
        set_number(v, amount_of_uint(look->host->event_payload(look->event).len));
        break;
    }
}

static bool next_property(const struct subject *s, const struct look *look, size_t *at,
                          struct value *v)
{
    size_t count;
    const struct mg_property *list = look->host->event_properties(look->event, &count);
    for (size_t i = *at; i < count; i++) {
        if (list[i].name.len != s->name.len || memcmp(list[i].name.at, s->name.at, s->name.len))
            continue;
        *at = i + 1;
        set_value(v, &list[i].value);
        return true;
    }
    return false;
}

/* Has it a value by default?  The others are there or not. */
static bool has_default(const struct subject *s)
{
    return s->kind == SUBJECT_BYTE || s->kind == SUBJECT_FLAG;
}

bool subject_next(const struct subject *s, const struct look *look, size_t *at, struct value *v,
                  bool *ret_said)
{
    *ret_said = true;
    v->kind = VALUE_NONE;
    if (s->kind == SUBJECT_PROPERTY)
        return next_property(s, look, at, v);
    if ((*at)++)
        return false;
    if (s->kind == SUBJECT_CAPTURE) {
        struct mg_str text = look->host->scope_capture(look->scope, s->name);
        if (text.at)
            set_text(v, text.at, text.len);
    } else {
        uint32_t present = look->host->event_head(look->event)->present;
        *ret_said = !s->present || present & s->present;
        if (*ret_said || has_default(s))
            head_value(s, look, v);
    }
    return v->kind != VALUE_NONE;
}
