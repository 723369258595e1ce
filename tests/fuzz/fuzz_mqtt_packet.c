/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: what is taken as a packet, of either version and by either side, is written again as a
 * packet that is the same; what is not is refused with a reason. */
#include "../unit/mqtt_packet_kit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(const uint8_t *data, size_t size, bool v5, bool server)
{
    struct mqtt_decoder decoder = {.v5 = v5, .server = server}, second = decoder;
    struct mqtt_packet packet, back;
    struct mqtt_fault fault = {0};
    int64_t length = mqtt_packet_length(&decoder, data, size, &fault);
    if (length > 0 && (uint64_t)length <= size) {
        size = (size_t)length;
        /* a copy of its own, so that reading behind its end is seen */
        uint8_t *at = malloc(size);
        if (!at)
            abort();
        memcpy(at, data, size);
        int rc = mqtt_packet_decode(&decoder, at, size, &packet, &fault);
        if (rc && (rc != -EPROTO || fault.reason < 0x81 || !fault.text[0]))
            abort();
        if (!rc) {
            bool as_v5 = packet.type == MQTT_CONNECT ? packet.connect.v5 : v5;
            size_t again = mqtt_packet_encode(&packet, as_v5, NULL, 0);
            uint8_t *bytes = malloc(again + 1);
            if (!again || !bytes || mqtt_packet_encode(&packet, as_v5, bytes, again) != again ||
                mqtt_packet_decode(&second, bytes, again, &back, &fault) ||
                !packet_same(&packet, &back, as_v5))
                abort();
            free(bytes);
        }
        free(at);
    } else if (length < 0 && (length != -EPROTO || fault.reason < 0x81 || !fault.text[0])) {
        abort();
    }
    mqtt_decoder_fini(&decoder);
    mqtt_decoder_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned way = 0; way < 4; way++)
        try(data, size, way & 1, way & 2);
    return 0;
}
