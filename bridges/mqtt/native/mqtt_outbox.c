/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_outbox.h"
#include <stdlib.h>

enum { SLAB_BYTES = 64 * 1024 - sizeof(struct mqtt_slab), SPARES_MOST = 4 };

static void put_away(struct mqtt_outbox *outbox, struct mqtt_slab *slab)
{
    if (slab->size != SLAB_BYTES || outbox->spare_count == SPARES_MOST) {
        free(slab);
        return;
    }
    slab->next = outbox->spares;
    outbox->spares = slab;
    outbox->spare_count++;
}

static struct mqtt_slab *new_slab(struct mqtt_outbox *outbox, size_t least)
{
    struct mqtt_slab *slab = outbox->spares;
    if (slab && least <= SLAB_BYTES) {
        outbox->spares = slab->next;
        outbox->spare_count--;
    } else {
        size_t size = least > SLAB_BYTES ? least : SLAB_BYTES;
        slab = malloc(sizeof(*slab) + size);
        if (!slab)
            return NULL;
        slab->size = (uint32_t)size;
    }
    slab->next = NULL;
    slab->used = slab->written = slab->holders = 0;
    slab->queued = 1;
    return slab;
}

/* Takes out the first slab, all of which is written. */
static void dequeue(struct mqtt_outbox *outbox)
{
    struct mqtt_slab *slab = outbox->first;
    outbox->first = slab->next;
    if (!outbox->first)
        outbox->last = NULL;
    slab->queued = 0;
    if (!slab->holders)
        put_away(outbox, slab);
}

uint8_t *mqtt_outbox_room(struct mqtt_outbox *outbox, size_t least, struct mqtt_slab **ret_slab)
{
    struct mqtt_slab *slab = outbox->last;
    if (!slab || slab->size - slab->used < least) {
        slab = new_slab(outbox, least);
        if (!slab)
            return NULL;
        struct mqtt_slab *before = outbox->last;
        *(before ? &before->next : &outbox->first) = slab;
        outbox->last = slab;
        if (before && before == outbox->first && before->written == before->used)
            dequeue(outbox);
    }
    *ret_slab = slab;
    return slab->at + slab->used;
}

void mqtt_outbox_add(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length)
{
    slab->used += (uint32_t)length;
    outbox->unwritten += length;
}

void mqtt_outbox_hold(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length)
{
    slab->holders++;
    outbox->held += length;
}

void mqtt_outbox_let_go(struct mqtt_outbox *outbox, struct mqtt_slab *slab, size_t length)
{
    outbox->held -= length;
    if (--slab->holders)
        return;
    if (!slab->queued)
        put_away(outbox, slab);
    else if (slab->written == slab->used)
        slab->written = slab->used = 0; /* the last one: begins again */
}

int mqtt_outbox_parts(const struct mqtt_outbox *outbox, struct iovec *ret_parts, int most)
{
    int count = 0;
    for (struct mqtt_slab *slab = outbox->first; slab && count < most; slab = slab->next)
        if (slab->used > slab->written)
            ret_parts[count++] =
                (struct iovec){slab->at + slab->written, slab->used - slab->written};
    return count;
}

void mqtt_outbox_wrote(struct mqtt_outbox *outbox, size_t length)
{
    outbox->unwritten -= length;
    while (outbox->first) {
        struct mqtt_slab *slab = outbox->first;
        size_t part = slab->used - slab->written;
        if (part > length)
            part = length;
        slab->written += (uint32_t)part;
        length -= part;
        if (slab->written < slab->used)
            return;
        if (slab == outbox->last) {
            if (slab->size != SLAB_BYTES)
                dequeue(outbox); /* made for one large packet */
            else if (!slab->holders)
                slab->written = slab->used = 0;
            return;
        }
        dequeue(outbox);
    }
}

void mqtt_outbox_clear(struct mqtt_outbox *outbox)
{
    while (outbox->first)
        dequeue(outbox);
    outbox->unwritten = 0;
}

void mqtt_outbox_fini(struct mqtt_outbox *outbox)
{
    mqtt_outbox_clear(outbox);
    while (outbox->spares) {
        struct mqtt_slab *slab = outbox->spares;
        outbox->spares = slab->next;
        free(slab);
    }
    outbox->spare_count = 0;
}
