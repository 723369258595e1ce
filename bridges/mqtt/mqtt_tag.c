/* SPDX-License-Identifier: Apache-2.0 */
/* Typed values to texts and back. */
#include "mqtt_tag.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mqtt_text_sayable(struct mg_str text, bool doubtful)
{
    enum mqtt_text kind = mqtt_text_kind(text);
    return kind == MQTT_TEXT_FINE || (doubtful && kind == MQTT_TEXT_DOUBTFUL);
}

/* ---- hexadecimal ---------------------------------------------------------------------------- */

static int hex_encode(struct mqtt_scratch *scratch, const unsigned char *bytes, size_t length,
                      struct mg_str *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    char *text = mqtt_scratch_alloc(scratch, 2 * length + 1);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    *ret_text = (struct mg_str){text, 2 * length};
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_decode(struct mg_str text, unsigned char *ret_bytes, size_t length)
{
    if (text.len != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = hex_digit(text.at[2 * i]), low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int number(struct mqtt_scratch *scratch, struct mg_str *ret_text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int number(struct mqtt_scratch *scratch, struct mg_str *ret_text, const char *format, ...)
{
    char *text = mqtt_scratch_alloc(scratch, 48);
    if (!text)
        return -ENOMEM;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, 48, format, args);
    va_end(args);
    *ret_text = (struct mg_str){text, (size_t)length};
    return 0;
}

/* The shortest decimal that reads back to the same bits, else the bits themselves. */
static int float_encode(struct mqtt_scratch *scratch, double value, struct mg_str *ret_text)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (!isfinite(value))
        return number(scratch, ret_text, "0x%016" PRIx64, bits);
    int rc = 0;
    for (int precision = 15; precision <= 17; precision++) {
        rc = number(scratch, ret_text, "%.*g", precision, value);
        if (rc || strtod(ret_text->at, NULL) == value)
            break;
    }
    return rc;
}

/* A NUL-terminated copy on the caller's stack; false: longer than any number. */
static bool terminated(struct mg_str text, char buffer[48])
{
    if (!text.len || text.len >= 48 || memchr(text.at, 0, text.len))
        return false;
    memcpy(buffer, text.at, text.len);
    buffer[text.len] = 0;
    return true;
}

static bool float_decode(struct mg_str text, double *ret_value)
{
    char buffer[48];
    if (!terminated(text, buffer))
        return false;
    if (!strncmp(buffer, "0x", 2)) {
        uint64_t bits = strtoull(buffer + 2, NULL, 16);
        memcpy(ret_value, &bits, sizeof(bits));
        return true;
    }
    *ret_value = strtod(buffer, NULL);
    return true;
}

static int uuid_encode(struct mqtt_scratch *scratch, const uint8_t u[16], struct mg_str *ret_text)
{
    return number(scratch, ret_text,
                  "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                  u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
                  u[14], u[15]);
}

static bool uuid_decode(struct mg_str text, uint8_t ret_uuid[16])
{
    char plain[32];
    size_t length = 0;
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text.at[i] == '-'))
            return false;
        if (!dash)
            plain[length++] = text.at[i];
    }
    return hex_decode((struct mg_str){plain, length}, ret_uuid, 16);
}

/* ---- values --------------------------------------------------------------------------------- */

/* By type; texts and symbols have a second letter for what MQTT does not take as a text. */
static const char letters[] = {
    [MG_NULL] = 'n',   [MG_BOOL] = 'o',    [MG_INT] = 'i',  [MG_UINT] = 'u',
    [MG_FLOAT] = 'f',  [MG_DECIMAL] = 'd', [MG_CHAR] = 'c', [MG_TEXT] = 'e',
    [MG_BINARY] = 'b', [MG_TIME] = 't',    [MG_UUID] = 'g', [MG_SYMBOL] = 'y',
};

int mqtt_value_encode(struct mqtt_scratch *scratch, const struct mg_value *value, char code[16],
                      struct mg_str *ret_text)
{
    if (value->type >= sizeof(letters))
        return -EINVAL;
    char letter = letters[value->type];
    int rc = 0;
    switch (value->type) {
    case MG_NULL:
        *ret_text = (struct mg_str){"", 0};
        break;
    case MG_BOOL:
        *ret_text = value->as.b ? (struct mg_str){"true", 4} : (struct mg_str){"false", 5};
        break;
    case MG_INT:
    case MG_TIME:
        rc = number(scratch, ret_text, "%" PRId64, value->as.i);
        break;
    case MG_UINT:
    case MG_CHAR:
        rc = number(scratch, ret_text, "%" PRIu64, value->as.u);
        break;
    case MG_FLOAT:
        rc = float_encode(scratch, value->as.d, ret_text);
        break;
    case MG_DECIMAL:
        rc = hex_encode(scratch, value->as.binary.at, value->as.binary.len, ret_text);
        break;
    case MG_UUID:
        rc = uuid_encode(scratch, value->as.uuid, ret_text);
        break;
    case MG_BINARY:
        rc = mqtt_base64_encode(scratch, value->as.binary, ret_text);
        break;
    default: /* MG_TEXT, MG_SYMBOL */
        *ret_text = (struct mg_str){value->as.text.at ? value->as.text.at : "", value->as.text.len};
        if (!mqtt_text_sayable(value->as.text, false)) {
            letter = value->type == MG_TEXT ? 's' : 'Y';
            rc = mqtt_base64_encode(
                scratch, (struct mg_bytes){value->as.text.at, value->as.text.len}, ret_text);
        }
    }
    if (value->width)
        snprintf(code, 16, "%c%" PRIu32, letter, value->width);
    else
        snprintf(code, 16, "%c", letter);
    return rc;
}

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static int parse(struct mqtt_scratch *scratch, char letter, struct mg_str text,
                 struct mg_value *value)
{
    char buffer[48];
    switch (letter) {
    case 'n':
        value->type = MG_NULL;
        return 0;
    case 'o':
        value->type = MG_BOOL;
        value->as.b = same(text, (struct mg_str){"true", 4});
        return 0;
    case 'i':
    case 't':
        value->type = letter == 'i' ? MG_INT : MG_TIME;
        value->as.i = terminated(text, buffer) ? strtoll(buffer, NULL, 10) : 0;
        return 0;
    case 'u':
    case 'c':
        value->type = letter == 'u' ? MG_UINT : MG_CHAR;
        value->as.u = terminated(text, buffer) ? strtoull(buffer, NULL, 10) : 0;
        return 0;
    case 'f':
        value->type = MG_FLOAT;
        return float_decode(text, &value->as.d) ? 0 : -EINVAL;
    case 'd': {
        value->type = MG_DECIMAL;
        unsigned char *bytes = mqtt_scratch_alloc(scratch, text.len / 2 + 1);
        value->as.binary = (struct mg_bytes){bytes, text.len / 2};
        return !bytes ? -ENOMEM : hex_decode(text, bytes, text.len / 2) ? 0 : -EINVAL;
    }
    case 'g':
        value->type = MG_UUID;
        return uuid_decode(text, value->as.uuid) ? 0 : -EINVAL;
    case 'b':
        value->type = MG_BINARY;
        return mqtt_base64_decode(scratch, text, &value->as.binary);
    case 'e':
    case 'y':
        value->type = letter == 'e' ? MG_TEXT : MG_SYMBOL;
        value->as.text = (struct mg_str){text.at ? text.at : "", text.len};
        return 0;
    case 's':
    case 'Y': {
        struct mg_bytes bytes;
        value->type = letter == 's' ? MG_TEXT : MG_SYMBOL;
        int rc = mqtt_base64_decode(scratch, text, &bytes);
        if (!rc)
            value->as.text = (struct mg_str){bytes.at, bytes.len};
        return rc;
    }
    default:
        return -EINVAL;
    }
}

int mqtt_value_decode(struct mqtt_scratch *scratch, struct mg_str code, struct mg_str text,
                      struct mg_value *ret_value)
{
    struct mg_value value = {0};
    char buffer[48], again[16];
    struct mg_str spelled;
    if (code.len > 12 || !terminated(code, buffer))
        return -EINVAL;
    unsigned long long width = code.len > 1 ? strtoull(buffer + 1, NULL, 10) : 0;
    if (width > UINT32_MAX)
        return -EINVAL;
    value.width = (uint32_t)width;
    int rc = parse(scratch, buffer[0], text, &value);
    if (!rc)
        rc = mqtt_value_encode(scratch, &value, again, &spelled);
    if (rc)
        return rc;
    if (strcmp(buffer, again) || !same(text, spelled))
        return -EINVAL;
    *ret_value = value;
    return 0;
}

/* ---- properties ----------------------------------------------------------------------------- */

int mqtt_tag_encode(struct mqtt_scratch *scratch, const struct mg_property *property,
                    struct mqtt_user *ret_user)
{
    char code[16];
    struct mg_str name = property->name;
    bool plain_name = mqtt_text_sayable(name, false);
    int rc = mqtt_value_encode(scratch, &property->value, code, &ret_user->value);
    if (!rc && !plain_name)
        rc = mqtt_base64_encode(scratch, (struct mg_bytes){name.at, name.len}, &name);
    if (rc)
        return rc;
    size_t size = name.len + 32;
    char *text = mqtt_scratch_alloc(scratch, size);
    if (!text)
        return -ENOMEM;
    int length = snprintf(text, size, "mg:%s%s:", code, plain_name ? "" : "~");
    if (name.len)
        memcpy(text + length, name.at, name.len);
    ret_user->name = (struct mg_str){text, (size_t)length + name.len};
    return 0;
}

int mqtt_tag_decode(struct mqtt_scratch *scratch, const struct mqtt_user *user,
                    struct mg_property *ret_property)
{
    if (user->name.len < 5 || memcmp(user->name.at, "mg:", 3))
        return -EINVAL;
    struct mg_str code = {user->name.at + 3, user->name.len - 3};
    const char *colon = memchr(code.at, ':', code.len < 16 ? code.len : 16);
    if (!colon || colon == code.at)
        return -EINVAL;
    struct mg_property property = {
        .name = {colon + 1, (size_t)(code.at + code.len - colon) - 1},
    };
    code.len = (size_t)(colon - code.at);
    bool plain_name = code.at[code.len - 1] != '~';
    int rc = 0;
    if (!plain_name) {
        struct mg_bytes name;
        code.len--;
        rc = mqtt_base64_decode(scratch, property.name, &name);
        if (!rc)
            property.name = (struct mg_str){name.at, name.len};
    }
    if (!rc)
        rc = mqtt_value_decode(scratch, code, user->value, &property.value);
    if (rc)
        return rc;
    if (plain_name != mqtt_text_sayable(property.name, false))
        return -EINVAL;
    /* Such a text needs no tag. */
    if (plain_name && property.value.type == MG_TEXT && !property.value.width && code.at[0] == 'e')
        return -EINVAL;
    *ret_property = property;
    return 0;
}
