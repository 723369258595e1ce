/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a packet's fixed header; between the files of the codec. */
#pragma once
#include "mqtt_packet_wire.h"

/* 0, -EPROTO, -ENOMEM.  The caller has checked `first`, and refuses bytes that are left over. */
int mqtt_publish_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder, uint8_t first,
                      struct mqtt_packet *packet);
int mqtt_body_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                   struct mqtt_packet *packet);
