/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones: what is the local time of an instant?  Reads the system's tz database itself, since
 * libc knows one zone per process alone. */
#pragma once
#include "meshgate/plugin.h"

struct zone;

enum { ZONE_FILE_BYTES_MAX = 1 << 20, ZONE_NAME_BYTES_MAX = 255 };

/* "UTC", an offset ("+02:00", "-0330"), or a name of the tz database ("Europe/Berlin"), read from
 * $TZDIR, else /usr/share/zoneinfo.  -EINVAL: reterr says why; -ENOMEM. */
int zone_create(const char *name, struct zone **ret_zone, struct mg_err *reterr);
void zone_destroy(struct zone *zone); /* NULL is fine */
/* A zone out of the bytes of a TZif file (RFC 8536), for zone_create and its tests. */
int zone_parse(const void *at, size_t length, struct zone **ret_zone, struct mg_err *reterr);

/* Seconds that local time is ahead of UTC at that instant (seconds since 1970). */
int32_t zone_offset(const struct zone *zone, int64_t utc);

/* A day as people count it. */
struct date {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
};
struct date date_of_day(int64_t day); /* days since 1970-01-01 */
int64_t day_of_date(struct date date);
bool date_is_valid(struct date date);
int days_of_month(int64_t year, int month);
int weekday_of_day(int64_t day); /* 0: Sunday */
