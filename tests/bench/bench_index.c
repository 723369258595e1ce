/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to find the routes of one address, by how many routes there are.
 *
 * One JSON line for each number of routes: nanoseconds for an address that one route wants, for one
 * that no route wants, and for one whose first levels are those of every route. */
#include "load.h"
#include "route/index.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MATCHES = 400000, ADDRESSES = 64, ADDRESS_BYTES = 64 };

/* Four shapes of patterns, as a configuration has them: literal, captured, one level, the rest. */
static int add_route(struct gw_arena *arena, struct gw_index *index, uint32_t id)
{
    static const char *const ends[] = {"press/telemetry", "{machine}/alarm", "+/state",
                                       "log/{rest...}"};
    char text[128];
    struct gw_pattern *pattern;
    struct mg_err err;
    snprintf(text, sizeof text, "plant/line-%u/%s", id, ends[id % 4]);
    int result = gw_pattern_compile(arena, text, &pattern, &err);
    return result ? result : gw_index_add(index, pattern, id);
}

/* Nanoseconds per match over addresses "first/line-N/last"; -1: one of them did not find the
 * `expected` number of routes. */
static double measure(const struct gw_index *index, const char *first, const char *last,
                      uint32_t routes, size_t expected)
{
    static char texts[ADDRESSES][ADDRESS_BYTES];
    struct mg_str addresses[ADDRESSES];
    struct gw_matches matches = {0};
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        uint32_t id =
            (i * 2654435761u % routes) & ~3u; /* a multiple of 4: a route of the first shape */
        int size = snprintf(texts[i], ADDRESS_BYTES, "%s/line-%u/%s", first, id, last);
        addresses[i] = (struct mg_str){texts[i], (size_t)size};
    }
    bool wrong = false;
    uint64_t start_ns = load_now_ns();
    for (long i = 0; i < MATCHES; i++) {
        if (gw_index_match(index, addresses[i % ADDRESSES], &matches) || matches.count != expected)
            wrong = true;
    }
    double each_ns = (double)(load_now_ns() - start_ns) / MATCHES;
    gw_matches_fini(&matches);
    return wrong ? -1 : each_ns;
}

int main(void)
{
    static const uint32_t counts[] = {10, 100, 1000, 10000};
    int result = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct gw_arena *arena = gw_arena_create();
        struct gw_index *index = gw_index_create();
        if (!arena || !index)
            return 2;
        uint64_t start_ns = load_now_ns();
        for (uint32_t id = 0; id < counts[i]; id++)
            if (add_route(arena, index, id))
                return 2;
        double build_us = (double)(load_now_ns() - start_ns) / 1000;
        double one = measure(index, "plant", "press/telemetry", counts[i], 1);
        double none = measure(index, "elsewhere", "press/telemetry", counts[i], 0);
        double near = measure(index, "plant", "press/nothing", counts[i], 0);
        if (one < 0 || none < 0 || near < 0)
            result = 1;
        printf(
            "{\"routes\":%u,\"one_ns\":%.1f,\"none_ns\":%.1f,\"near_ns\":%.1f,\"build_us\":%.0f}\n",
            counts[i], one, none, near, build_us);
        gw_index_destroy(index);
        gw_arena_destroy(arena);
    }
    return result;
}
