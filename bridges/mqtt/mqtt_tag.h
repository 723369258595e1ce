/* SPDX-License-Identifier: Apache-2.0 */
/* Typed values as texts: the reserved user properties "mg:CODE:NAME".  Pure.
 *
 * CODE is a letter for the type, the value's width where it is not 0, and '~' where NAME is base64.
 * A pair is a tag only in its canonical spelling, so that tag and value determine each other; texts
 * with control characters are base64 in tags, always. */
#pragma once
#include "mqtt_mapping.h"

void *mqtt_scratch_alloc(struct mqtt_scratch *scratch, size_t size); /* NULL: out of memory */
void mqtt_scratch_reset(struct mqtt_scratch *scratch);

/* Whether MQTT takes the text as it is. */
bool mqtt_text_sayable(struct mg_str text, bool doubtful);
int mqtt_base64_encode(struct mqtt_scratch *scratch, struct mg_bytes bytes,
                       struct mg_str *ret_text);
/* -EINVAL where it is not canonical base64. */
int mqtt_base64_decode(struct mqtt_scratch *scratch, struct mg_str text,
                       struct mg_bytes *ret_bytes);

/* "CODE" and the value's text.  0 or -ENOMEM. */
int mqtt_value_encode(struct mqtt_scratch *scratch, const struct mg_value *value, char code[16],
                      struct mg_str *ret_text);
/* -EINVAL where code and text are not the canonical spelling of a value. */
int mqtt_value_decode(struct mqtt_scratch *scratch, struct mg_str code, struct mg_str text,
                      struct mg_value *ret_value);

/* The pair for a property that cannot go as it is. */
int mqtt_tag_encode(struct mqtt_scratch *scratch, const struct mg_property *property,
                    struct mqtt_user *ret_user);
/* -EINVAL: not a tag. */
int mqtt_tag_decode(struct mqtt_scratch *scratch, const struct mqtt_user *user,
                    struct mg_property *ret_property);
