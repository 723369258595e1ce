/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the step share: its settings and the instance. */
#pragma once
#include "place.h"
#include "store.h"

enum last_value_missing { MISSING_PASS, MISSING_DROP, MISSING_REJECT, MISSING_RETRY };
enum last_value_form { AS_JSON, AS_TEXT };
enum last_value_then { THEN_PASS, THEN_DROP };

struct settings {
    const char *remember, *recall, *value, *into;
    const mg_template *key;
    uint32_t as, then, on_missing;
    int64_t max_age_ms, max_keys, max_size;
};

extern const struct mg_option last_value_options[];
/* No two of them may contradict each other. */
int last_value_check(const void *settings, struct mg_err *reterr);
/* value: NULL where all of the payload is meant. */
int last_value_compile(const struct settings *settings, struct doc_path **ret_value,
                       struct place *ret_into, struct mg_err *reterr);
