/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the week and days of the year, compiled from YAML. */
#pragma once
#include "meshgate/plugin.h"

struct windows;

enum { WINDOWS_MAX = 256, DATES_MAX = 4096 };

/* windows: a map or a list of maps; except: a date or a list of dates, or NULL.  -EINVAL: reterr
 * says file:line:column and why, and which option; -ENOMEM. */
int windows_compile(const struct mg_node *windows, const struct mg_node *except,
                    struct windows **ret_windows, struct mg_err *reterr);
void windows_free(struct windows *w); /* NULL is fine */

/* Is that local time (seconds since 1970, as a clock on the wall has them) in one of them? */
bool windows_have(const struct windows *w, int64_t local);
