/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a question of an event: URL, header lines and body, and the digest that equal ones share.
 */
#include "http.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int wrong(struct mg_err *err, const char *what, const char *name, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s%.80s %s", what, name, why);
    return -EINVAL;
}

/* Appends one line to the buffer of lines. */
static int add_line(struct context *c, struct question *q, size_t *used, const char *name,
                    struct mg_str value, struct mg_err *err)
{
    char *line = c->headers + *used;
    size_t room = sizeof c->headers - *used, name_length = strlen(name);
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] == '\r' || value.at[i] == '\n' || !value.at[i])
            return wrong(err, "header ", name, "would have a line break in its value");
    if (name_length + value.len + 3 > room)
        return wrong(err, "header ", name, "would be too long");
    /* curl's spelling of an empty one; "Name:" would be none. */
    int n = value.len ? snprintf(line, room, "%s: %.*s", name, (int)value.len, value.at)
                      : snprintf(line, room, "%s;", name);
    q->headers[q->header_count++] = line;
    *used += (size_t)n + 1;
    return 0;
}

static bool has_header(const struct question *q, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < q->header_count; i++)
        if (!strncasecmp(q->headers[i], name, length) && strchr(":;", q->headers[i][length]))
            return true;
    return false;
}

static int add_headers(struct context *c, const struct mg_step_call *call, struct question *q,
                       struct mg_err *err)
{
    const struct http *p = c->http;
    const struct settings *s = p->settings;
    size_t used = 0;
    int error = 0;
    for (size_t i = 0; i < s->headers.count && !error; i++) {
        const struct mg_pair *pair = (const struct mg_pair *)s->headers.items + i;
        /* Its own place as scratch: the value is moved up behind the name afterwards. */
        char value[4096];
        ptrdiff_t n =
            p->host->expand(pair->value, call->scope, call->event, value, sizeof value, err);
        if (n == -ENOSPC)
            return wrong(err, "header ", pair->name, "would be longer than 4095 bytes");
        error = n < 0 ? (int)n
                      : add_line(c, q, &used, pair->name, (struct mg_str){value, (size_t)n}, err);
    }
    for (size_t i = 0; i < s->secret_headers.count; i++)
        q->headers[q->header_count++] = ((const char *const *)s->secret_headers.items)[i];
    if (error || s->method != METHOD_POST)
        return error;
    struct mg_str type = p->host->event_head(call->event)->content_type;
    if (!has_header(q, "Content-Type"))
        error =
            add_line(c, q, &used, "Content-Type",
                     !s->body && type.len ? type : (struct mg_str){"application/json", 16}, err);
    struct mg_str encoding = p->host->event_head(call->event)->content_encoding;
    if (!error && !s->body && encoding.len && !has_header(q, "Content-Encoding"))
        error = add_line(c, q, &used, "Content-Encoding", encoding, err);
    return error;
}

static int add_body(struct context *c, const struct mg_step_call *call, struct question *q,
                    struct mg_err *err)
{
    const struct http *p = c->http;
    if (p->settings->method != METHOD_POST)
        return 0;
    if (!p->settings->body) {
        q->body = p->host->event_payload(call->event);
        return 0;
    }
    ptrdiff_t n =
        p->host->expand(p->settings->body, call->scope, call->event, c->body, sizeof c->body, err);
    if (n == -ENOSPC)
        return wrong(err, "the body", "", "would be longer than 64 KiB");
    if (n < 0)
        return (int)n;
    q->body = (struct mg_bytes){c->body, (size_t)n};
    return 0;
}

static bool feed(EVP_MD_CTX *digest, const void *at, size_t length)
{
    uint64_t n = length; /* so that no two questions are the same text, cut at other places */
    return EVP_DigestUpdate(digest, &n, sizeof n) && EVP_DigestUpdate(digest, at, length);
}

static int digest(struct context *c, struct question *q, struct mg_err *err)
{
    EVP_MD_CTX *d = c->digest;
    bool fed = EVP_DigestInit_ex2(d, NULL, NULL) && feed(d, c->http->seed, sizeof c->http->seed) &&
               feed(d, q->url, strlen(q->url)) &&
               feed(d, q->body.at ? q->body.at : "", q->body.len);
    for (size_t i = 0; fed && i < q->header_count; i++)
        fed = feed(d, q->headers[i], strlen(q->headers[i]));
    if (fed && EVP_DigestFinal_ex(d, q->key, NULL))
        return 0;
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

int http_question(struct context *c, const struct mg_step_call *call, struct question *q,
                  struct mg_err *err)
{
    const struct http *p = c->http;
    q->url = c->url;
    q->header_count = 0;
    q->body = (struct mg_bytes){0};
    ptrdiff_t n = address_expand(p->address, p->host, p->instance, call, c->url, err);
    int error = n < 0 ? (int)n : add_headers(c, call, q, err);
    if (!error)
        error = add_body(c, call, q, err);
    return error ? error : digest(c, q, err);
}
