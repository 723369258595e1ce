/* SPDX-License-Identifier: Apache-2.0 */
/* Puts what was looked up into a copy of the event: into its payload, or its properties. */
#include "json_text.h"
#include "lookup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t lookup_no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return MG_RETRY;
}

/* Gives the event away where it can be made. */
static uint32_t replace(struct context *c, mg_event *event, struct mg_err *err)
{
    if (!event)
        return lookup_no_memory(err);
    c->out[0] = event;
    return MG_REPLACE;
}

uint32_t lookup_into_payload(struct context *c, const mg_event *event, json_t *value,
                             struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    json_t *payload = json_of_payload(p->host, event, err);
    if (!payload)
        return MG_REJECT;
    uint32_t verdict;
    int error = json_path_set(p->path, payload, json_deep_copy(value));
    if (error == -EINVAL) {
        snprintf(err->text, sizeof err->text,
                 "the payload has no place for %.120s: something on the way there is neither "
                 "object nor list",
                 json_path_text(p->path));
        verdict = MG_REJECT;
    } else {
        verdict =
            error ? lookup_no_memory(err) : replace(c, json_event(p->host, event, payload), err);
    }
    json_decref(payload);
    return verdict;
}

/* text: to be freed, holds what value points to. */
static int to_value(const json_t *json, struct mg_value *ret, char **ret_text)
{
    *ret_text = NULL;
    switch (json_typeof(json)) {
    case JSON_STRING:
        *ret = (struct mg_value){.type = MG_TEXT,
                                 .as.text = {json_string_value(json), json_string_length(json)}};
        return 0;
    case JSON_INTEGER:
        *ret = (struct mg_value){.type = MG_INT, .width = 64, .as.i = json_integer_value(json)};
        return 0;
    case JSON_REAL:
        *ret = (struct mg_value){.type = MG_FLOAT, .width = 64, .as.d = json_real_value(json)};
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        *ret = (struct mg_value){.type = MG_BOOL, .as.b = json_is_true(json)};
        return 0;
    case JSON_NULL:
        *ret = (struct mg_value){.type = MG_NULL};
        return 0;
    default: {
        size_t length;
        *ret_text = json_to_text(json, &length);
        *ret = (struct mg_value){.type = MG_TEXT, .as.text = {*ret_text, length}};
        return *ret_text ? 0 : -ENOMEM;
    }
    }
}

static int set_property(const struct mg_host *host, mg_edit *edit, const char *name,
                        const json_t *json)
{
    struct mg_str n = {name, strlen(name)};
    struct mg_value value;
    char *text;
    int error = to_value(json, &value, &text);
    if (!error)
        error = host->edit_property(edit, n, NULL);
    if (!error)
        error = host->edit_property(edit, n, &value);
    free(text);
    return error;
}

uint32_t lookup_into_properties(struct context *c, const mg_event *event, json_t *value,
                                struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    mg_edit *edit = p->host->edit_new(event);
    if (!edit)
        return lookup_no_memory(err);
    int error = 0;
    if (!json_is_object(value))
        error = set_property(p->host, edit, p->property, value);
    else
        for (void *at = json_object_iter(value); at && !error;
             at = json_object_iter_next(value, at)) {
            char *name;
            if (asprintf(&name, "%s.%s", p->property, json_object_iter_key(at)) < 0) {
                error = -ENOMEM;
                break;
            }
            error = set_property(p->host, edit, name, json_object_iter_value(at));
            free(name);
        }
    if (error) {
        p->host->edit_free(edit);
        return lookup_no_memory(err);
    }
    return replace(c, p->host->edit_publish(edit), err);
}
