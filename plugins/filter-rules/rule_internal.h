/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the compiler share. */
#pragma once
#include "rule.h"

struct rule_compiler {
    struct rules *rules;
    struct mg_err *err;
    size_t count; /* rules and conditions so far */
    int depth;
};

/* Zeroed memory of the rules; NULL: out of memory, and err says so. */
void *rule_alloc(struct rule_compiler *c, size_t count, size_t size);
/* Says file:line:column; returns -EINVAL. */
int rule_wrong(struct rule_compiler *c, const struct mg_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what another compiler said in err. */
int rule_wrong_as_said(struct rule_compiler *c, const struct mg_node *node);

/* What stands behind a subject: a scalar, a list of them, or a map of operators. */
int condition_compile(struct rule_compiler *c, const struct subject *subject,
                      const struct mg_node *node, struct condition *ret);
