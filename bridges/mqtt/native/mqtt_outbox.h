/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way to the server: a queue of slabs that packets are encoded into and that one
 * writev empties.  A packet that may have to be sent again holds its slab, so that its bytes are
 * kept without being copied. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mqtt_slab {
    struct mqtt_slab *next;
    uint32_t size, used, written; /* written ≤ used ≤ size */
    uint32_t holders;
    uint8_t queued;
    uint8_t at[];
};

struct mqtt_outbox {
    struct mqtt_slab *first, *last; /* queued; the last one takes what comes */
    struct mqtt_slab *spares;
    unsigned spare_count;
    size_t unwritten; /* bytes queued and not written */
    size_t held;      /* bytes held to be sent again */
};

/* Room for at least `least` bytes behind what is queued, in *ret_slab at its `used`; NULL: out of
 * memory.  More may be there: up to the slab's size. */
uint8_t *mqtt_outbox_room(struct mqtt_outbox *outbox, size_t least, struct mqtt_slab **ret_slab);
/* `length` bytes of that room were filled. */
void mqtt_outbox_add(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length);
void mqtt_outbox_hold(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length);
void mqtt_outbox_let_go(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length);
/* What to write next, in at most `most` parts; returns how many. */
int mqtt_outbox_parts(const struct mqtt_outbox *outbox, struct iovec *ret_parts, int most);
void mqtt_outbox_wrote(struct mqtt_outbox *outbox, size_t length);
/* Nothing queued is written any more; slabs that are held stay with their holders. */
void mqtt_outbox_clear(struct mqtt_outbox *outbox);
void mqtt_outbox_fini(struct mqtt_outbox *outbox); /* nothing is held any more */
