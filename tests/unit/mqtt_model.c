/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_model.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model model;

enum { WIRE_MOST = 1 << 16, INFLIGHT_MOST = 8, IDS = 65536 };

struct wire {
    uint8_t at[WIRE_MOST];
    size_t length;
};
struct outgoing {
    char text[MODEL_TEXT];
    uint16_t id; /* 0: not sent yet */
    bool received;
};

static struct server {
    bool exists, subscribed, v5;
    char (*held)[MODEL_TEXT];      /* by identifier; "": none */
    uint16_t held_ids[MODEL_MOST]; /* in the order of arrival */
    size_t held_count;
    struct outgoing out[MODEL_MOST];
    size_t out_first, out_count;
    uint16_t last_id;
    struct mqtt_decoder decoder;
} server;
static struct wire up, down;

struct mqtt_client {
    const struct mg_host *host;
    const struct mqtt_client_events *events;
    void *arg;
    mg_wake *wake;
    struct mqtt_session session;
    bool linked, ending;
};
static struct mqtt_client *client;

void model_reset(void)
{
    free(server.held);
    mqtt_decoder_fini(&server.decoder);
    memset(&model, 0, sizeof model);
    memset(&server, 0, sizeof server);
    server.held = calloc(IDS, MODEL_TEXT);
    model.id_most = 20;
    up.length = down.length = 0;
}

static void violation(const char *what, unsigned id)
{
    fprintf(stderr, "the server saw: %s (%u)\n", what, id);
    model.violations++;
}

/* ---- the server ----------------------------------------------------------------------------- */

static void say(const struct mqtt_packet *packet)
{
    size_t length =
        mqtt_packet_encode(packet, server.v5, down.at + down.length, WIRE_MOST - down.length);
    if (!length || length > WIRE_MOST - down.length)
        abort();
    down.length += length;
}

static void answer(enum mqtt_type type, uint16_t id, uint8_t reason)
{
    struct mqtt_packet packet = {.type = type, .id = id, .reason = server.v5 ? reason : 0};
    say(&packet);
}

static void say_message(const struct outgoing *out, bool dup)
{
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .id = out->id,
        .publish = {
            .topic = {"in/t", 4}, .payload = {out->text, strlen(out->text)}, .qos = 2, .dup = dup}};
    say(&packet);
}

static bool id_in_use(uint16_t id)
{
    for (size_t i = server.out_first; i < server.out_count; i++)
        if (server.out[i].id == id)
            return true;
    return false;
}

static void say_more(void)
{
    size_t inflight = 0;
    for (size_t i = server.out_first; i < server.out_count && inflight < INFLIGHT_MOST; i++) {
        struct outgoing *out = &server.out[i];
        inflight++;
        if (out->id)
            continue;
        do
            server.last_id = (uint16_t)(server.last_id % model.id_most + 1);
        while (id_in_use(server.last_id));
        out->id = server.last_id;
        say_message(out, false);
    }
}

static void on_connect(const struct mqtt_packet *packet)
{
    struct mqtt_packet connack = {.type = MQTT_CONNACK};
    model.connects++;
    server.v5 = packet->connect.v5;
    if (packet->connect.clean_start || model.no_memory_of_us)
        model_forget();
    model.no_memory_of_us = false;
    connack.session_present = server.exists;
    server.exists = true;
    say(&connack);
    for (size_t i = 0; model.says_again && i < server.held_count; i++)
        answer(MQTT_PUBREC, server.held_ids[i], 0);
    for (size_t i = server.out_first; i < server.out_count && server.out[i].id; i++) {
        if (server.out[i].received)
            answer(MQTT_PUBREL, server.out[i].id, 0);
        else
            say_message(&server.out[i], true);
    }
}

static void pass_on(const char *text)
{
    if (model.published_count < MODEL_MOST)
        snprintf(model.published[model.published_count++], MODEL_TEXT, "%s", text);
}

static void on_publish(const struct mqtt_packet *packet)
{
    char text[MODEL_TEXT];
    char *held = server.held[packet->id];
    snprintf(text, sizeof text, "%.*s", (int)packet->publish.payload.len,
             (const char *)packet->publish.payload.at);
    model.repetitions += packet->publish.dup;
    if (packet->publish.qos != 2)
        violation("a message that is not of QoS 2", packet->publish.qos);
    if (*held && strcmp(held, text))
        violation("an identifier used for another message before it was released", packet->id);
    if (!*held && server.held_count < MODEL_MOST)
        server.held_ids[server.held_count++] = packet->id;
    if (!*held && !model.at_release)
        pass_on(text);
    snprintf(held, MODEL_TEXT, "%s", text);
    answer(MQTT_PUBREC, packet->id, 0);
}

static void forget_held(uint16_t id)
{
    for (size_t i = 0; i < server.held_count; i++) {
        if (server.held_ids[i] != id)
            continue;
        server.held_count--;
        memmove(server.held_ids + i, server.held_ids + i + 1,
                (server.held_count - i) * sizeof server.held_ids[0]);
        return;
    }
}

static void on_pubrel(const struct mqtt_packet *packet)
{
    char *held = server.held[packet->id];
    bool known = *held;
    model.unknown += !known;
    if (known && model.at_release)
        pass_on(held);
    *held = '\0';
    forget_held(packet->id);
    answer(MQTT_PUBCOMP, packet->id, known ? 0 : 0x92);
}

static void on_pubrec(const struct mqtt_packet *packet)
{
    for (size_t i = server.out_first; i < server.out_count; i++)
        if (server.out[i].id == packet->id) {
            server.out[i].received = true;
            answer(MQTT_PUBREL, packet->id, 0);
            return;
        }
    violation("PUBREC for what it has not sent", packet->id);
}

static void on_pubcomp(const struct mqtt_packet *packet)
{
    for (size_t i = server.out_first; i < server.out_count; i++) {
        if (server.out[i].id != packet->id)
            continue;
        if (!server.out[i].received)
            violation("PUBCOMP before PUBREC", packet->id);
        memmove(&server.out[i], &server.out[i + 1],
                (server.out_count - i - 1) * sizeof server.out[0]);
        server.out_count--;
        return;
    }
    violation("PUBCOMP for what it has not sent", packet->id);
}

static void on_subscribe(const struct mqtt_packet *packet)
{
    static const uint8_t granted = 2;
    struct mqtt_packet suback = {
        .type = MQTT_SUBACK, .id = packet->id, .reasons = &granted, .reason_count = 1};
    server.subscribed = true;
    say(&suback);
}

static void serve(const struct mqtt_packet *packet)
{
    switch (packet->type) {
    case MQTT_CONNECT:
        on_connect(packet);
        break;
    case MQTT_PUBLISH:
        on_publish(packet);
        break;
    case MQTT_PUBREL:
        on_pubrel(packet);
        break;
    case MQTT_PUBREC:
        on_pubrec(packet);
        break;
    case MQTT_PUBCOMP:
        on_pubcomp(packet);
        break;
    case MQTT_SUBSCRIBE:
        on_subscribe(packet);
        break;
    case MQTT_DISCONNECT:
        break;
    default:
        violation(mqtt_type_name(packet->type), packet->id);
    }
}

static size_t first_packet(struct mqtt_decoder *decoder, const struct wire *wire)
{
    struct mqtt_fault fault = {0, ""};
    int64_t size = mqtt_packet_length(decoder, wire->at, wire->length, &fault);
    return size > 0 && (size_t)size <= wire->length ? (size_t)size : 0;
}

static void took(struct wire *wire, size_t size)
{
    wire->length -= size;
    memmove(wire->at, wire->at + size, wire->length);
}

bool model_up(void)
{
    struct mqtt_packet packet;
    struct mqtt_fault fault = {0, ""};
    server.decoder.server = true;
    server.decoder.v5 = server.v5;
    size_t size = first_packet(&server.decoder, &up);
    if (!size)
        return false;
    if (mqtt_packet_decode(&server.decoder, up.at, size, &packet, &fault))
        violation(fault.text, fault.reason);
    else
        serve(&packet);
    took(&up, size);
    if (server.subscribed && client && client->session.state == SESSION_UP)
        say_more();
    return true;
}

void model_forget(void)
{
    server.exists = server.subscribed = false;
    memset(server.held, 0, (size_t)IDS * MODEL_TEXT);
    server.held_count = 0;
    for (size_t i = server.out_first; i < server.out_count; i++)
        server.out[i].id = server.out[i].received = 0;
}

void model_message(const char *text)
{
    if (server.out_count == MODEL_MOST)
        abort();
    struct outgoing *out = &server.out[server.out_count++];
    memset(out, 0, sizeof *out);
    snprintf(out->text, sizeof out->text, "%s", text);
    if (server.subscribed && client && client->session.state == SESSION_UP)
        say_more();
}

size_t model_messages_left(void)
{
    return server.out_count - server.out_first;
}

uint32_t model_held(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < IDS; i++)
        count += server.held[i][0] != '\0';
    return count;
}

/* ---- the link ------------------------------------------------------------------------------- */

static void flush(struct mqtt_client *c)
{
    struct mqtt_outbox *outbox = &c->session.outbox;
    for (struct iovec part; mqtt_outbox_parts(outbox, &part, 1);) {
        if (part.iov_len > WIRE_MOST - up.length)
            abort();
        memcpy(up.at + up.length, part.iov_base, part.iov_len);
        up.length += part.iov_len;
        mqtt_outbox_wrote(outbox, part.iov_len);
    }
}

bool model_linked(void)
{
    return client && client->linked;
}

void model_cut(void)
{
    struct mqtt_client *c = client;
    if (!c || !c->linked)
        return;
    bool was_up = c->session.connected;
    c->linked = false;
    up.length = down.length = 0;
    mqtt_session_end(&c->session);
    (was_up ? c->events->lost : c->events->refused)(c->arg, 0, "cut, says the test", NULL);
    c->events->ended(c->arg);
}

bool model_down(void)
{
    struct mqtt_client *c = client;
    if (!c || !c->linked || c->ending)
        return false;
    size_t size = first_packet(&c->session.decoder, &down);
    if (!size)
        return false;
    ptrdiff_t taken = mqtt_session_input(&c->session, down.at, size);
    if (taken < 0) {
        violation(c->session.end_why, c->session.end_reason);
        model_cut();
        return true;
    }
    took(&down, (size_t)taken);
    if (c->session.answered)
        flush(c);
    if (c->session.starved && mqtt_session_has_room(&c->session)) {
        c->session.starved = false;
        c->events->writable(c->arg);
    }
    return taken > 0;
}

/* ---- the client ----------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    struct mqtt_client *c = arg;
    if (!c->ending)
        return;
    c->ending = c->linked = false;
    up.length = down.length = 0;
    mqtt_session_end(&c->session);
    c->events->ended(c->arg);
}

static int create(const struct mg_host *host, mg_shard *shard,
                  const struct mqtt_client_options *options,
                  const struct mqtt_client_events *events, void *arg,
                  struct mqtt_client **ret_client, struct mg_err *reterr)
{
    (void)reterr;
    struct mqtt_client *c = calloc(1, sizeof *c);
    if (!c || client || mqtt_session_init(&c->session, options, events, arg))
        abort();
    c->host = host;
    c->events = events;
    c->arg = arg;
    c->wake = host->wake_new(shard, on_wake, c);
    *ret_client = client = c;
    return 0;
}

static int connect_to(struct mqtt_client *c, const char *url)
{
    (void)url;
    c->linked = true;
    up.length = down.length = 0;
    int rc = mqtt_session_begin(&c->session);
    flush(c);
    return rc;
}

static int subscribe(struct mqtt_client *c, const struct mqtt_subscription *subscriptions,
                     uint32_t first, uint32_t count)
{
    return mqtt_session_subscribe(&c->session, subscriptions, first, count);
}

static int publish(struct mqtt_client *c, const struct mqtt_publish *what, uint32_t id)
{
    return mqtt_session_publish(&c->session, what, id);
}

static int publish_kept(struct mqtt_client *c, const struct mqtt_publish *what, uint32_t id,
                        uint64_t delivery)
{
    return mqtt_session_publish_kept(&c->session, what, id, delivery);
}

static void abandon(struct mqtt_client *c, uint32_t id)
{
    mqtt_session_abandon(&c->session, id);
}

static bool entry(struct mqtt_client *c, uint64_t receipt, struct mqtt_kept *ret_kept)
{
    return mqtt_session_entry(&c->session, receipt, ret_kept);
}

static void hold(struct mqtt_client *c, uint64_t receipt)
{
    mqtt_session_hold(&c->session, receipt);
}

static void settle(struct mqtt_client *c, uint64_t receipt, uint32_t outcome)
{
    mqtt_session_settle(&c->session, receipt, outcome);
}

static void resume(struct mqtt_client *c)
{
    (void)c; /* the test goes on by itself */
}

static void forget(struct mqtt_client *c)
{
    mqtt_session_forget(&c->session);
}

static void disconnect(struct mqtt_client *c)
{
    mqtt_session_close(&c->session);
    flush(c);
    c->ending = true;
    c->host->wake(c->wake);
}

static size_t backlog(struct mqtt_client *c)
{
    (void)c;
    return 0;
}

static void destroy(struct mqtt_client *c)
{
    if (!c)
        return;
    c->host->wake_free(c->wake);
    mqtt_session_fini(&c->session);
    client = NULL;
    up.length = down.length = 0;
    free(c);
}

const struct mqtt_client_ops mqtt_native_client = {
    .defers_ack = true,
    .keeps_publishes = true,
    .takes_no_id = true,
    .create = create,
    .connect = connect_to,
    .subscribe = subscribe,
    .publish = publish,
    .publish_kept = publish_kept,
    .abandon = abandon,
    .entry = entry,
    .hold = hold,
    .settle = settle,
    .flush = flush,
    .resume = resume,
    .forget = forget,
    .disconnect = disconnect,
    .backlog = backlog,
    .destroy = destroy,
};
