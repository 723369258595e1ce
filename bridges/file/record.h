/* SPDX-License-Identifier: Apache-2.0 */
/* One event as one line of JSON, and back; the form is described in README.md. */
#pragma once
#include "buffer.h"
#include "meshgate/plugin.h"

/* Appends the event and a line feed.  0 or -ENOMEM (the buffer is then as before). */
int record_write(const struct mg_host *host, const mg_event *event, struct buffer *out);

struct record {
    struct mg_message message; /* points into what follows */
    void *json;
    char *payload_text;
    uint8_t *bytes;
    size_t bytes_used;
    struct mg_property *properties;
};

/* -EINVAL: reterr says what is wrong and where; -ENOMEM.  Missing address: head.address.at is NULL.
 * On success the caller ends it with record_fini. */
int record_read(const char *line, size_t length, struct record *ret_record, struct mg_err *reterr);
void record_fini(struct record *record);
