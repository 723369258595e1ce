/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the enricher "http", and what must hold between them. */
#include "http.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const methods[] = {"get", "post", NULL};
static const char *const answers[] = {"json", "text", NULL};
static const char *const otherwises[] = {"pass", "drop", "retry", "reject", NULL};

#define AT(field)       offsetof(struct settings, field)
#define CACHE_AT(field) offsetof(struct settings, cache.field) - AT(cache)
#define TLS_AT(field)   offsetof(struct curl_tls, field)
enum { DAY_MS = 86400000 };

/* clang-format off */
static const struct mg_option cache_options[] = {
    {.name = "ttl", .type = MG_OPT_DURATION_MS, .value = "60s", .least = 0, .most = (int64_t)30 * DAY_MS,
     .flags = MG_OPT_PLAIN, .offset = CACHE_AT(ttl_ms),
     .doc = "How long an answer is good for the same question; 0s: it is asked anew each time."},
    {.name = "negative_ttl", .type = MG_OPT_DURATION_MS, .value = "10s", .least = 0,
     .most = (int64_t)30 * DAY_MS, .offset = CACHE_AT(negative_ttl_ms),
     .doc = "The same for the answer that there is nothing."},
    {.name = "entries", .type = MG_OPT_INT, .value = "10000", .least = 1, .most = 10000000,
     .offset = CACHE_AT(entries), .doc = "Answers kept on each shard; the least lately used give way."},
    {.name = "size", .type = MG_OPT_SIZE, .value = "16MiB", .least = 1024, .most = (int64_t)1 << 34,
     .offset = CACHE_AT(bytes), .doc = "Bytes kept on each shard, 256 for each answer beside its own."},
    {0}};

static const struct mg_option tls_options[] = {
    {.name = "ca", .type = MG_OPT_FILE, .offset = TLS_AT(ca),
     .doc = "PEM file with the certificates that are trusted; unset: the system's."},
    {.name = "cert", .type = MG_OPT_FILE, .offset = TLS_AT(cert),
     .doc = "PEM file with the client's certificate and those that lead to its root."},
    {.name = "key", .type = MG_OPT_FILE, .offset = TLS_AT(key),
     .doc = "PEM file with the client's private key."},
    {.name = "key_password", .type = MG_OPT_SECRET, .offset = TLS_AT(key_password),
     .doc = "The password of the private key."},
    {.name = "verify", .type = MG_OPT_BOOL, .value = "true", .offset = TLS_AT(verify),
     .doc = "Whether the server's certificate must be trusted and be for its name."},
    {0}};

const struct mg_option http_options[] = {
    {.name = "url", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED | MG_OPT_FIELDS, .least = 1, .most = ADDRESS_BYTES_MAX - 1,
     .offset = AT(url),
     .doc = "What is asked, as \"http://assets/machines/{machine}?line={property.line}\"; values are percent-encoded."},
    {.name = "into", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED, .least = 1, .most = 1024,
     .offset = AT(into),
     .doc = "Where the answer goes: a path in the JSON payload (machine, data.machine), or property:NAME."},
    {.name = "select", .type = MG_OPT_TEXT, .least = 1, .most = 1024, .offset = AT(select),
     .doc = "Only this part of the answer, a path in it, as items.0.name; unset: all."},
    {.name = "answer", .type = MG_OPT_ENUM, .value = "json", .choices = answers, .offset = AT(answer),
     .doc = "What the server answers: JSON, or UTF-8 text, which becomes a text."},
    {.name = "method", .type = MG_OPT_ENUM, .value = "get", .choices = methods, .offset = AT(method),
     .doc = "post sends the event's payload, or body; equal questions are asked once, so it must not be an order."},
    {.name = "body", .type = MG_OPT_TEMPLATE, .offset = AT(body),
     .doc = "What post sends instead of the payload; values stand in it as they are, up to 64 KiB."},
    {.name = "headers", .type = MG_OPT_PAIRS, .offset = AT(headers),
     .doc = "Names and templates of header lines."},
    {.name = "secret_headers", .type = MG_OPT_SECRET, .flags = MG_OPT_LIST, .offset = AT(secret_headers),
     .doc = "Whole header lines that nobody is to see, as \"X-Api-Key: ${env:API_KEY}\"."},
    {.name = "user", .type = MG_OPT_TEXT, .least = 1, .most = 1024, .offset = AT(user),
     .doc = "Basic authentication: the user."},
    {.name = "password", .type = MG_OPT_SECRET, .offset = AT(password),
     .doc = "Basic authentication: the password."},
    {.name = "bearer", .type = MG_OPT_SECRET, .offset = AT(bearer), .doc = "The token of bearer authentication."},
    {.name = "tls", .type = MG_OPT_MAP, .inside = tls_options, .inside_size = sizeof(struct curl_tls),
     .offset = AT(tls), .doc = "TLS of https."},
    {.name = "proxy", .type = MG_OPT_URL, .offset = AT(proxy),
     .doc = "Asks through this HTTP proxy; the environment's is not looked at."},
    {.name = "redirects", .type = MG_OPT_INT, .value = "0", .least = 0, .most = 20, .offset = AT(redirects),
     .doc = "So many redirects are followed; one more is a failure."},
    {.name = "timeout", .type = MG_OPT_DURATION_MS, .value = "5s", .least = 1, .most = DAY_MS,
     .offset = AT(timeout_ms), .doc = "A request that takes longer has failed."},
    {.name = "connect_timeout", .type = MG_OPT_DURATION_MS, .value = "2s", .least = 1, .most = DAY_MS,
     .offset = AT(connect_timeout_ms), .doc = "The same for finding and reaching the server."},
    {.name = "on_failure", .type = MG_OPT_ENUM, .value = "retry", .choices = otherwises, .offset = AT(on_failure),
     .doc = "What becomes of an event when no answer can be had: it passes as it is, is dropped, tried again "
            "later (delivery.retry), or rejected."},
    {.name = "on_not_found", .type = MG_OPT_ENUM, .value = "pass", .choices = otherwises,
     .offset = AT(on_not_found),
     .doc = "The same when the server says that there is nothing (404, 410, 204), select finds nothing, or the "
            "event has no value for a field."},
    {.name = "retry_after", .type = MG_OPT_DURATION_MS, .value = "5m", .least = 0, .most = DAY_MS,
     .offset = AT(retry_after_ms),
     .doc = "The longest Retry-After of a 429 or 503 that is respected; a longer one is cut to it."},
    {.name = "max_size", .type = MG_OPT_SIZE, .value = "1MiB", .least = 1, .most = 1 << 28,
     .offset = AT(most_bytes), .doc = "A larger answer is a failure."},
    {.name = "in_flight", .type = MG_OPT_INT, .value = "16", .least = 1, .most = 1024, .offset = AT(in_flight),
     .doc = "Requests at a time, and connections, of each shard."},
    {.name = "waiting", .type = MG_OPT_INT, .value = "1000", .least = 1, .most = 1000000, .offset = AT(waiting),
     .doc = "Events that may wait for answers on each shard; further ones are tried again later."},
    {.name = "cache", .type = MG_OPT_MAP, .inside = cache_options,
     .inside_size = sizeof(((struct settings *)0)->cache), .offset = AT(cache),
     .doc = "Answers that are kept for a while."},
    {0}};
/* clang-format on */

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("!#$%&'*+-.^_`|~", name[i]))
            return false;
    return length > 0;
}

static int check_header(const char *option, const char *name, size_t length, struct mg_err *err)
{
    static const char *const ours[] = {"Connection", "Content-Length",   "Expect", "Host",
                                       "TE",         "Transfer-Encoding"};
    if (!is_token(name, length))
        return refuse(err, option, "a header line is a name and a value: \"X-Line: {line}\"");
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strlen(ours[i]) == length && !strncasecmp(ours[i], name, length)) {
            snprintf(err->text, sizeof err->text, "%s is set by the client itself", ours[i]);
            err->option = option;
            return -EINVAL;
        }
    }
    return 0;
}

static int check_headers(const struct settings *s, struct mg_err *err)
{
    int error = 0;
    if (s->headers.count + s->secret_headers.count > HEADERS_MAX - 4)
        return refuse(err, "headers", "more than 60 header lines");
    for (size_t i = 0; i < s->headers.count && !error; i++) {
        const char *name = ((const struct mg_pair *)s->headers.items)[i].name;
        error = check_header("headers", name, strlen(name), err);
    }
    for (size_t i = 0; i < s->secret_headers.count && !error; i++) {
        const char *line = ((const char *const *)s->secret_headers.items)[i];
        error = check_header("secret_headers", line, strcspn(line, ":"), err);
        if (!error && (!strchr(line, ':') || strpbrk(line, "\r\n")))
            error = refuse(err, "secret_headers", "a header line is one line, \"Name: value\"");
    }
    return error;
}

static int check_place(const struct settings *s, struct mg_err *err)
{
    struct doc_path *path = NULL;
    int error = 0;
    if (s->select) {
        error = doc_path_compile(s->select, false, &path, err);
        doc_path_free(path);
        if (error)
            err->option = "select";
        else if (s->answer == ANSWER_TEXT)
            error = refuse(err, "select", "only of JSON can a part be selected");
    }
    struct place into;
    if (!error)
        error = place_init(&into, s->into, "into", err);
    if (!error)
        place_fini(&into);
    return error;
}

int http_check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct address *address = NULL;
    int error = address_compile(s->url, &address, reterr);
    address_free(address);
    if (error) {
        reterr->option = "url";
        return error;
    }
    if (s->body && s->method != METHOD_POST)
        return refuse(reterr, "body", "only method: post sends a body");
    if (s->bearer && s->user)
        return refuse(reterr, "bearer", "either a user or a token");
    if (!s->user != !s->password)
        return refuse(reterr, s->user ? "user" : "password", "user and password go together");
    if (s->user && strchr(s->user, ':'))
        return refuse(reterr, "user", "a user's name has no colon");
    if (!s->tls.cert != !s->tls.key)
        return refuse(reterr, "tls", "cert and key go together");
    if ((s->tls.ca || s->tls.cert) && strncasecmp(s->url, "https", 5) != 0)
        return refuse(reterr, "tls", "the url is not https, so tls would not be used");
    error = check_headers(s, reterr);
    return error ? error : check_place(s, reterr);
}
