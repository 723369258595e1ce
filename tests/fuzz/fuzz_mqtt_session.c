/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile server, a broker of the bridge that settles and publishes at random, a store that keeps
 * entries when it likes, connections that come and go: the session of the native client stays
 * whole.  Whatever it sends is well-formed, every publish ends at most once, and nothing is
 * acknowledged that was not settled. */
#include "../../bridges/mqtt/native/mqtt_session.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IN_FLIGHT = 8, RECEIPTS = 256, PUTS = 64 };

struct put {
    struct mqtt_kept kept;
    bool remove;
    void (*done)(void *arg);
    void *arg;
};

struct world {
    struct mqtt_session session;
    struct mqtt_decoder server;
    bool in_flight[IN_FLIGHT];
    uint64_t held[RECEIPTS]; /* receipts that are held once more */
    uint32_t held_count, refusals;
    uint64_t acknowledged, received; /* QoS 1 of this connection */
    struct mqtt_keeper keeper;
    struct put puts[PUTS];
    uint32_t put_count;
    enum mqtt_kept_phase phase[IN_FLIGHT]; /* as kept; 0: no entry */
    bool kept[IN_FLIGHT];                  /* published with an entry */
};

static int on_put(void *arg, const struct mqtt_kept *kept, bool remove, void (*done)(void *arg),
                  void *done_arg)
{
    struct world *w = arg;
    assert(kept->id && (kept->phase == MQTT_KEPT_RECEIVED || kept->id <= IN_FLIGHT));
    if (w->put_count == PUTS)
        return -ENOMEM;
    w->puts[w->put_count++] = (struct put){*kept, remove, done, done_arg};
    return 0;
}

static void keep(struct world *w, uint32_t count)
{
    for (uint32_t i = 0; i < count && w->put_count; i++) {
        struct put put = w->puts[0];
        memmove(w->puts, w->puts + 1, --w->put_count * sizeof(put));
        if (put.kept.phase != MQTT_KEPT_RECEIVED)
            w->phase[put.kept.id - 1] = put.remove ? 0 : put.kept.phase;
        if (put.done)
            put.done(put.arg);
    }
}

static void on_connected(void *arg, const struct mqtt_connack *connack)
{
    (void)arg, (void)connack;
}

static void on_subscribed(void *arg, uint32_t index, uint32_t reason)
{
    (void)arg, (void)reason;
    assert(index < 4);
}

static int on_message(void *arg, const struct mqtt_publish *publish, uint64_t receipt)
{
    struct world *w = arg;
    struct mg_err err;
    assert(publish->topic.len && !mqtt_topic_name_check(publish->topic, false, &err));
    assert(!receipt == !publish->qos);
    if (w->refusals) {
        w->refusals--;
        return -EAGAIN;
    }
    struct mqtt_kept kept;
    if (receipt && publish->payload.len & 1 && mqtt_session_entry(&w->session, receipt, &kept))
        assert(publish->qos == 2 && kept.phase == MQTT_KEPT_RECEIVED);
    if (receipt && w->held_count < RECEIPTS) {
        mqtt_session_hold(&w->session, receipt);
        w->held[w->held_count++] = receipt;
    }
    w->received += publish->qos == 1;
    return 0;
}

static void end_flight(struct world *w, uint32_t id)
{
    assert(id < IN_FLIGHT && w->in_flight[id]);
    w->in_flight[id] = false;
    if (w->kept[id]) {
        const struct mqtt_kept kept = {.id = (uint16_t)(id + 1), .phase = MQTT_KEPT_PUBLISHED};
        on_put(w, &kept, true, NULL, NULL);
    }
    w->kept[id] = false;
}

static void on_entered(void *arg, uint32_t id)
{
    struct world *w = arg;
    assert(id < IN_FLIGHT && w->in_flight[id] && w->kept[id]);
}

static void on_confirmed(void *arg, uint32_t id, uint32_t reason)
{
    (void)reason;
    end_flight(arg, id);
}

static void on_returned(void *arg, uint32_t id)
{
    end_flight(arg, id);
}

static const struct mqtt_client_events events = {
    .connected = on_connected,
    .subscribed = on_subscribed,
    .message = on_message,
    .confirmed = on_confirmed,
    .returned = on_returned,
    .entered = on_entered,
};

/* Reads the outbox as a server would. */
static void read_sent(struct world *w)
{
    size_t length = 0, at = 0;
    uint8_t *bytes = malloc(w->session.outbox.unwritten + 1);
    for (struct iovec part; mqtt_outbox_parts(&w->session.outbox, &part, 1);) {
        memcpy(bytes + length, part.iov_base, part.iov_len);
        length += part.iov_len;
        mqtt_outbox_wrote(&w->session.outbox, part.iov_len);
    }
    while (at < length) {
        struct mqtt_packet packet;
        struct mqtt_fault fault;
        int64_t size = mqtt_packet_length(&w->server, bytes + at, length - at, &fault);
        assert(size > 0);
        assert(!mqtt_packet_decode(&w->server, bytes + at, (size_t)size, &packet, &fault));
        /* Nothing of a kept exchange goes out ahead of its entry. */
        if (packet.type == MQTT_PUBLISH && packet.id && packet.id <= IN_FLIGHT &&
            w->kept[packet.id - 1])
            assert(w->phase[packet.id - 1] == MQTT_KEPT_PUBLISHED);
        w->acknowledged += packet.type == MQTT_PUBACK;
        assert(w->acknowledged <= w->received);
        at += (size_t)size;
    }
    free(bytes);
}

static void lose(struct world *w)
{
    read_sent(w);
    mqtt_session_end(&w->session);
    if (!mqtt_session_kept(&w->session)) {
        memset(w->in_flight, 0, sizeof(w->in_flight));
        memset(w->kept, 0, sizeof(w->kept));
    }
    w->received = w->acknowledged = 0;
}

static void publish(struct world *w, uint8_t op, uint8_t which)
{
    static const char *const topics[] = {"t", "a/long/topic", "another/long/topic", "a/third/one"};
    const char *topic = topics[which & 3];
    struct mqtt_publish p = {.topic = {topic, strlen(topic)}, .payload = {"xyz", 3}, .qos = op % 3};
    uint32_t id = (which >> 2) % IN_FLIGHT;
    if (w->session.state != SESSION_UP || (p.qos && w->in_flight[id]))
        return;
    bool kept = w->session.options.keeper && p.qos == 2 && which & 128;
    int rc = kept ? mqtt_session_publish_kept(&w->session, &p, id, which + 1u)
                  : mqtt_session_publish(&w->session, &p, p.qos ? id : MQTT_NO_ID);
    if (!rc && p.qos) {
        w->in_flight[id] = true;
        w->kept[id] = kept;
    }
}

static size_t step(struct world *w, const uint8_t *at, size_t left)
{
    static const struct mqtt_subscription wanted[4] = {{.filter = "#", .qos = 2, .id = 1},
                                                       {.filter = "a", .id = 2},
                                                       {.filter = "b"},
                                                       {.filter = "c"}};
    uint8_t op = at[0] & 7, what = left > 1 ? at[1] : 0;
    switch (op) {
    case 0: /* bytes of the server */
    case 1: {
        size_t length = what < left - 1 ? what : left - 1;
        ptrdiff_t taken = mqtt_session_input(&w->session, at + 1, length);
        read_sent(w);
        if (taken < 0)
            lose(w);
        return length + 1;
    }
    case 2:
        publish(w, at[0] >> 3, what);
        break;
    case 3:
        if (w->held_count) {
            uint32_t i = what % w->held_count;
            uint64_t receipt = w->held[i];
            w->held[i] = w->held[--w->held_count];
            mqtt_session_settle(&w->session, receipt, 1 + (at[0] >> 3) % 4);
        }
        break;
    case 4:
        lose(w);
        if (!mqtt_session_begin(&w->session))
            read_sent(w);
        break;
    case 5: {
        static const uint8_t connack5[] = {0x20, 3, 0, 0, 0}, again5[] = {0x20, 3, 1, 0, 0};
        static const uint8_t connack3[] = {0x20, 2, 0, 0}, again3[] = {0x20, 2, 1, 0};
        bool v5 = w->session.options.v5;
        const uint8_t *bytes = what & 1 ? (v5 ? again5 : again3) : (v5 ? connack5 : connack3);
        if (mqtt_session_input(&w->session, bytes, v5 ? 5 : 4) < 0)
            lose(w);
        break;
    }
    case 6:
        if (w->session.state == SESSION_UP)
            mqtt_session_subscribe(&w->session, wanted, what & 3, 1);
        break;
    default:
        w->refusals = what & 3;
        keep(w, what >> 2 & 15);
        if (what & 64)
            mqtt_session_ping(&w->session);
        if (what & 128) {
            read_sent(w); /* what went out under an identifier that is now anybody's */
            mqtt_session_forget(&w->session);
            memset(w->in_flight, 0, sizeof(w->in_flight));
            memset(w->kept, 0, sizeof(w->kept));
        }
    }
    return 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct world *w = calloc(1, sizeof(*w));
    struct mqtt_client_options options = {
        .v5 = data[0] & 1,
        .clean_start = data[0] & 2,
        .client_id = "f",
        .session_expiry_s = data[0] & 4 ? 60 : 0,
        .receive_maximum = data[0] & 8 ? 4 : 0,
        .max_packet = data[0] & 16 ? 200 : 0,
        .in_flight_most = IN_FLIGHT,
        .topic_aliases = data[0] & 32 ? 2 : 0,
        .sends_qos2 = data[0] & 64,
    };
    w->keeper = (struct mqtt_keeper){.put = on_put, .arg = w};
    if (data[0] & 128)
        options.keeper = &w->keeper;
    w->server = (struct mqtt_decoder){.v5 = options.v5, .server = true};
    assert(!mqtt_session_init(&w->session, &options, &events, w));
    mqtt_session_begin(&w->session);
    for (size_t at = 1; at < size;)
        at += step(w, data + at, size - at);
    read_sent(w);
    mqtt_session_fini(&w->session);
    mqtt_decoder_fini(&w->server);
    free(w);
    return 0;
}
