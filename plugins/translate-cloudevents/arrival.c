/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what a message is: an event in which mode, or none. */
#include "translator.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

/* How much of `text` is that word, in any case; 0: it does not begin with it. */
static size_t begins_with(struct mg_str text, const char *word)
{
    size_t length = strlen(word);
    return text.len >= length && !strncasecmp(text.at, word, length) ? length : 0;
}

/* By the content type alone: application/cloudevents and -batch, with +json behind it. */
static int by_content_type(struct mg_str type, enum form *ret, struct mg_err *err)
{
    size_t length = begins_with(type, "application/cloudevents");
    *ret = FORM_PLAIN;
    if (!length)
        return 0;
    struct mg_str rest = {type.at + length, type.len - length};
    size_t batch = begins_with(rest, "-batch");
    rest = (struct mg_str){rest.at + batch, rest.len - batch};
    if (rest.len && !strchr("+; \t", rest.at[0])) /* application/cloudeventstore */
        return 0;
    size_t json = begins_with(rest, "+json");
    if (!json || (rest.len > json && !strchr("; \t", rest.at[json])))
        return ce_refuse(err, "the event format of %.*s is not known, only +json is",
                         (int)(type.len < 80 ? type.len : 80), type.at);
    *ret = batch ? FORM_BATCH : FORM_STRUCTURED;
    return 0;
}

static int encoded(const struct mg_head *head, struct mg_err *err)
{
    struct mg_str coding = head->content_encoding;
    if (!coding.len || (coding.len == 8 && begins_with(coding, "identity")))
        return 0;
    return ce_refuse(err, "content encoding %.*s: JSON is neither read from it nor put around it",
                     (int)(coding.len < 80 ? coding.len : 80), coding.at);
}

static int within_limits(const struct translator *t, const struct arrival *a, struct mg_err *err)
{
    size_t length = t->host->event_payload(a->message).len;
    bool json = a->form == FORM_STRUCTURED || a->form == FORM_BATCH ||
                (a->form == FORM_PLAIN && t->wrap.reads) ||
                (t->settings->mode != MODE_UNWRAP && t->settings->encode != FORM_BINARY);
    if (json && length > (uint64_t)t->settings->most_bytes)
        return ce_refuse(err, "%zu bytes are more than max_size allows, %lld", length,
                         (long long)t->settings->most_bytes);
    return json ? encoded(t->host->event_head(a->message), err) : 0;
}

int arrival_recognise(const struct translator *t, const mg_event *message, struct arrival *ret,
                      struct mg_err *reterr)
{
    enum form said = FORM_PLAIN;
    uint32_t decode = t->settings->decode;
    *ret = (struct arrival){.message = message, .form = FORM_PLAIN};
    if (decode != DECODE_BINARY) {
        struct mg_err err;
        int error = by_content_type(t->host->event_head(message)->content_type, &said, &err);
        if (error && decode == DECODE_AUTO) {
            *reterr = err;
            return error;
        }
        ret->form = decode == DECODE_STRUCTURED ? FORM_STRUCTURED
                    : decode == DECODE_BATCH    ? FORM_BATCH
                                                : said;
        ret->declared = said == ret->form;
    }
    if (ret->form == FORM_PLAIN && binary_find(t->host, message, &ret->binding))
        ret->form = FORM_BINARY;
    if (ret->form == FORM_PLAIN && decode == DECODE_BINARY)
        return ce_refuse(reterr, "no CloudEvent in binary mode: it has no property specversion");
    return ret->form == FORM_PLAIN && t->settings->mode != MODE_WRAP
               ? 0
               : within_limits(t, ret, reterr);
}
