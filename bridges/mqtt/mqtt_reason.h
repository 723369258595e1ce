/* SPDX-License-Identifier: Apache-2.0 */
/* What the reason codes of MQTT 5 (§2.4) and the return codes of 3.1.1 (§3.2.2.3) say and mean. */
#pragma once
#include "meshgate/plugin.h"

/* In words; never NULL. */
const char *mqtt_reason_text(uint32_t code);
/* The MQTT 5 reason that a CONNACK return code of 3.1.1 stands for. */
uint32_t mqtt_reason_of_return_code(uint32_t return_code);
/* How a PUBLISH ends that was answered with this code: MG_ACCEPTED, MG_REJECTED or MG_RELEASED. */
uint32_t mqtt_reason_outcome(uint32_t code);

enum {
    MQTT_REASON_UNSPECIFIED = 0x80,
    MQTT_REASON_BAD_VERSION = 0x84,
    MQTT_REASON_BAD_CLIENT_ID = 0x85,
    MQTT_REASON_BAD_LOGIN = 0x86,
    MQTT_REASON_NOT_AUTHORIZED = 0x87,
    MQTT_REASON_UNAVAILABLE = 0x88,
    MQTT_REASON_USE_ANOTHER = 0x9c,
    MQTT_REASON_MOVED = 0x9d,
    MQTT_REASON_NO_SHARED = 0x9e,
    MQTT_REASON_NO_WILDCARDS = 0xa2,
};
