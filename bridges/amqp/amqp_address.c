/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: topics, routing keys and RabbitMQ's address forms. */
#include "amqp_address.h"
#include <stdlib.h>
#include <string.h>

/* A permutation of tokens: each is one byte, or '%' and two upper-case hex digits.  No token's
 * image can join its neighbours into another token, so applying it to a text is a bijection of
 * texts, and the inverse permutation is the inverse map.  '/' and '.' trade places by way of their
 * escapes; bytes that topics or binding keys give a meaning trade places with their escapes. */
static const struct token_pair {
    const char *topic, *key;
    unsigned char topic_len, key_len;
} pairs[] = {
    {"/", ".", 1, 1},   {".", "%2E", 1, 3}, {"%2E", "%2F", 3, 3}, {"%2F", "/", 3, 1},
    {"*", "%2A", 1, 3}, {"%2A", "*", 3, 1}, {"+", "%2B", 1, 3},   {"%2B", "+", 3, 1},
    {"#", "%23", 1, 3}, {"%23", "#", 3, 1}, {"\0", "%00", 1, 3},  {"%00", "\0", 3, 1},
};

struct output {
    char *at;
    size_t size, len;
};

static void put(struct output *o, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++, o->len++)
        if (o->len < o->size)
            o->at[o->len] = at[i];
}

static size_t permute(struct mg_str text, bool to_key, char *buffer, size_t size)
{
    struct output o = {buffer, size, 0};
    size_t i = 0;
    while (i < text.len) {
        size_t used = 0;
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs && !used; p++) {
            const char *from = to_key ? pairs[p].topic : pairs[p].key;
            size_t len = to_key ? pairs[p].topic_len : pairs[p].key_len;
            if (text.len - i < len || memcmp(text.at + i, from, len) != 0)
                continue;
            put(&o, to_key ? pairs[p].key : pairs[p].topic,
                to_key ? pairs[p].key_len : pairs[p].topic_len);
            used = len;
        }
        if (!used) {
            put(&o, text.at + i, 1);
            used = 1;
        }
        i += used;
    }
    return o.len;
}

size_t amqp_topic_to_key(struct mg_str topic, char *buffer, size_t size)
{
    return permute(topic, true, buffer, size);
}

size_t amqp_key_to_topic(struct mg_str key, char *buffer, size_t size)
{
    return permute(key, false, buffer, size);
}

/* How many bytes of text from i on are "%" "25"* "2F"; 0: none. */
static size_t staircase(struct mg_str text, size_t i)
{
    size_t at = i + 1;
    if (text.at[i] != '%')
        return 0;
    while (text.len - at >= 2 && memcmp(text.at + at, "25", 2) == 0)
        at += 2;
    return text.len - at >= 2 && memcmp(text.at + at, "2F", 2) == 0 ? at + 2 - i : 0;
}

size_t amqp_segment_escape(struct mg_str text, char *buffer, size_t size)
{
    struct output o = {buffer, size, 0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '/')
            put(&o, "%2F", 3);
        else if (staircase(text, i))
            put(&o, "%25", 3);
        else
            put(&o, text.at + i, 1);
    }
    return o.len;
}

size_t amqp_segment_unescape(struct mg_str text, char *buffer, size_t size)
{
    struct output o = {buffer, size, 0};
    for (size_t i = 0; i < text.len; i++) {
        size_t stairs = staircase(text, i);
        if (stairs == 3)
            put(&o, "/", 1);
        else
            put(&o, text.at + i, 1);
        i += stairs ? 2 : 0;
    }
    return o.len;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

size_t amqp_uri_unescape(struct mg_str text, char *buffer, size_t size)
{
    struct output o = {buffer, size, 0};
    for (size_t i = 0; i < text.len; i++) {
        int high = -1, low = -1;
        if (text.at[i] == '%' && text.len - i > 2) {
            high = hex_digit(text.at[i + 1]);
            low = hex_digit(text.at[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            put(&o, (const char[]){(char)(high * 16 + low)}, 1);
            i += 2;
        } else {
            put(&o, text.at + i, 1);
        }
    }
    return o.len;
}

static bool starts(struct mg_str text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.at, with, len) == 0;
}

struct amqp_address amqp_address_parse(struct mg_str text)
{
    struct amqp_address a = {AMQP_ADDRESS_PLAIN, text, {NULL, 0}};
    size_t node = 0;
    if (starts(text, "/queue/") || starts(text, "/amq/queue/")) {
        a.kind = AMQP_ADDRESS_QUEUE;
    } else if (starts(text, "/topic/")) {
        a.kind = AMQP_ADDRESS_TOPIC;
        node = strlen("/topic");
    } else if (starts(text, "/exchange/")) {
        a.kind = AMQP_ADDRESS_EXCHANGE;
        const char *name = text.at + strlen("/exchange/");
        const char *slash = memchr(name, '/', text.len - strlen("/exchange/"));
        node = slash ? (size_t)(slash - text.at) : text.len;
    }
    if (node) {
        a.node.len = node;
        if (node < text.len)
            a.key = (struct mg_str){text.at + node + 1, text.len - node - 1};
    }
    return a;
}

bool amqp_key_is_pattern(struct mg_str key)
{
    size_t start = 0;
    for (size_t i = 0; i <= key.len; i++)
        if (i == key.len || key.at[i] == '.') {
            if (i - start == 1 && (key.at[start] == '*' || key.at[start] == '#'))
                return true;
            start = i + 1;
        }
    return false;
}

char *amqp_binding_address(const char *address)
{
    struct amqp_address a = amqp_address_parse((struct mg_str){address, strlen(address)});
    char *copy = strdup(address);
    if (!copy || !a.key.at)
        return copy;
    char *key = copy + (a.key.at - address);
    for (size_t i = 0; i < a.key.len; i++)
        if (key[i] == '/')
            key[i] = '.';
    for (size_t i = 0; i < a.key.len; i++)
        if (key[i] == '+' && (i == 0 || key[i - 1] == '.') &&
            (i + 1 == a.key.len || key[i + 1] == '.'))
            key[i] = '*';
    return copy;
}

char *amqp_binding_topic(const char *binding, const char *otherwise)
{
    struct amqp_address a = amqp_address_parse((struct mg_str){binding, strlen(binding)});
    if (!a.key.at || amqp_key_is_pattern(a.key))
        return strdup(otherwise);
    char *key = malloc(a.key.len + 1);
    if (!key)
        return NULL;
    size_t len = amqp_segment_unescape(a.key, key, a.key.len);
    size_t size = amqp_key_to_topic((struct mg_str){key, len}, NULL, 0);
    char *topic = malloc(size + 1);
    if (topic) {
        amqp_key_to_topic((struct mg_str){key, len}, topic, size);
        topic[size] = 0;
    }
    free(key);
    return topic;
}
