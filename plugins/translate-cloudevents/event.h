/* SPDX-License-Identifier: Apache-2.0 */
/* A CloudEvent, wherever it came from: its attributes, checked, and its data.
 *
 * All texts are borrowed: from the message that it was read from, or from the call's arena. */
#pragma once
#include "arena.h"
#include "meshgate/plugin.h"

enum {
    CE_ATTRIBUTES_MAX = 128,
    CE_NAME_BYTES_MAX = 255,
    CE_VALUE_BYTES_MAX = 65535, /* what MQTT and AMQP brokers take as a property */
};

enum ce_type { CE_STRING, CE_INTEGER, CE_BOOLEAN, CE_BINARY };
struct ce_attribute {
    struct mg_str name;
    struct mg_str value; /* its canonical text (CloudEvents 1.0 §2.2): Binary in base64 */
    enum ce_type type;   /* URI, URI-reference and Timestamp are texts: CE_STRING */
};

enum ce_data_kind {
    CE_NO_DATA,
    CE_BYTES, /* as datacontenttype says, if it says something */
    CE_TEXT,  /* the same, known to be text */
    CE_JSON   /* a JSON value as written */
};

struct ce_event {
    size_t count;
    /* Without specversion and datacontenttype, in the order in which they were set. */
    struct ce_attribute attributes[CE_ATTRIBUTES_MAX];
    bool has_version;
    struct mg_str content_type; /* datacontenttype; unset: the event has none */
    enum ce_data_kind data_kind;
    struct mg_str data;
    bool known_json;        /* CE_BYTES: they were read, and are a JSON value */
    struct mg_str envelope; /* the JSON object that it came as; unset: it came in binary mode */
};

void ce_begin(struct ce_event *event);
/* Checks name and value and adds it.  -EINVAL: reterr says which attribute and why. */
int ce_set(struct ce_event *event, struct mg_str name, enum ce_type type, struct mg_str value,
           struct mg_err *reterr);
/* All that must be there is there.  -EINVAL: reterr says what is not. */
int ce_complete(const struct ce_event *event, struct mg_err *reterr);
const struct ce_attribute *ce_find(const struct ce_event *event, struct mg_str name);

/* NULL: a name that an attribute may have; else why not, as the end of a sentence. */
const char *ce_wrong_name(struct mg_str name);
/* NULL: a value that this attribute may have; else why not, as the end of a sentence. */
const char *ce_wrong_value(struct mg_str name, enum ce_type type, struct mg_str value);
/* One of those that the specification names? */
bool ce_is_core(struct mg_str name);
bool ce_is_required(struct mg_str name);
/* A URI or a URI-reference? */
bool ce_is_uri(struct mg_str name);

/* By the media type alone: subtype json or …+json; a type whose bytes are text. */
bool ce_declares_json(struct mg_str content_type);
bool ce_declares_text(struct mg_str content_type);
/* Its charset is UTF-8, a part of that, or not said. */
bool ce_declares_utf8(struct mg_str content_type);
/* The data as a receiver of the plain message wants it, and its content type (unset: none).
 * -EINVAL: JSON under another content type, or a text to be in a charset that is not UTF-8. */
int ce_plain_data(const struct ce_event *event, struct mg_bytes *ret_data,
                  struct mg_str *ret_content_type, struct mg_err *reterr);

bool ce_same(struct mg_str a, const char *b);
bool ce_equal(struct mg_str a, struct mg_str b);
/* Both return a negative errno, so that a function can end with them. */
int ce_refuse(struct mg_err *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ce_no_memory(struct mg_err *reterr);
