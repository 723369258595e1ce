/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT's data types (MQTT 5 §1.5) read and written; for the files of the codec alone. */
#pragma once
#include "mqtt_packet.h"
#include <errno.h>
#include <string.h>

enum { MQTT_FAULT_MALFORMED = 0x81, MQTT_FAULT_PROTOCOL = 0x82 };
/* The largest variable byte integer, of four bytes. */
enum { MQTT_VARINT_MOST = 268435455 };

struct mqtt_reader {
    const uint8_t *at, *end;
    enum mqtt_type type; /* of the packet, for texts */
    bool server;         /* as the decoder's */
    struct mqtt_fault *fault;
};

/* Fills the fault, which may be NULL: "PUBLISH: …".  Always -EPROTO. */
int mqtt_packet_refuse(const struct mqtt_reader *reader, uint8_t reason, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
void mqtt_refuse_short(const struct mqtt_reader *reader, const char *what) __attribute__((cold));
/* The slow ways behind the two checks below. */
bool mqtt_text_is_utf8(struct mg_str text) __attribute__((cold));
void mqtt_refuse_text(const struct mqtt_reader *reader, const char *what) __attribute__((cold));
int mqtt_read_odd_topic(const struct mqtt_reader *reader, const char *what, struct mg_str topic)
    __attribute__((cold));

static inline size_t mqtt_left(const struct mqtt_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* That it is not 0 is said where the compiler sees it. */
static inline int mqtt_short(const struct mqtt_reader *reader, const char *what)
{
    mqtt_refuse_short(reader, what);
    return -EPROTO;
}

static inline int mqtt_read_u8(struct mqtt_reader *reader, const char *what, uint8_t *ret_value)
{
    if (mqtt_left(reader) < 1)
        return mqtt_short(reader, what);
    *ret_value = *reader->at++;
    return 0;
}

static inline uint16_t mqtt_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline int mqtt_read_u16(struct mqtt_reader *reader, const char *what, uint16_t *ret_value)
{
    if (mqtt_left(reader) < 2)
        return mqtt_short(reader, what);
    *ret_value = mqtt_u16(reader->at);
    reader->at += 2;
    return 0;
}

/* A packet identifier is never 0 (§2.2.1). */
static inline int mqtt_read_id(struct mqtt_reader *reader, uint16_t *ret_id)
{
    int rc = mqtt_read_u16(reader, "packet identifier", ret_id);
    return rc || *ret_id
               ? rc
               : mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "its packet identifier is 0");
}

static inline int mqtt_read_u32(struct mqtt_reader *reader, const char *what, uint32_t *ret_value)
{
    if (mqtt_left(reader) < 4)
        return mqtt_short(reader, what);
    *ret_value = (uint32_t)mqtt_u16(reader->at) << 16 | mqtt_u16(reader->at + 2);
    reader->at += 4;
    return 0;
}

/* Of MQTT 5, where it takes as few bytes as it can (§1.5.5). */
static inline int mqtt_read_varint(struct mqtt_reader *reader, const char *what,
                                   uint32_t *ret_value)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (reader->at == reader->end)
            return mqtt_short(reader, what);
        uint8_t byte = *reader->at++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (!byte && shift)
                return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                                          "its %s takes more bytes than it needs", what);
            *ret_value = value;
            return 0;
        }
    }
    return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its %s is longer than four bytes",
                              what);
}

static inline int mqtt_read_binary(struct mqtt_reader *reader, const char *what,
                                   struct mg_bytes *ret_value)
{
    if (mqtt_left(reader) < 2)
        return mqtt_short(reader, what);
    size_t length = mqtt_u16(reader->at);
    if (mqtt_left(reader) - 2 < length)
        return mqtt_short(reader, what);
    *ret_value = (struct mg_bytes){reader->at + 2, length};
    reader->at += 2 + length;
    return 0;
}

/* Eight bytes of a text, the last ones twice where it is shorter; not 0 long. */
static inline uint64_t mqtt_text_short(const uint8_t *at, size_t length)
{
    uint32_t low, high;
    if (length >= 4) {
        memcpy(&low, at, 4);
        memcpy(&high, at + length - 4, 4);
        return (uint64_t)high << 32 | low;
    }
    uint32_t three =
        (uint32_t)at[0] | (uint32_t)at[length / 2] << 8 | (uint32_t)at[length - 1] << 16;
    return UINT64_C(0x6161616161000000) | three;
}

#define MQTT_EACH_BYTE UINT64_C(0x0101010101010101)

/* Sets a byte's high bit where it is not ASCII or 0, and for topics where it is + or #.  Behind
 * such a byte, others may be marked, too; without one, none is. */
static inline uint64_t mqtt_text_odd(uint64_t bytes, bool topic)
{
    uint64_t odd = bytes | (bytes - MQTT_EACH_BYTE);
    if (topic)
        odd |= ((bytes ^ '+' * MQTT_EACH_BYTE) - MQTT_EACH_BYTE) |
               ((bytes ^ '#' * MQTT_EACH_BYTE) - MQTT_EACH_BYTE);
    return odd & 0x80 * MQTT_EACH_BYTE;
}

/* All of it is ASCII without U+0000, and in a topic without wildcards.  False says nothing. */
static inline bool mqtt_text_is_plain(struct mg_str text, bool topic)
{
    const uint8_t *at = (const uint8_t *)text.at;
    if (text.len < 8)
        return !text.len || !mqtt_text_odd(mqtt_text_short(at, text.len), topic);
    uint64_t bytes, odd = 0;
    for (size_t i = 0; i + 8 < text.len; i += 8) {
        memcpy(&bytes, at + i, 8);
        odd |= mqtt_text_odd(bytes, topic);
    }
    memcpy(&bytes, at + text.len - 8, 8);
    return !(odd | mqtt_text_odd(bytes, topic));
}

static inline int mqtt_read_text(struct mqtt_reader *reader, const char *what,
                                 struct mg_str *ret_text)
{
    struct mg_bytes bytes;
    int rc = mqtt_read_binary(reader, what, &bytes);
    if (rc)
        return rc;
    *ret_text = (struct mg_str){bytes.at, bytes.len};
    if (mqtt_text_is_plain(*ret_text, false) || mqtt_text_is_utf8(*ret_text))
        return 0;
    mqtt_refuse_text(reader, what);
    return -EPROTO;
}

/* A topic name, or nothing, which the caller judges (§4.7). */
static inline int mqtt_read_topic(struct mqtt_reader *reader, const char *what,
                                  struct mg_str *ret_topic)
{
    struct mg_bytes bytes;
    int rc = mqtt_read_binary(reader, what, &bytes);
    if (rc)
        return rc;
    *ret_topic = (struct mg_str){bytes.at, bytes.len};
    return mqtt_text_is_plain(*ret_topic, true) ? 0 : mqtt_read_odd_topic(reader, what, *ret_topic);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Counts, and writes where `at` is not NULL. */
struct mqtt_writer {
    uint8_t *at;
    size_t length;
    bool bad; /* this cannot be said in MQTT */
};

static inline size_t mqtt_varint_size(size_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

static inline uint8_t *mqtt_varint_put(uint8_t *at, size_t value)
{
    for (; value >= 128; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline void mqtt_write_u8(struct mqtt_writer *writer, unsigned value)
{
    if (writer->at)
        writer->at[writer->length] = (uint8_t)value;
    writer->length++;
}

static inline void mqtt_write_u16(struct mqtt_writer *writer, unsigned value)
{
    mqtt_write_u8(writer, value >> 8);
    mqtt_write_u8(writer, value);
}

static inline void mqtt_write_u32(struct mqtt_writer *writer, uint32_t value)
{
    mqtt_write_u16(writer, value >> 16);
    mqtt_write_u16(writer, value);
}

static inline void mqtt_write_varint(struct mqtt_writer *writer, size_t value)
{
    if (value > MQTT_VARINT_MOST)
        writer->bad = true;
    else if (writer->at)
        mqtt_varint_put(writer->at + writer->length, value);
    writer->length += mqtt_varint_size(value);
}

static inline void mqtt_write_binary(struct mqtt_writer *writer, const void *at, size_t length)
{
    writer->bad = writer->bad || length > MQTT_TEXT_MOST;
    mqtt_write_u16(writer, (unsigned)length & 0xffff);
    if (writer->at && length)
        memcpy(writer->at + writer->length, at, length);
    writer->length += length;
}

static inline void mqtt_write_text(struct mqtt_writer *writer, struct mg_str text)
{
    mqtt_write_binary(writer, text.at, text.len);
}
