/* SPDX-License-Identifier: Apache-2.0 */
/* What CloudEvents 1.0 asks of attributes, whatever carries them. */
#include "event.h"
#include "formats.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct rule {
    const char *name;
    bool required;
    const char *(*wrong)(struct mg_str value);
} rules[] = {
    {"specversion", true, NULL},
    {"id", true, NULL},
    {"source", true, wrong_uri_reference},
    {"type", true, NULL},
    {"subject", false, NULL},
    {"time", false, wrong_timestamp},
    {"dataschema", false, wrong_uri},
    {"datacontenttype", false, wrong_media_type},
};

bool ce_same(struct mg_str a, const char *b)
{
    return a.len == strlen(b) && !memcmp(a.at, b, a.len);
}

bool ce_equal(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

int ce_refuse(struct mg_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -EINVAL;
}

int ce_no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

static const struct rule *rule_of(struct mg_str name)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (ce_same(name, rules[i].name))
            return &rules[i];
    return NULL;
}

bool ce_is_core(struct mg_str name)
{
    return rule_of(name) != NULL;
}

bool ce_is_required(struct mg_str name)
{
    const struct rule *rule = rule_of(name);
    return rule && rule->required;
}

bool ce_is_uri(struct mg_str name)
{
    const struct rule *rule = rule_of(name);
    return rule && (rule->wrong == wrong_uri || rule->wrong == wrong_uri_reference);
}

/* ---- attributes ----------------------------------------------------------------------------- */

const char *ce_wrong_name(struct mg_str name)
{
    if (!name.len)
        return "an attribute needs a name";
    if (name.len > CE_NAME_BYTES_MAX)
        return "longer than 255 characters";
    for (size_t i = 0; i < name.len; i++)
        if (!(name.at[i] >= 'a' && name.at[i] <= 'z') && !(name.at[i] >= '0' && name.at[i] <= '9'))
            return "a name has lower-case letters a to z and digits only";
    return ce_same(name, "data") ? "that name is reserved for the data" : NULL;
}

const char *ce_wrong_value(struct mg_str name, enum ce_type type, struct mg_str value)
{
    const struct rule *rule = rule_of(name);
    if (value.len > CE_VALUE_BYTES_MAX)
        return "is longer than 65535 bytes";
    if (rule && type != CE_STRING)
        return type == CE_INTEGER   ? "is a number, and must be a String"
               : type == CE_BOOLEAN ? "is a Boolean, and must be a String"
                                    : "is Binary, and must be a String";
    if (type == CE_INTEGER)
        return wrong_integer(value);
    if (rule && !value.len)
        return "is empty";
    const char *wrong = wrong_string(value);
    return wrong ? wrong : rule && rule->wrong ? rule->wrong(value) : NULL;
}

void ce_begin(struct ce_event *e)
{
    e->count = 0;
    e->has_version = false;
    e->content_type = (struct mg_str){0};
    e->data_kind = CE_NO_DATA;
    e->data = (struct mg_str){0};
    e->known_json = false;
    e->envelope = (struct mg_str){0};
}

const struct ce_attribute *ce_find(const struct ce_event *e, struct mg_str name)
{
    for (size_t i = 0; i < e->count; i++)
        if (ce_equal(e->attributes[i].name, name))
            return &e->attributes[i];
    return NULL;
}

static int shown(struct mg_str text)
{
    return (int)(text.len < 80 ? text.len : 80);
}

int ce_set(struct ce_event *e, struct mg_str name, enum ce_type type, struct mg_str value,
           struct mg_err *err)
{
    const char *wrong = ce_wrong_name(name);
    if (wrong)
        return ce_refuse(err, "attribute \"%.*s\": %s", shown(name), name.at, wrong);
    wrong = ce_wrong_value(name, type, value);
    if (wrong)
        return ce_refuse(err, "attribute %.*s: \"%.*s\" %s", shown(name), name.at, shown(value),
                         value.at ? value.at : "", wrong);
    bool version = ce_same(name, "specversion"), content = ce_same(name, "datacontenttype");
    if (version && !ce_same(value, "1.0"))
        return ce_refuse(err, "attribute specversion: \"%.*s\" is not supported, only 1.0 is",
                         shown(value), value.at);
    if (version ? e->has_version : content ? e->content_type.at != NULL : ce_find(e, name) != NULL)
        return ce_refuse(err, "attribute %.*s: it is there twice", shown(name), name.at);
    if (version) {
        e->has_version = true;
    } else if (content) {
        e->content_type = value;
    } else if (e->count == CE_ATTRIBUTES_MAX) {
        return ce_refuse(err, "more than %d attributes", CE_ATTRIBUTES_MAX);
    } else {
        e->attributes[e->count++] = (struct ce_attribute){name, value, type};
    }
    return 0;
}

int ce_complete(const struct ce_event *e, struct mg_err *err)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const char *name = rules[i].name;
        if (!rules[i].required)
            continue;
        bool there =
            i == 0 ? e->has_version : ce_find(e, (struct mg_str){name, strlen(name)}) != NULL;
        if (!there)
            return ce_refuse(err, "attribute %s: it is required, and not there", name);
    }
    return 0;
}

/* ---- data ----------------------------------------------------------------------------------- */

/* The media type without its parameters, and the part of it behind the slash. */
static struct mg_str media(struct mg_str content_type, struct mg_str *ret_subtype)
{
    size_t length = 0, slash = 0;
    while (length < content_type.len && !strchr("; \t", content_type.at[length])) {
        if (content_type.at[length] == '/')
            slash = length + 1;
        length++;
    }
    *ret_subtype = (struct mg_str){content_type.at + slash, length - slash};
    return (struct mg_str){content_type.at, length};
}

static bool ends_with(struct mg_str text, const char *end)
{
    size_t length = strlen(end);
    return text.len >= length && !strncasecmp(text.at + text.len - length, end, length);
}

static bool is_or_ends_with(struct mg_str subtype, const char *word, const char *suffix)
{
    return (subtype.len == strlen(word) && ends_with(subtype, word)) || ends_with(subtype, suffix);
}

bool ce_declares_json(struct mg_str content_type)
{
    struct mg_str subtype;
    if (!content_type.at)
        return false;
    media(content_type, &subtype);
    return is_or_ends_with(subtype, "json", "+json");
}

bool ce_declares_text(struct mg_str content_type)
{
    struct mg_str subtype;
    if (!content_type.at)
        return false;
    struct mg_str whole = media(content_type, &subtype);
    return (whole.len > 5 && !strncasecmp(whole.at, "text/", 5)) ||
           is_or_ends_with(subtype, "xml", "+xml") || is_or_ends_with(subtype, "yaml", "+yaml");
}

bool ce_declares_utf8(struct mg_str content_type)
{
    static const char word[] = "charset=";
    size_t length = strlen(word);
    for (size_t i = 0; i + length < content_type.len; i++) {
        struct mg_str value = {content_type.at + i + length, content_type.len - i - length};
        if (strncasecmp(content_type.at + i, word, length) != 0)
            continue;
        value.at += *value.at == '"';
        value.len = (size_t)(content_type.at + content_type.len - value.at);
        return (value.len >= 5 && !strncasecmp(value.at, "utf-8", 5)) ||
               (value.len >= 8 && !strncasecmp(value.at, "us-ascii", 8));
    }
    return true;
}

/* JSON format 1.0 §3.1.2: without a content type, data is JSON, and says so from here on. */
int ce_plain_data(const struct ce_event *e, struct mg_bytes *ret_data,
                  struct mg_str *ret_content_type, struct mg_err *err)
{
    *ret_data = (struct mg_bytes){e->data.at, e->data.len};
    *ret_content_type = e->content_type;
    if (e->data_kind == CE_TEXT && !ce_declares_utf8(e->content_type))
        return ce_refuse(err, "data: a text cannot be taken out into the charset of %.*s",
                         shown(e->content_type), e->content_type.at);
    if (e->data_kind != CE_JSON)
        return 0;
    if (!e->content_type.at)
        *ret_content_type = (struct mg_str){"application/json", strlen("application/json")};
    else if (!ce_declares_json(e->content_type))
        return ce_refuse(err,
                         "data: a JSON value that is no text cannot be of datacontenttype %.*s",
                         shown(e->content_type), e->content_type.at);
    return 0;
}
