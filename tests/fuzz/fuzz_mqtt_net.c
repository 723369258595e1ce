/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a url, as a server's answer to the upgrade, and as WebSocket frames: the latter mean
 * the same however they are cut, and more is never made of them than there was. */
#include "../../bridges/mqtt/native/mqtt_net_ws.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *at = malloc(size + 1); /* of its own, so that reading behind its end is seen */
    if (!at)
        abort();
    if (size)
        memcpy(at, data, size);
    at[size] = 0;
    return at;
}

static void try_url(const uint8_t *data, size_t size)
{
    char *url = (char *)copy_of(data, size);
    struct mqtt_where where;
    struct mg_err err = {0};
    int rc = mqtt_where_parse(url, &where, &err);
    if (rc && (rc != -EINVAL || !err.text[0]))
        abort();
    if (!rc) {
        if (!where.host[0] || !where.port[0] || strpbrk(where.host, " \r\n") ||
            (where.web_socket && (where.path[0] != '/' || strpbrk(where.path, " \r\n"))))
            abort();
        char *request = mqtt_ws_request(&where, "key");
        free(request);
    }
    free(url);
}

static void try_answer(const uint8_t *data, size_t size)
{
    struct mqtt_where where;
    struct mg_err err;
    struct mqtt_why why = {0};
    size_t length = 0;
    if (mqtt_where_parse("ws://broker/mqtt", &where, &err))
        abort();
    char *at = realloc(copy_of(data, size), size ? size : 1);
    int rc = mqtt_ws_response(at, size, &where, "dGhlIHNhbXBsZSBub25jZQ==", &why, &length);
    if ((rc == 0 && (!length || length > size)) || (rc == -EPROTO && !why.text[0]) ||
        (rc && rc != -EAGAIN && rc != -EPROTO))
        abort();
    free(at);
}

/* In steps of `step` bytes; returns the payload's length, which is in at. */
static size_t take(struct mqtt_ws_reader *reader, uint8_t *at, size_t size, size_t step)
{
    size_t payload = 0;
    for (size_t i = 0; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;
        uint8_t *part = copy_of(at + i, n);
        size_t got = mqtt_ws_take(reader, part, n);
        if (got > n || ((reader->fault || reader->closed) && n && got == n))
            abort();
        memcpy(at + payload, part, got);
        payload += got;
        free(part);
    }
    return payload;
}

static void try_frames(const uint8_t *data, size_t size)
{
    struct mqtt_ws_reader whole = {0}, cut = {0};
    uint8_t *one = copy_of(data, size), *other = copy_of(data, size);
    size_t length = take(&whole, one, size, size ? size : 1);
    size_t length_cut = take(&cut, other, size, size > 3 ? data[0] % 5 + 1 : 1);
    if (length != length_cut || memcmp(one, other, length) || whole.fault != cut.fault ||
        whole.closed != cut.closed || whole.close_code != cut.close_code ||
        whole.ping_length != cut.ping_length || whole.in_message != cut.in_message ||
        strcmp(whole.close_text, cut.close_text) || (whole.fault && !whole.fault_text))
        abort();
    free(one);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_url(data, size);
    try_answer(data, size);
    try_frames(data, size);
    return 0;
}
