/* SPDX-License-Identifier: Apache-2.0 */
/* Events to JSON values and back, by a table of attributes. */
#include "event_doc.h"
#include "base64.h"
#include "json_scan.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 65535 };
enum form { FORM_TEXT, FORM_VALUE, FORM_SMALL, FORM_BOOL };

#define AT(field) offsetof(struct mg_head, field)
static const struct attribute {
    const char *name;
    enum form form;
    bool settable;
    size_t offset;
} attributes[] = {
    {"address", FORM_TEXT, true, AT(address)},
    {"subject", FORM_TEXT, true, AT(subject)},
    {"reply_to", FORM_TEXT, true, AT(reply_to)},
    {"content_type", FORM_TEXT, true, AT(content_type)},
    {"content_encoding", FORM_TEXT, false, AT(content_encoding)},
    {"group", FORM_TEXT, true, AT(group)},
    {"message_id", FORM_VALUE, false, AT(message_id)},
    {"correlation", FORM_VALUE, false, AT(correlation)},
    {"qos", FORM_SMALL, false, AT(qos)},
    {"priority", FORM_SMALL, false, AT(priority)},
    {"retain", FORM_BOOL, false, AT(retain)},
    {"duplicate", FORM_BOOL, false, AT(duplicate)},
};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

static const struct attribute *find(struct mg_str name)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (strlen(attributes[i].name) == name.len &&
            !memcmp(attributes[i].name, name.at, name.len))
            return &attributes[i];
    return NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

bool event_doc_is_text(struct mg_str text)
{
    uint32_t point;
    for (size_t i = 0, size; i < text.len; i += size)
        if (!(size = scan_character(text.at + i, text.at + text.len, &point)))
            return false;
    return true;
}

static struct doc_value *text_of(struct doc *doc, struct mg_str text)
{
    return text.at && event_doc_is_text(text) ? doc_text(doc, text) : doc_null(doc);
}

static struct doc_value *binary_of(struct doc *doc, struct mg_bytes bytes)
{
    size_t length = base64_length(bytes.len);
    char *text = malloc(length + 1);
    if (!text)
        return NULL;
    base64_encode(bytes.at, bytes.len, text);
    struct doc_value *value = doc_text(doc, (struct mg_str){text, length});
    free(text);
    return value;
}

static struct doc_value *uuid_of(struct doc *doc, const uint8_t *u)
{
    char text[37];
    snprintf(text, sizeof text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    return doc_text(doc, (struct mg_str){text, 36});
}

static struct doc_value *character_of(struct doc *doc, uint64_t point)
{
    char text[4];
    size_t length = 1;
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return doc_null(doc);
    if (point < 0x80) {
        text[0] = (char)point;
        return doc_text(doc, (struct mg_str){text, 1});
    }
    length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; point >>= 6)
        text[i] = (char)(0x80 | (point & 0x3f));
    text[0] = (char)(lead[length] | point);
    return doc_text(doc, (struct mg_str){text, length});
}

struct doc_value *event_doc_value(struct doc *doc, const struct mg_value *value)
{
    switch (value->type) {
    case MG_BOOL:
        return doc_bool(doc, value->as.b);
    case MG_INT:
    case MG_TIME:
        return doc_int(doc, value->as.i);
    case MG_UINT:
        return doc_uint(doc, value->as.u);
    case MG_FLOAT:
        return doc_double(doc, value->as.d);
    case MG_CHAR:
        return character_of(doc, value->as.u);
    case MG_TEXT:
    case MG_SYMBOL:
        return text_of(doc, value->as.text);
    case MG_BINARY:
        return binary_of(doc, value->as.binary);
    case MG_UUID:
        return uuid_of(doc, value->as.uuid);
    default:
        return doc_null(doc);
    }
}

static struct doc_value *attribute_of(struct doc *doc, const struct mg_head *head,
                                      const struct attribute *a)
{
    const void *at = (const char *)head + a->offset;
    switch (a->form) {
    case FORM_TEXT:
        return text_of(doc, *(const struct mg_str *)at);
    case FORM_VALUE:
        return event_doc_value(doc, at);
    case FORM_SMALL:
        return doc_int(doc, *(const uint8_t *)at);
    case FORM_BOOL:
        return doc_bool(doc, *(const bool *)at);
    }
    return doc_null(doc);
}

struct doc_value *event_doc_attribute(struct doc *doc, const struct mg_host *host,
                                      const mg_event *event, struct mg_str name, bool *ret_known)
{
    const struct attribute *a = find(name);
    *ret_known = a;
    return a ? attribute_of(doc, host->event_head(event), a) : NULL;
}

static struct doc_value *properties_of(struct doc *doc, const struct mg_host *host,
                                       const mg_event *event)
{
    size_t count;
    const struct mg_property *p = host->event_properties(event, &count);
    struct doc_value *out = doc_object(doc);
    for (size_t i = 0; out && i < count; i++) {
        if (doc_get(out, p[i].name))
            continue;
        struct doc_value *value = event_doc_value(doc, &p[i].value);
        if (!value || doc_set(doc, out, p[i].name, value))
            return NULL;
    }
    return out;
}

struct doc_value *event_doc(struct doc *doc, const struct mg_host *host, const mg_event *event)
{
    const struct mg_head *head = host->event_head(event);
    struct doc_value *out = doc_object(doc), *properties = properties_of(doc, host, event);
    if (!out || !properties)
        return NULL;
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        struct doc_value *value = attribute_of(doc, head, &attributes[i]);
        if (!value ||
            doc_set(doc, out, (struct mg_str){attributes[i].name, strlen(attributes[i].name)},
                    value))
            return NULL;
    }
    return doc_set(doc, out, (struct mg_str){"properties", 10}, properties) ? NULL : out;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Fifteen digits always survive a double, where it is neither tiny nor huge. */
static bool is_short(struct mg_str spelling)
{
    if (spelling.len > 16)
        return false;
    for (size_t i = 0; i < spelling.len; i++)
        if (spelling.at[i] == 'e' || spelling.at[i] == 'E')
            return false;
    return spelling.len < 16 || *spelling.at == '-' || memchr(spelling.at, '.', spelling.len);
}

bool event_doc_exact(struct mg_str spelling, double *ret_number)
{
    char text[40];
    struct doc_value number = {.kind = DOC_NUMBER, .text = spelling};
    if (!doc_as_double(&number, ret_number))
        return false;
    if (is_short(spelling))
        return true;
    int length = doc_format_double(*ret_number, text, sizeof text);
    return !doc_number_compare(spelling, (struct mg_str){text, (size_t)length});
}

struct doc_value *event_doc_number(struct doc *doc, double number)
{
    bool minus_zero = number == 0 && signbit(number);
    if (number == floor(number) && fabs(number) <= 9007199254740992.0 && !minus_zero)
        return doc_int(doc, (int64_t)number);
    return doc_double(doc, number);
}

/* ---- changing ------------------------------------------------------------------------------- */

static int refuse(struct mg_err *reterr, struct mg_str name, const char *what)
{
    snprintf(reterr->text, sizeof reterr->text, "%.*s %s", name.len < 80 ? (int)name.len : 80,
             name.at, what);
    return -EINVAL;
}

static bool is_fit(const struct doc_value *value)
{
    return value->kind == DOC_TEXT && value->text.len <= TEXT_BYTES_MAX &&
           !memchr(value->text.at, '\0', value->text.len);
}

static int number_of(struct mg_str name, const struct doc_value *value, struct mg_value *out,
                     struct mg_err *reterr)
{
    *out = (struct mg_value){.type = MG_INT, .width = 64};
    if (doc_as_int(value, &out->as.i))
        return 0;
    out->type = MG_FLOAT;
    if (!event_doc_exact(value->text, &out->as.d))
        return refuse(reterr, name, "is a number that 64 bits do not hold");
    return 0;
}

static int change_property(const struct mg_host *host, mg_edit *edit, struct mg_str name,
                           const struct doc_value *value, struct mg_err *reterr)
{
    struct mg_value out = {.type = MG_NULL};
    int error = 0;
    if (!name.len || name.len > TEXT_BYTES_MAX || memchr(name.at, '\0', name.len))
        return refuse(reterr, name, "is no name of a property");
    if (value->kind == DOC_TEXT && is_fit(value))
        out = (struct mg_value){.type = MG_TEXT, .as.text = value->text};
    else if (value->kind == DOC_BOOL)
        out = (struct mg_value){.type = MG_BOOL, .as.b = value->truth};
    else if (value->kind == DOC_NUMBER)
        error = number_of(name, value, &out, reterr);
    else if (value->kind != DOC_NULL)
        error = refuse(reterr, name, "as a property must be a text, a number, true, false or null");
    if (!error)
        error = host->edit_property(edit, name, NULL);
    if (!error && out.type != MG_NULL)
        error = host->edit_property(edit, name, &out);
    return error;
}

int event_doc_change(const struct mg_host *host, mg_edit *edit, struct mg_str name,
                     const struct doc_value *value, struct mg_err *reterr)
{
    const struct attribute *a = find(name);
    if (name.len == 10 && !memcmp(name.at, "properties", 10)) {
        int error = 0;
        if (value->kind != DOC_OBJECT)
            return refuse(reterr, name, "must be an object");
        for (size_t i = 0; i < value->count && !error; i++)
            error = change_property(host, edit, value->members[i].name, value->members[i].value,
                                    reterr);
        return error;
    }
    if (!a)
        return refuse(reterr, name, "is nothing that an event has");
    if (!a->settable)
        return refuse(reterr, name, "cannot be changed here");
    struct mg_str *at = (struct mg_str *)((char *)host->edit_head(edit) + a->offset);
    bool is_address = a->offset == AT(address);
    if (value->kind == DOC_NULL && !is_address) {
        *at = (struct mg_str){0};
        return 0;
    }
    if (!is_fit(value) || (is_address && !value->text.len))
        return refuse(reterr, name,
                      is_address ? "must be a text, and not empty" : "must be a text or null");
    *at = value->text;
    return 0;
}
