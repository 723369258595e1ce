/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from their notation, and compared. */
#include "mqtt_packet_kit.h"
#include "mqtt_same.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void give_up(const char *why, const char *notation)
{
    fprintf(stderr, "mqtt packets: %s: %s\n", why, notation);
    exit(1);
}

static void put(struct packet_bytes *to, unsigned byte, const char *notation)
{
    if (to->length == sizeof(to->at))
        give_up("too long", notation);
    to->at[to->length++] = (uint8_t)byte;
}

/* Fills the byte in front of `from` with the length of what follows. */
static void close_length(struct packet_bytes *to, size_t from, const char *notation)
{
    if (!from || to->length - from > 127)
        give_up("a length that does not fit, or is not open", notation);
    to->at[from - 1] = (uint8_t)(to->length - from);
}

static const char *put_hex(struct packet_bytes *to, const char *c, const char *notation)
{
    char pair[3] = {c[0], c[1], 0};
    if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
        give_up("neither hex nor a sign", notation);
    put(to, (unsigned)strtoul(pair, NULL, 16), notation);
    return c + 2;
}

struct packet_bytes packet_bytes(const char *notation, bool v5)
{
    struct packet_bytes bytes = {.length = 0};
    size_t whole = 0, open = 0;
    for (const char *c = notation; *c;) {
        if (*c == '\'') {
            for (c++; *c && *c != '\''; c++)
                put(&bytes, (unsigned char)*c, notation);
            c += *c == '\'';
            continue;
        }
        if (isxdigit((unsigned char)*c)) {
            c = put_hex(&bytes, c, notation);
            continue;
        }
        if (*c == '@' || *c == '(') {
            put(&bytes, 0, notation);
            *(*c == '@' ? &whole : &open) = bytes.length;
        } else if (*c == ')') {
            close_length(&bytes, open, notation);
        } else if (*c == '^') {
            put(&bytes, v5 ? 5 : 4, notation);
        } else if (*c == '~') {
            if (v5)
                put(&bytes, 0, notation);
        } else if (*c != ' ') {
            give_up("neither hex nor a sign", notation);
        }
        c++;
    }
    if (whole)
        close_length(&bytes, whole, notation);
    return bytes;
}

const uint8_t *packet_at_fence(const uint8_t *at, size_t length)
{
    static uint8_t *room;
    static size_t size = 1 << 16;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!room) {
        room = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED || mprotect(room + size, page, PROT_NONE))
            give_up("mmap", "a fence");
    }
    if (length > size)
        give_up("too long", "a fence");
    if (length)
        memcpy(room + size - length, at, length);
    return room + size - length;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool same_bytes(struct mg_bytes a, struct mg_bytes b)
{
    return !a.at == !b.at && mqtt_same_bytes(a.at, a.len, b.at, b.len);
}

static bool same_users(const struct mqtt_user *a, size_t a_count, const struct mqtt_user *b,
                       size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (!mqtt_same_text(a[i].name, b[i].name) || !mqtt_same_text(a[i].value, b[i].value))
            return false;
    return true;
}

static bool same_ids(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count)
{
    return a_count == b_count && (!a_count || !memcmp(a, b, a_count * sizeof(*a)));
}

struct both {
    const struct mqtt_properties *a, *b;
};

static bool number(struct both both, enum mqtt_property_id id, uint32_t a, uint32_t b)
{
    return !(both.a->has & MQTT_HAS(id)) || a == b;
}

static bool text(struct both both, enum mqtt_property_id id, struct mg_str a, struct mg_str b)
{
    return !(both.a->has & MQTT_HAS(id)) || mqtt_same_text(a, b);
}

static bool data(struct both both, enum mqtt_property_id id, struct mg_bytes a, struct mg_bytes b)
{
    return !(both.a->has & MQTT_HAS(id)) || same_bytes(a, b);
}

static bool same_properties(const struct mqtt_properties *a, const struct mqtt_properties *b)
{
    struct both both = {a, b};
    return a->has == b->has && number(both, MQTT_PROP_FORMAT, a->format, b->format) &&
           number(both, MQTT_PROP_REQUEST_PROBLEM, a->request_problem, b->request_problem) &&
           number(both, MQTT_PROP_REQUEST_RESPONSE, a->request_response, b->request_response) &&
           number(both, MQTT_PROP_MAXIMUM_QOS, a->maximum_qos, b->maximum_qos) &&
           number(both, MQTT_PROP_RETAIN_AVAILABLE, a->retain_available, b->retain_available) &&
           number(both, MQTT_PROP_WILDCARD_AVAILABLE, a->wildcard_available,
                  b->wildcard_available) &&
           number(both, MQTT_PROP_SUBSCRIPTION_IDS_AVAILABLE, a->subscription_ids_available,
                  b->subscription_ids_available) &&
           number(both, MQTT_PROP_SHARED_AVAILABLE, a->shared_available, b->shared_available) &&
           number(both, MQTT_PROP_SERVER_KEEP_ALIVE, a->server_keep_alive_s,
                  b->server_keep_alive_s) &&
           number(both, MQTT_PROP_RECEIVE_MAXIMUM, a->receive_maximum, b->receive_maximum) &&
           number(both, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, a->topic_alias_maximum,
                  b->topic_alias_maximum) &&
           number(both, MQTT_PROP_TOPIC_ALIAS, a->topic_alias, b->topic_alias) &&
           number(both, MQTT_PROP_MESSAGE_EXPIRY, a->message_expiry_s, b->message_expiry_s) &&
           number(both, MQTT_PROP_SESSION_EXPIRY, a->session_expiry_s, b->session_expiry_s) &&
           number(both, MQTT_PROP_WILL_DELAY, a->will_delay_s, b->will_delay_s) &&
           number(both, MQTT_PROP_MAXIMUM_PACKET, a->maximum_packet, b->maximum_packet) &&
           text(both, MQTT_PROP_CONTENT_TYPE, a->content_type, b->content_type) &&
           text(both, MQTT_PROP_RESPONSE_TOPIC, a->response_topic, b->response_topic) &&
           text(both, MQTT_PROP_ASSIGNED_CLIENT_ID, a->assigned_client_id, b->assigned_client_id) &&
           text(both, MQTT_PROP_AUTH_METHOD, a->auth_method, b->auth_method) &&
           text(both, MQTT_PROP_RESPONSE_INFORMATION, a->response_information,
                b->response_information) &&
           text(both, MQTT_PROP_SERVER_REFERENCE, a->server_reference, b->server_reference) &&
           text(both, MQTT_PROP_REASON_STRING, a->reason_string, b->reason_string) &&
           data(both, MQTT_PROP_CORRELATION, a->correlation, b->correlation) &&
           data(both, MQTT_PROP_AUTH_DATA, a->auth_data, b->auth_data) &&
           same_users(a->users, a->user_count, b->users, b->user_count) &&
           same_ids(a->subscription_ids, a->subscription_id_count, b->subscription_ids,
                    b->subscription_id_count);
}

static bool same_connect(const struct mqtt_connect *a, const struct mqtt_connect *b)
{
    return a->v5 == b->v5 && a->clean_start == b->clean_start && a->has_will == b->has_will &&
           a->keep_alive_s == b->keep_alive_s && mqtt_same_text(a->client_id, b->client_id) &&
           mqtt_same_text(a->user, b->user) && same_bytes(a->password, b->password) &&
           (!a->has_will ||
            (a->will_retain == b->will_retain && a->will_qos == b->will_qos &&
             mqtt_same_text(a->will_topic, b->will_topic) &&
             same_bytes(a->will_payload, b->will_payload) &&
             (!a->v5 || same_properties(&a->will_properties, &b->will_properties))));
}

static bool same_filters(const struct mqtt_packet *a, const struct mqtt_packet *b)
{
    if (a->filter_count != b->filter_count)
        return false;
    for (size_t i = 0; i < a->filter_count; i++) {
        const struct mqtt_filter *x = &a->filters[i], *y = &b->filters[i];
        if (!mqtt_same_text(x->filter, y->filter) || x->qos != y->qos ||
            x->retain_handling != y->retain_handling || x->no_local != y->no_local ||
            x->retain_as_published != y->retain_as_published)
            return false;
    }
    return true;
}

bool packet_same(const struct mqtt_packet *a, const struct mqtt_packet *b, bool v5)
{
    if (a->type != b->type)
        return false;
    if (a->type == MQTT_PUBLISH)
        return mqtt_same_publish(&a->publish, &b->publish) && a->id == b->id &&
               a->publish.dup == b->publish.dup && a->topic_alias == b->topic_alias &&
               same_ids(a->publish.subscription_ids, a->publish.subscription_id_count,
                        b->publish.subscription_ids, b->publish.subscription_id_count);
    return a->id == b->id && a->reason == b->reason && a->session_present == b->session_present &&
           (a->type != MQTT_CONNECT || same_connect(&a->connect, &b->connect)) &&
           same_filters(a, b) &&
           mqtt_same_bytes(a->reasons, a->reason_count, b->reasons, b->reason_count) &&
           (!v5 || same_properties(&a->properties, &b->properties));
}
