/* SPDX-License-Identifier: Apache-2.0 */
/* References that lead back to where they came from without looking at anything in between. */
#pragma once
#include "compile.h"

int refuse_loops(struct compiler *c);
/* The next schema that is applied to the same value whatever it is.  *step: 0 at first; NULL: no
 * more.  keywords_logic.c */
const struct schema *always_applied(const struct schema *schema, size_t *step);
