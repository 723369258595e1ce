/* SPDX-License-Identifier: Apache-2.0 */
/* One request as libcurl is to make it. */
#include "http.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t received(char *data, size_t one, size_t count, void *arg)
{
    struct ask *a = arg;
    size_t more = one * count, most = (size_t)a->context->http->settings->most_bytes;
    if (more > most - a->got_length) {
        a->too_large = true;
        return 0; /* ends the transfer */
    }
    if (a->got_length + more > a->got_room) {
        size_t room = a->got_room ? a->got_room : 1024;
        while (room < a->got_length + more)
            room *= 2;
        char *got = realloc(a->got, room);
        if (!got)
            return 0;
        a->got = got;
        a->got_room = room;
    }
    memcpy(a->got + a->got_length, data, more);
    a->got_length += more;
    return more;
}

/* What a redirect answered is not the answer. */
static size_t header_line(char *data, size_t one, size_t count, void *arg)
{
    struct ask *a = arg;
    size_t length = one * count;
    if (length > 5 && !memcmp(data, "HTTP/", 5))
        a->got_length = 0;
    return length;
}

static bool add_header(struct ask *a, const char *line)
{
    struct curl_slist *longer = curl_slist_append(a->headers, line);
    if (longer)
        a->headers = longer;
    return longer;
}

static CURLcode authenticate(CURL *easy, const struct settings *s)
{
    CURLcode wrong = CURLE_OK;
    if (s->bearer) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        wrong = curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, s->bearer);
    } else if (s->user) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        wrong = curl_easy_setopt(easy, CURLOPT_USERNAME, s->user);
        if (!wrong)
            wrong = curl_easy_setopt(easy, CURLOPT_PASSWORD, s->password);
    }
    return wrong;
}

static void set_post(struct ask *a)
{
    curl_easy_setopt(a->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(a->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->body.len);
    curl_easy_setopt(a->easy, CURLOPT_POSTFIELDS, a->body.len ? a->body.at : "");
    curl_easy_setopt(a->easy, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
}

static bool says_what_it_accepts(const struct question *q)
{
    for (size_t i = 0; i < q->header_count; i++)
        if (!strncasecmp(q->headers[i], "Accept:", 7))
            return true;
    return false;
}

int http_prepare(struct ask *a, const struct question *q)
{
    const struct settings *s = a->context->http->settings;
    bool whole = add_header(a, "Expect:"); /* no 100-continue, which costs a turn */
    if (s->answer == ANSWER_JSON && !says_what_it_accepts(q))
        whole = whole && add_header(a, "Accept: application/json");
    for (size_t i = 0; i < q->header_count && whole; i++)
        whole = add_header(a, q->headers[i]);
    a->url = strdup(q->url);
    a->body = q->body;
    if (s->body) {
        a->copy = malloc(q->body.len + 1);
        if (a->copy)
            memcpy(a->copy, q->body.at, q->body.len);
        a->body.at = a->copy;
    }
    return whole && a->url && (!s->body || a->copy) ? 0 : -ENOMEM;
}

int http_transfer(struct ask *a)
{
    const struct settings *s = a->context->http->settings;
    CURL *easy = a->easy = curl_loop_transfer(a->url);
    if (!easy)
        return -ENOMEM;
    if (s->proxy && curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy))
        return -ENOMEM;
    if (authenticate(easy, s) || curl_loop_secure(easy, &s->tls))
        return -ENOMEM;
    if (s->redirects) {
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)s->redirects);
        curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "meshgate");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, a->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)s->most_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, received);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, a->error);
    if (s->method == METHOD_POST)
        set_post(a);
    return 0;
}
