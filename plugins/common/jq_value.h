/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents to libjq's values and back, without changing what they say in silence. */
#pragma once
#include "json_doc.h"
#include "jq_guard.h"
#include <jv.h>

/* -EINVAL, and reterr: a second member of one name; a number that a double does not hold, unless
 * approximate. */
int jq_value_of(const struct doc_value *value, bool approximate, jv *ret_value,
                struct mg_err *reterr);
/* Takes value.  -EINVAL: a number that is not finite, or nested deeper than DOC_DEPTH_MAX;
 * -ENOMEM; -ETIME: the watch, which may be NULL, has halted. */
int jq_value_doc(struct doc *doc, struct jq_watch *watch, jv value, struct doc_value **ret_value,
                 struct mg_err *reterr);
