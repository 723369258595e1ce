/* SPDX-License-Identifier: Apache-2.0 */
/* What a zone is made of. */
#pragma once
#include "zone.h"

/* The rule behind the last transition, as POSIX's TZ variable has it: "CET-1CEST,M3.5.0,M10.5.0/3".
 */
struct rule_date {
    enum { RULE_MONTH_WEEK_DAY, RULE_JULIAN_NO_LEAP, RULE_DAY_OF_YEAR } kind;
    int month, week, day; /* Mm.w.d; or day alone: Jn, n */
    int32_t seconds;      /* local time of that day; -167h..167h */
};
struct rule {
    bool has_summer;
    int32_t standard, summer; /* offsets */
    struct rule_date begin, end;
};

struct zone {
    bool has_rule;
    struct rule rule;
    int32_t first; /* the offset before all transitions */
    size_t count;
    struct transition {
        int64_t at; /* the first second of the new offset */
        int32_t offset;
    } transitions[];
};

/* length bytes, no NUL. */
bool rule_parse(const char *text, size_t length, struct rule *ret_rule);
int32_t rule_offset(const struct rule *rule, int64_t utc);
