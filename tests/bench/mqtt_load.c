/* SPDX-License-Identifier: Apache-2.0 */
/* An MQTT load generator and checker on the MQTT 3.1.1 wire format alone: one publisher, one
 * subscriber, one poll loop; it shares no code with what it measures.
 *
 *   mqtt_load [-p PORT] [-s PORT] [-t TOPIC] [-k TOPICS] [-f FILTER] [-F WAYS] [-n COUNT]
 *             [-l BYTES] [-q 0|1] [-w WINDOW] [-r EVENTS_PER_SECOND] [-W SECONDS] [-x] [-y]
 *             [-m FILE] [-P] [-R]
 *
 * -p, -s  loopback ports to publish to and to subscribe at (1883)
 * -t, -k  "{n}" in the topic becomes the event's number modulo TOPICS; order is that of each topic
 * -F      each event is to come WAYS times, the k-th with "k/" in front of its topic
 * -w      how many events may be under way at once, so that no queue on the way overflows by us
 * -W      how long to wait for the rest once nothing arrives any more
 * -x, -y  no publisher, and "first" on standard error when an event comes; no subscriber
 * -m      with -y: a receiver in another process counts in this file what has arrived
 * -P      probe: publish until one event has come through, at most -W seconds; prints nothing
 * -R      the subscriber asks for a session that lasts, and connects again when it is cut off
 *
 * Prints one JSON line and ends with 0 when every event came through, with 1 when some did not. */
#include "load.h"
#include "mqtt_wire.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNSENT_BYTES_MAX = 262144, BURST = 512 };
/* Nothing wakes the loop when another process makes room in the window: it looks often. */
enum { PAUSE_NS = 100000000, PROBE_NS = 20000000, PROGRESS_PAUSE_NS = 200000, AWAY_US = 50000 };

static struct {
    long publish_port, subscribe_port, topics, ways, count, bytes, qos, window, rate, wait_s;
    const char *topic, *filter;
    bool no_publisher, no_subscriber, probe, resume;
} options = {
    .publish_port = 1883,
    .subscribe_port = 1883,
    .topic = "bench/a",
    .topics = 1,
    .ways = 1,
    .filter = "bench/#",
    .count = 100000,
    .bytes = 256,
    .window = 1000,
    .wait_s = 10,
};

static struct tally tally;
static struct wire publisher = {.fd = -1}, subscriber = {.fd = -1};
static long sent, acked, cut_off;
static uint16_t packet_id;
static char *payload;
static _Atomic long *progress;

static void client_id(char *at, size_t size, const char *role)
{
    snprintf(at, size, "load-%s-%d", role, (int)getpid());
}

static void open_publisher(void)
{
    char id[64];
    bool present;
    client_id(id, sizeof id, "p");
    if (!wire_connect(&publisher, options.publish_port, id, true, &present))
        wire_die("connect to publish");
}

/* Where a session lasts, the server is tried until it is back. */
static void open_subscriber(bool clean)
{
    char id[64];
    bool present;
    uint64_t end_ns = load_now_ns() + (uint64_t)options.wait_s * 1000000000u;
    client_id(id, sizeof id, "s");
    while (!wire_connect(&subscriber, options.subscribe_port, id, clean, &present)) {
        if (!options.resume || load_now_ns() > end_ns)
            wire_die("connect to subscribe");
        usleep(AWAY_US);
    }
    if (!present)
        wire_subscribe(&subscriber, options.filter, options.qos);
}

static void publish(long number)
{
    char topic[1024];
    const char *mark = strstr(options.topic, "{n}");
    int topic_size = mark ? snprintf(topic, sizeof topic, "%.*s%ld%s", (int)(mark - options.topic),
                                     options.topic, number % options.topics, mark + 3)
                          : snprintf(topic, sizeof topic, "%s", options.topic);
    if (topic_size >= (int)sizeof topic)
        wire_die("topic is too long");
    size_t size = load_payload(payload, (size_t)options.bytes, number);
    wire_put_head(&publisher, (uint8_t)(0x30 | options.qos << 1),
                  2 + (size_t)topic_size + (options.qos ? 2 : 0) + size);
    wire_put_text(&publisher, topic, (size_t)topic_size);
    if (options.qos) {
        if (++packet_id == 0)
            packet_id = 1;
        wire_put(&publisher, (uint8_t[]){(uint8_t)(packet_id >> 8), (uint8_t)packet_id}, 2);
    }
    wire_put(&publisher, payload, size);
}

static bool may_publish(uint64_t start_ns)
{
    if (sent >= options.count || wire_unsent(&publisher) > UNSENT_BYTES_MAX)
        return false;
    long done = tally.unique / options.ways;
    if (options.no_subscriber)
        done = progress ? *progress : options.qos ? acked : sent;
    if (sent - done >= options.window)
        return false;
    return !options.rate ||
           (double)(load_now_ns() - start_ns) * (double)options.rate >= (double)sent * 1e9;
}

/* "k/…": the way on which this copy came. */
static long way_of(const uint8_t *topic, size_t size)
{
    long way = 0;
    for (size_t i = 0; i < size && topic[i] != '/'; i++)
        way = topic[i] < '0' || topic[i] > '9' || way > options.ways ? options.ways
                                                                     : way * 10 + topic[i] - '0';
    return way;
}

/* Says when the first event is there to who waits for it beside the tally. */
static void say_first(void)
{
    static bool said;
    if (!said && options.no_publisher)
        fprintf(stderr, "first\n");
    said = true;
}

static void on_publish(const struct wire_packet *packet)
{
    const uint8_t *body = packet->body;
    size_t size = packet->size, topic_size = size < 2 ? size : (size_t)(body[0] << 8 | body[1]),
           at = 2 + topic_size + (packet->at[0] & 6 ? 2 : 0);
    if (at > size) {
        errno = 0;
        wire_die("short PUBLISH");
    }
    if (packet->at[0] & 6)
        wire_put(&subscriber, (uint8_t[]){0x40, 2, body[at - 2], body[at - 1]}, 4);
    long way = options.ways > 1 ? way_of(body + 2, topic_size) : 0;
    say_first();
    tally_note(&tally, (const char *)body + at, size - at, way, options.ways);
}

/* Takes what lies in the buffer.  True: something did. */
static bool take_packets(struct wire *wire)
{
    struct wire_packet packet;
    bool any = false;
    while (wire_next(wire, &packet)) {
        any = true;
        if (packet.at[0] >> 4 == WIRE_PUBACK)
            acked++;
        else if (packet.at[0] >> 4 == WIRE_PUBLISH)
            on_publish(&packet);
    }
    return any;
}

static void lost(struct wire *wire)
{
    if (wire != &subscriber || !options.resume)
        wire_die("connection lost");
    close(subscriber.fd);
    subscriber.fd = -1;
    cut_off++;
    open_subscriber(false);
}

/* One turn: wait at most timeout_ns, read, answer.  True: something arrived. */
static bool turn(uint64_t timeout_ns)
{
    struct wire *wires[2] = {&publisher, &subscriber};
    struct pollfd ready[2];
    for (int i = 0; i < 2; i++)
        ready[i] = (struct pollfd){
            .fd = wires[i]->fd, .events = (short)(POLLIN | (wire_unsent(wires[i]) ? POLLOUT : 0))};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_nsec = (long)(timeout_ns % 1000000000u)};
    if (ppoll(ready, 2, &timeout, NULL) < 0 && errno != EINTR)
        wire_die("poll");
    bool arrived = false;
    for (int i = 0; i < 2; i++) {
        bool some = false;
        if (wires[i]->fd >= 0 && ready[i].revents & (POLLIN | POLLHUP | POLLERR) &&
            !wire_read(wires[i], &some))
            lost(wires[i]);
        arrived = take_packets(wires[i]) || arrived;
    }
    for (int i = 0; i < 2; i++)
        if (wires[i]->fd >= 0 && !wire_write(wires[i]))
            lost(wires[i]);
    return arrived;
}

/* Publishes one event every 20 ms until one has come through. */
static int probe(void)
{
    uint64_t now_ns = load_now_ns(), due_ns = now_ns,
             end_ns = now_ns + (uint64_t)options.wait_s * 1000000000u;
    for (; now_ns < end_ns && !tally.received; now_ns = load_now_ns()) {
        if (now_ns >= due_ns) {
            publish(0);
            wire_write(&publisher);
            due_ns = now_ns + PROBE_NS;
        }
        turn(due_ns - now_ns);
    }
    if (!tally.received)
        fprintf(stderr, "mqtt_load: nothing came through in %ld s\n", options.wait_s);
    return tally.received ? 0 : 1;
}

static int measure(void)
{
    uint64_t start_ns = load_now_ns(), last_ns = start_ns,
             wait_ns = (uint64_t)options.wait_s * 1000000000u;
    sent = options.no_publisher ? options.count : 0;
    for (;;) {
        long before = sent;
        for (int burst = 0; burst < BURST && !options.no_publisher && may_publish(start_ns);
             burst++)
            publish(sent++);
        if (publisher.fd >= 0 && !wire_write(&publisher))
            lost(&publisher);
        uint64_t pause_ns = progress ? PROGRESS_PAUSE_NS : PAUSE_NS;
        if (options.rate && sent < options.count)
            pause_ns = 1000000000u / (uint64_t)options.rate;
        if (turn(pause_ns) || sent > before)
            last_ns = load_now_ns();
        bool written = !wire_unsent(&publisher);
        if (options.no_subscriber && sent >= options.count && written &&
            (options.qos == 0 || acked >= options.count))
            break;
        if (!options.no_subscriber && tally.unique >= tally.count)
            break;
        /* A receiver without a publisher of its own counts from the first event. */
        if (options.no_publisher && tally.received == 0)
            start_ns = load_now_ns();
        if (load_now_ns() - last_ns > wait_ns)
            break;
    }
    if (options.no_subscriber)
        last_ns = load_now_ns();
    tally_print(&tally, sent, options.no_subscriber ? sent : tally.unique, !options.no_subscriber,
                (double)(last_ns - start_ns) / 1e9);
    return options.no_subscriber ? acked < (options.qos ? options.count : 0)
                                 : tally.unique < tally.count;
}

static void read_options(int argc, char **argv)
{
    int name;
    while ((name = getopt(argc, argv, "p:s:t:k:f:F:n:l:q:w:r:W:m:xyPR")) > 0) {
        switch (name) {
        case 'p':
            options.publish_port = load_number(optarg, 1, 65535, "-p");
            break;
        case 's':
            options.subscribe_port = load_number(optarg, 1, 65535, "-s");
            break;
        case 't':
            options.topic = optarg;
            break;
        case 'k':
            options.topics = load_number(optarg, 1, 1000000, "-k");
            break;
        case 'f':
            options.filter = optarg;
            break;
        case 'F':
            options.ways = load_number(optarg, 1, 1000, "-F");
            break;
        case 'n':
            options.count = load_number(optarg, 1, LOAD_COUNT_MAX, "-n");
            break;
        case 'l':
            options.bytes = load_number(optarg, LOAD_BYTES_MIN, LOAD_BYTES_MAX, "-l");
            break;
        case 'q':
            options.qos = load_number(optarg, 0, 1, "-q");
            break;
        case 'w':
            options.window = load_number(optarg, 1, 60000, "-w");
            break;
        case 'r':
            options.rate = load_number(optarg, 1, 1000000, "-r");
            break;
        case 'W':
            options.wait_s = load_number(optarg, 1, 600, "-W");
            break;
        case 'm':
            progress = load_shared_counter(optarg);
            if (!progress)
                wire_die("shared counter");
            break;
        case 'x':
            options.no_publisher = true;
            break;
        case 'y':
            options.no_subscriber = true;
            break;
        case 'P':
            options.probe = true;
            break;
        case 'R':
            options.resume = true;
            break;
        default:
            exit(2);
        }
    }
    if (optind < argc || (options.no_publisher && options.no_subscriber)) {
        fprintf(stderr, "mqtt_load: see the head of mqtt_load.c for its options\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    payload = malloc((size_t)options.bytes + LOAD_PAYLOAD_SLACK);
    if (!payload ||
        !tally_init(&tally, options.count * options.ways, options.topics * options.ways))
        wire_die("memory");
    if (!options.no_subscriber) {
        open_subscriber(!options.resume);
        fprintf(stderr, "ready\n");
    }
    if (!options.no_publisher)
        open_publisher();
    int result = options.probe ? probe() : measure();
    if (options.resume && !options.no_subscriber) { /* leaves no session behind */
        wire_close(&subscriber);
        open_subscriber(true);
        wire_close(&subscriber);
        fprintf(stderr, "cut off %ld times\n", cut_off);
    }
    free(payload);
    wire_fini(&publisher);
    wire_fini(&subscriber);
    tally_fini(&tally);
    return result;
}
