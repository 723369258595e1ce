/* SPDX-License-Identifier: Apache-2.0 */
/* References as JSON. */
#include "reference.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct mg_str whole = {"claimCheck", 10}, sha256 = {"sha256", 6}, size = {"size", 4},
                           type = {"contentType", 11}, encoding = {"contentEncoding", 15};

static int set_text(struct doc *doc, struct doc_value *object, struct mg_str name,
                    struct mg_str text)
{
    struct doc_value *value = text.at ? doc_text(doc, text) : NULL;
    if (!text.at)
        return 0;
    return value ? doc_set(doc, object, name, value) : -ENOMEM;
}

char *reference_write(struct doc *doc, const struct reference *r, size_t *ret_length)
{
    doc_reset(doc);
    struct doc_value *outer = doc_object(doc), *inner = doc_object(doc),
                     *bytes = doc_uint(doc, r->size);
    if (!outer || !inner || !bytes ||
        set_text(doc, inner, sha256, (struct mg_str){r->sha256, HASH_TEXT_BYTES}) ||
        doc_set(doc, inner, size, bytes) || set_text(doc, inner, type, r->content_type) ||
        set_text(doc, inner, encoding, r->content_encoding) || doc_set(doc, outer, whole, inner))
        return NULL;
    return doc_write(outer, ret_length);
}

static int wrong(struct mg_err *err, const char *why)
{
    snprintf(err->text, sizeof err->text, "the claim check's %s", why);
    return -EINVAL;
}

static bool is_hash(struct mg_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.at[i] >= '0' && text.at[i] <= '9') && !(text.at[i] >= 'a' && text.at[i] <= 'f'))
            return false;
    return text.len == HASH_TEXT_BYTES;
}

static bool read_text(const struct doc_value *object, struct mg_str name, struct mg_str *ret_text)
{
    const struct doc_value *value = doc_get(object, name);
    *ret_text = (struct mg_str){0};
    if (!value)
        return true;
    *ret_text = value->text;
    return value->kind == DOC_TEXT && value->text.len <= REFERENCE_TYPE_BYTES_MAX;
}

static int read_inner(const struct doc_value *inner, struct reference *r, struct mg_err *err)
{
    int64_t bytes;
    const struct doc_value *hash = doc_get(inner, sha256), *length = doc_get(inner, size);
    if (!is_hash(hash->text))
        return wrong(err, "sha256 is not 64 hexadecimal digits");
    if (!length || !doc_as_int(length, &bytes) || bytes < 0)
        return wrong(err, "size is not a number of bytes");
    if (!read_text(inner, type, &r->content_type))
        return wrong(err, "contentType is not a text of at most 1024 bytes");
    if (!read_text(inner, encoding, &r->content_encoding))
        return wrong(err, "contentEncoding is not a text of at most 1024 bytes");
    memcpy(r->sha256, hash->text.at, HASH_TEXT_BYTES);
    r->sha256[HASH_TEXT_BYTES] = '\0';
    r->size = (uint64_t)bytes;
    return 1;
}

int reference_read(struct doc *doc, struct mg_bytes payload, struct reference *ret_reference,
                   struct mg_err *reterr)
{
    struct doc_value *outer;
    struct mg_err none;
    /* Few events come further than this. */
    if (payload.len > REFERENCE_BYTES_MAX || !payload.len ||
        !memmem(payload.at, payload.len, whole.at, whole.len))
        return 0;
    doc_reset(doc);
    int error = doc_parse(doc, payload, &outer, &none);
    if (error)
        return error == -ENOMEM ? error : 0;
    if (outer->kind != DOC_OBJECT || outer->count != 1)
        return 0;
    const struct doc_value *inner = doc_get(outer, whole), *hash = doc_get(inner, sha256);
    if (!hash || hash->kind != DOC_TEXT)
        return 0;
    return read_inner(inner, ret_reference, reterr);
}
