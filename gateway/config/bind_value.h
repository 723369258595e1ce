/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of scalars as values, as they are written in a configuration, an argument or a request. */
#pragma once
#include "meshgate/plugin.h"

/* Each: the whole text, or -EINVAL (does not look like one) or -ERANGE. */
int gw_value_int(const char *text, int64_t *ret);
int gw_value_double(const char *text, double *ret);
int gw_value_bool(const char *text, bool *ret);
int gw_value_duration(const char *text, int64_t *ret_ms); /* "250ms", "1.5s", "0" */
int gw_value_size(const char *text, int64_t *ret_bytes);  /* "64KiB", "1MB", "4096" */

/* A moment, in microseconds since 1970: RFC 3339 ("2026-03-01T08:00:00Z", "2026-03-01 09:00+01:00",
 * "2026-03-01"; without an offset it is UTC), or a duration before now ("2h"). */
int gw_value_time(const char *text, int64_t now_us, int64_t *ret_us);
/* "2026-03-01T08:00:00.000000Z", which gw_value_time reads back.  Returns buffer. */
enum { GW_VALUE_TIME_BYTES = 40 };
char *gw_value_time_text(int64_t us, char buffer[GW_VALUE_TIME_BYTES]);
