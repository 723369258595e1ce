/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the decoder share: its memory, and what the sections of one message say. */
#pragma once
#include "amqp_names.h"

/* Memory for names and joined payloads, all freed with the next message. */
struct chunk {
    struct chunk *next;
    size_t used, room;
    char at[];
};

struct amqp_decoder {
    struct mg_property *items, *sorted;
    size_t count, room;
    struct chunk *chunks;
    struct amqp_census census;
    struct mg_err *err;
};

/* The sections of one message, found but not read. */
struct sections {
    struct amqp_item header, delivery, annotations, properties, application, footer;
    uint32_t present;      /* 1 << (code - 0x70) */
    struct amqp_item body; /* the first one */
    uint32_t body_code, body_count;
    struct mg_bytes body_raw; /* all of them */
};

/* What the sections say that is not an event's property. */
struct said {
    uint32_t has_facts; /* 1 << AMQP_FACT_*: those of facts that are set */
    struct mg_str to, subject;
    bool has_ttl, has_absolute;
    uint32_t ttl_ms;
    int64_t absolute_ms;
    struct mg_value facts[AMQP_FACTS];
};

/* Memory that lives until the next message. */
void *amqp_decode_take(struct amqp_decoder *d, size_t size);
int amqp_decode_bad(struct amqp_decoder *d, const char *section, const char *what); /* -EBADMSG */
int amqp_decode_no_memory(struct amqp_decoder *d);                                  /* -ENOMEM */
/* Append a property; the name must live as long as the event. */
int amqp_decode_add(struct amqp_decoder *d, struct mg_str name, const struct mg_value *value);
int amqp_decode_add_reserved(struct amqp_decoder *d, enum amqp_part part,
                             const struct mg_value *value);
int amqp_decode_add_entry(struct amqp_decoder *d, enum amqp_part part, enum amqp_form form,
                          struct mg_str key, const struct mg_value *value);

int amqp_decode_header(struct amqp_decoder *d, const struct amqp_item *list, struct mg_head *head,
                       struct said *said);
int amqp_decode_properties(struct amqp_decoder *d, const struct amqp_item *list,
                           struct mg_head *head, struct said *said);
int amqp_decode_annotations(struct amqp_decoder *d, enum amqp_part part,
                            const struct amqp_item *map, struct said *said);
int amqp_decode_application(struct amqp_decoder *d, const struct amqp_item *map);
