/* SPDX-License-Identifier: Apache-2.0 */
/* The events that a mapping makes: payload, properties, content type, and who each of several is.
 */
#pragma once
#include "wording.h"

struct outgoing;

/* properties: a map of names to texts or null, or NULL.  content_type: a text, or NULL.  -EINVAL:
 * reterr says where and why, its option which of the two; -ENOMEM. */
int outgoing_compile(const struct mg_node *properties, const struct mg_node *content_type,
                     const struct scope *scope, struct outgoing **ret_outgoing,
                     struct mg_err *reterr);
void outgoing_free(struct outgoing *outgoing);          /* NULL is fine */
bool outgoing_reads(const struct outgoing *outgoing);   /* the payload */
bool outgoing_changes(const struct outgoing *outgoing); /* something */

/* payload NULL: as it came.  part: one of several out of one event, which gets an identity of its
 * own: the message id, and the id of a CloudEvent, with "/INDEX" behind.  strict: a text without a
 * value is -EINVAL, not left out.  -EINVAL, -ENOMEM: reterr says why. */
int outgoing_make(const struct outgoing *outgoing, struct run *run, const struct level *level,
                  bool part, bool strict, const struct doc_value *payload, mg_event **ret_event,
                  struct mg_err *reterr);
