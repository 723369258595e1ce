/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a packet's fixed header; between the files of the codec. */
#pragma once
#include "mqtt_packet_wire.h"

/* All but PUBLISH.  0, -EPROTO, -ENOMEM.  The caller refuses bytes that are left over. */
int mqtt_body_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                   struct mqtt_packet *packet);
