/* SPDX-License-Identifier: Apache-2.0 */
/* What is done about fields of a payload that no rule mentions. */
#pragma once
#include "mention.h"

enum strict { STRICT_OFF, STRICT_WARN, STRICT_REJECT };

/* Paths that were logged, so that each is once.  Full, it takes no more: nothing is logged then. */
enum { SEEN_MAX = 256 };
struct seen {
    size_t count;
    uint64_t hashes[SEEN_MAX];
};

/* REJECT: -EINVAL, where there are any, and reterr names the first of them.  WARN: names those that
 * are new in a line of the log.  *ret_any: there are some. */
int strict_check(enum strict strict, const struct mention *root, const struct doc_value *payload,
                 struct seen *seen, const struct mg_host *host, mg_instance *instance,
                 bool *ret_any, struct mg_err *reterr);
