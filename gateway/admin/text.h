/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that operations read and write alike. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

/* A text for people: bytes that are no UTF-8 become '?'.  New reference, NULL: out of memory. */
json_t *gw_text_json(struct mg_str text);
/* Wall clock, microseconds since 1970. */
int64_t gw_clock_us(void);
/* A moment out of a request.  -EINVAL: reterr says how it is written. */
int gw_read_time(const char *name, const char *text, int64_t *ret_us, struct mg_err *reterr);

/* No more than so many a second.  per_s 0: no limit. */
struct gw_pace {
    double per_s;
    int64_t next_us;
};
/* May one more be done now?  If not, *ret_wait_ms says when. */
bool gw_pace_may(struct gw_pace *pace, int64_t now_us, int64_t *ret_wait_ms);
