/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two JSON texts say the same, and where they do not. */
#pragma once
#include "meshgate/plugin.h"
#include <stdio.h>

/* What the two are: one that is wanted (the other may be wanted to have it as a part), or a state
 * of before and one of now. */
enum gw_json_how { GW_JSON_EXPECTED, GW_JSON_PART, GW_JSON_CHANGE };

/* out: a line for each of the first differences, with its path; NULL: none. */
bool gw_json_same(struct mg_bytes expected, struct mg_bytes actual, enum gw_json_how how,
                  FILE *out);
/* At most some 200 bytes of it, control characters as '.'. */
void gw_put_bytes(FILE *out, const void *bytes, size_t length);
