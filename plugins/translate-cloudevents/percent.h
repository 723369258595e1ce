/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding: attribute values in header fields (HTTP binding §3.1.3.2), and URIs. */
#pragma once
#include "event.h"

/* Takes quotes off and %XX apart.  -EINVAL: reterr says what is wrong with it; -ENOMEM. */
int percent_decode(struct mg_str value, struct arena *arena, struct mg_str *ret_value,
                   struct mg_err *reterr);
/* Writes as %XX what no URI may have, and nothing else: what is one stays as it is.  -ENOMEM. */
int percent_encode_uri(struct mg_str text, struct arena *arena, struct mg_str *ret_text);
/* -ENOMEM. */
int percent_encode(struct mg_str value, struct arena *arena, struct mg_str *ret_value);
