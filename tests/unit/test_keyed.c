/* SPDX-License-Identifier: Apache-2.0 */
/* What steps remember of keys: the hash, and the table that forgets the least recently used. */
#include "fake_host.h"
#include "keyed.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;

/* Of the reference implementation: key 00…0f, input 00, 01, … of that length. */
static void the_hash_is_that_of_the_reference(void)
{
    static const struct {
        size_t length;
        const char *hash;
    } known[] = {
        {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
        {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},  {8, "3b62a9ba6258f5610f83e264f31497b4"},
        {15, "5493e99933b0a8117e08ec0f97cfc3d9"}, {63, "5150d1772f50834a503e069a973fbd7c"},
    };
    static const struct hash128 key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    uint8_t input[64];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct hash128 h = hash128_of(&key, input, known[i].length);
        char text[33];
        for (size_t b = 0; b < 16; b++)
            snprintf(text + 2 * b, 3, "%02x", (unsigned)(h.word[b / 8] >> 8 * (b % 8) & 0xff));
        CU_ASSERT_STRING_EQUAL(text, known[i].hash);
    }
}

static struct hash128 key_of(struct keyed *keys, const mg_template *template, const char *address)
{
    mg_event *event = kit_event(address, "");
    struct mg_step_call call = {.event = event, .scope = kit_scope(host, "route", NULL)};
    struct hash128 key;
    struct mg_str text;
    struct mg_err err;
    CU_ASSERT_EQUAL(keyed_key(keys, template, &call, &key, &text, &err), 0);
    CU_ASSERT(kit_str_is(text, template ? address : ""));
    kit_host_table(host)->event_unref(event);
    return key;
}

static void the_table_agrees_with_a_plain_model(void)
{
    enum { KEYS = 40, MAX = 16 };
    host = kit_host_create();
    struct keyed *keys = keyed_create(kit_host_table(host), MAX, sizeof(int));
    const mg_template *template = kit_template(host, "{event.address}");
    int used[KEYS] = {0}; /* when; 0: not there */
    uint32_t state = 1;
    for (int now = 1; now < 20000; now++) {
        state = state * 1664525u + 1013904223u;
        int n = (int)(state >> 16) % KEYS;
        char name[8];
        snprintf(name, sizeof name, "%d", n);
        struct hash128 key = key_of(keys, template, name);
        int *found = keyed_find(keys, &key);
        CU_ASSERT_EQUAL_FATAL(!!found, !!used[n]);
        if (found) {
            CU_ASSERT_EQUAL(*found, used[n]);
        } else {
            int count = 0, oldest = -1;
            for (int i = 0; i < KEYS; i++) {
                count += !!used[i];
                if (used[i] && (oldest < 0 || used[i] < used[oldest]))
                    oldest = i;
            }
            bool forgotten;
            found = keyed_add(keys, &key, &forgotten);
            CU_ASSERT_PTR_NOT_NULL_FATAL(found);
            CU_ASSERT_EQUAL(*found, 0);
            CU_ASSERT_EQUAL_FATAL(forgotten, count == MAX);
            if (forgotten)
                used[oldest] = 0;
        }
        *found = used[n] = now;
    }
    keyed_destroy(keys);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void an_event_has_a_key_or_a_reason(void)
{
    host = kit_host_create();
    struct keyed *keys = keyed_create(kit_host_table(host), 1, 1);
    struct hash128 a = key_of(keys, NULL, "a"), b = key_of(keys, NULL, "b");
    CU_ASSERT(hash128_equal(&a, &b)); /* no template: one key */
    char *payload = calloc(1, 70000), *address = calloc(1, 70000);
    memset(address, 'x', 69999);
    mg_event *event = kit_event(address, payload);
    struct mg_step_call call = {.event = event, .scope = kit_scope(host, "route", NULL)};
    struct mg_str text;
    struct mg_err err;
    CU_ASSERT_EQUAL(keyed_key(keys, kit_template(host, "{event.address}"), &call, &a, &text, &err),
                    -ENOSPC);
    CU_ASSERT_STRING_EQUAL(err.text, "the key is longer than 65535 bytes");
    CU_ASSERT_EQUAL(keyed_key(keys, kit_template(host, "{line}"), &call, &a, &text, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line"));
    kit_host_table(host)->event_unref(event);
    free(payload);
    free(address);
    keyed_destroy(keys);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t always_the_same(uint32_t bound)
{
    (void)bound;
    return 0;
}

/* Who can tell what the host's random says cannot choose keys that collide. */
static void the_secret_is_not_the_hosts_random(void)
{
    host = kit_host_create();
    struct mg_host table = *kit_host_table(host);
    table.random = always_the_same;
    struct keyed *one = keyed_create(&table, 1, 1), *other = keyed_create(&table, 1, 1);
    struct hash128 a = keyed_hash(one, "x", 1), b = keyed_hash(other, "x", 1);
    CU_ASSERT_FALSE(hash128_equal(&a, &b));
    keyed_destroy(one);
    keyed_destroy(other);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(the_hash_is_that_of_the_reference)},
                                            {KIT_TEST(the_table_agrees_with_a_plain_model)},
                                            {KIT_TEST(an_event_has_a_key_or_a_reason)},
                                            {KIT_TEST(the_secret_is_not_the_hosts_random)},
                                            {0}};
    return kit_main("keyed", tests);
}
