/* SPDX-License-Identifier: Apache-2.0 */
/* What "last-value" remembers: bounded, by last use, shared by threads. */
#include "fake_host.h"
#include "store.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int set(struct store *s, const char *key, size_t size, size_t *ret_forgotten)
{
    static const char zeros[4096];
    return store_set(s, kit_str(key), (struct mg_bytes){zeros, size}, 0, ret_forgotten);
}

static void bytes_are_bounded(void)
{
    struct store *s = store_get(kit_str("gw"), "s", 1);
    size_t forgotten;
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 1000, 8192), 0);
    CU_ASSERT_EQUAL(set(s, "huge", 4096, &forgotten), 0);
    CU_ASSERT_EQUAL(set(s, "a", 3000, &forgotten), 0);
    CU_ASSERT_EQUAL(forgotten, 0);
    CU_ASSERT_EQUAL(set(s, "b", 1000, &forgotten), 0);
    CU_ASSERT_EQUAL(forgotten, 1); /* huge */
    CU_ASSERT_EQUAL(store_count(s), 2);
    CU_ASSERT_EQUAL(set(s, "b", 4000, &forgotten), 0); /* counts instead of its old value */
    CU_ASSERT_EQUAL(forgotten, 0);
    CU_ASSERT_TRUE(store_bytes(s) > 7000 && store_bytes(s) <= 8192);
    struct value *held = store_find(s, kit_str("b"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(held);
    CU_ASSERT_TRUE(store_remove(s, kit_str("b")));
    CU_ASSERT_FALSE(store_remove(s, kit_str("b")));
    CU_ASSERT_EQUAL(held->length, 4000); /* a reader keeps it */
    value_unref(held);
    store_remove(s, kit_str("a"));
    CU_ASSERT_EQUAL(store_bytes(s), 0);
    CU_ASSERT_EQUAL(store_grow(s, 10, 1024), 0); /* a smaller wish takes nothing away */
    CU_ASSERT_EQUAL(set(s, "a", 4000, &forgotten), 0);
    store_release(s);
    s = store_get(kit_str("gw"), "small", 1);
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 10, 1024), 0);
    CU_ASSERT_EQUAL(set(s, "a", 2000, &forgotten), -EFBIG);
    CU_ASSERT_EQUAL(store_count(s), 0);
    store_release(s);
}

/* More than go at a time under the lock. */
static void one_value_pushes_out_many(void)
{
    enum { COUNT = 1000, LARGE = 1 << 20 };
    static const char zeros[LARGE];
    struct store *s = store_get(kit_str("gw"), "many", 1);
    size_t forgotten, sum = 0;
    CU_ASSERT_EQUAL_FATAL(store_grow(s, COUNT, LARGE + 1024), 0);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        CU_ASSERT_EQUAL(set(s, key, 8, &forgotten), 0);
        sum += forgotten;
    }
    CU_ASSERT_EQUAL(sum, 0);
    struct mg_bytes large = {zeros, LARGE};
    CU_ASSERT_EQUAL(store_set(s, kit_str("large"), large, 0, &forgotten), 0);
    CU_ASSERT_TRUE(forgotten > COUNT / 2);
    CU_ASSERT_EQUAL(store_count(s), COUNT + 1 - forgotten);
    CU_ASSERT_TRUE(store_bytes(s) <= LARGE + 1024);
    struct value *v = store_find(s, kit_str("large"));
    CU_ASSERT_TRUE(v && v->length == LARGE);
    value_unref(v);
    CU_ASSERT_PTR_NULL(store_find(s, kit_str("0")));
    v = store_find(s, kit_str("999")); /* no more went than had to */
    CU_ASSERT_PTR_NOT_NULL(v);
    value_unref(v);
    store_release(s);
}

static void it_grows_with_all_that_it_has(void)
{
    struct store *s = store_get(kit_str("gw"), "s", 1);
    size_t forgotten;
    CU_ASSERT_FALSE(store_is_fed(s));
    CU_ASSERT_PTR_NULL(store_find(s, kit_str("k")));
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 100, 1 << 20), 0);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        CU_ASSERT_EQUAL(set(s, key, (size_t)i, &forgotten), 0);
    }
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 100000, 1 << 20), 0);
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 1, 1024), 0); /* a smaller wish takes nothing away */
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        struct value *v = store_find(s, kit_str(key));
        CU_ASSERT_TRUE(v && v->length == (size_t)i);
        value_unref(v);
    }
    CU_ASSERT_EQUAL(store_count(s), 100);
    store_release(s);
}

static void gateways_of_one_process_are_apart(void)
{
    struct store *a = store_get(kit_str("gw"), "s", 1), *b = store_get(kit_str("gw2"), "s", 1),
                 *c = store_get(kit_str("gw"), "s", 1);
    CU_ASSERT_PTR_EQUAL(a, c);
    CU_ASSERT_PTR_NOT_EQUAL(a, b);
    store_release(a);
    store_release(b);
    store_release(c);
}

/* Against a plain model: which keys there are, with what, under random use. */
static void it_behaves_as_a_list_by_last_use(void)
{
    enum { KEYS = 40, MOST = 12, ROUNDS = 50000 };
    struct store *s = store_get(kit_str("gw"), "model", 99);
    int64_t values[KEYS], used[KEYS] = {0}, now = 1;
    uint32_t state = 5;
    size_t count = 0, forgotten;
    CU_ASSERT_EQUAL_FATAL(store_grow(s, MOST, 1 << 20), 0);
    for (int i = 0; i < ROUNDS; i++, now++) {
        state = state * 1664525u + 1013904223u;
        uint32_t k = (state >> 8) % KEYS, what = (state >> 20) % 8;
        char key[16];
        snprintf(key, sizeof key, "key-%u", k);
        if (what < 3) {
            CU_ASSERT_EQUAL(store_set(s, kit_str(key), (struct mg_bytes){"", 0}, now, &forgotten),
                            0);
            count += !used[k];
            used[k] = values[k] = now;
            CU_ASSERT_EQUAL(forgotten, count > MOST);
            for (int oldest = 0; count > MOST; oldest = 0) {
                for (int o = 0; o < KEYS; o++)
                    if (used[o] && (!used[oldest] || used[o] < used[oldest]))
                        oldest = o;
                used[oldest] = 0;
                count--;
            }
        } else if (what == 3) {
            CU_ASSERT_EQUAL(store_remove(s, kit_str(key)), used[k] != 0);
            count -= used[k] != 0;
            used[k] = 0;
        } else {
            struct value *v = store_find(s, kit_str(key));
            CU_ASSERT_EQUAL(v != NULL, used[k] != 0);
            CU_ASSERT_TRUE(!v || v->since_us == values[k]);
            used[k] = v ? now : 0;
            value_unref(v);
        }
        CU_ASSERT_EQUAL_FATAL(store_count(s), count);
    }
    store_release(s);
}

static void *use_it(void *arg)
{
    struct store *s = arg;
    uintptr_t wrong = 0;
    uint32_t state = (uint32_t)(uintptr_t)&state;
    for (int i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        char key[16], text[32];
        int k = snprintf(key, sizeof key, "%u", (state >> 8) % 64);
        size_t forgotten;
        if (state >> 31) {
            int n = snprintf(text, sizeof text, "value of %s", key);
            store_set(s, (struct mg_str){key, (size_t)k}, (struct mg_bytes){text, (size_t)n}, 0,
                      &forgotten);
            continue;
        }
        struct value *v = store_find(s, (struct mg_str){key, (size_t)k});
        wrong += v && strcmp(v->text + strlen("value of "), key) != 0;
        value_unref(v);
    }
    return (void *)wrong;
}

static void threads_share_it(void)
{
    struct store *s = store_get(kit_str("gw"), "threads", 7);
    pthread_t threads[4];
    CU_ASSERT_EQUAL_FATAL(store_grow(s, 32, 1 << 20), 0);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, use_it, s), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CU_ASSERT_PTR_NULL(wrong);
    }
    CU_ASSERT_EQUAL(store_count(s), 32);
    store_release(s);
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(bytes_are_bounded)},
                                            {KIT_TEST(one_value_pushes_out_many)},
                                            {KIT_TEST(it_grows_with_all_that_it_has)},
                                            {KIT_TEST(gateways_of_one_process_are_apart)},
                                            {KIT_TEST(it_behaves_as_a_list_by_last_use)},
                                            {KIT_TEST(threads_share_it)},
                                            {0}};
    return kit_main("last-value-store", tests);
}
