/* SPDX-License-Identifier: Apache-2.0 */
/* An MQTT load generator and checker on the MQTT 3.1.1 wire format alone: one publisher, one
 * subscriber, one poll loop; it shares no code with what it measures.
 *
 *   mqtt_load [-p PORT] [-s PORT] [-t TOPIC] [-k TOPICS] [-f FILTER] [-n COUNT] [-l BYTES]
 *             [-q 0|1] [-w WINDOW] [-r EVENTS_PER_SECOND] [-W SECONDS] [-x] [-y] [-m FILE] [-P]
 *
 * -p, -s  loopback ports to publish to and to subscribe at (1883)
 * -t, -k  "{n}" in the topic becomes the event's number modulo TOPICS; order is that of each topic
 * -w      how many events may be under way at once, so that no queue on the way overflows by our
 * doing -W      how long to wait for the rest once nothing arrives any more -x, -y  no publisher;
 * no subscriber -P      probe: publish until one event has come through, at most -W seconds; prints
 * nothing
 *
 * Prints one JSON line and ends with 0 when every event came through, with 1 when some did not. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBACK = 9 };
enum { READ_BYTES = 262144, UNSENT_BYTES_MAX = 262144, BURST = 512 };
/* Nothing wakes the loop when another process makes room in the window: it looks often. */
enum { PAUSE_NS = 100000000, PROBE_NS = 20000000, PROGRESS_PAUSE_NS = 200000 };

struct buffer {
    uint8_t *at;
    size_t start, end, size;
};

struct link {
    int fd; /* -1: there is none */
    struct buffer in, out;
};

static struct {
    long publish_port, subscribe_port, topics, count, bytes, qos, window, rate, wait_s;
    const char *topic, *filter;
    bool no_publisher, no_subscriber, probe;
} options = {
    .publish_port = 1883,
    .subscribe_port = 1883,
    .topic = "bench/a",
    .topics = 1,
    .filter = "bench/#",
    .count = 100000,
    .bytes = 256,
    .window = 1000,
    .wait_s = 10,
};

static struct tally tally;
static struct link publisher = {.fd = -1}, subscriber = {.fd = -1};
static long sent, acked;
static uint16_t packet_id;
static char *payload;
static _Atomic long *progress;

static void die(const char *what)
{
    fprintf(stderr, "mqtt_load: %s: %s\n", what, errno ? strerror(errno) : "protocol error");
    exit(2);
}

/* Room for `more` bytes behind end. */
static uint8_t *buffer_room(struct buffer *buffer, size_t more)
{
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (buffer->end + more > buffer->size && buffer->start) {
        memmove(buffer->at, buffer->at + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->end + more > buffer->size) {
        buffer->size = (buffer->end + more) * 2;
        buffer->at = realloc(buffer->at, buffer->size);
        if (!buffer->at)
            die("memory");
    }
    return buffer->at + buffer->end;
}

static void put(struct link *link, const void *bytes, size_t size)
{
    memcpy(buffer_room(&link->out, size), bytes, size);
    link->out.end += size;
}

static void put_text(struct link *link, const char *text, size_t size)
{
    put(link, (uint8_t[]){(uint8_t)(size >> 8), (uint8_t)size}, 2);
    put(link, text, size);
}

/* The fixed header (MQTT 3.1.1 §2.2). */
static void put_head(struct link *link, uint8_t first, size_t remaining)
{
    put(link, &first, 1);
    do {
        uint8_t digit = remaining & 127;
        remaining >>= 7;
        if (remaining)
            digit |= 128;
        put(link, &digit, 1);
    } while (remaining);
}

static void write_out(struct link *link)
{
    while (link->out.start < link->out.end) {
        ssize_t size = send(link->fd, link->out.at + link->out.start,
                            link->out.end - link->out.start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0)
            die("send");
        link->out.start += (size_t)size;
    }
}

/* True: something was read. */
static bool read_in(struct link *link)
{
    ssize_t size = recv(link->fd, buffer_room(&link->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return false;
    errno = size ? errno : ECONNRESET;
    if (size <= 0)
        die("recv");
    link->in.end += (size_t)size;
    return true;
}

/* The next whole packet of the buffer: its first byte, its body and the body's size. */
static bool next_packet(struct buffer *in, uint8_t *ret_first, const uint8_t **ret_body,
                        size_t *ret_size)
{
    size_t have = in->end - in->start, size = 0, head = 1;
    const uint8_t *at = in->at + in->start;
    for (unsigned shift = 0;; shift += 7) {
        if (head >= have || shift > 21)
            return false;
        uint8_t digit = at[head++];
        size |= (size_t)(digit & 127) << shift;
        if (!(digit & 128))
            break;
    }
    if (have < head + size)
        return false;
    *ret_first = at[0];
    *ret_body = at + head;
    *ret_size = size;
    in->start += head + size;
    return true;
}

static void wait_for(struct link *link, uint8_t type, size_t code_at)
{
    uint8_t first;
    const uint8_t *body;
    size_t size;
    write_out(link);
    while (!next_packet(&link->in, &first, &body, &size)) {
        struct pollfd ready = {.fd = link->fd, .events = POLLIN};
        if (poll(&ready, 1, 5000) != 1)
            die("no answer");
        read_in(link);
    }
    errno = 0;
    if (first >> 4 != type || size <= code_at || body[code_at] > 2)
        die("refused");
}

static void link_open(struct link *link, long port, const char *role)
{
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&peer, sizeof peer))
        die("connect");
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    char id[64];
    int size = snprintf(id, sizeof id, "load-%s-%d", role, (int)getpid());
    put_head(link, 0x10, 12 + (size_t)size);
    put_text(link, "MQTT", 4);
    put(link, (uint8_t[]){4, 2, 0, 0}, 4); /* level 4, clean session, no keep-alive */
    put_text(link, id, (size_t)size);
    wait_for(link, CONNACK, 1);
}

static void subscribe(struct link *link)
{
    size_t size = strlen(options.filter);
    put_head(link, 0x82, 5 + size);
    put(link, (uint8_t[]){0, 1}, 2);
    put_text(link, options.filter, size);
    put(link, &(uint8_t){(uint8_t)options.qos}, 1);
    wait_for(link, SUBACK, 2);
}

static void publish(long number)
{
    char topic[1024];
    const char *mark = strstr(options.topic, "{n}");
    int topic_size = mark ? snprintf(topic, sizeof topic, "%.*s%ld%s", (int)(mark - options.topic),
                                     options.topic, number % options.topics, mark + 3)
                          : snprintf(topic, sizeof topic, "%s", options.topic);
    if (topic_size >= (int)sizeof topic)
        die("topic is too long");
    size_t size = load_payload(payload, (size_t)options.bytes, number);
    put_head(&publisher, (uint8_t)(0x30 | options.qos << 1),
             2 + (size_t)topic_size + (options.qos ? 2 : 0) + size);
    put_text(&publisher, topic, (size_t)topic_size);
    if (options.qos) {
        if (++packet_id == 0)
            packet_id = 1;
        put(&publisher, (uint8_t[]){(uint8_t)(packet_id >> 8), (uint8_t)packet_id}, 2);
    }
    put(&publisher, payload, size);
}

static bool may_publish(uint64_t start_ns)
{
    if (sent >= options.count || publisher.out.end - publisher.out.start > UNSENT_BYTES_MAX)
        return false;
    long done = tally.unique;
    if (options.no_subscriber)
        done = progress ? *progress : options.qos ? acked : sent;
    if (sent - done >= options.window)
        return false;
    return !options.rate ||
           (double)(load_now_ns() - start_ns) * (double)options.rate >= (double)sent * 1e9;
}

static void on_publish(uint8_t first, const uint8_t *body, size_t size)
{
    size_t at = size < 2 ? size : 2 + (size_t)(body[0] << 8 | body[1]);
    if (first & 6)
        at += 2;
    if (at > size)
        die("short PUBLISH");
    if (first & 6)
        put(&subscriber, (uint8_t[]){0x40, 2, body[at - 2], body[at - 1]}, 4);
    tally_note(&tally, (const char *)body + at, size - at);
}

/* One turn: wait at most timeout_ns, read, answer.  True: something arrived. */
static bool turn(uint64_t timeout_ns)
{
    struct pollfd ready[2] = {{.fd = publisher.fd, .events = POLLIN},
                              {.fd = subscriber.fd, .events = POLLIN}};
    struct link *links[2] = {&publisher, &subscriber};
    for (int i = 0; i < 2; i++)
        if (links[i]->out.start < links[i]->out.end)
            ready[i].events |= POLLOUT;
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_nsec = (long)(timeout_ns % 1000000000u)};
    if (ppoll(ready, 2, &timeout, NULL) < 0 && errno != EINTR)
        die("poll");
    bool arrived = false;
    for (int i = 0; i < 2; i++) {
        uint8_t first;
        const uint8_t *body;
        size_t size;
        if (links[i]->fd < 0 || !(ready[i].revents & (POLLIN | POLLHUP | POLLERR)) ||
            !read_in(links[i]))
            continue;
        while (next_packet(&links[i]->in, &first, &body, &size)) {
            arrived = true;
            if (first >> 4 == PUBACK)
                acked++;
            else if (first >> 4 == PUBLISH)
                on_publish(first, body, size);
        }
    }
    for (int i = 0; i < 2; i++)
        if (links[i]->fd >= 0)
            write_out(links[i]);
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
            write_out(&publisher);
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
        if (publisher.fd >= 0)
            write_out(&publisher);
        uint64_t pause_ns = progress ? PROGRESS_PAUSE_NS : PAUSE_NS;
        if (options.rate && sent < options.count)
            pause_ns = 1000000000u / (uint64_t)options.rate;
        if (turn(pause_ns) || sent > before)
            last_ns = load_now_ns();
        bool written = publisher.out.start == publisher.out.end;
        if (options.no_subscriber && sent >= options.count && written &&
            (options.qos == 0 || acked >= options.count))
            break;
        if (!options.no_subscriber && tally.unique >= options.count)
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
                                 : tally.unique < options.count;
}

static void read_options(int argc, char **argv)
{
    int name;
    while ((name = getopt(argc, argv, "p:s:t:k:f:n:l:q:w:r:W:m:xyP")) > 0) {
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
        case 'n':
            options.count = load_number(optarg, 1, LOAD_COUNT_MAX, "-n");
            break;
        case 'l':
            options.bytes = load_number(optarg, 1, LOAD_BYTES_MAX, "-l");
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
                die("shared counter");
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
    if (!payload || !tally_init(&tally, options.count, options.topics))
        die("memory");
    if (!options.no_subscriber) {
        link_open(&subscriber, options.subscribe_port, "s");
        subscribe(&subscriber);
        fprintf(stderr, "ready\n");
    }
    if (!options.no_publisher)
        link_open(&publisher, options.publish_port, "p");
    int result = options.probe ? probe() : measure();
    free(payload);
    free(publisher.in.at);
    free(publisher.out.at);
    free(subscriber.in.at);
    free(subscriber.out.at);
    tally_fini(&tally);
    return result;
}
