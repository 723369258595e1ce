/* SPDX-License-Identifier: Apache-2.0 */
/* Attribute values in header fields: HTTP binding §3.1.3.2. */
#pragma once
#include "event.h"

/* Takes quotes off and %XX apart.  -EINVAL: reterr says what is wrong with it; -ENOMEM. */
int percent_decode(struct mg_str value, struct arena *arena, struct mg_str *ret_value,
                   struct mg_err *reterr);
/* -ENOMEM. */
int percent_encode(struct mg_str value, struct arena *arena, struct mg_str *ret_value);
