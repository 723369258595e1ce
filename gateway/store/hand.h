/* SPDX-License-Identifier: Apache-2.0 */
/* What is in hand at this very moment, where a dying process leaves it behind: a small file mapped
 * into memory, PATH/hand.  Nothing is synced: a kill or a crash keeps it, and of a power cut no
 * event is to blame. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gw_hand;

enum { GW_HAND_SHARDS = 64 };

/* Reads what the last life left.  PATH/hand is made where it is not there.
 * Negative errno: there is no such file then, and nothing is noted. */
int gw_hand_open(int folder_fd, struct gw_hand **ret_hand);
/* What was left is noted elsewhere: from here on the file is this life's.  NULL is fine. */
void gw_hand_begin(struct gw_hand *hand);
/* NULL is fine.  clean: nothing is in hand, but what was sent stays in doubt. */
void gw_hand_close(struct gw_hand *hand, bool clean);

/* The place of a sink (by its log's and its lasting number) in the file; NULL: no room on the disk.
 * CONTROL. */
struct gw_hand_sink *gw_hand_sink(struct gw_hand *hand, uint32_t log, uint32_t sink);
/* One thread for each sink; NULL: nothing.  What was sent stays in doubt when it is given back,
 * since nobody knows how; not_sent says that it was not. */
void gw_hand_take(struct gw_hand_sink *sink, uint64_t sequence);
void gw_hand_give(struct gw_hand_sink *sink, uint64_t sequence);
void gw_hand_not_sent(struct gw_hand_sink *sink, uint64_t sequence);
/* Calls each for every sequence that the last life sent to that sink; in_hand: and had in its hand
 * at the end. */
void gw_hand_each_left(const struct gw_hand *hand, uint32_t log, uint32_t sink,
                       void (*each)(void *arg, uint64_t sequence, bool in_hand), void *arg);

/* The event with this identity goes into a step on that shard; {0, 0}: it has come out. */
void gw_hand_step(struct gw_hand *hand, uint32_t shard, const uint64_t identity[2]);
void gw_hand_was_in_step(const struct gw_hand *hand, uint32_t shard, uint64_t ret_identity[2]);
