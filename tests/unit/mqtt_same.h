/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of events and packets, for the tests of the MQTT mapping. */
#pragma once
#include "../../bridges/mqtt/mqtt_mapping.h"

bool mqtt_same_bytes(const void *a, size_t a_length, const void *b, size_t b_length);
bool mqtt_same_text(struct mg_str a, struct mg_str b); /* an unset text is not an empty one */
bool mqtt_same_message(const struct mg_message *a, const struct mg_message *b);
bool mqtt_same_publish(const struct mqtt_publish *a, const struct mqtt_publish *b);
