/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0 type encodings (part 1 of the standard): bounded reading, growing writing.  Pure. */
#pragma once
#include "meshgate/plugin.h"
#include <string.h>

enum { AMQP_DEPTH_MAX = 32 };

/* What is left to read. */
struct amqp_cursor {
    const uint8_t *at, *end;
};

/* One encoded value.  SIMPLE: value holds it, and writing value gives the same meaning back. */
struct amqp_item {
    enum amqp_kind {
        AMQP_SIMPLE,
        AMQP_LIST,
        AMQP_MAP,
        AMQP_ARRAY,
        AMQP_DESCRIBED,
        AMQP_OTHER
    } kind;
    struct mg_value value;     /* SIMPLE; texts and binaries point into the input */
    uint32_t count;            /* LIST, MAP: elements (a pair is two) */
    struct amqp_cursor inside; /* LIST, MAP: the elements; DESCRIBED: descriptor, then value */
    struct mg_bytes raw;       /* the whole encoding, constructor included */
};

/* Reads one value and moves on.  0 or -EBADMSG.  The inside of lists, maps and arrays is bounded by
 * their size but not looked at. */
int amqp_read(struct amqp_cursor *cursor, struct amqp_item *ret_item);
/* Is it exactly one well-formed value, to the bottom?  plain: and without arrays and described
 * values, which some peers cannot parse. */
bool amqp_well_formed(struct mg_bytes raw, bool plain);
/* A described type's code: its ulong, or the number that belongs to a symbol "amqp:…:list".
 * 0: unknown. */
uint64_t amqp_descriptor(const struct amqp_item *item);

bool amqp_utf8(const void *at, size_t len);
bool amqp_ascii(const void *at, size_t len);

/* A growing buffer.  Once something failed, writes do nothing. */
struct amqp_buffer {
    uint8_t *at;
    size_t len, room, limit; /* limit 0: none */
    int failed;              /* 0, -ENOMEM or -EMSGSIZE (the limit) */
};
void amqp_buffer_fini(struct amqp_buffer *buffer);
/* Empties it; memory beyond keep bytes is given back. */
void amqp_buffer_reset(struct amqp_buffer *buffer, size_t keep);

/* Makes room where there is none: see amqp_grow. */
uint8_t *amqp_grow_slowly(struct amqp_buffer *buffer, size_t more);
/* Appends that many bytes, which the caller fills in; NULL: failed. */
static inline uint8_t *amqp_grow(struct amqp_buffer *b, size_t more)
{
    if (b->failed || more > b->room - b->len || (b->limit && b->len + more > b->limit))
        return amqp_grow_slowly(b, more);
    b->len += more;
    return b->at + b->len - more;
}
static inline void amqp_put(struct amqp_buffer *buffer, const void *at, size_t len)
{
    uint8_t *to = len ? amqp_grow(buffer, len) : NULL;
    if (to)
        memcpy(to, at, len);
}
static inline void amqp_put_byte(struct amqp_buffer *buffer, uint8_t byte)
{
    uint8_t *to = amqp_grow(buffer, 1);
    if (to)
        *to = byte;
}
void amqp_put_value(struct amqp_buffer *buffer, const struct mg_value *value);
void amqp_put_null(struct amqp_buffer *buffer);
void amqp_put_bool(struct amqp_buffer *buffer, bool value);
void amqp_put_ubyte(struct amqp_buffer *buffer, uint8_t value);
void amqp_put_uint(struct amqp_buffer *buffer, uint32_t value);
void amqp_put_ulong(struct amqp_buffer *buffer, uint64_t value);
void amqp_put_time(struct amqp_buffer *buffer, int64_t value_ms);
void amqp_put_string(struct amqp_buffer *buffer, struct mg_str text); /* {NULL, 0}: null */
void amqp_put_symbol(struct amqp_buffer *buffer, struct mg_str text); /* {NULL, 0}: null */
void amqp_put_binary(struct amqp_buffer *buffer, struct mg_bytes bytes);
/* 0x00, smallulong, code. */
void amqp_put_descriptor(struct amqp_buffer *buffer, uint8_t code);

/* A list or map whose count is known at its end: size and count are patched in by close. */
struct amqp_compound {
    size_t start;
    uint32_t count;
};
void amqp_open_list(struct amqp_buffer *buffer, struct amqp_compound *ret);
void amqp_open_map(struct amqp_buffer *buffer, struct amqp_compound *ret);
void amqp_close(struct amqp_buffer *buffer, const struct amqp_compound *compound);
