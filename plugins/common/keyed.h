/* SPDX-License-Identifier: Apache-2.0 */
/* What a step remembers of each key: a value of one size, the least recently used forgotten first.
 * Of a key its 128-bit hash is kept, so that the memory does not depend on how long keys are.
 * One thread at a time. */
#pragma once
#include "hash128.h"
#include "meshgate/plugin.h"

struct keyed;

enum { KEYED_KEYS_MAX = 10000000 };

/* value_size bytes of each of at most keys_max keys.  NULL: out of memory. */
struct keyed *keyed_create(const struct mg_host *host, size_t keys_max, size_t value_size);
void keyed_destroy(struct keyed *keyed); /* NULL is fine */

/* The key of this event; ret_key is good for this table alone.  The text, for people, lives until
 * the next call.  template NULL: all events have one key.  -ENOENT, -ENOSPC: the event has none;
 * reterr says why. */
int keyed_key(struct keyed *keyed, const mg_template *key, const struct mg_step_call *call,
              struct hash128 *ret_key, struct mg_str *ret_text, struct mg_err *reterr);

/* NULL: not known.  Makes it the most recently used. */
void *keyed_find(struct keyed *keyed, const struct hash128 *key);
/* A value of zeros for a key that is not known; *ret_forgotten: another had to go.  NULL: out of
 * memory. */
void *keyed_add(struct keyed *keyed, const struct hash128 *key, bool *ret_forgotten);

/* A hash under this table's secret key. */
struct hash128 keyed_hash(const struct keyed *keyed, const void *at, size_t length);
