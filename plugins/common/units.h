/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and durations as they are written in a configuration, for modules that read texts
 * themselves: "64KiB", "1.5h". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Each reads one quantity at *at and moves *at behind it.  false: there is none, or it is not
 * whole in the result's unit, or above most; *at may have moved. */
bool units_count(const char **at, uint64_t most, uint64_t *ret);
bool units_bytes(const char **at, uint64_t most, uint64_t *ret); /* B, kB, KiB … GiB, or no unit */
bool units_time_us(const char **at, uint64_t most, uint64_t *ret); /* ms, s, m, h, d */
