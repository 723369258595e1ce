/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents out of a file or stdin, one after the other, as they are written. */
#pragma once
#include "base/diag.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { GW_DOCUMENT_BYTES_MAX = 64 << 20 };

struct gw_text {
    const char *at; /* NULL: there is none */
    size_t length;
};

/* One document a line where the first line is one; otherwise the whole file is one, or several with
 * space between them.  A list at the top is as many documents as it has elements. */
struct gw_documents {
    const char *path; /* as shown; "stdin" for - */
    FILE *file;
    char *buffer;
    size_t size, length;
    const char *at, *end;   /* what is left of the buffer */
    uint32_t line;          /* of the buffer's start; then of the document */
    bool lines, list, open; /* one a line; inside a list at the top; file is to be closed */
};

/* 0 or negative errno, said on stderr. */
int gw_documents_open(struct gw_documents *d, const char *path);
/* 1 and a document (good until the next call), 0 at the end, or negative errno, said on stderr.
 * Whether it is good JSON nobody has looked at. */
int gw_documents_next(struct gw_documents *d, struct gw_text *ret_text);
void gw_documents_close(struct gw_documents *d);

/* Behind the value at `at`, as far as brackets and quotes tell; NULL: it does not end. */
const char *gw_json_end(const char *at, const char *end);
/* The value of a member of an object, as it is written; the last one of that name. */
struct gw_text gw_json_member(struct gw_text object, const char *name);
