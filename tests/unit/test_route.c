/* SPDX-License-Identifier: Apache-2.0 */
/* Source patterns and the address index: MQTT's rules, captures, and agreement of the two. */
#include "unit.h"
#include "route/index.h"
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gw_arena *arena;

static struct gw_pattern *compile(const char *text)
{
    struct gw_pattern *p = NULL;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(gw_pattern_compile(arena, text, &p, &err), 0);
    return p;
}

static bool matches(const char *pattern, const char *address)
{
    struct mg_str values[GW_CAPTURES_MAX];
    return gw_pattern_match(compile(pattern), (struct mg_str){address, strlen(address)}, values);
}

/* MQTT 5 §4.7.1 and §4.7.2, whose own examples these are, and some more. */
static void wildcards_match_as_mqtt_says(void)
{
    static const struct {
        const char *pattern, *address;
        bool match;
    } cases[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/#", "sport", true},
        {"#", "anything/at/all", true},
        {"#", "/", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"#", "$SYS/broker", false},
        {"+/monitor/Clients", "$SYS/monitor/Clients", false},
        {"$SYS/#", "$SYS/broker", true},
        {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
        {"a//b", "a//b", true},
        {"a/+/b", "a//b", true},
        {"a/b", "a/b/", false},
        {"$share/group/a/+", "a/b", true},
        {"a/{x}/c", "a/b/c", true},
        {"a/{x...}", "a", true},
        {"a/{x...}", "b", false},
        {"a", "A", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(matches(cases[i].pattern, cases[i].address), cases[i].match);
}

static void captures_take_a_level_or_the_rest(void)
{
    struct gw_pattern *p = compile("plant/{line}/+/{rest...}");
    struct mg_str values[GW_CAPTURES_MAX];
    const char *address = "plant/a.b//x/y";
    CU_ASSERT_TRUE_FATAL(gw_pattern_match(p, (struct mg_str){address, strlen(address)}, values));
    CU_ASSERT_EQUAL(p->capture_count, 2);
    CU_ASSERT_STRING_EQUAL(p->names[1].at, "rest");
    CU_ASSERT_EQUAL(values[0].len, 3);
    CU_ASSERT_EQUAL(memcmp(values[1].at, "x/y", 3), 0);
    CU_ASSERT_STRING_EQUAL(p->filter, "plant/+/+/#");
    CU_ASSERT_STRING_EQUAL(compile("$share/g/a/{x}/b")->filter, "$share/g/a/+/b");
}

static void wrong_patterns_are_refused_with_a_reason(void)
{
    static const char *const cases[] = {"",         "a/#/b",     "a+",         "a/b#", "{x}{y}",
                                        "a{x}",     "{x...}/a",  "{x}/{x}",    "{X}",  "{}",
                                        "$share/g", "$share/",   "$share/+/a", "\xff", "a/{",
                                        "a/}x",     "$share//a", "{1a}",       "a/{x"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_pattern *p;
        struct mg_err err = {{0}, NULL};
        CU_ASSERT_EQUAL(gw_pattern_compile(arena, cases[i], &p, &err), -EINVAL);
        CU_ASSERT_TRUE(err.text[0] != 0);
    }
    char *large = malloc(65537);
    struct gw_pattern *p;
    struct mg_err err;
    memset(large, 'x', 65536);
    large[65536] = '\0';
    CU_ASSERT_EQUAL(gw_pattern_compile(arena, large, &p, &err), -EINVAL);
    large[65535] = '\0';
    CU_ASSERT_EQUAL(gw_pattern_compile(arena, large, &p, &err), 0);
    free(large);
}

static void overlap_is_symmetric_and_right(void)
{
    static const struct {
        const char *a, *b;
        bool overlap;
    } cases[] = {
        {"a/b", "a/b", true},     {"a/b", "a/c", false},      {"a/+", "a/b", true},
        {"a/+/c", "a/b/+", true}, {"a/#", "a", true},         {"a/+", "a", false},
        {"#", "x/y", true},       {"#", "$SYS/x", false},     {"a/#", "b/#", false},
        {"+/b", "a/+", true},     {"a/b/#", "a/+/c/d", true}, {"$share/g/a", "a", true},
        {"a/b", "a/b/c", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(gw_filters_overlap(cases[i].a, cases[i].b), cases[i].overlap);
        CU_ASSERT_EQUAL(gw_filters_overlap(cases[i].b, cases[i].a), cases[i].overlap);
    }
}

static uint32_t seed = 12345;
static uint32_t chance(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

/* Few distinct levels, so that much matches; empty ones, wildcards and $ among them. */
static void random_address(char *out, size_t size, bool pattern)
{
    static const char *const plain[] = {"a", "b", "c", "", "$s", "long-level"};
    size_t used = 0, levels = 1 + chance(5);
    for (size_t i = 0; i < levels; i++) {
        const char *level = plain[chance(6)];
        if (pattern && chance(3) == 0)
            level = chance(2) ? "+" : "{x}";
        if (pattern && strcmp(level, "{x}") == 0 && strstr(out, "{x}") && used)
            level = "+";
        if (pattern && i + 1 == levels && chance(4) == 0)
            level = "#";
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "/" : "", level);
    }
    if (used == 0)
        snprintf(out, size, "a");
}

static void the_index_agrees_with_matching_one_by_one(void)
{
    enum { PATTERNS = 400, ADDRESSES = 4000 };
    static struct gw_pattern *patterns[PATTERNS];
    struct gw_index *index = gw_index_create();
    struct gw_matches found = {0};
    size_t hits = 0, wrong = 0;
    for (uint32_t i = 0; i < PATTERNS; i++) {
        char text[128] = "";
        random_address(text, sizeof text, true);
        patterns[i] = compile(text);
        CU_ASSERT_EQUAL_FATAL(gw_index_add(index, patterns[i], i), 0);
    }
    for (size_t n = 0; n < ADDRESSES; n++) {
        char text[128] = "";
        random_address(text, sizeof text, false);
        struct mg_str address = {text, strlen(text)}, values[GW_CAPTURES_MAX];
        CU_ASSERT_EQUAL_FATAL(gw_index_match(index, address, &found), 0);
        size_t at = 0;
        for (uint32_t i = 0; i < PATTERNS; i++) {
            bool match = gw_pattern_match(patterns[i], address, values);
            bool listed = at < found.count && found.ids[at] == i;
            wrong += match != listed;
            at += listed;
            hits += match;
        }
        wrong += at != found.count;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(hits > ADDRESSES);
    gw_matches_fini(&found);
    gw_index_destroy(index);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"wildcards match as MQTT says", wildcards_match_as_mqtt_says},
        {"captures take a level or the rest", captures_take_a_level_or_the_rest},
        {"wrong patterns are refused with a reason", wrong_patterns_are_refused_with_a_reason},
        {"overlap is symmetric and right", overlap_is_symmetric_and_right},
        {"the index agrees with matching one by one", the_index_agrees_with_matching_one_by_one},
        {NULL, NULL},
    };
    arena = gw_arena_create();
    int code = kit_main("route", tests);
    gw_arena_destroy(arena);
    return code;
}
