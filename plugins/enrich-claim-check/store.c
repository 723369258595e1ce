/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a store, copied. */
#include "claim.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static bool print_s3(struct store *store, const struct settings *s)
{
    size_t length = strlen(s->s3.endpoint);
    while (length && s->s3.endpoint[length - 1] == '/')
        length--;
    const char *prefix = s->s3.prefix ? s->s3.prefix : "";
    if (asprintf(&store->url, "%.*s/%s/%s", (int)length, s->s3.endpoint, s->s3.bucket, prefix) < 0)
        store->url = NULL;
    if (asprintf(&store->signature, "aws:amz:%s:s3", s->s3.region) < 0)
        store->signature = NULL;
    return store->url && store->signature;
}

struct store *store_new(const struct settings *s)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    atomic_init(&store->refs, 1);
    store->sync = s->sync;
    store->least_free = s->least_free;
    store->keep_ms = s->keep_ms;
    store->sweep_ms = s->sweep_ms;
    store->verify = s->s3.verify;
    store->timeout_ms = s->s3.timeout_ms;
    if (copy(&store->folder, s->folder) && copy(&store->access_key, s->s3.access_key) &&
        copy(&store->secret_key, s->s3.secret_key) &&
        copy(&store->session_token, s->s3.session_token) && copy(&store->ca, s->s3.ca) &&
        (s->folder || print_s3(store, s)))
        return store;
    store_unref(store);
    return NULL;
}

struct store *store_ref(struct store *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void store_unref(struct store *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    free(s->folder);
    free(s->url);
    free(s->signature);
    free(s->access_key);
    free(s->secret_key);
    free(s->session_token);
    free(s->ca);
    free(s);
}

int hash_text(struct mg_bytes bytes, char *ret_text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;
    if (!EVP_Digest(bytes.at ? bytes.at : "", bytes.len, digest, &length, EVP_sha256(), NULL))
        return -ENOMEM;
    for (unsigned i = 0; i < HASH_TEXT_BYTES / 2; i++)
        snprintf(ret_text + i * 2, 3, "%02x", digest[i]);
    return 0;
}
