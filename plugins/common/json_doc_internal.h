/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a document share. */
#pragma once
#include "arena.h"
#include "json_doc.h"

struct doc {
    struct arena arena;
    struct doc_value *open[DOC_DEPTH_MAX]; /* while it is parsed */
};

/* Aligned for any type, not cleared.  NULL: out of memory. */
void *doc_take(struct doc *doc, size_t size);
struct doc_value *doc_new(struct doc *doc, enum doc_kind kind);
/* The place behind the last member, which the caller fills and counts. */
struct doc_member *doc_add(struct doc *doc, struct doc_value *object);
/* Makes the index where there are many members.  -ENOMEM. */
int doc_index(struct doc *doc, struct doc_value *object);
