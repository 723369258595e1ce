/* SPDX-License-Identifier: Apache-2.0 */
/* From HTTP to a WebSocket (RFC 6455 §4.1, MQTT 5 §6). */
#include "mqtt_net_ws.h"
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

char *mqtt_ws_request(const struct mqtt_where *where, const char *key)
{
    char *request = NULL;
    bool is_usual = !strcmp(where->port, where->tls ? "443" : "80");
    size_t host = strlen(where->at) - (is_usual ? strlen(where->port) + 1 : 0);
    int n = asprintf(&request,
                     "GET %.*s HTTP/1.1\r\n"
                     "Host: %.*s\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %s\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Protocol: mqtt\r\n"
                     "\r\n",
                     (int)where->path_length, where->path, (int)host, where->at, key);
    return n < 0 ? NULL : request;
}

/* ---- the answer ----------------------------------------------------------------------------- */

struct answer {
    int status;
    char reason[80], location[160]; /* printable */
    bool upgrade, connection, accept, protocol, extension, other_protocol;
    char accepts[32]; /* what Sec-WebSocket-Accept has to be */
};

static bool expected_accept(const char *key, char *ret, size_t size)
{
    char text[MQTT_WS_KEY_SIZE + 40];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_length = 0;
    int length = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (!EVP_Digest(text, (size_t)length, digest, &digest_length, EVP_sha1(), NULL) ||
        digest_length != 20 || size < 29)
        return false;
    EVP_EncodeBlock((unsigned char *)ret, digest, 20);
    return true;
}

static void copy_printable(char *to, size_t size, struct mg_str from)
{
    size_t length = from.len < size - 1 ? from.len : size - 1;
    for (size_t i = 0; i < length; i++)
        to[i] = from.at[i] < ' ' || from.at[i] == 0x7f ? '?' : from.at[i];
    to[length] = 0;
}

static struct mg_str trim(struct mg_str text)
{
    while (text.len && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.len--;
    }
    while (text.len && strchr(" \t\r", text.at[text.len - 1]))
        text.len--;
    return text;
}

static bool is(struct mg_str text, const char *other)
{
    return text.len == strlen(other) && !strncasecmp(text.at, other, text.len);
}

/* Whether a list with commas (RFC 9110 §5.6.1) holds the token. */
static bool lists(struct mg_str list, const char *token)
{
    while (list.len) {
        const char *comma = memchr(list.at, ',', list.len);
        size_t length = comma ? (size_t)(comma - list.at) : list.len;
        if (is(trim((struct mg_str){list.at, length}), token))
            return true;
        length += comma ? 1 : 0;
        list.at += length;
        list.len -= length;
    }
    return false;
}

static bool take_status(struct answer *answer, struct mg_str line)
{
    if (line.len < 12 || strncmp(line.at, "HTTP/1.", 7) || line.at[8] != ' ')
        return false;
    for (int i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)line.at[i]))
            return false;
        answer->status = answer->status * 10 + line.at[i] - '0';
    }
    copy_printable(answer->reason, sizeof(answer->reason),
                   trim((struct mg_str){line.at + 12, line.len - 12}));
    return true;
}

static void take_field(struct answer *answer, struct mg_str line)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon)
        return;
    struct mg_str name = {line.at, (size_t)(colon - line.at)};
    struct mg_str value = trim((struct mg_str){colon + 1, line.len - name.len - 1});
    if (is(name, "Upgrade")) {
        answer->upgrade |= lists(value, "websocket");
    } else if (is(name, "Connection")) {
        answer->connection |= lists(value, "upgrade");
    } else if (is(name, "Sec-WebSocket-Accept")) {
        answer->accept =
            value.len == strlen(answer->accepts) && !memcmp(value.at, answer->accepts, value.len);
    } else if (is(name, "Sec-WebSocket-Protocol")) {
        answer->protocol = value.len == 4 && !memcmp(value.at, "mqtt", 4);
        answer->other_protocol |= !answer->protocol;
    } else if (is(name, "Sec-WebSocket-Extensions")) {
        answer->extension |= value.len > 0;
    } else if (is(name, "Location")) {
        copy_printable(answer->location, sizeof(answer->location), value);
    }
}

static int refuse(const struct answer *answer, const struct mqtt_where *where, struct mqtt_why *why)
{
    int path = (int)(where->path_length < 200 ? where->path_length : 200);
    if (answer->status != 101) {
        const char *hint = answer->status == 404       ? "; is this the right path?"
                           : answer->status / 100 == 3 ? "; it refers to "
                           : answer->status == 401 || answer->status == 403
                               ? "; it wants to know first who asks"
                               : "";
        mqtt_why_set(why, "WebSocket with %s: the server answered %d %s to the upgrade at %.*s%s%s",
                     where->at, answer->status, answer->reason, path, where->path, hint,
                     answer->status / 100 == 3 ? answer->location : "");
        return -EPROTO;
    }
    const char *what = !answer->upgrade || !answer->connection
                           ? "says 101 without an upgrade to websocket"
                       : !answer->accept   ? "does not prove that it understood the upgrade "
                                             "(Sec-WebSocket-Accept)"
                       : answer->extension ? "uses an extension that was not offered"
                       : !answer->protocol || answer->other_protocol
                           ? "does not speak mqtt there (Sec-WebSocket-Protocol)"
                           : NULL;
    if (!what)
        return 0;
    mqtt_why_set(why, "WebSocket with %s: the server %s, at %.*s", where->at, what, path,
                 where->path);
    return -EPROTO;
}

int mqtt_ws_response(const char *at, size_t length, const struct mqtt_where *where, const char *key,
                     struct mqtt_why *why, size_t *ret_length)
{
    struct answer answer = {0};
    const char *begin = "HTTP/1.";
    if (memcmp(at, begin, length < 7 ? length : 7)) {
        mqtt_why_set(why, "WebSocket with %s: the server does not speak HTTP on this port",
                     where->at);
        return -EPROTO;
    }
    const char *end = memmem(at, length, "\r\n\r\n", 4);
    if (!end)
        return -EAGAIN;
    if (!expected_accept(key, answer.accepts, sizeof(answer.accepts))) {
        mqtt_why_set(why, "WebSocket with %s: no SHA-1 here to check the answer with", where->at);
        return -EPROTO;
    }
    *ret_length = (size_t)(end - at) + 4;
    for (const char *line = at; line <= end;) {
        const char *line_end = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        struct mg_str text = {line, (size_t)(line_end - line)};
        if (line != at) {
            take_field(&answer, text);
        } else if (!take_status(&answer, text)) {
            mqtt_why_set(why, "WebSocket with %s: the server's answer is no HTTP", where->at);
            return -EPROTO;
        }
        line = line_end + 2;
    }
    return refuse(&answer, where, why);
}
