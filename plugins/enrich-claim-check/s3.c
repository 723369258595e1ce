/* SPDX-License-Identifier: Apache-2.0 */
/* PUT and GET of one object, signed by libcurl (AWS Signature Version 4). */
#include "claim.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct mg_bytes payload_of(const struct task *t)
{
    return t->host->event_payload(t->event);
}

static size_t send_part(char *to, size_t one, size_t count, void *arg)
{
    struct task *t = arg;
    struct mg_bytes payload = payload_of(t);
    size_t n = one * count, left = payload.len - t->sent;
    n = n < left ? n : left;
    if (n)
        memcpy(to, (const char *)payload.at + t->sent, n);
    t->sent += n;
    return n;
}

/* Sent again over another connection. */
static int rewind_to(void *arg, curl_off_t offset, int origin)
{
    struct task *t = arg;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > payload_of(t).len)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t receive(char *data, size_t one, size_t count, void *arg)
{
    struct task *t = arg;
    size_t n = one * count, room = sizeof t->said - 1 - t->said_length;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->restores && status == 200) {
        if (n > t->reference.size - t->got) {
            t->error = -EBADMSG;
            return 0; /* ends the transfer */
        }
        memcpy((char *)t->bytes + t->got, data, n);
        t->got += n;
        return n;
    }
    memcpy(t->said + t->said_length, data, n < room ? n : room);
    t->said_length += n < room ? n : room;
    return n;
}

static bool add_header(struct task *t, const char *name, const char *value)
{
    char *line;
    if (asprintf(&line, "%s: %s", name, value) < 0)
        return false;
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    free(line);
    if (longer)
        t->headers = longer;
    return longer;
}

static bool sign(struct task *t)
{
    const struct store *s = t->store;
    const char *hash = t->restores ? HASH_OF_NOTHING : t->reference.sha256;
    return !curl_easy_setopt(t->easy, CURLOPT_AWS_SIGV4, s->signature) &&
           !curl_easy_setopt(t->easy, CURLOPT_USERNAME, s->access_key) &&
           !curl_easy_setopt(t->easy, CURLOPT_PASSWORD, s->secret_key) &&
           add_header(t, "x-amz-content-sha256", hash) &&
           (!s->session_token || add_header(t, "x-amz-security-token", s->session_token)) &&
           (t->restores || add_header(t, "Content-Type", "application/octet-stream"));
}

static void set_direction(struct task *t)
{
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    if (t->restores)
        return;
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)payload_of(t).len);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, send_part);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, rewind_to);
    curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
}

int s3_begin_shard(struct task *t)
{
    const struct store *s = t->store;
    const struct curl_tls tls = {.ca = s->ca, .verify = s->verify};
    char *url;
    t->sent = t->got = t->said_length = 0;
    if (t->restores && !(t->bytes = malloc(t->reference.size + 1)))
        return -ENOMEM;
    if (asprintf(&url, "%s%s", s->url, t->reference.sha256) < 0)
        return -ENOMEM;
    t->easy = curl_loop_transfer(url);
    free(url);
    if (!t->easy || curl_loop_secure(t->easy, &tls) || !sign(t)) {
        s3_free(t);
        return -ENOMEM;
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->curl_error);
    set_direction(t);
    if (!curl_loop_add(t->context->loop, t->easy, t))
        return 0;
    s3_free(t);
    return -ENOMEM;
}

void s3_free(struct task *t)
{
    if (t->easy)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    t->easy = NULL;
    t->headers = NULL;
}

/* The code in S3's XML, as NoSuchKey. */
static struct mg_str code_of(struct task *t)
{
    t->said[t->said_length] = '\0';
    const char *at = strstr(t->said, "<Code>"), *end = at ? strstr(at, "</Code>") : NULL;
    return end ? (struct mg_str){at + 6, (size_t)(end - at - 6)} : (struct mg_str){"", 0};
}

static int outcome(struct task *t, CURLcode result)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->error == -EBADMSG ||
        (!result && t->restores && status == 200 && t->got < t->reference.size)) {
        snprintf(t->err.text, sizeof t->err.text, "the object has not %llu bytes",
                 (unsigned long long)t->reference.size);
        return -EBADMSG;
    }
    if (result) {
        snprintf(t->err.text, sizeof t->err.text, "S3: %.200s",
                 t->curl_error[0] ? t->curl_error : curl_easy_strerror(result));
        return -EIO;
    }
    if (status == 200 || (!t->restores && status > 200 && status < 300))
        return 0;
    struct mg_str code = code_of(t);
    snprintf(t->err.text, sizeof t->err.text, "S3 answers with status %ld %.*s", status,
             (int)(code.len < 80 ? code.len : 80), code.at);
    /* A 404 may also be of the bucket, of the access key or of a proxy, and says nothing then. */
    bool no_object = code.len == 9 && !memcmp(code.at, "NoSuchKey", 9);
    return status == 404 && t->restores && no_object ? -ENOENT : -EIO;
}

void s3_done_shard(void *arg, CURLcode result)
{
    struct task *t = arg;
    t->error = outcome(t, result);
    s3_free(t);
    task_ended_shard(t);
}
