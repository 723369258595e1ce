/* SPDX-License-Identifier: Apache-2.0 */
/* A template as a list of parts that point into one copy of its text. */
#include "text_template.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64, NAME_BYTES_MAX = 255 };
enum kind {
    LITERAL,
    CAPTURE,
    PROPERTY,
    ROUTE_NAME,
    GATEWAY_NAME,
    HEAD_TEXT,
    HEAD_VALUE,
    HEAD_QOS,
    HEAD_GROUP_SEQUENCE,
    HEAD_USER,
    HEAD_CREATED
};

struct part {
    enum kind kind;
    size_t offset; /* in struct mg_head */
    struct mg_str text;
};

struct text_template {
    size_t count;
    struct part parts[PARTS_MAX];
    char text[];
};

static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} fixed[] = {
    {"route.name", ROUTE_NAME, 0},
    {"gateway.name", GATEWAY_NAME, 0},
    {"event.address", HEAD_TEXT, offsetof(struct mg_head, address)},
    {"event.reply_to", HEAD_TEXT, offsetof(struct mg_head, reply_to)},
    {"event.subject", HEAD_TEXT, offsetof(struct mg_head, subject)},
    {"event.content_type", HEAD_TEXT, offsetof(struct mg_head, content_type)},
    {"event.content_encoding", HEAD_TEXT, offsetof(struct mg_head, content_encoding)},
    {"event.group", HEAD_TEXT, offsetof(struct mg_head, group)},
    {"event.group_sequence", HEAD_GROUP_SEQUENCE, 0},
    {"event.message_id", HEAD_VALUE, offsetof(struct mg_head, message_id)},
    {"event.correlation", HEAD_VALUE, offsetof(struct mg_head, correlation)},
    {"event.user", HEAD_USER, 0},
    {"event.created", HEAD_CREATED, 0},
    {"event.qos", HEAD_QOS, 0},
};

static int classify(struct part *p, struct mg_err *err)
{
    struct mg_str name = p->text;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strlen(fixed[i].name) == name.len && !memcmp(fixed[i].name, name.at, name.len)) {
            p->kind = fixed[i].kind;
            p->offset = fixed[i].offset;
            return 0;
        }
    }
    if (name.len > 9 && name.len <= NAME_BYTES_MAX && !memcmp(name.at, "property.", 9)) {
        p->kind = PROPERTY;
        p->text = (struct mg_str){name.at + 9, name.len - 9};
        return 0;
    }
    p->kind = CAPTURE;
    if (name.len && name.len <= NAME_BYTES_MAX &&
        strspn(name.at, "abcdefghijklmnopqrstuvwxyz0123456789_") >= name.len)
        return 0;
    snprintf(err->text, sizeof err->text,
             "{%.*s} is not known: a capture like {line}, {event.address}, {property.NAME}, "
             "{route.name} or "
             "{gateway.name}; literal braces are {{ and }}",
             (int)(name.len < 64 ? name.len : 64), name.at);
    return -EINVAL;
}

/* Reads one part at text and returns where the next begins; literals are unescaped in place. */
static int read_part(char *text, struct part *ret, char **ret_next, struct mg_err *err)
{
    if (*text == '{' && text[1] != '{') {
        size_t n = strcspn(text + 1, "{}");
        if (text[n + 1] != '}') {
            snprintf(err->text, sizeof err->text, "{ without its }; a literal brace is written {{");
            return -EINVAL;
        }
        ret->text = (struct mg_str){text + 1, n};
        *ret_next = text + n + 2;
        return classify(ret, err);
    }
    char *out = text, *in = text;
    while (*in && !(*in == '{' && in[1] != '{')) {
        if (*in == '}' && in[1] != '}') {
            snprintf(err->text, sizeof err->text, "} without its {; a literal brace is written }}");
            return -EINVAL;
        }
        in += *in == '{' || *in == '}';
        *out++ = *in++;
    }
    ret->text = (struct mg_str){text, (size_t)(out - text)};
    *ret_next = in;
    return 0;
}

int text_template_compile(const char *text, struct text_template **ret_template,
                          struct mg_err *reterr)
{
    size_t length = strlen(text);
    struct text_template *t = calloc(1, sizeof *t + length + 1);
    if (!t) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    memcpy(t->text, text, length + 1);
    int error = 0;
    for (char *at = t->text; *at && !error;) {
        if (t->count == PARTS_MAX) {
            snprintf(reterr->text, sizeof reterr->text, "more than %d parts", PARTS_MAX);
            error = -EINVAL;
        } else {
            error = read_part(at, &t->parts[t->count++], &at, reterr);
        }
    }
    if (error) {
        free(t);
        return error;
    }
    *ret_template = t;
    return 0;
}

void text_template_free(struct text_template *t)
{
    free(t);
}

bool text_template_has_fields(const struct text_template *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].kind != LITERAL)
            return true;
    return false;
}

static struct mg_str value_text(const struct mg_value *v, char *scratch, size_t size)
{
    int n;
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
    case MG_UUID:
        n = 0;
        for (size_t i = 0; i < 16; i++)
            n += snprintf(scratch + n, size - (size_t)n, "%s%02x",
                          i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", v->as.uuid[i]);
        break;
    default:
        return (struct mg_str){0};
    }
    return (struct mg_str){scratch, (size_t)n};
}

static struct mg_str part_text(const struct part *p, const struct mg_host *host,
                               const mg_instance *instance, const struct mg_step_call *call,
                               char *scratch, size_t size)
{
    const struct mg_head *head = host->event_head(call->event);
    const void *field = (const char *)head + p->offset;
    struct mg_value value;
    switch (p->kind) {
    case CAPTURE:
        return host->scope_capture(call->scope, p->text);
    case PROPERTY:
        if (!host->event_find(call->event, p->text, &value))
            return (struct mg_str){0};
        return value_text(&value, scratch, size);
    case ROUTE_NAME:
        return host->scope_route(call->scope);
    case GATEWAY_NAME:
        return host->gateway_name(instance);
    case HEAD_TEXT:
        return *(const struct mg_str *)field;
    case HEAD_VALUE:
        return value_text(field, scratch, size);
    case HEAD_QOS:
        return (struct mg_str){head->qos == 0 ? "0" : head->qos == 1 ? "1" : "2", 1};
    case HEAD_GROUP_SEQUENCE:
        value = (struct mg_value){.type = MG_UINT, .as.u = head->group_sequence};
        return head->present & MG_HAS_GROUP_SEQUENCE ? value_text(&value, scratch, size)
                                                     : (struct mg_str){0};
    case HEAD_USER:
        return (struct mg_str){head->user.at, head->user.len};
    case HEAD_CREATED:
        value = (struct mg_value){.type = MG_INT, .as.i = head->created_us / 1000};
        return head->present & MG_HAS_CREATED ? value_text(&value, scratch, size)
                                              : (struct mg_str){0};
    case LITERAL:
        break;
    }
    return p->text;
}

int text_template_expand(const struct text_template *t, const struct mg_host *host,
                         const mg_instance *instance, const struct mg_step_call *call,
                         char **ret_text, size_t *ret_length, struct mg_err *reterr)
{
    char *text = malloc(1);
    size_t length = 0;
    for (size_t i = 0; text && i < t->count; i++) {
        const struct part *p = &t->parts[i];
        char scratch[64];
        struct mg_str value = part_text(p, host, instance, call, scratch, sizeof scratch);
        if (!value.at) {
            snprintf(reterr->text, sizeof reterr->text, "this event has no value for {%s%.*s}",
                     p->kind == PROPERTY ? "property." : "", (int)p->text.len, p->text.at);
            free(text);
            return -ENOENT;
        }
        char *longer = realloc(text, length + value.len + 1);
        if (!longer)
            free(text);
        text = longer;
        if (text && value.len)
            memcpy(text + length, value.at, value.len);
        length += value.len;
    }
    if (!text) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    text[length] = '\0';
    *ret_text = text;
    *ret_length = length;
    return 0;
}
