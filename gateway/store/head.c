/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in front of a record on disk, and the sinks' numbers inside of it. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/record_wire.h"
#include <string.h>

static void put_big(uint8_t *to, uint64_t number, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(number >> 8 * (length - 1 - i));
}

struct gw_disk_sink_key gw_sink_key(uint32_t log, uint32_t sink)
{
    struct gw_disk_sink_key key;
    put_big(key.log, log, sizeof key.log);
    put_big(key.sink, sink, sizeof key.sink);
    return key;
}

struct gw_disk_place_key gw_place_key(uint32_t log, uint32_t sink, uint64_t place)
{
    struct gw_disk_place_key key;
    put_big(key.log, log, sizeof key.log);
    put_big(key.sink, sink, sizeof key.sink);
    put_big(key.place, place, sizeof key.place);
    return key;
}

void gw_head_seal(struct gw_disk_head *head)
{
    head->magic = GW_DISK_HEAD_MAGIC;
    head->head_sum = gw_hash64(head, offsetof(struct gw_disk_head, head_sum));
}

bool gw_head_read(MDB_val value, uint16_t kind, uint32_t log, uint64_t sequence,
                  struct gw_disk_head *ret)
{
    if (value.mv_size < sizeof *ret)
        return false;
    memcpy(ret, value.mv_data, sizeof *ret);
    return ret->magic == GW_DISK_HEAD_MAGIC &&
           ret->head_sum == gw_hash64(ret, offsetof(struct gw_disk_head, head_sum)) &&
           ret->kind == kind && (!log || ret->log == log) && ret->sequence == sequence &&
           ret->length == value.mv_size - sizeof *ret;
}

bool gw_head_body_is_whole(MDB_val value, const struct gw_disk_head *head)
{
    return head->body_sum ==
           gw_hash64((const uint8_t *)value.mv_data + sizeof *head, value.mv_size - sizeof *head);
}

static bool wire_of(const void *bytes, size_t length, struct gw_record_wire *ret)
{
    if (length < sizeof *ret)
        return false;
    memcpy(ret, bytes, sizeof *ret);
    return ret->magic == GW_RECORD_MAGIC && ret->length == length &&
           ret->leg_count <= length - sizeof *ret;
}

bool gw_head_record_sinks(const struct gw_store_log *log, const void *bytes, size_t length,
                          uint64_t *ret_targets)
{
    struct gw_record_wire wire;
    uint64_t targets = 0;
    if (!wire_of(bytes, length, &wire))
        return false;
    for (uint64_t left = wire.sinks; left; left &= left - 1) {
        uint32_t place = (uint32_t)__builtin_ctzll(left);
        if (place < log->places)
            targets |= UINT64_C(1) << log->lasting[place];
    }
    *ret_targets = targets;
    return true;
}

/* A leg of a place that the log has not keeps its number where that is free, so that the record
 * stays one that can be decoded. */
static uint8_t lasting_of(const struct gw_store_log *log, uint8_t place, uint64_t taken)
{
    uint8_t number = place < log->places ? log->lasting[place] : place;
    while (number < GW_RECORD_SINKS_MAX && taken >> number & 1)
        number++;
    for (uint8_t i = 0; number >= GW_RECORD_SINKS_MAX && i < GW_RECORD_SINKS_MAX; i++)
        if (!(taken >> i & 1))
            number = i;
    return number;
}

void gw_head_copy_record(const struct gw_store_log *log, void *to, const void *bytes, size_t length)
{
    struct gw_record_wire wire;
    memcpy(to, bytes, length);
    if (log->same_numbers || !wire_of(bytes, length, &wire))
        return;
    uint8_t *sinks = (uint8_t *)to + sizeof wire;
    wire.sinks = 0;
    for (uint16_t i = 0; i < wire.leg_count; i++) {
        sinks[i] = lasting_of(log, sinks[i], wire.sinks);
        wire.sinks |= UINT64_C(1) << sinks[i];
    }
    memcpy(to, &wire, sizeof wire);
}

/* Legs of sinks that are not configured any more are left out. */
void gw_head_to_places(const struct gw_store_log *log, struct gw_record *record,
                       struct gw_record_room *room)
{
    size_t count = 0;
    if (!log || !log->configured)
        return;
    for (size_t i = 0; i < record->leg_count; i++) {
        const struct gw_store_sink *sink = log->sinks[room->legs[i].sink];
        if (!sink || sink->place == UINT32_MAX)
            continue;
        room->legs[count] = room->legs[i];
        room->legs[count++].sink = sink->place;
    }
    record->leg_count = count;
}
