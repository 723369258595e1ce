/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of the enricher "http": what is kept, for how long, and what gives way. */
#include "cache.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cache cache;

static void key_of(unsigned number, uint8_t *ret_key)
{
    memset(ret_key, 0, CACHE_KEY_BYTES);
    memcpy(ret_key, &number, sizeof number);
}

static void keep(unsigned number, size_t length, int64_t until_us)
{
    uint8_t key[CACHE_KEY_BYTES];
    key_of(number, key);
    cache_keep(&cache, key, ENTRY_FOUND, calloc(1, length + 1), length, until_us);
}

static bool has(unsigned number, int64_t now_us)
{
    uint8_t key[CACHE_KEY_BYTES];
    key_of(number, key);
    return cache_find(&cache, key, now_us);
}

static void an_answer_is_kept_for_its_time(void)
{
    CU_ASSERT_EQUAL_FATAL(cache_init(&cache, 100, 1 << 20), 0);
    keep(1, 10, 1000);
    CU_ASSERT_TRUE(has(1, 999));
    CU_ASSERT_FALSE(has(2, 0));
    CU_ASSERT_FALSE(has(1, 1000));
    CU_ASSERT_FALSE(has(1, 0)); /* forgotten, not only hidden */
    CU_ASSERT_EQUAL(cache.kept_bytes, 0);
    CU_ASSERT_EQUAL(cache.count, 0);
    cache_fini(&cache);
}

static void the_least_lately_used_give_way(void)
{
    CU_ASSERT_EQUAL_FATAL(cache_init(&cache, 3, 1 << 20), 0);
    for (unsigned i = 1; i <= 3; i++)
        keep(i, 1, 1000);
    CU_ASSERT_TRUE(has(1, 0));
    keep(4, 1, 1000);
    CU_ASSERT_FALSE(has(2, 0));
    CU_ASSERT_TRUE(has(1, 0));
    CU_ASSERT_TRUE(has(3, 0));
    CU_ASSERT_TRUE(has(4, 0));
    cache_fini(&cache);
}

static void bytes_are_a_limit_too(void)
{
    CU_ASSERT_EQUAL_FATAL(cache_init(&cache, 1000, 4096), 0);
    keep(1, 1500, 1000);
    keep(2, 1500, 1000);
    keep(3, 1500, 1000);
    CU_ASSERT_FALSE(has(1, 0));
    CU_ASSERT_TRUE(has(2, 0) && has(3, 0));
    keep(4, 5000, 1000); /* larger than all */
    CU_ASSERT_FALSE(has(4, 0));
    CU_ASSERT_TRUE(cache.kept_bytes <= 4096);
    cache_fini(&cache);
}

static void it_agrees_with_a_simple_model(void)
{
    enum { KEYS = 500, MOST = 100, STEPS = 20000 };
    static int64_t until[KEYS], used[KEYS];
    uint32_t state = 7;
    size_t wrong = 0;
    CU_ASSERT_EQUAL_FATAL(cache_init(&cache, MOST, 1 << 30), 0);
    memset(until, 0, sizeof until);
    for (int64_t now = 1; now <= STEPS; now++) {
        state = state * 1664525u + 1013904223u;
        unsigned k = (state >> 8) % KEYS;
        bool expected = until[k] > now;
        if (!expected)
            until[k] = 0;
        wrong += has(k, now) != expected;
        used[k] = now;
        if (expected)
            continue;
        until[k] = now + 1 + (int64_t)((state >> 20) % 900);
        keep(k, state % 50, until[k]);
        size_t kept = 0;
        unsigned oldest = k;
        for (unsigned i = 0; i < KEYS; i++) {
            kept += until[i] != 0;
            if (until[i] && used[i] < used[oldest])
                oldest = i;
        }
        if (kept > MOST)
            until[oldest] = 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(cache.count <= MOST && cache.count > 0);
    cache_fini(&cache);
    CU_ASSERT_EQUAL(cache.kept_bytes, 0);
    CU_ASSERT_EQUAL(cache.count, 0);
}

static void many_questions_may_be_under_way(void)
{
    enum { MANY = 5000 };
    struct entry *asking = calloc(MANY, sizeof *asking);
    size_t found = 0;
    CU_ASSERT_EQUAL_FATAL(cache_init(&cache, 10, 4096), 0);
    for (unsigned i = 0; i < MANY; i++) {
        key_of(i, asking[i].key);
        cache_add(&cache, &asking[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        found += cache_find(&cache, asking[i].key, INT64_MAX) == &asking[i];
    CU_ASSERT_EQUAL(found, MANY);
    for (unsigned i = 0; i < MANY; i++)
        cache_remove(&cache, &asking[i]);
    CU_ASSERT_EQUAL(cache.count, 0);
    cache_fini(&cache);
    free(asking);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(an_answer_is_kept_for_its_time)},  {KIT_TEST(the_least_lately_used_give_way)},
        {KIT_TEST(bytes_are_a_limit_too)},           {KIT_TEST(it_agrees_with_a_simple_model)},
        {KIT_TEST(many_questions_may_be_under_way)}, {NULL, NULL},
    };
    return kit_main("http-cache", tests);
}
