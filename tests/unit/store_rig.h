/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, driven by hand: one call an operation, a clock that a test moves.
 */
#pragma once
#include "store/archive.h"
#include "store/dead.h"
#include "store/lease.h"
#include "store/store.h"

enum { RIG_LOGS = 4, RIG_TEXT = 64 };

struct rig {
    char path[64];
    struct gw_store_settings settings;
    struct gw_store *store;
    struct gw_store_log *logs[RIG_LOGS];
    struct gw_store_log_settings log_settings[RIG_LOGS];
    const char *boot_id;
    uint32_t found; /* findings of MG_WARN and worse */
    char last_found[512];
    uint32_t pending; /* operations handed over whose done has not run */
};

/* The clock of every rig's store. */
extern int64_t rig_now_us;

/* A folder that is not there yet; rig_remove takes it and the store away. */
void rig_init(struct rig *rig);
void rig_open(struct rig *rig);
void rig_log(struct rig *rig, uint32_t log, const struct gw_store_log_settings *settings);
void rig_close(struct rig *rig);
void rig_reopen(struct rig *rig);  /* in an orderly way, with the same logs */
void rig_abandon(struct rig *rig); /* as a SIGKILL would, and opens again */
void rig_remove(struct rig *rig);

struct rig_append {
    struct gw_store_append op;
    void *records[8];
    size_t lengths[8];
    struct rig *rig;
    bool done, cancelled;
};
/* An event of `count` records "TEXT", "TEXT+1" …, for the sinks whose bits are set. */
struct rig_append *rig_append_begin(struct rig *rig, uint32_t log, const char *text, uint32_t count,
                                    uint64_t sinks, uint64_t key);
void rig_append_submit(struct rig_append *append);
void rig_append_free(struct rig_append *append);
/* All of it, and a turn; returns the first sequence, 0 where it waits or is a duplicate. */
uint64_t rig_append(struct rig *rig, uint32_t log, const char *text, uint64_t sinks);
bool rig_append_identified(struct rig *rig, uint32_t log, const char *text,
                           uint64_t identity); /* true: a duplicate */

void rig_settle_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                      uint32_t term);
void rig_note_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                    uint32_t attempts);
void rig_bury_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                    const char *reason);
void rig_state_later(struct rig *rig, const char *key, const char *value);
/* The same, and a turn. */
void rig_settle(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, uint32_t term);
void rig_note(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, uint32_t attempts);
void rig_bury(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, const char *reason);
void rig_bury_step(struct rig *rig, uint32_t log, const char *text, const char *reason);
int rig_dead(struct rig *rig, uint64_t id, uint32_t action);
void rig_state(struct rig *rig, const char *key, const char *value);
void rig_count(struct rig *rig, uint32_t log, uint32_t term, uint64_t count);

/* What a sink misses, as texts joined by spaces: "a b c". */
const char *rig_missing(struct rig *rig, uint32_t log, uint32_t sink);
/* received == sum(ended) + stored, and each sink's backlog agrees with what it can read. */
bool rig_balances(struct rig *rig, uint32_t log);
struct gw_store_ledger rig_ledger(struct rig *rig, uint32_t log);
