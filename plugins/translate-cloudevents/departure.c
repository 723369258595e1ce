/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the message that goes on: plain, binary, structured, a batch of one or one kept whole. */
#include "json_format.h"
#include "translator.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRUCTURED_TYPE "application/cloudevents+json"
#define BATCH_TYPE      "application/cloudevents-batch+json"

static struct mg_str constant(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

bool departure_is_same(const struct translator *t, const struct arrival *a)
{
    if (t->settings->mode == MODE_UNWRAP || a->form != t->settings->encode)
        return false;
    return a->form == FORM_BINARY ? a->binding == t->settings->binding && !a->mixed : a->declared;
}

bool departure_keeps_batch(const struct translator *t, const struct arrival *a)
{
    return a->form == FORM_BATCH && t->settings->mode != MODE_UNWRAP &&
           t->settings->encode == FORM_BATCH;
}

/* The bindings whose names are taken out: those of the event as it came, and those to be written.
 * A structured event may have its attributes as properties, too (MQTT binding §3.2.3). */
static unsigned stale(const struct translator *t, const struct arrival *a)
{
    enum ce_binding b = a->binding;
    unsigned bits = 0;
    if (a->form == FORM_BINARY || (a->form != FORM_PLAIN && binary_find(t->host, a->message, &b)))
        bits |= 1u << b;
    if (b == CE_AMQP || b == CE_AMQP_UNDERSCORE)
        bits |= bits ? 1u << CE_AMQP | 1u << CE_AMQP_UNDERSCORE : 0;
    if (t->settings->mode != MODE_UNWRAP && t->settings->encode == FORM_BINARY)
        bits |= 1u << t->settings->binding;
    return bits;
}

/* What described the payload as it was: MQTT's indicator of text, AMQP's form of the body. */
static int describe_payload(const struct mg_host *host, mg_edit *edit, struct mg_str content_type,
                            bool text)
{
    struct mg_head *head = host->edit_head(edit);
    head->content_type = content_type;
    if (head->present & MG_HAS_TEXT_PAYLOAD) {
        head->text_payload = text;
        if (!text)
            head->present &= ~(uint32_t)MG_HAS_TEXT_PAYLOAD;
    }
    return host->edit_property(edit, constant("amqp.body"), NULL);
}

static int put_json(const struct mg_host *host, mg_edit *edit, const struct ce_event *e, bool batch)
{
    struct mg_bytes text;
    int error = json_write_event(e, batch, &text);
    if (error)
        return error;
    error = host->edit_payload(edit, text, free, (void *)(uintptr_t)text.at);
    if (error) {
        free((void *)(uintptr_t)text.at);
        return error;
    }
    return describe_payload(host, edit, constant(batch ? BATCH_TYPE : STRUCTURED_TYPE), true);
}

/* The data as the payload; where it is that already, it stays as it is. */
static int put_plain(const struct translator *t, const struct arrival *a, mg_edit *edit,
                     const struct ce_event *e, struct mg_err *err)
{
    const struct mg_host *host = t->host;
    struct mg_bytes data;
    struct mg_str content_type;
    int error = ce_plain_data(e, &data, &content_type, err);
    if (error)
        return error;
    if (a->form == FORM_BINARY || a->form == FORM_PLAIN) {
        host->edit_head(edit)->content_type = content_type;
        return 0;
    }
    error = host->edit_payload(edit, data, NULL, NULL);
    return error ? error
                 : describe_payload(host, edit, content_type,
                                    e->data_kind == CE_JSON || e->data_kind == CE_TEXT);
}

static int fill(const struct translator *t, const struct arrival *a, const struct ce_event *e,
                struct arena *arena, mg_edit *edit, struct mg_err *err)
{
    const struct settings *s = t->settings;
    int error = binary_remove(t->host, a->message, e, stale(t, a), edit);
    if (error)
        return error;
    if (s->mode != MODE_UNWRAP && s->encode != FORM_BINARY)
        return put_json(t->host, edit, e, s->encode == FORM_BATCH);
    error = put_plain(t, a, edit, e, err);
    if (error)
        return error;
    if (s->mode != MODE_UNWRAP)
        return binary_write(t->host, e, (enum ce_binding)s->binding, arena, edit);
    return s->as_properties ? binary_write_texts(t->host, e, s->as_properties, arena, edit) : 0;
}

int departure_make(const struct translator *t, const struct arrival *a, const struct ce_event *e,
                   struct arena *arena, mg_event **ret_message, struct mg_err *reterr)
{
    mg_edit *edit = t->host->edit_new(a->message);
    if (!edit)
        return ce_no_memory(reterr);
    reterr->text[0] = '\0';
    int error = fill(t, a, e, arena, edit, reterr);
    if (error) {
        t->host->edit_free(edit);
        return error == -EINVAL && reterr->text[0] ? error : ce_no_memory(reterr);
    }
    *ret_message = t->host->edit_publish(edit);
    return *ret_message ? 0 : ce_no_memory(reterr);
}

int departure_make_batch(const struct translator *t, const struct arrival *a,
                         mg_event **ret_message, struct mg_err *reterr)
{
    mg_edit *edit = t->host->edit_new(a->message);
    if (!edit)
        return ce_no_memory(reterr);
    if (describe_payload(t->host, edit, constant(BATCH_TYPE), true)) {
        t->host->edit_free(edit);
        return ce_no_memory(reterr);
    }
    *ret_message = t->host->edit_publish(edit);
    return *ret_message ? 0 : ce_no_memory(reterr);
}
