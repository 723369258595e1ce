/* SPDX-License-Identifier: Apache-2.0 */
/* The url of an MQTT server, taken apart (RFC 3986 §3.2, RFC 6455 §3). */
#include "mqtt_net_url.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scheme {
    const char *name;
    const char *port;
    bool tls, web_socket;
} schemes[] = {
    {"mqtt://", "1883", false, false},
    {"mqtts://", "8883", true, false},
    {"ws://", "80", false, true},
    {"wss://", "443", true, true},
};

static int refuse(struct mg_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct mg_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->option = "url";
    return -EINVAL;
}

static const struct scheme *find_scheme(const char *url)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (!strncmp(url, schemes[i].name, strlen(schemes[i].name)))
            return &schemes[i];
    return NULL;
}

/* What follows the host, or NULL. */
static const char *take_host(const char *at, struct mqtt_where *where)
{
    bool bracketed = *at == '[';
    size_t length = bracketed ? strcspn(++at, "]") : strcspn(at, ":/?#");
    if (!length || length >= sizeof(where->host) || (bracketed && at[length] != ']'))
        return NULL;
    for (size_t i = 0; i < length; i++)
        if (at[i] <= ' ' || at[i] == 0x7f || at[i] == '@' || (bracketed && at[i] == '/'))
            return NULL;
    memcpy(where->host, at, length);
    where->host[length] = 0;
    /* A zone (fe80::1%eth0) is no part of what inet_pton takes. */
    char address[sizeof(where->host)], binary[16];
    snprintf(address, sizeof(address), "%.*s", (int)strcspn(where->host, "%"), where->host);
    bool is_v6 = inet_pton(AF_INET6, address, binary) == 1;
    if (bracketed != is_v6)
        return NULL;
    where->literal = is_v6 || inet_pton(AF_INET, where->host, binary) == 1;
    return at + length + bracketed;
}

static const char *take_port(const char *at, struct mqtt_where *where)
{
    size_t digits = strspn(at, "0123456789");
    if (!digits || digits >= sizeof(where->port))
        return NULL;
    unsigned long port = strtoul(at, NULL, 10);
    if (!port || port > 65535)
        return NULL;
    snprintf(where->port, sizeof(where->port), "%lu", port);
    return at + digits;
}

/* It goes into the first line of a request as it is, so it holds nothing that ends one. */
static bool take_path(const char *at, struct mqtt_where *where)
{
    where->path = *at ? at : "/mqtt";
    where->path_length = strlen(where->path);
    for (const char *c = at; *c; c++)
        if (*c <= ' ' || *c == 0x7f || *c == '#')
            return false;
    return *where->path == '/';
}

int mqtt_where_parse(const char *url, struct mqtt_where *ret_where, struct mg_err *reterr)
{
    struct mqtt_where where = {0};
    const struct scheme *scheme = find_scheme(url);
    if (!scheme)
        return refuse(reterr, "'%.80s' begins with none of mqtt://, mqtts://, ws://, wss://", url);
    where.tls = scheme->tls;
    where.web_socket = scheme->web_socket;
    snprintf(where.port, sizeof(where.port), "%s", scheme->port);
    const char *at = take_host(url + strlen(scheme->name), &where);
    if (!at)
        return refuse(reterr,
                      "'%.80s' has no host behind %s: a name, an IPv4 address, or an IPv6 "
                      "address in brackets",
                      url, scheme->name);
    if (*at == ':')
        at = take_port(at + 1, &where);
    if (!at)
        return refuse(reterr, "'%.80s' has no port from 1 to 65535 behind its colon", url);
    if (!where.web_socket && *at && strcmp(at, "/"))
        return refuse(reterr,
                      "'%.80s' has '%.40s' behind its port: only ws:// and wss:// have a "
                      "path",
                      url, at);
    if (where.web_socket && !take_path(at, &where))
        return refuse(reterr,
                      "'%.80s' has no path that begins with '/' and is free of spaces and '#': "
                      "write them as %%20, %%23",
                      url);
    bool is_v6 = strchr(where.host, ':');
    snprintf(where.at, sizeof(where.at), is_v6 ? "[%s]:%s" : "%s:%s", where.host, where.port);
    *ret_where = where;
    return 0;
}
