/* SPDX-License-Identifier: Apache-2.0 */
/* Any line as a recorded event: refused with a reason, passed over, or an event that `meshgate tap`
 * would write so that it is read back as the same. */
#include "cli/recorded.h"
#include "store/record_json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *written(const struct gw_recorded *r)
{
    struct gw_record record = {.arrived_us = r->at_us, .message = gw_event_message(r->event)};
    json_t *json = gw_record_to_json(&record);
    if (!json)
        abort();
    return json;
}

static void check(const struct gw_recorded *first)
{
    struct gw_recorded again = {0};
    struct mg_err err = {{0}, NULL};
    json_t *json = written(first);
    char *line = json_dumps(json, JSON_COMPACT);
    if (!line || gw_recorded_line(line, strlen(line), &again, &err) != GW_RECORDED_EVENT)
        abort();
    json_t *second = written(&again);
    if (!json_equal(json, second))
        abort();
    json_decref(second);
    json_decref(json);
    free(line);
    gw_event_unref(again.event);
    free(again.bridge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_recorded r = {0};
    struct mg_err err = {{0}, NULL};
    int kind = gw_recorded_line((const char *)data, size, &r, &err);
    if (kind == -EINVAL && !err.text[0])
        abort();
    if (kind == GW_RECORDED_EVENT)
        check(&r);
    gw_event_unref(r.event);
    free(r.bridge);
    return 0;
}
