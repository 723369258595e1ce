/* SPDX-License-Identifier: Apache-2.0 */
/* Source patterns: MQTT topic filters with named captures.
 *
 * "plant/{line}/+/x"   {name} captures one level, + any one level, # or {name...} (last) the rest
 * "$share/group/…"     the share prefix is the subscription's, not the pattern's (MQTT 5 §4.8.2)
 * As in MQTT 5 §4.7.2, a wildcard in the first level does not match addresses that begin with '$'.
 */
#pragma once
#include "base/arena.h"
#include "meshgate/plugin.h"

enum { GW_CAPTURES_MAX = 16, GW_LEVELS_MAX = 128 };

struct gw_pattern {
    const char *text;   /* as written, less a $share prefix */
    const char *filter; /* the subscription: captures replaced by + and #, $share prefix kept */
    size_t level_count;
    struct gw_level {
        enum { GW_LEVEL_LITERAL, GW_LEVEL_ONE, GW_LEVEL_REST } kind;
        struct mg_str text; /* literal */
        int capture;        /* index into names, or -1 */
    } * levels;
    size_t capture_count;
    const struct mg_str *names; /* NUL-terminated, too */
    bool many[GW_CAPTURES_MAX]; /* a {name...} */
};

/* -EINVAL: reterr says what and where (a capture must fill its level, names are unique, # only at
 * the end, no NUL, UTF-8, at most 65,535 bytes …).  Lives in the arena. */
int gw_pattern_compile(struct gw_arena *arena, const char *text, struct gw_pattern **ret_pattern,
                       struct mg_err *reterr);
/* values: capture_count entries, pointing into address. */
bool gw_pattern_match(const struct gw_pattern *pattern, struct mg_str address,
                      struct mg_str *ret_values);
/* May one address match both filters (MQTT filters without captures)? */
bool gw_filters_overlap(const char *a, const char *b);
