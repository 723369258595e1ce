/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a document share. */
#pragma once
#include "arena.h"
#include "json_doc.h"
#include <string.h>

struct doc {
    struct arena arena;      /* of at most DOC_MEMORY_MAX */
    struct doc_value *spare; /* values that were taken together */
    size_t spare_count;
    struct doc_value *open[DOC_DEPTH_MAX]; /* while it is parsed */
};

struct doc_value *doc_new(struct doc *doc, enum doc_kind kind);
/* The place behind the last member, which the caller fills and counts. */
struct doc_member *doc_add(struct doc *doc, struct doc_value *object);
/* Makes the index where there are many members.  -ENOMEM. */
int doc_index(struct doc *doc, struct doc_value *object);

/* Behind as many bytes as are plain ASCII, no control character, quote or backslash, by eights:
 * what stands there then is looked at one by one. */
static inline const char *doc_skip_plain(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones * 0x80;
    for (; end - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, at, 8);
        uint64_t quote = eight ^ (ones * '"'), backslash = eight ^ (ones * '\\');
        uint64_t low = (eight - ones * 0x20) | (quote - ones) | (backslash - ones) | eight;
        if (low & tops)
            break;
    }
    return at;
}
