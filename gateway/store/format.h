/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off: a table */
/* What lies on disk, version 1.  Numbers are little-endian as the machine writes them (a store does
 * not move between byte orders; an export does).  Everything that has to be found again in a
 * damaged file begins with a magic number and carries a checksum (XXH3, 64 bits), so that a search
 * of the raw bytes finds it.
 *
 * PATH/data.mdb, lock.mdb  LMDB's files, named databases as below
 * PATH/synced              how far data.mdb is known to be on the disk: struct gw_disk_synced
 * PATH/owner               locked by the process that has the store open
 * PATH/quarantine/         what could not be read, and files that were replaced
 *
 * database    key                         value
 * meta        text                        "format": uint32; "boot": text; "clean": uint8;
 *                                         "dead": uint64, the next dead letter's id
 * logs        route's name                struct gw_disk_log, its name, its sinks' labels
 * log.N       uint64 sequence (I)         struct gw_disk_head, then a record's bytes
 * cursors     struct gw_disk_sink_key     struct gw_disk_cursor
 * done        struct gw_disk_place_key    struct gw_disk_place: what is settled, from the
 *                                         cursor's place on
 * marks       struct gw_disk_place_key    struct gw_disk_mark (place: the sequence)
 * groups      struct gw_disk_place_key    struct gw_disk_group (sink 0: an event of several
 *                                         records, place: its first sequence; sink 1: a record
 *                                         that some sink ended otherwise than delivered, place:
 *                                         its sequence)
 * ledger      uint32 log (I)              struct gw_disk_ledger
 * dedup.N     uint64, ascending (I)       struct gw_disk_identity
 * latest.N    uint32 sink, uint64 key     uint64 sequence (only GW_FULL_LATEST_PER_KEY)
 * dead        uint64 id (I)               struct gw_disk_head, struct gw_disk_dead, texts, record
 * archive.N   uint64 sequence (I)         struct gw_disk_head, then a record's bytes
 * leases      struct gw_disk_place_key    struct gw_disk_lease (place: the sequence)
 * state       bytes                       uint64 sum of key and value, then the value
 *
 * (I): INTEGERKEY.
 * Keys of structs are compared as bytes, so their numbers are big-endian. */
/* clang-format on */
#pragma once
#include <stdint.h>

enum { GW_STORE_FORMAT = 1 };

#define GW_DISK_HEAD_MAGIC   0x6845476du /* "mGEh" */
#define GW_DISK_LOG_MAGIC    0x6c45476du /* "mGEl" */
#define GW_DISK_CURSOR_MAGIC 0x6345476du /* "mGEc" */

enum { GW_HEAD_LOG = 1, GW_HEAD_DEAD, GW_HEAD_ARCHIVE }; /* kinds of heads */

#define GW_DISK_SYNCED_MAGIC 0x7345476du /* "mGEs" */

/* PATH/synced: two of these, at 0 and GW_DISK_SYNCED_STEP, written in turn; the one that is whole
 * and has the higher number counts.  Written after data.mdb is on the disk as of that commit. */
enum { GW_DISK_SYNCED_STEP = 4096, GW_DISK_META_BYTES = 256 };
struct gw_disk_synced {
    uint32_t magic, version;
    uint64_t number;
    uint64_t txnid; /* of the commit, as LMDB counts */
    uint32_t sync;  /* enum gw_store_sync of who wrote it */
    uint32_t clean; /* 1: closed in an orderly way */
    uint32_t page_bytes, reserved;
    char boot[64];
    uint8_t meta[GW_DISK_META_BYTES]; /* the first bytes of that commit's meta page */
    uint64_t sum;                     /* of all before it */
};

/* In front of every record in a log, in the dead letters and in an archive. */
struct gw_disk_head {
    uint32_t magic;
    uint32_t log;      /* number of the route's log */
    uint64_t sequence; /* in the log or archive; a dead letter's id */
    uint64_t targets;  /* bit n: the sink with lasting number n is to get it */
    uint64_t body_sum; /* of the bytes behind the head */
    uint32_t length;   /* of the bytes behind the head */
    uint16_t kind;     /* GW_HEAD_* */
    uint16_t flags;    /* of a dead letter: 1: the ledger's count of its event is its own */
    /* Which record of how many of its event; of a dead letter: the sequence it had, low and high.
     */
    uint32_t group_index, group_count;
    uint64_t head_sum; /* of all before it */
};

/* A log's name and sinks; label_bytes of labels follow, each ended by NUL, in the order of sinks'
 * lasting numbers (an empty one: that number is free). */
struct gw_disk_log {
    uint32_t magic;
    uint32_t number;
    uint64_t next_sequence; /* as of the last commit that touched this entry; logs know better */
    uint32_t sink_count, label_bytes, name_bytes, reserved;
    uint64_t sum; /* of the struct with sum 0, the name, then the labels */
    /* name, without NUL; then labels */
};

struct gw_disk_sink_key {
    uint8_t log[4], sink[4];
};
struct gw_disk_place_key {
    uint8_t log[4], sink[4], place[8];
};

struct gw_disk_cursor {
    uint32_t magic, log, sink, reserved;
    uint64_t first;        /* nothing before it is missing */
    uint64_t count, bytes; /* of what is not settled */
    uint64_t commit;       /* number of the commit that wrote it: the highest is right */
    uint64_t sum;          /* of all before it */
};

/* Bit i: sequence place * 512 + i is settled. */
struct gw_disk_place {
    uint64_t bits[8];
    uint64_t sum; /* of key and bits: a wrong bit would be a lost record */
};

struct gw_disk_mark {
    uint32_t attempts, deaths;
};
struct gw_disk_group {
    uint32_t left;  /* of an event: records not done; of a record: its dead letter's id, or 0 */
    uint32_t worst; /* enum gw_store_term */
};
struct gw_disk_ledger {
    uint64_t received, ended[8], retries;
    uint64_t next_sequence; /* of the log: its last records may be gone already */
};
struct gw_disk_identity {
    uint64_t identity[2];
    int64_t seen_us; /* wall clock */
};
struct gw_disk_lease {
    int64_t until_us; /* wall clock */
    uint32_t receives, reserved;
};

/* Behind a dead letter's head; then route, sink, step and reason, each ended by NUL; then its
 * record. */
struct gw_disk_dead {
    int64_t died_us;
    uint32_t attempts;
    uint32_t text_bytes;
};
