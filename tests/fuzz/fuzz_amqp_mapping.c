/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are refused, or become an event that encodes, and decodes to the same event. */
#include "../unit/amqp_same.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct amqp_decoder *first, *second;
    static struct amqp_encoder *encoder;
    static struct amqp_buffer out;
    struct mg_message event, back;
    struct mg_err err;
    if (!first) {
        first = amqp_decoder_create();
        second = amqp_decoder_create();
        encoder = amqp_encoder_create();
    }
    if (!first || !second || !encoder || size < 1)
        return 0;
    struct amqp_arrival arrival = {
        .wall_us = amqp_random_wall_us, .address = {"q", 1}, .subject_is_key = data[0] & 16};
    struct amqp_departure to = {.wall_us = amqp_random_wall_us, .peer = data[0] & 15};
    if (amqp_decode(first, (struct mg_bytes){data + 1, size - 1}, &arrival, &event, &err) < 0)
        return 0;
    amqp_buffer_reset(&out, 1 << 16);
    if (amqp_encode(encoder, &event, &to, &out, &err) < 0 ||
        amqp_decode(second, (struct mg_bytes){out.at, out.len}, &arrival, &back, &err) < 0 ||
        amqp_difference(&event, &back))
        abort();
    return 0;
}
