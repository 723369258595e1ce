/* SPDX-License-Identifier: Apache-2.0 */
/* Topics ↔ routing keys ↔ RabbitMQ's addresses, and the bridge's URLs. */
#include "../../bridges/amqp/amqp_address.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

static uint64_t state = 88172645463325252u;
static uint32_t rnd(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % bound);
}

typedef size_t map_fn(struct mg_str text, char *buffer, size_t size);

static bool maps(map_fn *map, const char *from, const char *to)
{
    char got[256];
    size_t n = map((struct mg_str){from, strlen(from)}, got, sizeof got);
    if (n != strlen(to) || memcmp(got, to, n) != 0)
        fprintf(stderr, "%s became %.*s\n", from, (int)n, got);
    return n == strlen(to) && memcmp(got, to, n) == 0;
}

/* Texts that are full of what the maps touch. */
static size_t rnd_text(char *text)
{
    static const char *const bits[] = {"/",   ".",   "*",        "#",  "+",  "%",  "2", "25",
                                       "2E",  "2F",  "2A",       "2B", "23", "00", "a", "%2E",
                                       "%2F", "%25", "\xc3\xa9", "5",  "F",  "B"};
    size_t len = 0;
    for (uint32_t n = rnd(12); n > 0; n--) {
        const char *bit = bits[rnd(sizeof bits / sizeof *bits)];
        memcpy(text + len, bit, strlen(bit));
        len += strlen(bit);
        if (rnd(20) == 0)
            text[len++] = '\0';
    }
    return len;
}

static void there_and_back(map_fn *there, map_fn *back)
{
    for (int i = 0; i < 200000; i++) {
        char text[128], mid[512], end[512];
        size_t len = rnd_text(text);
        size_t m = there((struct mg_str){text, len}, mid, sizeof mid);
        size_t e = back((struct mg_str){mid, m}, end, sizeof end);
        CU_ASSERT_TRUE_FATAL(e == len && memcmp(end, text, len) == 0);
    }
}

static void test_topic_to_key_and_back(void)
{
    there_and_back(amqp_topic_to_key, amqp_key_to_topic);
}

static void test_key_to_topic_and_back(void)
{
    there_and_back(amqp_key_to_topic, amqp_topic_to_key);
}

static void test_segment_and_back(void)
{
    there_and_back(amqp_segment_escape, amqp_segment_unescape);
}

static void test_levels_become_words(void)
{
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "plant/a/m1", "plant.a.m1"));
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "spBv1.0/G/DDATA/n", "spBv1%2E0.G.DDATA.n"));
    CU_ASSERT_TRUE(maps(amqp_key_to_topic, "spBv1%2E0.G", "spBv1.0/G"));
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "50%", "50%"));
    CU_ASSERT_TRUE(maps(amqp_key_to_topic, "a/b#+*", "a%2Fb%23%2B%2A"));
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "a%2Fb%23%2B%2A", "a/b#+*"));
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "", ""));
    CU_ASSERT_TRUE(maps(amqp_topic_to_key, "//", ".."));
}

static void test_a_key_of_a_topic_has_no_wildcard(void)
{
    for (int i = 0; i < 20000; i++) {
        char text[128], key[512], valid[128];
        size_t len = rnd_text(text), n = 0;
        for (size_t k = 0; k < len;
             k++) /* a topic name holds no wildcards or NUL; these escapes are rare */
            if (!strchr("+#%", text[k]))
                valid[n++] = text[k];
        n = amqp_topic_to_key((struct mg_str){valid, n}, key, sizeof key);
        CU_ASSERT_FALSE_FATAL(amqp_key_is_pattern((struct mg_str){key, n}));
    }
}

static void test_segments_hide_slashes(void)
{
    CU_ASSERT_TRUE(maps(amqp_segment_escape, "a/b", "a%2Fb"));
    CU_ASSERT_TRUE(maps(amqp_segment_escape, "a%2Fb", "a%252Fb"));
    CU_ASSERT_TRUE(maps(amqp_segment_escape, "a%252Fb", "a%25252Fb"));
    CU_ASSERT_TRUE(maps(amqp_segment_escape, "50% %2", "50% %2"));
    CU_ASSERT_TRUE(maps(amqp_segment_unescape, "x%2Fy%20", "x/y%20"));
}

static void test_only_what_fits_is_written(void)
{
    char buffer[4] = "????";
    CU_ASSERT_EQUAL(amqp_topic_to_key((struct mg_str){"a.b", 3}, buffer, 2), 5);
    CU_ASSERT_TRUE(memcmp(buffer, "a%??", 4) == 0);
}

static struct amqp_address parse(const char *text)
{
    return amqp_address_parse((struct mg_str){text, strlen(text)});
}

static bool is(struct mg_str text, const char *expected)
{
    return expected
               ? text.at && text.len == strlen(expected) && memcmp(text.at, expected, text.len) == 0
               : !text.at;
}

static void test_the_forms_of_rabbitmq(void)
{
    static const struct {
        const char *text;
        enum amqp_form_kind kind;
        const char *node, *key;
    } forms[] = {
        {"/exchange/amq.topic/plant.a", AMQP_ADDRESS_EXCHANGE, "/exchange/amq.topic", "plant.a"},
        {"/exchange/amq.topic", AMQP_ADDRESS_EXCHANGE, "/exchange/amq.topic", NULL},
        {"/exchange/x/", AMQP_ADDRESS_EXCHANGE, "/exchange/x", ""},
        {"/exchange/x/a/b", AMQP_ADDRESS_EXCHANGE, "/exchange/x", "a/b"},
        {"/topic/a.#", AMQP_ADDRESS_TOPIC, "/topic", "a.#"},
        {"/queue/q", AMQP_ADDRESS_QUEUE, "/queue/q", NULL},
        {"/amq/queue/q", AMQP_ADDRESS_QUEUE, "/amq/queue/q", NULL},
        {"plant/a", AMQP_ADDRESS_PLAIN, "plant/a", NULL},
        {"/queues/q", AMQP_ADDRESS_PLAIN, "/queues/q", NULL},
        {"", AMQP_ADDRESS_PLAIN, "", NULL},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct amqp_address a = parse(forms[i].text);
        CU_ASSERT_EQUAL(a.kind, forms[i].kind);
        CU_ASSERT_TRUE(is(a.node, forms[i].node));
        CU_ASSERT_TRUE(is(a.key, forms[i].key));
    }
}

static void test_wildcards_are_whole_words(void)
{
    static const char *const yes[] = {"*", "#", "a.*", "*.a", "a.#.b"}, *const no[] = {"", "a",
                                                                                       "a*", "a.b#",
                                                                                       "**"};
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_TRUE(amqp_key_is_pattern((struct mg_str){yes[i], strlen(yes[i])}));
        CU_ASSERT_FALSE(amqp_key_is_pattern((struct mg_str){no[i], strlen(no[i])}));
    }
}

static void test_uri_decoding(void)
{
    CU_ASSERT_TRUE(maps(amqp_uri_unescape, "a%20b%2f%zz%", "a b/%zz%"));
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"topic to key and back", test_topic_to_key_and_back},
        {"key to topic and back", test_key_to_topic_and_back},
        {"segment and back", test_segment_and_back},
        {"levels become words", test_levels_become_words},
        {"a key of a topic has no wildcard", test_a_key_of_a_topic_has_no_wildcard},
        {"segments hide slashes", test_segments_hide_slashes},
        {"only what fits is written", test_only_what_fits_is_written},
        {"the forms of RabbitMQ", test_the_forms_of_rabbitmq},
        {"wildcards are whole words", test_wildcards_are_whole_words},
        {"URI decoding", test_uri_decoding},
        {NULL, NULL},
    };
    return kit_main("amqp_address", tests);
}
