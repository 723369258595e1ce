/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of a value: a number, and the hash of whatever it is. */
#pragma once
#include "keyed.h"
#include "json_doc.h"

struct value {
    bool is_number;
    double number;
    struct hash128 hash; /* equal where the values are: 1 and 1.0, members in any order */
};

/* Hashes are under the secret key of `keys`, for values that are compared under one key of it. */
struct value value_of_json(const struct keyed *keys, const struct doc_value *json);
/* A payload as it is; a number where it is nothing but one, as simple sensors send it. */
struct value value_of_payload(const struct keyed *keys, struct mg_bytes payload);
bool value_same(const struct value *a, const struct value *b);
/* By more than the band, absolute or a part of the last one. */
bool value_differs(const struct value *last, const struct value *now, double band, bool relative);
