/* SPDX-License-Identifier: Apache-2.0 */
/* The reserved names of the mapping, shared by both directions.
 *
 * An event's property whose name begins with "amqp." stands for a part of an AMQP message that
 * other protocols do not have; a message annotation "x-opt-mesh-…" stands for a fact of an event
 * that AMQP does not have; an application property "mesh:K:NAME" is the K-th property NAME of an
 * event, where NAME repeats or looks reserved itself. */
#pragma once
#include "amqp_mapping.h"
#include <string.h>

#define AMQP_RESERVED "amqp."
#define AMQP_TAG      "mesh:"
#define AMQP_MESH     "x-opt-mesh-"

/* The order in which an event carries the reserved properties; its plain ones come last. */
enum amqp_part {
    AMQP_PART_TTL,
    AMQP_PART_DELIVERY,
    AMQP_PART_ANNOTATION,
    AMQP_PART_TO,
    AMQP_PART_ABSOLUTE_EXPIRY,
    AMQP_PART_BODY,
    AMQP_PART_FOOTER,
    AMQP_PART_PROPERTY
};
/* How a property stands for an entry of a map. */
enum amqp_form {
    AMQP_FORM_PLAIN, /* the key is a text or symbol, the value an mg_value */
    AMQP_FORM_RAW,   /* the value is the AMQP encoding, in MG_BINARY */
    AMQP_FORM_PAIR,  /* so are key and value, one after the other */
};

/* The annotations that carry an event's facts. */
enum amqp_fact {
    AMQP_FACT_QOS,
    AMQP_FACT_RETAIN,
    AMQP_FACT_TEXT,
    AMQP_FACT_DURABLE,
    AMQP_FACT_CREATED,
    AMQP_FACT_EXPIRES,
    AMQP_FACT_ADDRESS,
    AMQP_FACT_SUBJECT,
    AMQP_FACT_USER,
    AMQP_FACT_MESSAGE_ID,
    AMQP_FACT_CORRELATION,
    AMQP_FACT_REPLY_TO,
    AMQP_FACT_CONTENT_TYPE,
    AMQP_FACT_CONTENT_ENCODING,
    AMQP_FACT_ORDER,
    AMQP_FACTS,
    AMQP_FACT_NONE = AMQP_FACTS
};
extern const char *const amqp_fact_names[AMQP_FACTS];
/* The fact that an annotation states, AMQP_FACT_NONE where name or type is not one's. */
enum amqp_fact amqp_fact_of(struct mg_str key, const struct amqp_item *value);

extern const char *const amqp_part_names[AMQP_PART_PROPERTY + 1];

static inline bool amqp_is(struct mg_str text, const char *literal)
{
    return text.len == strlen(literal) && memcmp(text.at, literal, text.len) == 0;
}
static inline bool amqp_starts(struct mg_str text, const char *literal)
{
    size_t len = strlen(literal);
    return text.len >= len && memcmp(text.at, literal, len) == 0;
}

/* Counts how often names came by, so that repeats get their number. */
struct amqp_census {
    struct amqp_census_slot {
        struct mg_str name;
        uint32_t count;
    } * slots;
    size_t room, used; /* room: a power of two */
    uint64_t seed;     /* so that a peer cannot choose names that collide */
};
void amqp_census_fini(struct amqp_census *census);
void amqp_census_reset(struct amqp_census *census);
/* The count of name with this one; 0: out of memory. */
uint32_t amqp_census_add(struct amqp_census *census, struct mg_str name);
uint32_t amqp_census_peek(const struct amqp_census *census, struct mg_str name);

/* "mesh:K:NAME" → K and NAME.  False: not of that form. */
bool amqp_tag_parse(struct mg_str key, uint32_t *ret_count, struct mg_str *ret_name);
/* Would an event property of this name, for the count-th time, be tagged? */
bool amqp_tag_needed(struct mg_str name, uint32_t count);
/* Is the key one that no event property yields, so that it travels as "amqp.property:KEY"?  before:
 * what has been decoded so far. */
bool amqp_key_foreign(struct mg_str key, const struct amqp_census *before);

/* How the body differs from one data section ("amqp.body"). */
enum amqp_body {
    AMQP_BODY_DATA,     /* one data section; nothing to say */
    AMQP_BODY_SECTIONS, /* several; their sizes follow, "data:3,5" */
    AMQP_BODY_NONE,
    AMQP_BODY_NULL, /* amqp-value, of this type */
    AMQP_BODY_STRING,
    AMQP_BODY_BINARY,
    AMQP_BODY_SYMBOL,
    AMQP_BODY_RAW,      /* amqp-value of another type; the payload is its AMQP encoding */
    AMQP_BODY_SEQUENCE, /* amqp-sequence; the payload is the sections as encoded */
};
extern const char *const amqp_body_names[AMQP_BODY_SEQUENCE + 1];
/* Do bytes consist of one or more amqp-sequence sections? */
bool amqp_is_sequences(struct mg_bytes bytes, bool plain);
