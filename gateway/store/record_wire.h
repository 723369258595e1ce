/* SPDX-License-Identifier: Apache-2.0 */
/* A record's bytes, version 1: this struct, one byte for each leg (its sink), the legs, the
 * optional parts in the order of their bits, the message's properties, the payload.
 *
 * Numbers behind the struct are LEB128 (signed ones zigzag); a text is its length + 1, or 0 where
 * it is unset, then its bytes.  What a log needs of a record stands at a fixed place. */
#pragma once
#include <stdint.h>

#define GW_RECORD_MAGIC 0x7245476du /* "mGEr" */
enum { GW_RECORD_VERSION = 1 };

enum {
    GW_WIRE_ORIGIN = 1 << 0,
    GW_WIRE_ORIGIN_IS_ADDRESS = 1 << 1, /* said once */
    GW_WIRE_ADDRESS = 1 << 2,
    GW_WIRE_REPLY_TO = 1 << 3,
    GW_WIRE_SUBJECT = 1 << 4,
    GW_WIRE_CONTENT_TYPE = 1 << 5,
    GW_WIRE_CONTENT_ENCODING = 1 << 6,
    GW_WIRE_GROUP = 1 << 7,
    GW_WIRE_REPLY_TO_GROUP = 1 << 8,
    GW_WIRE_USER = 1 << 9,
    GW_WIRE_MESSAGE_ID = 1 << 10,
    GW_WIRE_CORRELATION = 1 << 11,
    GW_WIRE_GROUP_SEQUENCE = 1 << 12,
    GW_WIRE_CREATED = 1 << 13,
    GW_WIRE_EXPIRES = 1 << 14,        /* the message's */
    GW_WIRE_RECORD_EXPIRES = 1 << 15, /* the record's */
    GW_WIRE_PAYLOAD = 1 << 16,
    GW_WIRE_ALL = (1 << 17) - 1
};
enum {
    GW_WIRE_RETAIN = 1,
    GW_WIRE_DUPLICATE = 2,
    GW_WIRE_DURABLE = 4,
    GW_WIRE_TEXT_PAYLOAD = 8,
    GW_WIRE_BITS = 15
};

struct gw_record_wire {
    uint32_t magic;
    uint16_t version, leg_count;
    uint32_t length; /* of all */
    uint32_t flags;  /* GW_RECORD_* */
    int64_t arrived_us;
    uint64_t key;
    uint64_t sinks;          /* a bit for each leg's sink */
    uint32_t parts;          /* GW_WIRE_ORIGIN … */
    uint32_t property_total; /* of the message and all legs */
    uint32_t present;
    uint8_t qos, priority, bits, reserved;
};
_Static_assert(sizeof(struct gw_record_wire) == 56, "bytes on disk");
