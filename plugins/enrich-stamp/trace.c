/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes traceparent, and checks tracestate. */
#include "trace.h"
#include <string.h>

enum { STATE_MEMBERS_MAX = 32, PARENT_LENGTH = TRACE_TEXT_SIZE - 1 };

void hex_write(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

/* Capital letters are none here (HEXDIGLC). */
static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *at, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes; i++) {
        int high = digit(at[2 * i]), low = digit(at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *at, size_t length)
{
    while (length && !*at) {
        at++;
        length--;
    }
    return !length;
}

bool trace_parse(struct mg_str text, struct trace *ret)
{
    struct trace t;
    uint8_t version;
    const char *at = text.at;
    if (text.len < PARENT_LENGTH || at[2] != '-' || at[35] != '-' || at[52] != '-' ||
        !read_hex(at, 1, &version) || !read_hex(at + 3, sizeof t.trace_id, t.trace_id) ||
        !read_hex(at + 36, sizeof t.parent_id, t.parent_id) || !read_hex(at + 53, 1, &t.flags))
        return false;
    if (version == 0xff || is_zero(t.trace_id, sizeof t.trace_id) ||
        is_zero(t.parent_id, sizeof t.parent_id))
        return false;
    if (text.len > PARENT_LENGTH && (version == 0 || at[PARENT_LENGTH] != '-'))
        return false;
    t.flags &= TRACE_SAMPLED;
    *ret = t;
    return true;
}

void trace_format(const struct trace *t, char out[static TRACE_TEXT_SIZE])
{
    memcpy(out, "00-", 3);
    hex_write(t->trace_id, sizeof t->trace_id, out + 3);
    out[35] = '-';
    hex_write(t->parent_id, sizeof t->parent_id, out + 36);
    out[52] = '-';
    hex_write(&t->flags, 1, out + 53);
}

/* ---- tracestate ----------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_key_rest(const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_letter(at[i]) && !is_digit(at[i]) && (!at[i] || !strchr("_-*/", at[i])))
            return false;
    return true;
}

/* A name, or TENANT@SYSTEM. */
static bool is_key(struct mg_str key)
{
    const char *at = key.len ? memchr(key.at, '@', key.len) : NULL;
    if (!key.len)
        return false;
    if (!at)
        return key.len <= 256 && is_letter(*key.at) && is_key_rest(key.at + 1, key.len - 1);
    size_t tenant = (size_t)(at - key.at), system = key.len - tenant - 1;
    return tenant >= 1 && tenant <= 241 && system >= 1 && system <= 14 &&
           (is_letter(*key.at) || is_digit(*key.at)) && is_key_rest(key.at + 1, tenant - 1) &&
           is_letter(at[1]) && is_key_rest(at + 2, system - 1);
}

/* The spaces at its end belong to the list. */
static bool is_value(struct mg_str value)
{
    if (!value.len || value.len > 256)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < 0x20 || value.at[i] > 0x7e || value.at[i] == ',' || value.at[i] == '=')
            return false;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct mg_str trimmed(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    while (at < end && is_space(end[-1]))
        end--;
    return (struct mg_str){at, (size_t)(end - at)};
}

static bool add_key(struct mg_str *keys, size_t *count, struct mg_str key)
{
    for (size_t i = 0; i < *count; i++)
        if (keys[i].len == key.len && !memcmp(keys[i].at, key.at, key.len))
            return false;
    if (*count == STATE_MEMBERS_MAX)
        return false;
    keys[(*count)++] = key;
    return true;
}

bool trace_state_is_valid(struct mg_str text)
{
    struct mg_str keys[STATE_MEMBERS_MAX];
    size_t count = 0;
    const char *at = text.at, *end = at + text.len;
    while (at && at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct mg_str member = trimmed(at, comma ? comma : end);
        at = comma ? comma + 1 : end;
        if (!member.len) /* empty members are allowed */
            continue;
        const char *equals = memchr(member.at, '=', member.len);
        if (!equals)
            return false;
        struct mg_str key = {member.at, (size_t)(equals - member.at)};
        struct mg_str value = {equals + 1, member.len - key.len - 1};
        if (!is_key(key) || !is_value(value) || !add_key(keys, &count, key))
            return false;
    }
    return true;
}
