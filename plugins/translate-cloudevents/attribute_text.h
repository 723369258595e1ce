/* SPDX-License-Identifier: Apache-2.0 */
/* An attribute's text with fields in it: those that every template knows, and {data.PATH} of the
 * payload. */
#pragma once
#include "doc_path.h"
#include "event.h"

struct attribute_text;
/* What one event's texts are made of. */
struct attribute_source {
    const struct mg_host *host;
    const mg_instance *instance;
    const struct mg_step_call *call;
    struct doc_value *payload; /* NULL: no text reads it */
};

/* -EINVAL: reterr says why, without a place; -ENOMEM. */
int attribute_text_compile(const char *text, struct attribute_text **ret_text,
                           struct mg_err *reterr);
void attribute_text_free(struct attribute_text *text);        /* NULL is fine */
bool attribute_text_reads(const struct attribute_text *text); /* the payload */
/* The value lives as long as arena and payload.  -ENOENT: a field has no value, as reterr says;
 * -EINVAL: one has no text, or the whole is too long; -ENOMEM. */
int attribute_text_expand(const struct attribute_text *text, const struct attribute_source *source,
                          struct arena *arena, struct mg_str *ret_value, struct mg_err *reterr);
