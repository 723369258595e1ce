/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as a list of literal and field segments in one allocation. */
#include "event/template.h"
#include "event/event.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 64, PARTITIONS_MAX = 65536 };

enum segment_kind {
    LITERAL,
    CAPTURE,
    PROPERTY,
    ROUTE_NAME,
    GATEWAY_NAME,
    EVENT_TEXT,
    EVENT_VALUE,
    EVENT_USER,
    EVENT_QOS,
    EVENT_GROUP_SEQUENCE,
    EVENT_CREATED
};

struct segment {
    enum segment_kind kind;
    size_t offset;       /* EVENT_TEXT, EVENT_VALUE: of the field in struct mg_head */
    uint32_t partitions; /* 0: the field itself */
    struct mg_str text;  /* the literal, or the name; NUL-terminated */
};

struct mg_template {
    char *text; /* as written */
    size_t count;
    struct segment segments[];
};

static const struct {
    const char *name;
    enum segment_kind kind;
    size_t offset;
} fixed_fields[] = {
    {"route.name", ROUTE_NAME, 0},
    {"gateway.name", GATEWAY_NAME, 0},
    {"event.address", EVENT_TEXT, offsetof(struct mg_head, address)},
    {"event.reply_to", EVENT_TEXT, offsetof(struct mg_head, reply_to)},
    {"event.subject", EVENT_TEXT, offsetof(struct mg_head, subject)},
    {"event.content_type", EVENT_TEXT, offsetof(struct mg_head, content_type)},
    {"event.content_encoding", EVENT_TEXT, offsetof(struct mg_head, content_encoding)},
    {"event.group", EVENT_TEXT, offsetof(struct mg_head, group)},
    {"event.group_sequence", EVENT_GROUP_SEQUENCE, 0},
    {"event.message_id", EVENT_VALUE, offsetof(struct mg_head, message_id)},
    {"event.correlation", EVENT_VALUE, offsetof(struct mg_head, correlation)},
    {"event.user", EVENT_USER, 0},
    {"event.created", EVENT_CREATED, 0},
    {"event.qos", EVENT_QOS, 0},
};

static bool is_capture_name(const char *name, size_t length)
{
    if (!length || !(*name == '_' || (*name >= 'a' && *name <= 'z')))
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") >= length;
}

/* Cuts " % N" off the end of a field's name. */
static int read_partitions(struct segment *s, struct mg_err *err)
{
    char *name = (char *)(uintptr_t)s->text.at, *end;
    size_t digits = 0;
    while (digits < s->text.len && strchr("0123456789", name[s->text.len - 1 - digits]))
        digits++;
    size_t tail = digits + strlen(" % ");
    if (!digits || tail >= s->text.len || strncmp(name + s->text.len - tail, " % ", 3))
        return 0;
    unsigned long partitions = strtoul(name + s->text.len - digits, &end, 10);
    if (partitions < 1 || partitions > PARTITIONS_MAX) {
        snprintf(err->text, sizeof err->text, "{%s}: there can be 1 to %d partitions", name,
                 PARTITIONS_MAX);
        return -EINVAL;
    }
    s->partitions = (uint32_t)partitions;
    s->text.len -= tail;
    name[s->text.len] = '\0';
    return 0;
}

static int classify(struct segment *s, struct mg_err *err)
{
    int error = read_partitions(s, err);
    if (error)
        return error;
    const char *name = s->text.at;
    if (is_capture_name(name, s->text.len)) {
        s->kind = CAPTURE;
        return 0;
    }
    if (!strncmp(name, "property.", 9) && s->text.len > 9) {
        s->kind = PROPERTY;
        s->text.at += 9;
        s->text.len -= 9;
        return 0;
    }
    for (size_t i = 0; i < sizeof fixed_fields / sizeof fixed_fields[0]; i++) {
        if (!strcmp(fixed_fields[i].name, name)) {
            s->kind = fixed_fields[i].kind;
            s->offset = fixed_fields[i].offset;
            return 0;
        }
    }
    snprintf(
        err->text, sizeof err->text,
        "{%s} is not known: a capture ({line}), {property.NAME}, {route.name}, {gateway.name} or "
        "{event.X}, X of: address, reply_to, subject, content_type, content_encoding, "
        "message_id, correlation, group, group_sequence, user, created, qos",
        name);
    return -EINVAL;
}

/* Reads one segment at *at; out is where its text goes (never more than was read, plus a NUL). */
static int read_segment(const char **at, char **out, struct segment *ret, struct mg_err *err)
{
    const char *s = *at;
    char *start = *out;
    *ret = (struct segment){.kind = LITERAL};
    if (*s == '{' && s[1] != '{') {
        size_t n = strcspn(s + 1, "{}");
        if (s[1 + n] != '}') {
            snprintf(err->text, sizeof err->text, "{ without its }; a literal brace is written {{");
            return -EINVAL;
        }
        memcpy(start, s + 1, n);
        start[n] = '\0';
        ret->text = (struct mg_str){start, n};
        *at = s + n + 2;
        *out = start + n + 1;
        return classify(ret, err);
    }
    char *o = start;
    while (*s && !(*s == '{' && s[1] != '{')) {
        if (*s == '}' && s[1] != '}') {
            snprintf(err->text, sizeof err->text, "} without its {; a literal brace is written }}");
            *at = s;
            return -EINVAL;
        }
        if (*s == '{' || *s == '}')
            s++;
        *o++ = *s++;
    }
    *o = '\0';
    ret->text = (struct mg_str){start, (size_t)(o - start)};
    *at = s;
    *out = o + 1;
    return 0;
}

int gw_template_compile(const char *text, mg_template **ret_template, size_t *ret_offset,
                        struct mg_err *reterr)
{
    size_t length = strlen(text), most = 1;
    for (const char *brace = strchr(text, '{'); brace; brace = strchr(brace + 1, '{'))
        most += 2; /* a field, and a literal before it */
    if (most > SEGMENTS_MAX)
        most = SEGMENTS_MAX;
    /* Every segment's text ends with a NUL of its own. */
    size_t texts = length + 1 + length + most + 1;
    mg_template *t = calloc(1, sizeof *t + most * sizeof t->segments[0] + texts);
    if (!t)
        return -ENOMEM;
    t->text = (char *)(t->segments + most);
    memcpy(t->text, text, length + 1);
    char *out = t->text + length + 1;
    const char *at = text;
    int error = 0;
    while (*at && !error) {
        if (t->count == SEGMENTS_MAX) {
            snprintf(reterr->text, sizeof reterr->text, "more than %d parts", SEGMENTS_MAX);
            error = -EINVAL;
            break;
        }
        error = read_segment(&at, &out, &t->segments[t->count++], reterr);
    }
    if (error) {
        *ret_offset = (size_t)(at - text);
        free(t);
        return error;
    }
    *ret_template = t;
    return 0;
}

void gw_template_destroy(mg_template *t)
{
    free(t);
}

const char *gw_template_text(const mg_template *t)
{
    return t->text;
}

const char *gw_template_capture(const mg_template *t, size_t index)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->segments[i].kind == CAPTURE && index-- == 0)
            return t->segments[i].text.at;
    return NULL;
}

const char *gw_template_literal(const mg_template *t, size_t *ret_length)
{
    if (t->count > 1 || (t->count == 1 && t->segments[0].kind != LITERAL))
        return NULL;
    *ret_length = t->count ? t->segments[0].text.len : 0;
    return t->count ? t->segments[0].text.at : "";
}

char *gw_template_cover(const mg_template *t, bool (*many)(void *arg, const char *name), void *arg)
{
    char *cover = calloc(1, strlen(t->text) + 3), *level = cover, *at = cover;
    if (!cover)
        return NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct segment *s = &t->segments[i];
        bool one_level = s->partitions || (s->kind == CAPTURE && !(many && many(arg, s->text.at)));
        if (s->kind != LITERAL && !one_level) {
            /* It may expand to several levels: cover all that follows. */
            memcpy(level, "#", 2);
            return cover;
        }
        if (s->kind != LITERAL) {
            /* The whole level becomes +, whatever stands beside the field. */
            level[0] = '+';
            at = level + 1;
            continue;
        }
        for (const char *c = s->text.at; *c; c++) {
            if (*c == '/') {
                *at++ = '/';
                level = at;
            } else if (at == level || *level != '+') {
                *at++ = *c;
            }
        }
    }
    *at = '\0';
    return cover;
}

/* ---- expansion ------------------------------------------------------------------------------ */

struct out {
    char *buffer;
    size_t size, used;
};

static void put(struct out *o, struct mg_str text)
{
    if (o->used < o->size && text.len) {
        size_t room = o->size - o->used;
        memcpy(o->buffer + o->used, text.at, text.len < room ? text.len : room);
    }
    o->used += text.len;
}

static struct mg_str value_text(const struct mg_value *v, char *scratch, size_t size)
{
    int n = 0;
    switch (v->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        return v->as.text;
    case MG_BINARY:
        return (struct mg_str){v->as.binary.at, v->as.binary.len};
    case MG_BOOL:
        n = snprintf(scratch, size, "%s", v->as.b ? "true" : "false");
        break;
    case MG_INT:
    case MG_TIME:
        n = snprintf(scratch, size, "%" PRId64, v->as.i);
        break;
    case MG_UINT:
    case MG_CHAR:
        n = snprintf(scratch, size, "%" PRIu64, v->as.u);
        break;
    case MG_FLOAT:
        n = snprintf(scratch, size, "%.17g", v->as.d);
        break;
    case MG_UUID: {
        const uint8_t *u = v->as.uuid;
        n = snprintf(scratch, size,
                     "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                     u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
                     u[13], u[14], u[15]);
        break;
    }
    default:
        return (struct mg_str){0};
    }
    return (struct mg_str){scratch, (size_t)n};
}

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (a.len == 0 || !memcmp(a.at, b.at, a.len));
}

static struct mg_str find_capture(const struct gw_captures *captures, struct mg_str name)
{
    for (size_t i = 0; captures && i < captures->count; i++)
        if (same(captures->names[i], name))
            return captures->values[i];
    return (struct mg_str){0};
}

static struct mg_str find_property(const mg_event *event, struct mg_str name, char *scratch,
                                   size_t size)
{
    for (size_t i = 0; i < event->property_count; i++)
        if (same(event->properties[i].name, name))
            return value_text(&event->properties[i].value, scratch, size);
    return (struct mg_str){0};
}

/* Only what the peer has said has a value. */
static struct mg_str number_text(bool said, int64_t number, char *scratch, size_t size)
{
    const struct mg_value value = {.type = MG_INT, .as.i = number};
    return said ? value_text(&value, scratch, size) : (struct mg_str){0};
}

static struct mg_str field(const struct segment *s, const mg_scope *scope, const mg_event *event,
                           char *scratch, size_t size)
{
    const struct mg_head *h = &event->head;
    const char *head = (const char *)h;
    switch (s->kind) {
    case CAPTURE:
        return find_capture(scope->captures, s->text);
    case PROPERTY:
        return find_property(event, s->text, scratch, size);
    case ROUTE_NAME:
        return scope->route;
    case GATEWAY_NAME:
        return scope->gateway;
    case EVENT_TEXT:
        return *(const struct mg_str *)(const void *)(head + s->offset);
    case EVENT_VALUE:
        return value_text((const struct mg_value *)(const void *)(head + s->offset), scratch, size);
    case EVENT_USER:
        return (struct mg_str){h->user.at, h->user.len};
    case EVENT_QOS:
        return (struct mg_str){&"012"[h->qos < 3 ? h->qos : 2], 1};
    case EVENT_GROUP_SEQUENCE:
        return number_text(h->present & MG_HAS_GROUP_SEQUENCE, h->group_sequence, scratch, size);
    case EVENT_CREATED:
        return number_text(h->present & MG_HAS_CREATED, h->created_us / 1000, scratch, size);
    case LITERAL:
        break;
    }
    return s->text;
}

/* FNV-1a of 32 bits: short enough to be written anew by whoever has to find the same partition. */
static struct mg_str partition_of(struct mg_str value, uint32_t partitions, char *scratch,
                                  size_t size)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < value.len; i++)
        hash = (hash ^ (uint8_t)value.at[i]) * 16777619;
    return (struct mg_str){scratch, (size_t)snprintf(scratch, size, "%" PRIu32, hash % partitions)};
}

ptrdiff_t gw_template_expand(const mg_template *t, const mg_scope *scope, const mg_event *event,
                             gw_escape_fn *escape, char *buffer, size_t size, struct mg_err *reterr)
{
    struct out o = {buffer, size, 0};
    for (size_t i = 0; i < t->count; i++) {
        const struct segment *s = &t->segments[i];
        char scratch[64];
        struct mg_str value = field(s, scope, event, scratch, sizeof scratch);
        if (!value.at) {
            snprintf(reterr->text, sizeof reterr->text, "\"%s\": this event has no value for %s%s",
                     t->text, s->kind == PROPERTY ? "property." : "", s->text.at);
            return -ENOENT;
        }
        char number[16];
        if (s->partitions)
            value = partition_of(value, s->partitions, number, sizeof number);
        if (s->kind != LITERAL && escape) {
            size_t room = o.used < o.size ? o.size - o.used : 0;
            o.used += escape(t->text, value, room ? o.buffer + o.used : NULL, room);
        } else {
            put(&o, value);
        }
    }
    if (o.used > size) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%s\" expands to %zu bytes; there is room for %zu", t->text, o.used, size);
        return -ENOSPC;
    }
    if (o.used < size)
        buffer[o.used] = '\0';
    return (ptrdiff_t)o.used;
}
