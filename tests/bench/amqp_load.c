/* SPDX-License-Identifier: Apache-2.0 */
/* An AMQP 1.0 load generator and checker on Proton's proactor; it shares no code with what it
 * measures.
 *
 *   amqp_load send|recv PORT ADDRESS [options]   connects to a broker or router
 *   amqp_load source|sink PORT       [options]   listens: sends to, or takes from, whoever attaches
 *
 * -n COUNT  -l BYTES  -w WINDOW (unsettled at once, and the receiver's credit)
 * -u USER -p PASSWORD (SASL PLAIN)  -W SECONDS (idle time after which it gives up)
 * -m FILE (a receiver keeps the number of messages it has in this file, for mqtt_load -m)
 *
 * A receiver accepts each message when it has it.  Prints "ready" on standard error once it is
 * attached or listens, one JSON line at the end; ends with 0 when every message came through. */
#include "load.h"
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/listener.h>
#include <proton/message.h>
#include <proton/proactor.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/transport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ENCODE_SLACK = 512,
    MESSAGE_BYTES_MAX = LOAD_BYTES_MAX + 65536,
    TICK_MS = 200,
    CLOSE_NS = 1000000000
};

static struct {
    const char *port, *address, *user, *password;
    long count, bytes, window, wait_s;
    bool sends, listens;
} options = {.count = 100000, .bytes = 256, .window = 1000, .wait_s = 10};

static struct tally tally;
static long sent, settled, not_accepted;
static uint64_t start_ns, last_ns;
static pn_message_t *message;
static char *payload, *encoded, *received;
static size_t received_size;
static bool finished, failed, closed;
static pn_connection_t *peer; /* the last one heard of */
static _Atomic long *progress;

static void fail(const char *what, pn_condition_t *condition)
{
    const char *text = condition ? pn_condition_get_description(condition) : NULL;
    fprintf(stderr, "amqp_load: %s%s%s\n", what, text ? ": " : "", text ? text : "");
    failed = finished = true;
}

static void send_some(pn_link_t *link)
{
    if (!start_ns)
        start_ns = last_ns = load_now_ns();
    while (sent < options.count && pn_link_credit(link) > 0 && sent - settled < options.window) {
        size_t size = (size_t)options.bytes + LOAD_PAYLOAD_SLACK + ENCODE_SLACK;
        size_t payload_size = load_payload(payload, (size_t)options.bytes, sent);
        pn_message_clear(message);
        pn_message_set_inferred(message, true); /* a data section */
        pn_data_put_binary(pn_message_body(message), pn_bytes(payload_size, payload));
        if (pn_message_encode(message, encoded, &size)) {
            fail("cannot encode", NULL);
            return;
        }
        pn_delivery(link, pn_dtag((const char *)&sent, sizeof sent));
        pn_link_send(link, encoded, size);
        pn_link_advance(link);
        sent++;
    }
}

static void on_settled(pn_delivery_t *delivery)
{
    if (!pn_delivery_remote_state(delivery) && !pn_delivery_settled(delivery))
        return;
    pn_link_t *link = pn_delivery_link(delivery);
    if (pn_delivery_remote_state(delivery) != PN_ACCEPTED)
        not_accepted++;
    settled++;
    last_ns = load_now_ns();
    pn_delivery_settle(delivery);
    if (settled >= options.count)
        finished = true;
    send_some(link);
}

static void on_message(pn_delivery_t *delivery)
{
    pn_link_t *link = pn_delivery_link(delivery);
    if (!pn_delivery_readable(delivery))
        return;
    ssize_t size = pn_link_recv(link, received + received_size, MESSAGE_BYTES_MAX - received_size);
    if (size > 0)
        received_size += (size_t)size;
    if (pn_delivery_partial(delivery)) {
        if (received_size >= MESSAGE_BYTES_MAX)
            fail("message is too large", NULL);
        return;
    }
    last_ns = load_now_ns();
    if (!start_ns)
        start_ns = last_ns;
    tally_note(&tally, received, received_size, 0, 1);
    received_size = 0;
    if (progress)
        *progress = tally.unique;
    pn_delivery_update(delivery, PN_ACCEPTED);
    pn_delivery_settle(delivery);
    long credit = pn_link_credit(link);
    if (credit < options.window / 2)
        pn_link_flow(link, (int)(options.window - credit));
    if (tally.unique >= options.count)
        finished = true;
}

static void open_link(pn_connection_t *connection)
{
    pn_session_t *session = pn_session(connection);
    pn_connection_open(connection);
    pn_session_open(session);
    pn_link_t *link = options.sends ? pn_sender(session, "load") : pn_receiver(session, "load");
    pn_terminus_t *end = options.sends ? pn_link_target(link) : pn_link_source(link);
    pn_terminus_set_address(end, options.address);
    pn_terminus_set_durability(end,
                               PN_DELIVERIES); /* RabbitMQ: a durable queue, as others declare */
    pn_link_open(link);
    if (!options.sends)
        pn_link_flow(link, (int)options.window);
}

/* As a listener: takes what the peer opens, as it opens it. */
static void on_remote_open(pn_event_t *event)
{
    pn_link_t *link = pn_event_link(event);
    if (!options.listens) {
        if (link)
            fprintf(stderr, "ready\n");
        return;
    }
    if (!link) {
        if (pn_event_session(event))
            pn_session_open(pn_event_session(event));
        else
            pn_connection_open(pn_event_connection(event));
        return;
    }
    pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
    pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
    pn_link_open(link);
    if (pn_link_is_receiver(link))
        pn_link_flow(link, (int)options.window);
}

static void on_event(pn_event_t *event, pn_proactor_t *proactor)
{
    if (pn_event_connection(event))
        peer = pn_event_connection(event);
    switch (pn_event_type(event)) {
    case PN_LISTENER_OPEN:
        fprintf(stderr, "ready\n");
        break;
    case PN_LISTENER_ACCEPT:
        pn_listener_accept2(pn_event_listener(event), NULL, NULL);
        break;
    case PN_LISTENER_CLOSE:
        if (pn_condition_is_set(pn_listener_condition(pn_event_listener(event))))
            fail("cannot listen", pn_listener_condition(pn_event_listener(event)));
        break;
    case PN_CONNECTION_INIT:
        if (!options.listens)
            open_link(pn_event_connection(event));
        break;
    case PN_CONNECTION_REMOTE_OPEN:
    case PN_SESSION_REMOTE_OPEN:
    case PN_LINK_REMOTE_OPEN:
        on_remote_open(event);
        break;
    case PN_LINK_FLOW:
        if (options.sends && pn_link_is_sender(pn_event_link(event)))
            send_some(pn_event_link(event));
        break;
    case PN_DELIVERY:
        if (pn_link_is_sender(pn_event_link(event)))
            on_settled(pn_event_delivery(event));
        else
            on_message(pn_event_delivery(event));
        break;
    case PN_SESSION_REMOTE_CLOSE:
        if (!options.listens && !finished)
            fail("the session was ended", pn_session_remote_condition(pn_event_session(event)));
        break;
    case PN_LINK_REMOTE_CLOSE:
        if (!options.listens && !finished)
            fail("the link was closed", pn_link_remote_condition(pn_event_link(event)));
        break;
    case PN_TRANSPORT_CLOSED:
        closed = true;
        if (!options.listens && !finished)
            fail("the connection was closed", pn_transport_condition(pn_event_transport(event)));
        break;
    case PN_PROACTOR_TIMEOUT:
        pn_proactor_set_timeout(proactor, TICK_MS);
        if (load_now_ns() - last_ns > (uint64_t)options.wait_s * 1000000000u)
            finished = true;
        break;
    default:
        break;
    }
}

static void connect_or_listen(pn_proactor_t *proactor)
{
    char address[PN_MAX_ADDR];
    pn_proactor_addr(address, sizeof address, "127.0.0.1", options.port);
    if (options.listens) {
        pn_proactor_listen(proactor, pn_listener(), address, 16);
        return;
    }
    pn_connection_t *connection = pn_connection();
    pn_transport_t *transport = pn_transport();
    char container[32];
    snprintf(container, sizeof container, "load-%d", (int)getpid());
    pn_connection_set_container(connection, container);
    if (options.user) {
        pn_connection_set_user(connection, options.user);
        pn_connection_set_password(connection, options.password ? options.password : "");
        pn_sasl_set_allow_insecure_mechs(pn_sasl(transport), true);
    }
    pn_proactor_connect2(proactor, connection, transport, address);
}

static void read_options(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    options.sends = !strcmp(mode, "send") || !strcmp(mode, "source");
    options.listens = !strcmp(mode, "source") || !strcmp(mode, "sink");
    bool connects = !strcmp(mode, "send") || !strcmp(mode, "recv");
    if (!(options.listens || (connects && argc > 3))) {
        fprintf(stderr, "amqp_load: see the head of amqp_load.c for its options\n");
        exit(2);
    }
    options.port = argv[2];
    options.address = connects ? argv[3] : NULL;
    optind = connects ? 4 : 3;
    int name;
    while ((name = getopt(argc, argv, "n:l:w:u:p:W:m:")) > 0) {
        switch (name) {
        case 'n':
            options.count = load_number(optarg, 1, LOAD_COUNT_MAX, "-n");
            break;
        case 'l':
            options.bytes = load_number(optarg, 1, LOAD_BYTES_MAX, "-l");
            break;
        case 'w':
            options.window = load_number(optarg, 1, 60000, "-w");
            break;
        case 'u':
            options.user = optarg;
            break;
        case 'p':
            options.password = optarg;
            break;
        case 'm':
            progress = load_shared_counter(optarg);
            if (!progress)
                exit(2);
            break;
        case 'W':
            options.wait_s = load_number(optarg, 1, 600, "-W");
            break;
        default:
            exit(2);
        }
    }
}

/* Until everything came, then until the peer has been told so and the connection is closed. */
static void run(pn_proactor_t *proactor)
{
    bool closing = false;
    uint64_t finished_ns = 0;
    while (!finished || (peer && !closed && !failed && load_now_ns() - finished_ns < CLOSE_NS)) {
        pn_event_batch_t *batch = pn_proactor_wait(proactor);
        pn_event_t *event;
        while ((event = pn_event_batch_next(batch)) != NULL) {
            on_event(event, proactor);
            /* Only inside its own batch may a connection be touched. */
            if (finished && !closing && peer && pn_event_connection(event) == peer) {
                closing = true;
                pn_connection_close(peer);
            }
        }
        if (finished && !finished_ns)
            finished_ns = load_now_ns();
        pn_proactor_done(proactor, batch);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    pn_proactor_t *proactor = pn_proactor();
    message = pn_message();
    payload = malloc((size_t)options.bytes + LOAD_PAYLOAD_SLACK);
    encoded = malloc((size_t)options.bytes + LOAD_PAYLOAD_SLACK + ENCODE_SLACK);
    received = malloc(MESSAGE_BYTES_MAX);
    if (!proactor || !message || !payload || !encoded || !received ||
        !tally_init(&tally, options.count, 1))
        return 2;
    last_ns = load_now_ns();
    connect_or_listen(proactor);
    pn_proactor_set_timeout(proactor, TICK_MS);
    run(proactor);
    tally_print(&tally, sent, options.sends ? settled - not_accepted : tally.unique, !options.sends,
                start_ns ? (double)(last_ns - start_ns) / 1e9 : 0);
    bool whole =
        options.sends ? settled - not_accepted >= options.count : tally.unique >= options.count;
    free(payload);
    free(encoded);
    free(received);
    tally_fini(&tally);
    pn_message_free(message);
    pn_proactor_free(proactor);
    return failed ? 3 : !whole;
}
