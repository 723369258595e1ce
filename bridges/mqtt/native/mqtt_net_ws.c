/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket as a layer of the stream: binary frames of the subprotocol mqtt. */
#include "mqtt_net_ws.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    FRAME_BYTES = 16 * 1024, /* with its head: one record of TLS */
    READS_MOST = 16,         /* of frames that bring nothing, in one call */
    RANDOM_BYTES = 256,
};

struct ws {
    struct mqtt_stream base;
    const struct mqtt_where *where;
    enum { WS_BEGINNING, WS_ASKING, WS_WAITING, WS_OPEN } state;
    char key[MQTT_WS_KEY_SIZE];
    char *request; /* until it is written */
    size_t request_length, request_written;
    /* The answer, and then what came behind it and was not read yet. */
    uint8_t *early;
    size_t early_begin, early_end;
    struct mqtt_ws_reader reader;
    bool said_close;
    ssize_t error; /* of the layer under this one */
    bool under_ended;
    /* Keys for masks, which nobody may foresee (§5.3). */
    uint8_t random[RANDOM_BYTES];
    size_t random_left;
    /* The frame that was taken and not written. */
    size_t begin, end;
    uint8_t staged[FRAME_BYTES];
};

/* ---- what is written ------------------------------------------------------------------------ */

static bool new_mask(struct ws *ws, uint8_t mask[4])
{
    if (!ws->random_left) {
        if (getrandom(ws->random, sizeof(ws->random), 0) != sizeof(ws->random)) {
            mqtt_why_set(ws->base.why, "WebSocket with %s: the system has no random numbers",
                         ws->base.at);
            ws->error = -EIO;
            return false;
        }
        ws->random_left = sizeof(ws->random);
    }
    ws->random_left -= 4;
    memcpy(mask, ws->random + ws->random_left, 4);
    return true;
}

static void stage_control(struct ws *ws, uint8_t opcode, const void *payload, size_t length)
{
    uint8_t mask[4];
    if (!new_mask(ws, mask))
        return;
    size_t head = mqtt_ws_head(ws->staged, opcode, length, mask);
    if (length)
        memcpy(ws->staged + head, payload, length);
    mqtt_ws_mask(ws->staged + head, length, mask);
    ws->begin = 0;
    ws->end = head + length;
}

/* Nothing may follow a close frame (§5.5.1). */
static void stage_close(struct ws *ws, uint16_t code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    stage_control(ws, MQTT_WS_CLOSE, payload, code ? sizeof(payload) : 0);
    ws->said_close = true;
}

static bool stage_next(struct ws *ws)
{
    if (ws->said_close)
        return false;
    if (ws->reader.fault)
        stage_close(ws, ws->reader.fault);
    else if (ws->reader.closed)
        stage_close(ws, ws->reader.close_code);
    else if (ws->reader.pinged)
        stage_control(ws, MQTT_WS_PONG, ws->reader.ping, ws->reader.ping_length);
    else
        return false;
    ws->reader.pinged = false;
    return true;
}

static bool has_own(const struct ws *ws)
{
    const struct mqtt_ws_reader *reader = &ws->reader;
    return ws->begin < ws->end ||
           (!ws->said_close && (reader->fault || reader->closed || reader->pinged));
}

static int write_staged(struct ws *ws)
{
    while (ws->begin < ws->end && !ws->error) {
        struct iovec part = {ws->staged + ws->begin, ws->end - ws->begin};
        ssize_t n = ws->base.under->ops->write(ws->base.under, &part, 1);
        if (n == -EAGAIN)
            return -EAGAIN;
        if (n < 0)
            ws->error = n;
        else
            ws->begin += (size_t)n;
    }
    return (int)ws->error;
}

static int ws_flush(struct mqtt_stream *stream)
{
    struct ws *ws = (struct ws *)stream;
    int rc;
    do
        rc = write_staged(ws);
    while (!rc && stage_next(ws));
    return rc ? rc : stream->under->ops->flush(stream->under);
}

/* As many bytes as one frame takes, from *parts on. */
static size_t stage_data(struct ws *ws, const struct iovec **parts, int *count, size_t *offset)
{
    uint8_t mask[4];
    uint8_t *payload = ws->staged + MQTT_WS_HEAD_SIZE;
    size_t length = 0, most = FRAME_BYTES - MQTT_WS_HEAD_SIZE;
    while (*count && length < most) {
        size_t n = (*parts)->iov_len - *offset;
        n = n < most - length ? n : most - length;
        if (n)
            memcpy(payload + length, (const char *)(*parts)->iov_base + *offset, n);
        length += n;
        *offset += n;
        if (*offset == (*parts)->iov_len) {
            (*parts)++;
            (*count)--;
            *offset = 0;
        }
    }
    if (!length || !new_mask(ws, mask))
        return 0;
    uint8_t head[MQTT_WS_HEAD_SIZE];
    size_t head_length = mqtt_ws_head(head, MQTT_WS_BINARY, length, mask);
    mqtt_ws_mask(payload, length, mask);
    ws->begin = MQTT_WS_HEAD_SIZE - head_length;
    ws->end = MQTT_WS_HEAD_SIZE + length;
    memcpy(ws->staged + ws->begin, head, head_length);
    return length;
}

static ssize_t ws_write(struct mqtt_stream *stream, const struct iovec *parts, int count)
{
    struct ws *ws = (struct ws *)stream;
    size_t taken = 0, offset = 0;
    int rc = ws_flush(stream);
    if (!rc && ws->said_close) {
        mqtt_why_set(stream->why, "WebSocket with %s: it is closed", stream->at);
        rc = -EPIPE;
    }
    while (!rc && count) {
        size_t n = stage_data(ws, &parts, &count, &offset);
        taken += n;
        rc = n ? write_staged(ws) : (int)ws->error;
    }
    return rc && (rc != -EAGAIN || !taken) ? rc : (ssize_t)taken;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void early_taken(struct ws *ws)
{
    if (ws->early_begin < ws->early_end)
        return;
    free(ws->early);
    ws->early = NULL;
    ws->early_begin = ws->early_end = 0;
}

static ssize_t raw_read(struct ws *ws, void *at, size_t size)
{
    size_t early = ws->early_end - ws->early_begin;
    if (!early)
        return ws->base.under->ops->read(ws->base.under, at, size);
    size_t n = early < size ? early : size;
    memcpy(at, ws->early + ws->early_begin, n);
    ws->early_begin += n;
    early_taken(ws);
    return (ssize_t)n;
}

static ssize_t ended(struct ws *ws)
{
    const struct mqtt_ws_reader *reader = &ws->reader;
    if (ws->error)
        return ws->error;
    if (reader->fault) {
        mqtt_why_set(ws->base.why, "WebSocket with %s: the server sent %s", ws->base.at,
                     reader->fault_text);
        return -EPROTO;
    }
    if (!reader->close_code || reader->close_code == MQTT_WS_NORMAL)
        return 0;
    mqtt_why_set(ws->base.why, "WebSocket with %s: the server closed it with status %u%s%s",
                 ws->base.at, reader->close_code, reader->close_text[0] ? ": " : "",
                 reader->close_text);
    return -ECONNRESET;
}

static bool has_ended(const struct ws *ws)
{
    return ws->error || ws->under_ended || ws->reader.fault || ws->reader.closed;
}

static ssize_t ws_read(struct mqtt_stream *stream, void *at, size_t size)
{
    struct ws *ws = (struct ws *)stream;
    for (int i = 0; i < READS_MOST && !has_ended(ws); i++) {
        ssize_t n = raw_read(ws, at, size);
        if (n == -EAGAIN)
            return n;
        if (n < 0)
            ws->error = n;
        else if (n == 0)
            ws->under_ended = true;
        size_t payload = n > 0 ? mqtt_ws_take(&ws->reader, at, (size_t)n) : 0;
        if (payload)
            return (ssize_t)payload;
    }
    return has_ended(ws) ? ended(ws) : -EAGAIN;
}

static bool ws_pending(const struct mqtt_stream *stream)
{
    const struct ws *ws = (const struct ws *)stream;
    return ws->early_begin < ws->early_end || has_ended(ws) ||
           stream->under->ops->pending(stream->under);
}

/* ---- the upgrade ---------------------------------------------------------------------------- */

static int ask(struct ws *ws)
{
    while (ws->request_written < ws->request_length) {
        struct iovec rest = {ws->request + ws->request_written,
                             ws->request_length - ws->request_written};
        ssize_t n = ws->base.under->ops->write(ws->base.under, &rest, 1);
        if (n < 0)
            return (int)n;
        ws->request_written += (size_t)n;
    }
    free(ws->request);
    ws->request = NULL;
    ws->state = WS_WAITING;
    return 0;
}

static int await_answer(struct ws *ws)
{
    struct mqtt_stream *under = ws->base.under;
    int rc = under->ops->flush(under);
    if (rc && rc != -EAGAIN)
        return rc;
    for (;;) {
        ssize_t n =
            under->ops->read(under, ws->early + ws->early_end, MQTT_WS_HEAD_MOST - ws->early_end);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            mqtt_why_set(ws->base.why,
                         "WebSocket with %s: the server closed the connection without an answer; "
                         "does it speak HTTP on this port?",
                         ws->base.at);
            return -ECONNRESET;
        }
        ws->early_end += (size_t)n;
        rc = mqtt_ws_response((char *)ws->early, ws->early_end, ws->where, ws->key, ws->base.why,
                              &ws->early_begin);
        if (rc != -EAGAIN)
            break;
        if (ws->early_end == MQTT_WS_HEAD_MOST) {
            mqtt_why_set(ws->base.why, "WebSocket with %s: the server's answer is too long",
                         ws->base.at);
            return -EPROTO;
        }
    }
    if (!rc) {
        ws->state = WS_OPEN;
        early_taken(ws);
    }
    return rc;
}

static int ws_open(struct mqtt_stream *stream)
{
    struct ws *ws = (struct ws *)stream;
    int rc = 0;
    if (ws->state == WS_BEGINNING) {
        rc = stream->under->ops->open(stream->under);
        if (!rc)
            ws->state = WS_ASKING;
    }
    if (ws->state == WS_ASKING)
        rc = ask(ws);
    if (ws->state == WS_WAITING)
        rc = await_answer(ws);
    return rc;
}

static uint32_t ws_wants(const struct mqtt_stream *stream, bool reading, bool writing)
{
    const struct ws *ws = (const struct ws *)stream;
    const struct mqtt_stream *under = stream->under;
    if (ws->state != WS_OPEN)
        return under->ops->wants(under, ws->state != WS_ASKING, ws->state == WS_ASKING);
    return under->ops->wants(under, reading, writing || has_own(ws));
}

/* ---- making and closing --------------------------------------------------------------------- */

static void ws_free(struct ws *ws)
{
    free(ws->request);
    free(ws->early);
    free(ws);
}

static void ws_close(struct mqtt_stream *stream)
{
    struct ws *ws = (struct ws *)stream;
    struct mqtt_stream *under = stream->under;
    if (ws->state == WS_OPEN && !ws->error && !ws->under_ended && !ws_flush(stream) &&
        !ws->said_close) {
        stage_close(ws, MQTT_WS_NORMAL);
        ws_flush(stream);
    }
    ws_free(ws);
    mqtt_stream_close(under);
}

static const struct mqtt_stream_ops ws_ops = {
    .open = ws_open,
    .read = ws_read,
    .write = ws_write,
    .flush = ws_flush,
    .wants = ws_wants,
    .pending = ws_pending,
    .close = ws_close,
};

struct mqtt_stream *mqtt_ws_stream(struct mqtt_stream *under, const struct mqtt_where *where)
{
    struct ws *ws = calloc(1, sizeof(*ws));
    if (!ws)
        return NULL;
    ws->base =
        (struct mqtt_stream){.ops = &ws_ops, .under = under, .why = under->why, .at = under->at};
    ws->where = where;
    ws->early = malloc(MQTT_WS_HEAD_MOST);
    if (getrandom(ws->random, sizeof(ws->random), 0) == sizeof(ws->random)) {
        ws->random_left = sizeof(ws->random) - 16;
        EVP_EncodeBlock((unsigned char *)ws->key, ws->random + ws->random_left, 16);
        ws->request = mqtt_ws_request(where, ws->key);
    }
    if (!ws->early || !ws->request) {
        ws_free(ws);
        return NULL;
    }
    ws->request_length = strlen(ws->request);
    return &ws->base;
}
