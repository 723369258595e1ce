/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what is wanted out of an answer, and puts it into a copy of the event. */
#include "http.h"
#include "json_doc.h"
#include "json_scan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t http_otherwise(struct context *c, enum outcome outcome)
{
    static const uint32_t verdicts[] = {MG_PASS, MG_DROP, MG_RETRY, MG_REJECT};
    const struct settings *s = c->http->settings;
    return verdicts[outcome == OUTCOME_ABSENT ? s->on_not_found : s->on_failure];
}

/* ---- out of the answer ---------------------------------------------------------------------- */

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
    if (scan_is_utf8(answer.at, answer.len))
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
    place_no_memory(err);
    return OUTCOME_FAILED;
}

/* ---- into the event ------------------------------------------------------------------------- */

uint32_t http_place(struct context *c, const mg_event *event, struct mg_str text,
                    struct mg_err *err)
{
    const struct http *p = c->http;
    struct doc_value *value = NULL;
    doc_reset(c->doc);
    if (p->settings->answer == ANSWER_TEXT)
        value = doc_text(c->doc, text);
    else if (doc_parse(c->doc, (struct mg_bytes){text.at, text.len}, &value, err))
        return place_no_memory(err); /* it is JSON that was written here */
    if (!value)
        return place_no_memory(err);
    if (!p->into.path && value->kind == DOC_OBJECT && value->count > PLACE_MEMBERS_MAX) {
        snprintf(err->text, sizeof err->text, "the answer has more than %d members",
                 PLACE_MEMBERS_MAX);
        return http_otherwise(c, OUTCOME_FAILED);
    }
    struct doc_value *payload = NULL;
    return place_put(&p->into, p->host, c->doc, event, &payload, value, &c->out[0], err);
}
