/* SPDX-License-Identifier: Apache-2.0 */
/* Any line that is a record becomes an event that is written, read and written again the same. */
#include "event/event.h"
#include "record.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mg_event *event_of(const struct mg_host *host, const char *line, size_t length)
{
    struct record record;
    struct mg_err err;
    if (record_read(line, length, &record, &err))
        return NULL;
    mg_event *event = host->event_new(&record.message);
    record_fini(&record);
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_host host = {.size = sizeof host};
    gw_event_host_fill(&host);
    mg_event *event = event_of(&host, (const char *)data, size);
    if (!event)
        return 0;
    struct buffer first = {0}, second = {0};
    if (record_write(&host, event, &first))
        abort();
    mg_event *again = event_of(&host, first.at, first.used - 1);
    if (!again || record_write(&host, again, &second))
        abort();
    if (first.used != second.used || memcmp(first.at, second.at, first.used) != 0)
        abort();
    /* A sink's records must stay lines. */
    if (memchr(first.at, '\n', first.used) != first.at + first.used - 1)
        abort();
    host.event_unref(event);
    host.event_unref(again);
    buffer_free(&first);
    buffer_free(&second);
    return 0;
}
