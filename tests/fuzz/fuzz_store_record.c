/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the bytes of a record: what is decoded can be read in full, and encodes to a record that
 * decodes to the same. */
#include "store/record.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t seen;

static void touch(const void *at, size_t length)
{
    for (size_t i = 0; at && i < length; i++)
        seen ^= ((const uint8_t *)at)[i];
}

static void touch_properties(const struct mg_property *properties, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mg_value *v = &properties[i].value;
        touch(properties[i].name.at, properties[i].name.len);
        if (v->type == MG_TEXT || v->type == MG_SYMBOL)
            touch(v->as.text.at, v->as.text.len);
        if (v->type == MG_BINARY || v->type == MG_DECIMAL)
            touch(v->as.binary.at, v->as.binary.len);
    }
}

static void touch_record(const struct gw_record *r)
{
    touch(r->origin.at, r->origin.len);
    touch(r->message.head.address.at, r->message.head.address.len);
    touch(r->message.head.user.at, r->message.head.user.len);
    touch(r->message.payload.at, r->message.payload.len);
    touch_properties(r->message.properties, r->message.property_count);
    for (size_t i = 0; i < r->leg_count; i++) {
        touch(r->legs[i].address.at, r->legs[i].address.len);
        touch_properties(r->legs[i].properties, r->legs[i].property_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_record_room room = {0};
    struct gw_record record, back;
    void *bytes = NULL, *again = NULL;
    size_t length, again_length;
    if (!gw_record_decode(data, size, &room, &record, NULL)) {
        struct gw_record_room second = {0};
        touch_record(&record);
        if (gw_record_encode(&record, &bytes, &length) ||
            gw_record_decode(bytes, length, &second, &back, NULL) ||
            gw_record_encode(&back, &again, &again_length) || again_length != length ||
            memcmp(bytes, again, length))
            abort();
        free(bytes);
        free(again);
        gw_record_room_fini(&second);
    }
    gw_record_room_fini(&room);
    return 0;
}
