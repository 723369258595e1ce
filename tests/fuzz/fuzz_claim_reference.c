/* SPDX-License-Identifier: Apache-2.0 */
/* Any payload as a reference of the claim check; what is read can be written, and reads back as the
 * same. */
#include "reference.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct mg_str a, struct mg_str b)
{
    return !a.at == !b.at && a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static void check_written(struct doc *other, const struct reference *r)
{
    struct reference again;
    struct mg_err err = {.text = ""};
    size_t length;
    char *text = reference_write(other, r, &length);
    if (!text)
        abort();
    struct doc *third = doc_create();
    if (!third || reference_read(third, (struct mg_bytes){text, length}, &again, &err) != 1 ||
        strcmp(r->sha256, again.sha256) != 0 || r->size != again.size ||
        !same(r->content_type, again.content_type) ||
        !same(r->content_encoding, again.content_encoding))
        abort();
    doc_destroy(third);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct doc *doc = doc_create(), *other = doc_create();
    struct reference r;
    struct mg_err err = {.text = ""};
    if (!doc || !other)
        abort();
    int read = reference_read(doc, (struct mg_bytes){data, size}, &r, &err);
    if (read == 1)
        check_written(other, &r);
    else if (read == -EINVAL && !err.text[0])
        abort();
    doc_destroy(doc);
    doc_destroy(other);
    return 0;
}
