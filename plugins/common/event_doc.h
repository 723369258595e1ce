/* SPDX-License-Identifier: Apache-2.0 */
/* Events as a script sees them: what it can read of one, and what it may change in one. */
#pragma once
#include "json_doc.h"

/* One attribute of an event by the name that scripts use: address, subject, reply_to, content_type,
 * content_encoding, group, message_id, correlation, qos, priority, retain, duplicate.  JSON null
 * where the event has not got it.  NULL with *ret_known false: there is no such attribute; NULL
 * otherwise: out of memory. */
struct doc_value *event_doc_attribute(struct doc *doc, const struct mg_host *host,
                                      const mg_event *event, struct mg_str name, bool *ret_known);
/* A value as JSON: binary in base64, UUIDs as text, times as milliseconds since 1970, what JSON has
 * no form for (decimals, NaN, text that is not UTF-8) as null.  NULL: out of memory. */
struct doc_value *event_doc_value(struct doc *doc, const struct mg_value *value);
/* All attributes, and `properties`: an object of names, the first of each name.  NULL: out of
 * memory. */
struct doc_value *event_doc(struct doc *doc, const struct mg_host *host, const mg_event *event);

bool event_doc_is_text(struct mg_str text); /* well-formed UTF-8 */
/* Scripts compute with doubles.  Does one hold what a number's spelling says, so that it is written
 * with the same value again? */
bool event_doc_exact(struct mg_str spelling, double *ret_number);
/* A double as a whole number where it is one; not finite: null.  NULL: out of memory. */
struct doc_value *event_doc_number(struct doc *doc, double number);

/* Sets one thing: address, subject, reply_to, content_type and group to a text (null unsets all but
 * the address), properties to those of an object (null removes one).  value lives until publish.
 * -EINVAL: reterr says what is wrong; -ENOMEM. */
int event_doc_change(const struct mg_host *host, mg_edit *edit, struct mg_str name,
                     const struct doc_value *value, struct mg_err *reterr);
