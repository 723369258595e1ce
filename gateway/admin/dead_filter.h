/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters are meant. */
#pragma once
#include "admin/operation.h"
#include "store/dead.h"
#include <stddef.h>

/* As requests have it: the head of the arguments of every operation on several dead letters. */
struct gw_dead_wanted {
    const char *route;
    const char *sink;          /* the whole, or its first word: the bridge */
    const char *step;          /* "translate:map", or what is before the colon */
    const char *reason;        /* a part of it, small and large letters alike */
    const char *since, *until; /* when they died; see gw_value_time */
    const char *id;            /* "7", "7-9", "7-", "-9" */
};
/* The rows of these in a table of arguments. */
#define GW_DEAD_WANTED_ROW(field, text)                                                            \
    {                                                                                              \
        .name = #field, .type = MG_OPT_TEXT, .doc = text,                                          \
        .offset = offsetof(struct gw_dead_wanted, field)                                           \
    }
#define GW_DEAD_WANTED_ROWS                                                                        \
    GW_DEAD_WANTED_ROW(route, "The route's name."),                                                \
        GW_DEAD_WANTED_ROW(sink, "The sink, or its bridge alone."),                                \
        GW_DEAD_WANTED_ROW(step, "The step, or its kind alone."),                                  \
        GW_DEAD_WANTED_ROW(reason, "A part of the reason."),                                       \
        GW_DEAD_WANTED_ROW(since, "Died then or later: RFC 3339, or \"2h\" ago."),                 \
        GW_DEAD_WANTED_ROW(until, "Died then or before."),                                         \
        GW_DEAD_WANTED_ROW(id, "One id, or some: \"7-9\", \"7-\".")

struct gw_dead_filter {
    struct gw_dead_wanted wanted; /* borrowed */
    int64_t since_us, until_us;
    uint64_t first, last; /* ids */
};
/* 0, or -EINVAL with reterr. */
int gw_dead_filter_init(struct gw_dead_filter *filter, const struct gw_dead_wanted *wanted,
                        struct mg_err *reterr);
bool gw_dead_filter_is_open(const struct gw_dead_wanted *wanted); /* takes every letter */
bool gw_dead_filter_takes(const struct gw_dead_filter *filter, const struct gw_dead *dead);

/* What a list says of a letter; new reference, NULL: out of memory. */
json_t *gw_dead_entry(const struct gw_dead *dead);
