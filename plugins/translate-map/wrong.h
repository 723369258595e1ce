/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a setting, and where. */
#pragma once
#include "meshgate/plugin.h"

/* "file:line:column: …"; returns -EINVAL. */
int wrong(const struct mg_node *node, struct mg_err *reterr, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the place in front of what reterr says already where error is -EINVAL; returns error. */
int wrong_at(const struct mg_node *node, int error, struct mg_err *reterr);
int out_of_memory(struct mg_err *reterr); /* -ENOMEM */

/* NULL: there is none. */
const struct mg_node *entry_of(const struct mg_node *map, const char *key);
