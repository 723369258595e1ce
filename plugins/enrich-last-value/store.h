/* SPDX-License-Identifier: Apache-2.0 */
/* The latest value of each key, under a name that the steps of a gateway share.
 *
 * A store has one lock, held for a few instructions: what is copied, allocated or freed is so
 * outside of it.  Values are immutable and counted, so that a reader keeps what it has got. */
#pragma once
#include "meshgate/plugin.h"
#include <stdatomic.h>

struct value {
    atomic_uint refs;
    int64_t since_us; /* monotonic */
    size_t length;
    char text[]; /* JSON */
};

struct store;

/* The store of that name, made where there is none; NULL: out of memory.  seed: so that nobody can
 * choose keys that collide.  CONTROL. */
struct store *store_get(struct mg_str gateway, const char *name, uint64_t seed);
void store_release(struct store *store); /* CONTROL; NULL is fine */
/* Somebody remembers in it, and wants that much; the largest wish holds.  0 or -ENOMEM.  ANY,
 * like all that follows. */
int store_grow(struct store *store, size_t keys_max, size_t bytes_max);
bool store_is_fed(struct store *store); /* store_grow was called */
const char *store_name(const struct store *store);

/* After store_grow.  Puts the text in the place of the key's last value, and forgets what
 * was unused for longest where it is too much: *ret_forgotten says how many.  -EFBIG: larger than
 * all that may be remembered; -ENOMEM.  Others that look meanwhile may find a little more there. */
int store_set(struct store *store, struct mg_str key, struct mg_bytes text, int64_t now_us,
              size_t *ret_forgotten);
bool store_remove(struct store *store, struct mg_str key);
/* A reference, to be given back; NULL: there is none. */
struct value *store_find(struct store *store, struct mg_str key);
void value_unref(struct value *value); /* NULL is fine */
size_t store_count(struct store *store);
size_t store_bytes(struct store *store);
