/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: refused with a reason; or a document that is written as it was, reads as itself again,
 * and that another reader takes for JSON, too. */
#include "json_doc.h"
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct doc *doc, const struct doc_value *value)
{
    size_t length, again_length;
    struct doc_value *again;
    struct mg_err err = {{0}, NULL};
    char *text = doc_write(value, &length);
    if (!text || doc_parse(doc, (struct mg_bytes){text, length}, &again, &err) ||
        !doc_equal(value, again))
        abort();
    struct doc_value *copy = doc_copy(doc, again);
    char *again_text = copy ? doc_write(copy, &again_length) : NULL;
    if (!again_text || length != again_length || memcmp(text, again_text, length) != 0)
        abort();
    free(again_text);
    free(text);
}

/* Numbers beyond 64 bits and doubles, and a NUL in a name, are JSON, but not for everybody. */
static bool taken_by_another(const uint8_t *data, size_t size)
{
    json_error_t at;
    json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
    bool taken = json || json_error_code(&at) == json_error_numeric_overflow ||
                 json_error_code(&at) == json_error_null_byte_in_key;
    json_decref(json);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct doc *doc;
    struct doc_value *value;
    struct mg_err err = {{0}, NULL};
    if (!doc && !(doc = doc_create()))
        return 0;
    doc_reset(doc);
    int error = doc_parse(doc, (struct mg_bytes){data, size}, &value, &err);
    if (error && !err.text[0])
        abort();
    if (!error && !taken_by_another(data, size))
        abort();
    if (!error)
        check(doc, value);
    return 0;
}
