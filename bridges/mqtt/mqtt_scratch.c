/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that one conversion takes, and base64 in it. */
#include "mqtt_tag.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct mqtt_scratch_block {
    struct mqtt_scratch_block *next;
    size_t size;
    _Alignas(max_align_t) char at[];
};

enum { BLOCK_LEAST = 4096, BLOCK_KEPT_MOST = 1 << 20 };

void *mqtt_scratch_alloc(struct mqtt_scratch *scratch, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!scratch->blocks || scratch->blocks->size - scratch->used < size) {
        size_t least = size < BLOCK_LEAST ? BLOCK_LEAST : size;
        struct mqtt_scratch_block *block = malloc(sizeof(*block) + least);
        if (!block)
            return NULL;
        block->next = scratch->blocks;
        block->size = least;
        scratch->blocks = block;
        scratch->used = 0;
    }
    void *at = scratch->blocks->at + scratch->used;
    scratch->used += size;
    return at;
}

void mqtt_scratch_reset(struct mqtt_scratch *scratch)
{
    struct mqtt_scratch_block *kept = NULL;
    for (struct mqtt_scratch_block *block = scratch->blocks, *next; block; block = next) {
        next = block->next;
        if (!kept && block->size <= BLOCK_KEPT_MOST) {
            kept = block;
            kept->next = NULL;
        } else {
            free(block);
        }
    }
    scratch->blocks = kept;
    scratch->used = 0;
}

void mqtt_scratch_fini(struct mqtt_scratch *scratch)
{
    for (struct mqtt_scratch_block *block = scratch->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(scratch->users);
    free(scratch->properties);
    *scratch = (struct mqtt_scratch){0};
}

/* ---- base64 (RFC 4648 §4) --------------------------------------------------- */

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int mqtt_base64_encode(struct mqtt_scratch *scratch, struct mg_bytes bytes, struct mg_str *ret_text)
{
    size_t length = (bytes.len + 2) / 3 * 4;
    char *text = mqtt_scratch_alloc(scratch, length + 1);
    if (!text)
        return -ENOMEM;
    const unsigned char *in = bytes.at;
    char *out = text;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t three = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);
        *out++ = digits64[three >> 18];
        *out++ = digits64[three >> 12 & 63];
        *out++ = left > 1 ? digits64[three >> 6 & 63] : '=';
        *out++ = left > 2 ? digits64[three & 63] : '=';
    }
    *ret_text = (struct mg_str){text, length};
    return 0;
}

int mqtt_base64_decode(struct mqtt_scratch *scratch, struct mg_str text, struct mg_bytes *ret_bytes)
{
    if (text.len % 4)
        return -EINVAL;
    unsigned char *bytes = mqtt_scratch_alloc(scratch, text.len / 4 * 3 + 1);
    if (!bytes)
        return -ENOMEM;
    size_t length = 0;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t four = 0;
        unsigned pads = 0;
        for (size_t k = 0; k < 4; k++) {
            char c = text.at[i + k];
            const char *digit = c && c != '=' ? strchr(digits64, c) : NULL;
            if (c == '=' && i + 4 == text.len && k >= 2)
                pads++;
            else if (!digit || pads)
                return -EINVAL;
            four = four << 6 | (digit ? (uint32_t)(digit - digits64) : 0);
        }
        if ((pads == 1 && (four & 0xff)) || (pads == 2 && (four & 0xffff)))
            return -EINVAL; /* bits that no encoder sets */
        bytes[length++] = (unsigned char)(four >> 16);
        if (pads < 2)
            bytes[length++] = (unsigned char)(four >> 8);
        if (pads < 1)
            bytes[length++] = (unsigned char)four;
    }
    *ret_bytes = (struct mg_bytes){bytes, length};
    return 0;
}
