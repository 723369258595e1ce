/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what is wanted out of an answer, and puts it into a copy of the event. */
#include "http.h"
#include "json_doc.h"
#include "json_scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 1024 };

uint32_t http_no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return MG_RETRY;
}

uint32_t http_otherwise(struct context *c, enum outcome outcome)
{
    static const uint32_t verdicts[] = {MG_PASS, MG_DROP, MG_RETRY, MG_REJECT};
    const struct settings *s = c->http->settings;
    return verdicts[outcome == OUTCOME_ABSENT ? s->on_not_found : s->on_failure];
}

/* ---- out of the answer ---------------------------------------------------------------------- */

static bool is_utf8(const char *at, size_t length)
{
    const char *end = at + length;
    uint32_t point;
    for (size_t n; at < end; at += n)
        if (!(n = scan_character(at, end, &point)))
            return false;
    return true;
}

static enum outcome whole(struct mg_bytes answer, char **ret_value, size_t *ret_length)
{
    char *copy = malloc(answer.len + 1);
    if (!copy)
        return OUTCOME_FAILED;
    memcpy(copy, answer.at, answer.len);
    copy[answer.len] = '\0';
    *ret_value = copy;
    *ret_length = answer.len;
    return OUTCOME_FOUND;
}

static enum outcome select_text(struct mg_bytes answer, char **ret_value, size_t *ret_length,
                                struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    if (is_utf8(answer.at, answer.len))
        return whole(answer, ret_value, ret_length);
    snprintf(err->text, sizeof err->text, "the answer is no UTF-8 text");
    return OUTCOME_FAILED;
}

enum outcome http_select(struct context *c, struct mg_bytes answer, char **ret_value,
                         size_t *ret_length, struct mg_err *err)
{
    const struct http *p = c->http;
    struct doc_value *value;
    struct mg_err fault = {.text = ""};
    if (p->settings->answer == ANSWER_TEXT)
        return select_text(answer, ret_value, ret_length, err);
    doc_reset(c->doc);
    if (doc_parse(c->doc, answer, &value, &fault)) {
        snprintf(err->text, sizeof err->text, "the answer: %.200s", fault.text);
        return OUTCOME_FAILED;
    }
    value = p->select ? doc_path_get(p->select, value) : value;
    if (!value) {
        snprintf(err->text, sizeof err->text, "the answer has no %.160s", p->settings->select);
        return OUTCOME_ABSENT;
    }
    *ret_value = doc_write(value, ret_length);
    if (*ret_value)
        return OUTCOME_FOUND;
    http_no_memory(err);
    return OUTCOME_FAILED;
}

/* ---- into the event ------------------------------------------------------------------------- */

static uint32_t replace(struct context *c, mg_event *event, struct mg_err *err)
{
    if (!event)
        return http_no_memory(err);
    c->out[0] = event;
    return MG_REPLACE;
}

static uint32_t into_payload(struct context *c, const mg_event *event, struct doc_value *value,
                             struct mg_err *err)
{
    const struct http *p = c->http;
    struct doc_value *payload;
    int error = doc_of_payload(c->doc, p->host, event, &payload, err);
    if (error)
        return error == -EINVAL ? MG_REJECT : MG_RETRY;
    error = doc_path_set(p->path, c->doc, payload, value);
    if (!error)
        return replace(c, doc_event(p->host, event, payload), err);
    if (error != -EINVAL)
        return http_no_memory(err);
    snprintf(err->text, sizeof err->text,
             "the payload has no place for %.120s: something on the way there is neither object "
             "nor list",
             doc_path_text(p->path));
    return MG_REJECT;
}

/* text: to be freed, holds what the value points to. */
static int to_value(const struct doc_value *json, struct mg_value *ret, char **ret_text)
{
    *ret_text = NULL;
    *ret = (struct mg_value){.type = MG_TEXT, .as.text = json->text};
    switch (json->kind) {
    case DOC_TEXT:
        break;
    case DOC_NUMBER: /* beyond these two, as it is spelled */
        if (!memchr(json->text.at, '.', json->text.len) && doc_as_int(json, &ret->as.i)) {
            ret->type = MG_INT;
            ret->width = 64;
        } else if (strcspn(json->text.at, ".eE") < json->text.len &&
                   doc_as_double(json, &ret->as.d)) {
            ret->type = MG_FLOAT;
            ret->width = 64;
        } else {
            ret->as.text = json->text;
        }
        break;
    case DOC_BOOL:
        *ret = (struct mg_value){.type = MG_BOOL, .as.b = json->truth};
        break;
    case DOC_NULL:
        *ret = (struct mg_value){.type = MG_NULL};
        break;
    default:
        *ret_text = doc_write(json, &ret->as.text.len);
        ret->as.text.at = *ret_text;
        return *ret_text ? 0 : -ENOMEM;
    }
    return 0;
}

static int set_property(const struct mg_host *host, mg_edit *edit, struct mg_str name,
                        const struct doc_value *json)
{
    struct mg_value value;
    char *text;
    int error = to_value(json, &value, &text);
    if (!error)
        error = host->edit_property(edit, name, NULL);
    if (!error)
        error = host->edit_property(edit, name, &value);
    free(text);
    return error;
}

static int set_properties(struct context *c, mg_edit *edit, const struct doc_value *value)
{
    const struct http *p = c->http;
    if (value->kind != DOC_OBJECT)
        return set_property(p->host, edit, (struct mg_str){p->property, strlen(p->property)},
                            value);
    if (value->count > MEMBERS_MAX)
        return -E2BIG;
    int error = 0;
    for (size_t i = 0; i < value->count && !error; i++) {
        const struct doc_member *m = &value->members[i];
        char *name;
        int n = asprintf(&name, "%s.%.*s", p->property, (int)m->name.len, m->name.at);
        if (n < 0)
            return -ENOMEM;
        error = set_property(p->host, edit, (struct mg_str){name, (size_t)n}, m->value);
        free(name);
    }
    return error;
}

static uint32_t into_properties(struct context *c, const mg_event *event,
                                const struct doc_value *value, struct mg_err *err)
{
    const struct http *p = c->http;
    mg_edit *edit = p->host->edit_new(event);
    if (!edit)
        return http_no_memory(err);
    int error = set_properties(c, edit, value);
    if (!error)
        return replace(c, p->host->edit_publish(edit), err);
    p->host->edit_free(edit);
    if (error != -E2BIG)
        return http_no_memory(err);
    snprintf(err->text, sizeof err->text, "the answer has more than %d members", MEMBERS_MAX);
    return http_otherwise(c, OUTCOME_FAILED);
}

uint32_t http_place(struct context *c, const mg_event *event, struct mg_str text,
                    struct mg_err *err)
{
    const struct http *p = c->http;
    struct doc_value *value = NULL;
    doc_reset(c->doc);
    if (p->settings->answer == ANSWER_TEXT)
        value = doc_text(c->doc, text);
    else if (doc_parse(c->doc, (struct mg_bytes){text.at, text.len}, &value, err))
        return http_no_memory(err); /* it is JSON that was written here */
    if (!value)
        return http_no_memory(err);
    return p->path ? into_payload(c, event, value, err) : into_properties(c, event, value, err);
}
