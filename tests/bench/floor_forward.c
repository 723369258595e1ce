/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: the least that any forwarder between two MQTT servers has to do.  It copies PUBLISH
 * packets, gives those of QoS 1 an identifier of its own, and acknowledges to the source what the
 * sink has acknowledged.  No filter, no session, no reconnecting: a yardstick, not a product.
 *
 *   floor_forward SOURCE_PORT SINK_PORT FILTER QOS [CONNECTIONS [WAYS]]
 *
 * CONNECTIONS  connections to the source, the n-th with n for "{n}" in the filter
 * WAYS         copies of each event; more than one: the k-th with "k/" in front of its topic */
#include "load.h"
#include "mqtt_wire.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { CONNECTIONS_MOST = 10000, WAYS_MOST = 1000, READY_MOST = 256 };
/* What waits for the sink, beyond which no source is read. */
enum { UNSENT_MOST = 4 << 20, IN_FLIGHT_MOST = 30000 };
enum { IN_FLIGHT_LIMIT = 65000 }; /* identifiers are used up soon */

/* One event on its way, under the first identifier that it got at the sink. */
struct flight {
    uint32_t source;
    uint16_t id; /* at the source */
    uint16_t left;
};

static struct wire sink = {.fd = -1}, *sources;
static bool *owed; /* a source has something to be written */
static long ways = 1, in_flight;
static struct flight flights[65536];
static uint16_t first_of[65536]; /* by the sink's identifier: that of its flight; 0: free */
static uint16_t last_id;
static int epoll;

static void watch(struct wire *wire, uint32_t number, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = number};
    if (epoll_ctl(epoll, how, wire->fd, &event))
        wire_die("epoll");
}

static uint16_t next_id(void)
{
    if (in_flight >= IN_FLIGHT_LIMIT) {
        errno = 0;
        wire_die("too many events on their way at once");
    }
    do {
        last_id++;
    } while (!last_id || first_of[last_id] || flights[last_id].left);
    return last_id;
}

static void forward(uint32_t source, const struct wire_packet *packet)
{
    size_t topic_size = packet->size < 2 ? 0 : (size_t)(packet->body[0] << 8 | packet->body[1]);
    bool confirmed = packet->at[0] & 6;
    if (packet->size < 2 + topic_size + (confirmed ? 2 : 0)) {
        errno = 0;
        wire_die("short PUBLISH");
    }
    uint8_t *id_at = packet->body + 2 + topic_size;
    uint16_t own_id = confirmed ? (uint16_t)(id_at[0] << 8 | id_at[1]) : 0, first = 0;
    for (long way = 0; way < ways; way++) {
        if (confirmed) {
            uint16_t id = next_id();
            first = first ? first : id;
            first_of[id] = first;
            id_at[0] = (uint8_t)(id >> 8);
            id_at[1] = (uint8_t)id;
            flights[first] = (struct flight){source, own_id, (uint16_t)(way + 1)};
            in_flight++;
        }
        if (ways == 1) {
            wire_put(&sink, packet->at, (size_t)(packet->body - packet->at) + packet->size);
            continue;
        }
        char prefix[24];
        size_t size = (size_t)snprintf(prefix, sizeof prefix, "%ld/", way), all = size + topic_size;
        wire_put_head(&sink, packet->at[0], packet->size + size);
        wire_put(&sink, (uint8_t[]){(uint8_t)(all >> 8), (uint8_t)all}, 2);
        wire_put(&sink, prefix, size);
        wire_put(&sink, packet->body + 2, packet->size - 2);
    }
}

static void confirmed(const struct wire_packet *packet)
{
    uint16_t id = (uint16_t)(packet->body[0] << 8 | packet->body[1]), first = first_of[id];
    struct flight *flight = &flights[first];
    if (!first)
        return;
    first_of[id] = 0;
    in_flight--;
    if (--flight->left)
        return;
    wire_put(&sources[flight->source],
             (uint8_t[]){0x40, 2, (uint8_t)(flight->id >> 8), (uint8_t)flight->id}, 4);
    owed[flight->source] = true;
}

static void read_one(struct wire *wire, uint32_t number)
{
    bool some;
    struct wire_packet packet;
    if (!wire_read(wire, &some))
        wire_die("connection lost");
    while (wire_next(wire, &packet)) {
        uint8_t type = packet.at[0] >> 4;
        if (wire != &sink && type == WIRE_PUBLISH)
            forward(number, &packet);
        else if (wire == &sink && type == WIRE_PUBACK && packet.size >= 2)
            confirmed(&packet);
    }
}

/* Writes; what could not be written waits for EPOLLOUT.  True: all is written. */
static bool write_one(struct wire *wire, uint32_t number, bool waited)
{
    if (!wire_write(wire))
        wire_die("connection lost");
    bool waits = wire_unsent(wire) > 0;
    if (waits != waited)
        watch(wire, number, EPOLL_CTL_MOD, EPOLLIN | (waits ? EPOLLOUT : 0u));
    return !waits;
}

/* While the sink is congested no source is read. */
static void await_sink(uint32_t number)
{
    while (wire_unsent(&sink) > UNSENT_MOST || in_flight > IN_FLIGHT_MOST) {
        struct pollfd ready = {.fd = sink.fd, .events = POLLIN};
        if (wire_unsent(&sink))
            ready.events |= POLLOUT;
        if (poll(&ready, 1, -1) < 0)
            wire_die("poll");
        read_one(&sink, number);
        if (!wire_write(&sink))
            wire_die("connection lost");
    }
}

static void run(uint32_t count)
{
    bool sink_waits = false, *waits = calloc(count, sizeof *waits);
    owed = calloc(count, sizeof *owed);
    if (!waits || !owed)
        wire_die("memory");
    for (;;) {
        struct epoll_event ready[READY_MOST];
        if (wire_unsent(&sink) > UNSENT_MOST || in_flight > IN_FLIGHT_MOST)
            await_sink(count);
        int found = epoll_wait(epoll, ready, READY_MOST, -1);
        for (int i = 0; i < found; i++) {
            uint32_t number = ready[i].data.u32;
            if (ready[i].events & ~(uint32_t)EPOLLOUT)
                read_one(number == count ? &sink : &sources[number], number);
            if (number < count)
                owed[number] = true;
        }
        sink_waits = !write_one(&sink, count, sink_waits);
        for (uint32_t i = 0; i < count; i++) {
            if (!owed[i])
                continue;
            waits[i] = !write_one(&sources[i], i, waits[i]);
            owed[i] = false;
        }
    }
}

static void open_all(char **argv, uint32_t count)
{
    bool present;
    long qos = load_number(argv[4], 0, 1, "QOS");
    if (!wire_connect(&sink, load_number(argv[2], 1, 65535, "SINK_PORT"), "floor-sink", true,
                      &present))
        wire_die("sink");
    watch(&sink, count, EPOLL_CTL_ADD, EPOLLIN);
    const char *mark = strstr(argv[3], "{n}");
    for (uint32_t i = 0; i < count; i++) {
        char id[32], filter[1024];
        snprintf(id, sizeof id, "floor-source-%u", i);
        if (mark)
            snprintf(filter, sizeof filter, "%.*s%u%s", (int)(mark - argv[3]), argv[3], i,
                     mark + 3);
        else
            snprintf(filter, sizeof filter, "%s", argv[3]);
        sources[i].fd = -1;
        if (!wire_connect(&sources[i], load_number(argv[1], 1, 65535, "SOURCE_PORT"), id, true,
                          &present))
            wire_die("source");
        wire_subscribe(&sources[i], filter, qos);
        watch(&sources[i], i, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 7) {
        fprintf(stderr, "usage: floor_forward SOURCE_PORT SINK_PORT FILTER QOS [CONNECTIONS "
                        "[WAYS]]\n");
        return 2;
    }
    long count = argc > 5 ? load_number(argv[5], 1, CONNECTIONS_MOST, "CONNECTIONS") : 1;
    ways = argc > 6 ? load_number(argv[6], 1, WAYS_MOST, "WAYS") : 1;
    sources = calloc((size_t)count, sizeof *sources);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!sources || epoll < 0)
        wire_die("start");
    open_all(argv, (uint32_t)count);
    fprintf(stderr, "ready\n");
    run((uint32_t)count);
}
