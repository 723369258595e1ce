/* SPDX-License-Identifier: Apache-2.0 */
/* Records at random, full of what is easily lost, and what differs between two records. */
#pragma once
#include "store/record.h"

struct kit_random {
    uint64_t state;
};
void kit_random_seed(struct kit_random *random, uint64_t seed);
uint64_t kit_random64(struct kit_random *random);
uint32_t kit_random(struct kit_random *random, uint32_t bound); /* 0..bound-1 */

/* Points into memory that is used again with the next call but three. */
void kit_random_record(struct kit_random *random, uint32_t sinks, struct gw_record *ret);

/* NULL, or what differs. */
const char *kit_record_difference(const struct gw_record *a, const struct gw_record *b);
