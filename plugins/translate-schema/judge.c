/* SPDX-License-Identifier: Apache-2.0 */
/* One event: which schema it has, what of it is validated, and what is said of it. */
#include "judge.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct doc_value *text_member(const struct doc_value *object, const char *name)
{
    struct doc_value *v = doc_get(object, (struct mg_str){name, strlen(name)});
    return v && v->kind == DOC_TEXT ? v : NULL;
}

/* A CloudEvent in structured mode has these four, and by them alone it is known: MQTT 3.1.1 has no
 * content type. */
static bool is_envelope(const struct doc_value *v)
{
    return text_member(v, "specversion") && text_member(v, "id") && text_member(v, "source") &&
           text_member(v, "type");
}

static int data_of(const struct translator *t, const struct doc_value *payload,
                   const struct doc_value **ret, char *said, size_t size)
{
    *ret = payload;
    if (t->settings->of == OF_PAYLOAD || !is_envelope(payload))
        return 0;
    *ret = doc_get(payload, (struct mg_str){"data", 4});
    if (*ret)
        return 0;
    snprintf(said, size, "data: the event has no data that is JSON");
    return -EINVAL;
}

/* The attribute dataschema, of an envelope or as a property under any of the usual names. */
static struct mg_str dataschema_of(const struct translator *t, const mg_event *event,
                                   const struct doc_value *payload)
{
    static const char *const names[] = {"dataschema", "cloudEvents:dataschema",
                                        "cloudEvents_dataschema", "ce-dataschema", "ce_dataschema"};
    struct mg_value value;
    if (is_envelope(payload)) {
        const struct doc_value *said = text_member(payload, "dataschema");
        return said ? said->text : (struct mg_str){NULL, 0};
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (t->host->event_find(event, (struct mg_str){names[i], strlen(names[i])}, &value) &&
            value.type == MG_TEXT)
            return value.as.text;
    return (struct mg_str){NULL, 0};
}

/* NULL: there is none for this event, and x->said says so. */
static const struct schema *schema_for(const struct translator *t, struct context *x,
                                       const mg_event *event, const struct doc_value *payload)
{
    const struct schema *schema = validator_schema(t->validator);
    if (t->settings->by == BY_NOTHING)
        return schema;
    struct mg_str uri = dataschema_of(t, event, payload);
    if (!uri.at && !schema)
        snprintf(x->said, sizeof x->said, "the event does not name its schema by dataschema");
    if (!uri.at)
        return schema;
    schema = validator_find(t->validator, uri);
    if (!schema)
        snprintf(x->said, sizeof x->said, "dataschema: there is no schema %.*s here",
                 (int)(uri.len < 150 ? uri.len : 150), uri.at);
    return schema;
}

/* What the report says, in one text. */
static void tell(struct context *x, const struct report *report)
{
    size_t length = 0;
    for (size_t i = 0; i < report->count; i++)
        length += (size_t)snprintf(x->said + length, sizeof x->said - length, "%s%s", i ? "; " : "",
                                   report->entries[i].text);
}

static int validate_value(const struct translator *t, struct context *x,
                          const struct schema *schema, const struct doc_value *value)
{
    struct report report = {t->settings->of == OF_DATA ? "data" : "payload", 0,
                            (size_t)t->settings->errors, x->entries, NULL};
    int error = run_validate(&x->run, schema, value, &report);
    if (error == -EINVAL)
        tell(x, &report);
    if (error == -EOVERFLOW)
        snprintf(x->said, sizeof x->said, "%s: %s", report.root, x->run.gave_up);
    return error;
}

int judge_event(const struct translator *t, struct context *x, const mg_event *event)
{
    const struct doc_value *value = NULL;
    struct doc_value *payload;
    struct mg_err err = {.text = ""};
    size_t size = t->host->event_payload(event).len;
    if (size > (uint64_t)t->settings->max_size) {
        snprintf(x->said, sizeof x->said, "the payload of %zu bytes is larger than max_size", size);
        return -EINVAL;
    }
    if (doc_of_payload(x->doc, t->host, event, &payload, &err)) {
        snprintf(x->said, sizeof x->said, "%s", err.text);
        return -EINVAL;
    }
    const struct schema *schema = schema_for(t, x, event, payload);
    int error = schema ? data_of(t, payload, &value, x->said, sizeof x->said) : -EINVAL;
    return error ? error : validate_value(t, x, schema, value);
}
