/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON: refused with a reason, or a record that is written, encoded, decoded and written again
 * as the same. */
#include "store/record_json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct gw_record *record)
{
    struct gw_record_room room = {0};
    struct gw_record again;
    struct mg_err err = {{0}, NULL};
    void *bytes;
    size_t length;
    if (gw_record_encode(record, &bytes, &length))
        return; /* two legs of one sink */
    if (gw_record_decode(bytes, length, &room, &again, &err))
        abort();
    again.sequence = record->sequence;
    json_t *first = gw_record_to_json(record), *second = gw_record_to_json(&again);
    if (!first || !second || !json_equal(first, second))
        abort();
    struct gw_record_parsed parsed;
    if (gw_record_from_json(second, &parsed, &err))
        abort();
    gw_record_parsed_fini(&parsed);
    json_decref(first);
    json_decref(second);
    gw_record_room_fini(&room);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_record_parsed parsed;
    struct mg_err err = {{0}, NULL};
    json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    if (!json)
        return 0;
    int error = gw_record_from_json(json, &parsed, &err);
    if (error && !err.text[0])
        abort();
    if (!error) {
        check(&parsed.record);
        gw_record_parsed_fini(&parsed);
    }
    json_decref(json);
    return 0;
}
