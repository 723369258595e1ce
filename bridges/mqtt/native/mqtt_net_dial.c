/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling: look-up on the thread pool, then one address after the other, a little apart and side
 * by side, until the first is connected (Happy Eyeballs, RFC 8305 §5). */
#include "mqtt_net_lookup.h"
#include "mqtt_net_stream.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { APART_MS = 250 }; /* RFC 8305 §8 */

/* The look-up's own memory: getaddrinfo may outlast the dial by far. */
struct job {
    struct mqtt_dial *dial; /* NULL: nobody waits any more */
    struct mqtt_lookup lookup;
};

struct attempt {
    struct mqtt_dial *dial;
    int fd; /* -1: over */
    mg_io *watch;
    int error;
};

struct mqtt_dial {
    const struct mg_host *host;
    mg_shard *shard;
    const struct mqtt_where *where;
    struct mqtt_why *why;
    const struct mqtt_dial_events *events;
    void *arg;
    struct job *job;   /* owned but for the time that it runs */
    mg_timer *timer;   /* the next attempt */
    size_t next, open; /* attempts begun, under way */
    struct attempt attempts[MQTT_ADDRESSES_MOST];
};

/* ---- the end of it -------------------------------------------------------------------------- */

static void attempt_end(struct attempt *attempt, int error)
{
    struct mqtt_dial *dial = attempt->dial;
    dial->host->io_stop(attempt->watch);
    attempt->watch = NULL;
    if (attempt->fd >= 0) {
        close(attempt->fd);
        dial->open--;
    }
    attempt->fd = -1;
    attempt->error = error;
}

static void stop_attempts(struct mqtt_dial *dial)
{
    for (size_t i = 0; i < dial->next; i++)
        if (dial->attempts[i].fd >= 0)
            attempt_end(&dial->attempts[i], ECANCELED);
    dial->host->timer_stop(dial->timer);
    dial->timer = NULL;
}

void mqtt_dial_stop(struct mqtt_dial *dial)
{
    if (!dial)
        return;
    stop_attempts(dial);
    if (dial->job && dial->job->dial)
        dial->job->dial = NULL; /* the job's end frees it */
    else
        free(dial->job);
    free(dial);
}

static void give_up(struct mqtt_dial *dial)
{
    char text[sizeof(dial->why->text)];
    size_t length = 0;
    text[0] = 0;
    for (size_t i = 0; i < dial->next && length < sizeof(text); i++) {
        const struct mqtt_socket_address *address = &dial->job->lookup.addresses[i];
        char name[INET6_ADDRSTRLEN + 32] = "?";
        getnameinfo((const struct sockaddr *)&address->at, address->length, name, sizeof(name),
                    NULL, 0, NI_NUMERICHOST);
        int n = snprintf(text + length, sizeof(text) - length, "%s%s: %s", i ? "; " : "", name,
                         strerror(dial->attempts[i].error));
        length += n > 0 ? (size_t)n : 0;
    }
    mqtt_why_set(dial->why, "cannot connect to %s: %s", dial->where->at,
                 dial->next ? text : "the name has no address");
    stop_attempts(dial);
    dial->events->failed(dial->arg);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void try_next(void *arg);

/* On loopback, a connect to a port where nobody listens may draw that very port for its own end,
 * and so meet itself (RFC 9293 §3.5, simultaneous open). */
static bool met_itself(int fd)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_length = sizeof(here), there_length = sizeof(there);
    return !getsockname(fd, (struct sockaddr *)&here, &here_length) &&
           !getpeername(fd, (struct sockaddr *)&there, &there_length) &&
           here_length == there_length && !memcmp(&here, &there, here_length);
}

static void attempt_ready(void *arg, uint32_t events)
{
    (void)events;
    struct attempt *attempt = arg;
    struct mqtt_dial *dial = attempt->dial;
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &length))
        error = errno;
    if (!error && met_itself(attempt->fd))
        error = ECONNREFUSED;
    if (error) {
        attempt_end(attempt, error);
        try_next(dial);
        return;
    }
    int fd = attempt->fd;
    dial->host->io_stop(attempt->watch);
    attempt->watch = NULL;
    attempt->fd = -1;
    dial->open--;
    stop_attempts(dial);
    dial->events->connected(dial->arg, fd);
}

static void begin_attempt(struct mqtt_dial *dial)
{
    const struct mqtt_socket_address *address = &dial->job->lookup.addresses[dial->next];
    struct attempt *attempt = &dial->attempts[dial->next++];
    attempt->dial = dial;
    attempt->fd =
        socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (attempt->fd < 0) {
        attempt->error = errno;
        return;
    }
    dial->open++;
    int one = 1;
    setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(attempt->fd, (const struct sockaddr *)&address->at, address->length) &&
        errno != EINPROGRESS) {
        attempt_end(attempt, errno);
        return;
    }
    attempt->watch =
        dial->host->io_watch(dial->shard, attempt->fd, MG_IO_WRITE, attempt_ready, attempt);
    if (!attempt->watch)
        attempt_end(attempt, ENOMEM);
}

/* The time has come for one address more, or an attempt has failed. */
static void try_next(void *arg)
{
    struct mqtt_dial *dial = arg;
    const struct mqtt_lookup *lookup = &dial->job->lookup;
    if (lookup->error) {
        mqtt_why_set(dial->why, "cannot resolve %s: %s", dial->where->host,
                     mqtt_lookup_error(lookup));
        dial->events->failed(dial->arg);
        return;
    }
    size_t open = dial->open;
    while (dial->next < lookup->count && dial->open == open)
        begin_attempt(dial);
    if (!dial->open)
        give_up(dial);
    else if (dial->next < lookup->count)
        dial->host->timer_again(dial->timer, APART_MS, 0);
}

/* ---- look-up -------------------------------------------------------------------------------- */

static void look_up(void *arg)
{
    struct job *job = arg;
    mqtt_lookup_run(&job->lookup, 0);
}

static void looked_up(void *arg)
{
    struct job *job = arg;
    struct mqtt_dial *dial = job->dial;
    if (!dial) {
        free(job);
        return;
    }
    job->dial = NULL;
    try_next(dial);
}

static int begin(struct mqtt_dial *dial)
{
    struct mqtt_lookup *lookup = &dial->job->lookup;
    memcpy(lookup->host, dial->where->host, sizeof(lookup->host));
    memcpy(lookup->port, dial->where->port, sizeof(lookup->port));
    if (dial->where->literal) { /* needs no name server, so it never waits for one */
        mqtt_lookup_run(lookup, AI_NUMERICHOST);
        dial->timer = dial->host->timer_start(dial->shard, 0, 0, try_next, dial);
        return dial->timer ? 0 : -ENOMEM;
    }
    dial->timer = dial->host->timer_start(dial->shard, UINT32_MAX, 0, try_next, dial);
    if (!dial->timer || dial->host->work(dial->shard, look_up, looked_up, dial->job))
        return -ENOMEM;
    dial->job->dial = dial;
    return 0;
}

struct mqtt_dial *mqtt_dial_start(const struct mg_host *host, mg_shard *shard,
                                  const struct mqtt_where *where, struct mqtt_why *why,
                                  const struct mqtt_dial_events *events, void *arg)
{
    struct mqtt_dial *dial = calloc(1, sizeof(*dial));
    if (!dial)
        return NULL;
    *dial = (struct mqtt_dial){.host = host,
                               .shard = shard,
                               .where = where,
                               .why = why,
                               .events = events,
                               .arg = arg,
                               .job = calloc(1, sizeof(*dial->job))};
    if (!dial->job || begin(dial)) {
        mqtt_dial_stop(dial);
        return NULL;
    }
    return dial;
}
