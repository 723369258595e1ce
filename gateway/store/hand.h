/* SPDX-License-Identifier: Apache-2.0 */
/* What is in hand at this very moment, where a dying process leaves it behind: a small file mapped
 * into memory, PATH/hand.  Nothing is synced: a kill or a crash keeps it, and of a power cut no
 * event is to blame. */
#pragma once
#include <stdint.h>

struct gw_hand;

enum { GW_HAND_SHARDS = 64 };

/* Maps the file, made where it is not there, under folder_fd.  Negative errno. */
int gw_hand_open(int folder_fd, struct gw_hand **ret_hand);
/* Leaves it empty where all ended well (clean), else as it is.  NULL is fine. */
void gw_hand_close(struct gw_hand *hand, int clean);

/* Room on the disk for one log's sinks, so that a full disk is no fault in a mapped page later.
 * Negative errno: what is in hand of this log is not noted.  CONTROL. */
int gw_hand_prepare(struct gw_hand *hand, uint32_t log);

/* The sequences before `end` may have been sent to that sink (lasting number).  ANY thread. */
void gw_hand_sent(struct gw_hand *hand, uint32_t log, uint32_t sink, uint64_t end);
/* As the last life left it; 0: nothing was said. */
uint64_t gw_hand_was_sent(const struct gw_hand *hand, uint32_t log, uint32_t sink);
void gw_hand_forget_sent(struct gw_hand *hand, uint32_t log, uint32_t sink);

/* The event with this identity goes into a step on that shard; {0, 0}: it has come out. */
void gw_hand_step(struct gw_hand *hand, uint32_t shard, const uint64_t identity[2]);
void gw_hand_was_in_step(const struct gw_hand *hand, uint32_t shard, uint64_t ret_identity[2]);
