/* SPDX-License-Identifier: Apache-2.0 */
/* The last passed value of each key, the least recently used forgotten first. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number, or the hash of anything else. */
struct value {
    bool is_number;
    double number;
    uint64_t hash[2];
};

struct last_value {
    struct last_value *chain; /* in its bucket */
    struct last_value *newer, *older;
    uint64_t key_hash;
    struct value value;
    int64_t passed_us;
    size_t key_length;
    char key[];
};

struct last_values;

/* NULL: out of memory.  seed: so that nobody can choose keys that collide. */
struct last_values *last_values_create(size_t keys_max, uint64_t seed);
void last_values_destroy(struct last_values *values); /* NULL is fine */
/* NULL: not known.  Makes it the most recently used. */
struct last_value *last_values_find(struct last_values *values, const char *key, size_t length);
/* A new entry for a key that is not known; *ret_forgotten: another had to go.  NULL: out of memory.
 */
struct last_value *last_values_add(struct last_values *values, const char *key, size_t length,
                                   bool *ret_forgotten);

/* FNV-1a, twice with different bases. */
void value_hash(uint64_t hash[2], const void *at, size_t length);
