/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of a WebSocket (RFC 6455), simple and strict. */
#include "mqtt_net_ws_rig.h"
#include <CUnit/CUnit.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig_ws {
    const char *answer;
    char request[4096];
    size_t request_length;
    bool answered;
    /* out: a frame that is not written yet */
    unsigned char out[6000];
    size_t out_at, out_length;
    unsigned frames, pings;
    /* in */
    unsigned char head[14];
    size_t head_length;
    uint64_t left, at;
    unsigned char control[125];
    size_t pongs;
    int closed;
};

void rig_server_ws(struct rig_server *server, const char *answer)
{
    server->socket = calloc(1, sizeof(*server->socket));
    if (!server->socket)
        abort();
    server->socket->answer = answer;
    server->socket->closed = -1;
}

void rig_ws_free(struct rig_ws *ws)
{
    free(ws);
}

const char *rig_ws_request(const struct rig_server *server)
{
    return server->socket->request;
}

size_t rig_ws_pongs(const struct rig_server *server)
{
    return server->socket->pongs;
}

int rig_ws_closed(const struct rig_server *server)
{
    return server->socket->closed;
}

/* ---- the upgrade ---------------------------------------------------------------------------- */

static void accept_of(const char *request, char *ret, size_t size)
{
    char text[100];
    unsigned char digest[EVP_MAX_MD_SIZE];
    const char *key = strstr(request, "Sec-WebSocket-Key: ");
    if (!key || size < 29)
        abort();
    int length =
        snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    EVP_Digest(text, (size_t)length, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)ret, digest, 20);
}

bool rig_ws_upgrade(struct rig_server *server)
{
    struct rig_ws *ws = server->socket;
    char accept[32], text[1000];
    const char *at = ws->answer ? ws->answer
                                : "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
                                  "connection: keep-alive, Upgrade\r\n"
                                  "Sec-WebSocket-Accept: %s\r\n"
                                  "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    if (ws->answered)
        return true;
    ssize_t n = rig_server_read(server, ws->request + ws->request_length,
                                sizeof(ws->request) - 1 - ws->request_length);
    ws->request_length += n > 0 ? (size_t)n : 0;
    if (!strstr(ws->request, "\r\n\r\n"))
        return false;
    accept_of(ws->request, accept, sizeof(accept));
    const char *hole = strstr(at, "%s");
    int length =
        hole ? snprintf(text, sizeof(text), "%.*s%s%s", (int)(hole - at), at, accept, hole + 2)
             : snprintf(text, sizeof(text), "%s", at);
    CU_ASSERT_EQUAL(rig_server_write(server, text, (size_t)length), length);
    return ws->answered = true;
}

/* ---- frames to the client ------------------------------------------------------------------- */

static bool write_out(struct rig_server *server)
{
    struct rig_ws *ws = server->socket;
    while (ws->out_at < ws->out_length) {
        ssize_t n = rig_server_write(server, ws->out + ws->out_at, ws->out_length - ws->out_at);
        if (n <= 0)
            return false;
        ws->out_at += (size_t)n;
    }
    ws->out_at = ws->out_length = 0;
    return true;
}

static void put(struct rig_ws *ws, unsigned first, const void *at, size_t length)
{
    ws->out[ws->out_length++] = (unsigned char)first;
    if (length < 126) {
        ws->out[ws->out_length++] = (unsigned char)length;
    } else {
        ws->out[ws->out_length++] = 126;
        ws->out[ws->out_length++] = (unsigned char)(length >> 8);
        ws->out[ws->out_length++] = (unsigned char)length;
    }
    memcpy(ws->out + ws->out_length, at, length);
    ws->out_length += length;
}

ssize_t rig_ws_write(struct rig_server *server, const void *at, size_t size)
{
    static const size_t sizes[] = {5000, 1, 125, 126, 700, 3, 4999};
    struct rig_ws *ws = server->socket;
    if (!write_out(server))
        return -1;
    unsigned number = ws->frames++;
    size_t length = sizes[number % 7];
    length = length < size ? length : size;
    /* Messages of three frames: begun, gone on, ended; and sometimes a ping inside. */
    put(ws, (number % 3 ? 0 : 2) | (number % 3 == 2 ? 0x80 : 0), at, length);
    if (number % 11 == 0) {
        char text[16];
        int n = snprintf(text, sizeof(text), "ping %u", ws->pings++);
        put(ws, 0x89, text, (size_t)n);
    }
    write_out(server);
    return (ssize_t)length;
}

/* ---- frames from the client ----------------------------------------------------------------- */

static void end_control(struct rig_ws *ws)
{
    unsigned number;
    char text[126];
    memcpy(text, ws->control, ws->at);
    text[ws->at] = 0;
    if ((ws->head[0] & 15) == 8)
        ws->closed = ws->at >= 2 ? ws->control[0] << 8 | ws->control[1] : 0;
    else if ((ws->head[0] & 15) == 10 && sscanf(text, "ping %u", &number) == 1 &&
             number < ws->pings)
        ws->pongs++;
    else
        CU_FAIL("a control frame that nobody asked for");
}

/* A byte of a head; §5.3: the client masks. */
static void take_head(struct rig_ws *ws, unsigned char byte)
{
    ws->head[ws->head_length++] = byte;
    if (ws->head_length < 2)
        return;
    CU_ASSERT_TRUE_FATAL(ws->head[1] & 0x80);
    size_t size = (ws->head[1] & 0x7f) < 126 ? 0 : (ws->head[1] & 0x7f) == 126 ? 2 : 8;
    if (ws->head_length < 6 + size)
        return;
    ws->left = size ? 0 : ws->head[1] & 0x7f;
    for (size_t i = 0; i < size; i++)
        ws->left = ws->left << 8 | ws->head[2 + i];
    ws->at = 0;
    CU_ASSERT_EQUAL(ws->closed, -1); /* nothing follows a close frame */
    CU_ASSERT(ws->head[0] == 0x82 || ws->head[0] == 0x88 || ws->head[0] == 0x8a);
    if (!ws->left) {
        if (ws->head[0] & 8)
            end_control(ws);
        ws->head_length = 0;
    } else {
        memmove(ws->head + 2, ws->head + 2 + size, 4); /* the mask */
        ws->head_length = sizeof(ws->head);
    }
}

ssize_t rig_ws_read(struct rig_server *server, void *at, size_t size)
{
    struct rig_ws *ws = server->socket;
    unsigned char *bytes = at;
    size_t payload = 0;
    write_out(server);
    ssize_t n = rig_server_read(server, at, size);
    for (ssize_t i = 0; i < n; i++) {
        if (ws->head_length < sizeof(ws->head)) {
            take_head(ws, bytes[i]);
            continue;
        }
        unsigned char byte = bytes[i] ^ ws->head[2 + ws->at % 4];
        if (ws->head[0] & 8)
            ws->control[ws->at] = byte;
        else
            bytes[payload++] = byte;
        ws->at++;
        if (--ws->left)
            continue;
        if (ws->head[0] & 8)
            end_control(ws);
        ws->head_length = 0;
    }
    return n == 0 ? 0 : payload ? (ssize_t)payload : -1;
}
