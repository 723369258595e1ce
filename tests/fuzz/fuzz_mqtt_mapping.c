/* SPDX-License-Identifier: Apache-2.0 */
/* Any PUBLISH becomes an event and comes back: the event is the same after another turn, and so is
 * the packet where it holds no control characters. */
#include "../unit/mqtt_same.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t byte(struct input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->at++;
}

static struct mg_str text(struct input *in, bool *fine)
{
    size_t length = byte(in);
    if (length > in->left)
        length = in->left;
    struct mg_str got = {(const char *)in->at, length};
    in->at += length;
    in->left -= length;
    *fine = *fine && mqtt_text_kind(got) == MQTT_TEXT_FINE;
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mqtt_encoding encoding = {.v5 = true, .tags = true};
    static const int64_t wall_us = 1790000000000000;
    struct input in = {data, size};
    struct mqtt_user users[16];
    struct mqtt_publish publish = {.users = users}, again;
    struct mqtt_scratch first = {0}, second = {0}, third = {0};
    struct mg_message message, back;
    struct mg_err err = {{0}, NULL};
    bool fine = true, ignored = true;
    uint8_t flags = byte(&in);
    publish.topic = text(&in, &fine);
    publish.qos = flags & 1;
    publish.retain = flags & 2;
    publish.has_format = flags & 4;
    publish.format = publish.has_format && flags & 8;
    publish.has_expiry = flags & 16;
    publish.expiry_s = publish.has_expiry ? byte(&in) : 0;
    if (flags & 32)
        publish.content_type = text(&in, &fine);
    if (flags & 64) {
        publish.response_topic = text(&in, &fine);
        fine = fine && !mqtt_topic_name_check(publish.response_topic, true, NULL);
    }
    publish.has_correlation = flags & 128;
    if (publish.has_correlation) {
        struct mg_str bytes = text(&in, &ignored);
        publish.correlation = (struct mg_bytes){bytes.at, bytes.len};
    }
    while (in.left && publish.user_count < 16) {
        users[publish.user_count].name = text(&in, &fine);
        users[publish.user_count++].value = text(&in, &fine);
    }
    if (!mqtt_to_message(&publish, wall_us, &first, &message) &&
        !mqtt_from_event(&message.head, message.head.address, message.payload, message.properties,
                         message.property_count, &encoding, wall_us, &second, &again, &err)) {
        again.qos = message.head.present & MG_HAS_QOS ? message.head.qos : publish.qos;
        if (fine && !mqtt_same_publish(&publish, &again))
            abort();
        if (mqtt_to_message(&again, wall_us, &third, &back) || !mqtt_same_message(&message, &back))
            abort();
    }
    mqtt_scratch_fini(&first);
    mqtt_scratch_fini(&second);
    mqtt_scratch_fini(&third);
    return 0;
}
