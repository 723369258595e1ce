/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with fields in them: those that every template knows ({line}, {event.address}, …), and of
 * the payload {data.PATH}, in an item of a list {item.PATH}, {index} and {count}. */
#pragma once
#include "place.h"
#include "run.h"
#include "text_template.h"

struct wording;

/* -EINVAL: reterr says why, without a place; -ENOMEM. */
int wording_compile(const char *text, const struct scope *scope, struct wording **ret_wording,
                    struct mg_err *reterr);
void wording_free(struct wording *wording);             /* NULL is fine */
bool wording_has_fields(const struct wording *wording); /* else it is always the same */
bool wording_reads(const struct wording *wording);      /* the payload */
/* Well-formed UTF-8 that lives as long as the run.  -ENOENT: a field has no value, as reterr says;
 * -EINVAL: one has no text; -ENOMEM. */
int wording_expand(const struct wording *wording, struct run *run, const struct level *level,
                   struct mg_str *ret_text, struct mg_err *reterr);
