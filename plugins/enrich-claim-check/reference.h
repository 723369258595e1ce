/* SPDX-License-Identifier: Apache-2.0 */
/* What travels in place of a large payload:
 *
 *   {"claimCheck":{"sha256":"9f86…","size":70000,"contentType":"image/png"}}
 *
 * an object with that one member.  The payload alone says it all, since not every protocol has
 * properties or content types; contentType and contentEncoding are those of the payload. */
#pragma once
#include "json_doc.h"

enum {
    REFERENCE_BYTES_MAX = 16384,
    REFERENCE_TYPE_BYTES_MAX = 1024, /* of contentType, and of contentEncoding */
    HASH_TEXT_BYTES = 64
};
#define REFERENCE_CONTENT_TYPE "application/vnd.meshgate.claim-check+json"

struct reference {
    char sha256[HASH_TEXT_BYTES + 1]; /* lower-case hexadecimal */
    uint64_t size;
    struct mg_str content_type, content_encoding; /* unset: there was none */
};

/* malloc'ed.  NULL: out of memory. */
char *reference_write(struct doc *doc, const struct reference *reference, size_t *ret_length);
/* 1: it is one; the texts point into payload or doc.  0: it is something else.  -EINVAL: it has the
 * form of one and cannot be used, reterr says why; -ENOMEM. */
int reference_read(struct doc *doc, struct mg_bytes payload, struct reference *ret_reference,
                   struct mg_err *reterr);
