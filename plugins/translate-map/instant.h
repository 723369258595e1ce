/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time in the forms that payloads have them in. */
#pragma once
#include "json_doc.h"

enum instant_form {
    INSTANT_EPOCH_S, /* numbers since 1970 UTC */
    INSTANT_EPOCH_MS,
    INSTANT_EPOCH_US,
    INSTANT_EPOCH_NS,
    INSTANT_RFC3339, /* 2026-01-31T08:30:00.5Z, 2026-01-31T09:30:00+01:00 */
    INSTANT_PLAIN,   /* 2026-01-31 08:30:00.5, also with a T: somewhere's clock */
    INSTANT_COMPACT, /* 20260131T083000Z; without the Z: somewhere's clock */
    INSTANT_HTTP,    /* Sat, 31 Jan 2026 08:30:00 GMT */
    INSTANT_DATE,    /* 2026-01-31 */
    INSTANT_FORMS
};
extern const char *const instant_forms[]; /* names, NULL-ended */

struct instant {
    int64_t s; /* since 1970 UTC, of the years 1 to 9999 */
    uint32_t ns;
};

/* "Z", "+01:00", "-05:30" in minutes east.  false: it is none. */
bool instant_zone(struct mg_str text, int *ret_minutes);
/* A number or a text.  zone: of a clock that says none, in minutes east.  false: it is no such
 * time. */
bool instant_read(const struct doc_value *value, enum instant_form form, int zone,
                  struct instant *ret_instant);
/* Has the clock of zone a year of four digits then? */
bool instant_fits(struct instant instant, enum instant_form form, int zone);
/* What fits.  The clock of zone; numbers are cut to whole ones, RFC 3339 and PLAIN have as many
 * digits behind the second as there are.  NULL: out of memory. */
struct doc_value *instant_write(struct instant instant, enum instant_form form, int zone,
                                struct doc *doc);
