/* SPDX-License-Identifier: Apache-2.0 */
/* The translator's settings, and the messages that it makes. */
#pragma once
#include "binary.h"
#include "event.h"
#include "wrap.h"

enum mode { MODE_WRAP, MODE_UNWRAP, MODE_CONVERT };
enum form { FORM_STRUCTURED, FORM_BINARY, FORM_BATCH, FORM_PLAIN };
enum decode { DECODE_AUTO, DECODE_STRUCTURED, DECODE_BINARY, DECODE_BATCH };
enum plain { PLAIN_REJECT, PLAIN_PASS, PLAIN_DROP };

struct settings {
    uint32_t mode, encode /* enum form */, binding, decode, on_plain;
    const struct mg_node *attributes;
    const char *as_properties;
    int64_t most_bytes;
};

struct translator {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct wrap wrap;
};

/* The per-shard context: what one call uses. */
struct context {
    struct arena arena;
    struct ce_event event;
    struct doc *payload; /* NULL: no attribute reads it */
    mg_event *out[MG_EMIT_MAX];
};

/* How a message came. */
struct arrival {
    const mg_event *message;
    enum form form;
    enum ce_binding binding; /* FORM_BINARY */
    bool mixed;              /* some of its attributes are named in another way */
    bool declared;           /* its content type says what it is */
};

/* What the message is, by `decode` or by itself.  -EINVAL: reterr says why nobody can tell. */
int arrival_recognise(const struct translator *translator, const mg_event *message,
                      struct arrival *ret_arrival, struct mg_err *reterr);
/* Is it as it should be already? */
bool departure_is_same(const struct translator *translator, const struct arrival *arrival);
/* Does a batch stay one, with its events as they are? */
bool departure_keeps_batch(const struct translator *translator, const struct arrival *arrival);
/* The batch under its own content type; errors as below. */
int departure_make_batch(const struct translator *translator, const struct arrival *arrival,
                         mg_event **ret_message, struct mg_err *reterr);
/* The message of an event, as mode, encode and binding say.  -EINVAL, -ENOMEM: reterr says why. */
int departure_make(const struct translator *translator, const struct arrival *arrival,
                   const struct ce_event *event, struct arena *arena, mg_event **ret_message,
                   struct mg_err *reterr);
