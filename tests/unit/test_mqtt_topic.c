/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT's topics, filters and shares: what is valid, what matches, what covers and overlaps. */
#include "../../bridges/mqtt/mqtt_topic.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static void filters_match_as_the_specification_says(void)
{
    static const struct {
        const char *filter, *topic;
        bool matches;
    } cases[] = {
        {"a/b", "a/b", true},       {"a/b", "a/c", false},      {"a/+", "a/b", true},
        {"a/+", "a/b/c", false},    {"a/+", "a/", true},        {"a/+", "a", false},
        {"+", "/a", false},         {"+/+", "/a", true},        {"/+", "/a", true},
        {"a/#", "a", true},         {"a/#", "a/b/c", true},     {"a/#", "ab", false},
        {"#", "a/b", true},         {"#", "$SYS/x", false},     {"+/x", "$SYS/x", false},
        {"$SYS/#", "$SYS/x", true}, {"$SYS/+", "$SYS/x", true}, {"a/+/c", "a//c", true},
        {"a/b/#", "a", false},      {"+/#", "a", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool matches = mqtt_filter_matches(str(cases[i].filter), str(cases[i].topic));
        if (matches != cases[i].matches)
            fprintf(stderr, "%s on %s\n", cases[i].filter, cases[i].topic);
        CU_ASSERT_EQUAL(matches, cases[i].matches);
    }
}

/* All filters and topics of up to three levels over a small alphabet: covers and overlap are what
 * matching topic by topic says. */
static void covering_and_overlap_follow_from_matching(void)
{
    static const char *const levels[] = {"a", "b", "+", "#", "", "$x"};
    char filters[300][16], topics[300][16];
    size_t filter_count = 0,
           topic_count = 1; /* "" is no topic, but "/#" and "+" would meet there */
    topics[0][0] = 0;
    for (int i = 0; i < 6; i++)
        for (int k = -1; k < 6; k++)
            for (int m = -1; m < 6; m++) {
                if (k < 0 && m >= 0)
                    continue;
                char text[16];
                snprintf(text, sizeof(text), "%s%s%s%s%s", levels[i], k < 0 ? "" : "/",
                         k < 0 ? "" : levels[k], m < 0 ? "" : "/", m < 0 ? "" : levels[m]);
                if (!mqtt_topic_filter_check(str(text), &(struct mg_err){{0}, NULL}))
                    snprintf(filters[filter_count++], 16, "%s", text);
                if (!mqtt_topic_name_check(str(text), true, NULL))
                    snprintf(topics[topic_count++], 16, "%s", text);
            }
    CU_ASSERT_TRUE_FATAL(filter_count > 100 && topic_count > 50);
    for (size_t a = 0; a < filter_count; a++)
        for (size_t b = 0; b < filter_count; b++) {
            bool overlap = false, covers = true;
            for (size_t t = 0; t < topic_count; t++) {
                bool in_a = mqtt_filter_matches(str(filters[a]), str(topics[t]));
                bool in_b = mqtt_filter_matches(str(filters[b]), str(topics[t]));
                overlap = overlap || (in_a && in_b);
                covers = covers && (in_a || !in_b);
            }
            bool said = mqtt_filters_overlap(str(filters[a]), str(filters[b]));
            if (said != overlap)
                fprintf(stderr, "overlap of %s and %s: %d\n", filters[a], filters[b], said);
            CU_ASSERT_EQUAL(said, overlap);
            /* Topics deeper than three levels are not tried, so covers may say less, never more. */
            if (mqtt_filter_covers(str(filters[a]), str(filters[b])) && !covers) {
                fprintf(stderr, "%s does not cover %s\n", filters[a], filters[b]);
                CU_FAIL("covers");
            }
        }
    CU_ASSERT_TRUE(mqtt_filter_covers(str("a/#"), str("a/+/b")));
    CU_ASSERT_TRUE(mqtt_filter_covers(str("a/#"), str("a")));
    CU_ASSERT_TRUE(mqtt_filter_covers(str("+/b"), str("a/b")));
    CU_ASSERT_TRUE(mqtt_filter_covers(str("#"), str("#")));
    CU_ASSERT_FALSE(mqtt_filter_covers(str("a/+"), str("a/#")));
    CU_ASSERT_FALSE(mqtt_filter_covers(str("#"), str("$SYS/#")));
}

static void shares_are_split(void)
{
    struct mg_str group, filter;
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL(mqtt_share_split("$share/g/a/+", &group, &filter, &err), 0);
    CU_ASSERT_TRUE(group.len == 1 && group.at[0] == 'g' && filter.len == 3 &&
                   !memcmp(filter.at, "a/+", 3));
    CU_ASSERT_EQUAL(mqtt_share_split("a/#", &group, &filter, &err), 0);
    CU_ASSERT_EQUAL(group.len, 0);
    static const char *const bad[] = {"$share/g", "$share//a", "$share/+/a", "$share/g/", "a/b#",
                                      "a#/b",     "a+/b",      "#/a",        ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err.text[0] = 0;
        CU_ASSERT_EQUAL(mqtt_share_split(bad[i], &group, &filter, &err), -EINVAL);
        CU_ASSERT_NOT_EQUAL(err.text[0], 0);
    }
}

static void texts_are_sorted_by_what_mqtt_takes(void)
{
    static const struct {
        const char *text;
        enum mqtt_text kind;
    } cases[] = {
        {"", MQTT_TEXT_FINE},
        {"ü日\U0001F600", MQTT_TEXT_FINE},
        {"a\nb", MQTT_TEXT_DOUBTFUL},
        {"\xc2\x85", MQTT_TEXT_DOUBTFUL},
        {"\xef\xb7\x90", MQTT_TEXT_DOUBTFUL},
        {"\xf0\x9f\xbf\xbe", MQTT_TEXT_DOUBTFUL},
        {"\xc0\x80", MQTT_TEXT_NEVER},
        {"\xed\xa0\x80", MQTT_TEXT_NEVER},
        {"\xf4\x90\x80\x80", MQTT_TEXT_NEVER},
        {"\xe2\x82", MQTT_TEXT_NEVER},
        {"\xff", MQTT_TEXT_NEVER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CU_ASSERT_EQUAL(mqtt_text_kind(str(cases[i].text)), cases[i].kind);
    CU_ASSERT_EQUAL(mqtt_text_kind((struct mg_str){"a\0b", 3}), MQTT_TEXT_NEVER);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"filters match as the specification says", filters_match_as_the_specification_says},
        {"covering and overlap follow from matching", covering_and_overlap_follow_from_matching},
        {"shares are split", shares_are_split},
        {"texts are sorted by what MQTT takes", texts_are_sorted_by_what_mqtt_takes},
        {NULL, NULL},
    };
    return kit_main("mqtt-topic", tests);
}
