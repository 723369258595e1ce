/* SPDX-License-Identifier: Apache-2.0 */
/* Time that stands still until somebody moves it, for gateways that only rehearse: clocks, timers
 * and chance of the host's table come from here between begin and end. */
#pragma once
#include "meshgate/plugin.h"

/* CONTROL, with no gateway in the process.  wall_us: what the wall clock shows at the beginning. */
void gw_virtual_time_begin(int64_t wall_us);
void gw_virtual_time_end(void); /* the gateway is destroyed; timers that were left are freed */
bool gw_virtual_time_is_on(void);

int64_t gw_virtual_now_us(void);
int64_t gw_virtual_wall_us(void);
uint32_t gw_virtual_random(uint32_t bound); /* the same numbers after each begin */

/* When the next timer is due; INT64_MAX: there is none. */
int64_t gw_virtual_time_next(void);
void gw_virtual_time_move(int64_t now_us); /* never back */
/* The core has nothing in hand until then: its timers that repeat fire at the last of their times.
 */
void gw_virtual_time_skip(int64_t until_us);
/* Runs the first timer that is due, as its shard.  false: none is. */
bool gw_virtual_time_fire(void);

/* Jobs that the thread pool has. */
uint32_t gw_virtual_jobs(void);
/* Something outside may still call: a descriptor is watched, or a thread can wake the shard. */
bool gw_virtual_is_watching(void);

/* Puts these services in the place of the loop's own, which go on behind jobs and descriptors. */
void gw_virtual_host_fill(struct mg_host *host);
void gw_virtual_timers_close(const mg_shard *shard);
