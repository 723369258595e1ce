/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions whose time grows with the text alone, never with its content:
 * all ways through the expression are followed at once. */
#pragma once
#include "meshgate/plugin.h"

struct expression;
struct expression_scratch;

enum { EXPRESSION_STATES_MAX = 512, EXPRESSION_TEXT_MAX = 4096 };

/* "^a[0-9]+(b|c)$": found anywhere unless ^ and $ hold it.  -EINVAL: reterr says why and where;
 * -ENOMEM. */
int expression_compile(const char *text, size_t length, struct expression **ret_expression,
                       struct mg_err *reterr);
void expression_free(struct expression *e); /* NULL is fine */

/* What one thread needs, for all expressions.  NULL: out of memory. */
struct expression_scratch *expression_scratch_create(void);
void expression_scratch_destroy(struct expression_scratch *s); /* NULL is fine */
/* text has at most EXPRESSION_TEXT_MAX bytes. */
bool expression_matches(const struct expression *e, struct expression_scratch *s,
                        struct mg_str text);
