/* SPDX-License-Identifier: Apache-2.0 */
/* Ids: random ones out of the kernel's generator, and one of an event's content. */
#pragma once
#include "meshgate/plugin.h"

enum { UUID_TEXT_SIZE = 37, HASH_TEXT_SIZE = 33 }; /* with a NUL */

/* Bytes that were drawn ahead, so that an event does not cost a system call.  One thread's. */
struct random_pool {
    size_t left;
    uint8_t bytes[256];
};
/* false: the system has none to give.  length is at most 64. */
bool random_take(struct random_pool *pool, void *out, size_t length);

/* RFC 9562 §5.4 (version 4) and §5.7 (version 7, of that time), out of 16 random bytes. */
void uuid_v4(const uint8_t random[16], char out[static UUID_TEXT_SIZE]);
void uuid_v7(const uint8_t random[16], int64_t wall_ms, char out[static UUID_TEXT_SIZE]);
/* XXH3, 128 bits: equal for equal address and payload, and easy to forge. */
void content_hash(struct mg_str address, struct mg_bytes payload, char out[static HASH_TEXT_SIZE]);
