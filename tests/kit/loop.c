/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host's loop: descriptors by poll(2), timers on a real or hand-moved clock, wakes, jobs.
 */
#include "host_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WATCHES_MAX = 4096 };

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Reads the real clocks, which stand still from here to the next call while they are held. */
static void read_clocks(struct kit_host *host)
{
    if (host->by_hand)
        return;
    host->now_us = clock_us(CLOCK_MONOTONIC);
    host->wall_us = clock_us(CLOCK_REALTIME);
}

void kit_clocks_hold(struct kit_host *host)
{
    if (!host->held++)
        read_clocks(host);
}

void kit_clocks_release(struct kit_host *host)
{
    host->held--;
}

static int64_t now(struct kit_host *host)
{
    if (!host->held)
        read_clocks(host);
    return host->now_us;
}

void kit_interrupt(struct kit_host *host)
{
    ssize_t written = write(host->wake_fds[1], "", 1); /* a full pipe wakes, too */
    (void)written;
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static mg_io *io_watch(mg_shard *shard, int fd, uint32_t events,
                       void (*ready)(void *arg, uint32_t events), void *arg)
{
    struct kit_host *host = shard->host;
    struct stat st;
    kit_on_shard(host, "io_watch");
    /* epoll refuses regular files, and libuv a second watch of one descriptor: so does this. */
    if (fstat(fd, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return NULL;
    for (mg_io *io = host->ios; io; io = io->next) {
        if (!io->dead && io->fd == fd) {
            kit_fault(host, "io_watch: descriptor %d is watched already", fd);
            return NULL;
        }
    }
    mg_io *io = kit_alloc(sizeof *io);
    *io = (mg_io){
        .next = host->ios, .shard = shard, .fd = fd, .events = events, .ready = ready, .arg = arg};
    host->ios = io;
    return io;
}

static int io_events(mg_io *io, uint32_t events)
{
    kit_on_shard(io->shard->host, "io_events");
    if (io->dead)
        kit_fault(io->shard->host, "io_events after io_stop");
    io->events = events;
    return 0;
}

static void io_stop(mg_io *io)
{
    if (!io)
        return;
    kit_on_shard(io->shard->host, "io_stop");
    if (io->dead)
        kit_fault(io->shard->host, "io_stop twice");
    io->dead = true;
}

static void io_fire(mg_io *io, short revents)
{
    uint32_t events = 0;
    if (revents & POLLNVAL) {
        kit_fault(io->shard->host, "descriptor %d was closed while it is watched", io->fd);
        io->events = 0;
        return;
    }
    if (revents & (POLLIN | POLLPRI | POLLHUP | POLLRDHUP | POLLERR))
        events |= MG_IO_READ;
    if (revents & (POLLOUT | POLLERR | POLLHUP))
        events |= MG_IO_WRITE;
    events &= io->events;
    if (events && !io->dead)
        io->ready(io->arg, events);
}

/* Waits at most wait_ms (-1: for ever) and calls back whoever is ready; true where any was. */
static bool poll_once(struct kit_host *host, int wait_ms)
{
    static struct pollfd fds[WATCHES_MAX];
    static mg_io *ios[WATCHES_MAX];
    nfds_t count = 1;
    fds[0] = (struct pollfd){.fd = host->wake_fds[0], .events = POLLIN};
    for (mg_io *io = host->ios; io && count < WATCHES_MAX; io = io->next) {
        if (io->dead || !io->events)
            continue;
        short wanted = (short)((io->events & MG_IO_READ ? POLLIN : 0) |
                               (io->events & MG_IO_WRITE ? POLLOUT : 0));
        ios[count] = io;
        fds[count++] = (struct pollfd){.fd = io->fd, .events = wanted};
    }
    int ready = poll(fds, count, wait_ms);
    read_clocks(host);
    if (ready <= 0)
        return false;
    char drain[64];
    while (fds[0].revents && read(host->wake_fds[0], drain, sizeof drain) == (ssize_t)sizeof drain)
        ;
    for (nfds_t i = 1; i < count; i++)
        if (fds[i].revents && !ios[i]->dead)
            io_fire(ios[i], fds[i].revents);
    return true;
}

/* ---- timers --------------------------------------------------------------------------------- */

static void timer_again(mg_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
    kit_on_shard(timer->shard->host, "timer_again");
    if (timer->dead)
        kit_fault(timer->shard->host, "timer_again after timer_stop");
    timer->due_us = now(timer->shard->host) + (int64_t)after_ms * 1000;
    timer->every_us = (int64_t)every_ms * 1000;
}

static mg_timer *timer_start(mg_shard *shard, uint64_t after_ms, uint64_t every_ms,
                             void (*fired)(void *arg), void *arg)
{
    kit_on_shard(shard->host, "timer_start");
    mg_timer *timer = kit_alloc(sizeof *timer);
    *timer = (mg_timer){.shard = shard, .fired = fired, .arg = arg, .next = shard->host->timers};
    shard->host->timers = timer;
    timer_again(timer, after_ms, every_ms);
    return timer;
}

static void timer_stop(mg_timer *timer)
{
    if (!timer)
        return;
    kit_on_shard(timer->shard->host, "timer_stop");
    if (timer->dead)
        kit_fault(timer->shard->host, "timer_stop twice");
    timer->dead = true;
}

static mg_timer *next_timer(struct kit_host *host)
{
    mg_timer *first = NULL;
    for (mg_timer *t = host->timers; t; t = t->next)
        if (!t->dead && t->due_us >= 0 && (!first || t->due_us < first->due_us))
            first = t;
    return first;
}

/* Fires what is due, each timer at most once, so that a period of 0 cannot hold the turn. */
static bool timers_turn(struct kit_host *host)
{
    int64_t until = now(host);
    bool any = false;
    for (mg_timer *t; (t = next_timer(host)) && t->due_us <= until;) {
        t->due_us = t->every_us ? until + t->every_us : -1;
        t->fired(t->arg);
        any = true;
    }
    return any;
}

int64_t kit_next_timer_ms(struct kit_host *host)
{
    mg_timer *t = next_timer(host);
    if (!t)
        return -1;
    int64_t left = t->due_us - now(host);
    return left > 0 ? (left + 999) / 1000 : 0;
}

/* ---- wakes and jobs ------------------------------------------------------------------------- */

static mg_wake *wake_new(mg_shard *shard, void (*woken)(void *arg), void *arg)
{
    kit_on_shard(shard->host, "wake_new");
    mg_wake *wake = kit_alloc(sizeof *wake);
    *wake = (mg_wake){.next = shard->host->wakes, .shard = shard, .woken = woken, .arg = arg};
    shard->host->wakes = wake;
    return wake;
}

static void wake_any(mg_wake *wake)
{
    struct kit_host *host = wake->shard->host;
    pthread_mutex_lock(&host->lock);
    wake->pending = true;
    pthread_mutex_unlock(&host->lock);
    kit_interrupt(host);
}

static void wake_free(mg_wake *wake)
{
    if (!wake)
        return;
    struct kit_host *host = wake->shard->host;
    kit_on_shard(host, "wake_free");
    pthread_mutex_lock(&host->lock);
    bool twice = wake->dead;
    wake->dead = true;
    pthread_mutex_unlock(&host->lock);
    if (twice)
        kit_fault(host, "wake_free twice");
}

static bool wakes_turn(struct kit_host *host)
{
    bool any = false;
    for (mg_wake *w = host->wakes; w; w = w->next) {
        pthread_mutex_lock(&host->lock);
        bool fire = w->pending && !w->dead;
        w->pending = false;
        pthread_mutex_unlock(&host->lock);
        if (fire)
            w->woken(w->arg);
        any |= fire;
    }
    return any;
}

static void *job_run(void *arg)
{
    struct kit_job *job = arg;
    struct kit_host *host = job->shard->host;
    job->job(job->arg);
    pthread_mutex_lock(&host->lock);
    job->finished = true;
    pthread_mutex_unlock(&host->lock);
    kit_interrupt(host);
    return NULL;
}

static int work(mg_shard *shard, void (*job)(void *arg), void (*done)(void *arg), void *arg)
{
    struct kit_host *host = shard->host;
    kit_on_shard(host, "work");
    struct kit_job *entry = kit_alloc(sizeof *entry);
    *entry = (struct kit_job){.shard = shard, .job = job, .done = done, .arg = arg};
    int error = pthread_create(&entry->thread, NULL, job_run, entry);
    if (error) {
        free(entry);
        return -error;
    }
    struct kit_job **end = &host->jobs; /* at the end: done in the order of work, where it can be */
    while (*end)
        end = &(*end)->next;
    *end = entry;
    return 0;
}

static bool jobs_turn(struct kit_host *host)
{
    bool any = false;
    for (struct kit_job **at = &host->jobs, *job; (job = *at);) {
        pthread_mutex_lock(&host->lock);
        bool finished = job->finished;
        pthread_mutex_unlock(&host->lock);
        if (!finished) {
            at = &job->next;
            continue;
        }
        pthread_join(job->thread, NULL);
        *at = job->next;
        job->done(job->arg);
        free(job);
        any = true;
        at = &host->jobs; /* done may have given more work */
    }
    return any;
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void reap(struct kit_host *host)
{
    for (mg_io **at = &host->ios, *io; (io = *at);) {
        if (io->dead) {
            *at = io->next;
            free(io);
        } else {
            at = &io->next;
        }
    }
    for (mg_timer **at = &host->timers, *t; (t = *at);) {
        if (t->dead) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
    for (mg_wake **at = &host->wakes, *w; (w = *at);) {
        if (w->dead) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

static void turn(struct kit_host *host, int wait_ms)
{
    kit_on_shard(host, "the loop");
    if (host->turning) {
        fprintf(stderr, "kit: the loop was entered from one of its own callbacks\n");
        abort();
    }
    host->turning = true;
    kit_clocks_hold(host);
    bool any = kit_records_turn(host);
    any |= timers_turn(host);
    any |= poll_once(host, any ? 0 : wait_ms);
    wakes_turn(host);
    jobs_turn(host);
    timers_turn(host);
    kit_records_turn(host);
    reap(host);
    kit_clocks_release(host);
    host->turning = false;
}

void kit_turn(struct kit_host *host)
{
    turn(host, 0);
}

bool kit_run_until(struct kit_host *host, bool (*done)(void *arg), void *arg, int timeout_ms)
{
    int64_t deadline = clock_us(CLOCK_MONOTONIC) + (int64_t)timeout_ms * 1000;
    for (;;) {
        if (done && done(arg))
            return true;
        int64_t left_ms = (deadline - clock_us(CLOCK_MONOTONIC) + 999) / 1000;
        if (left_ms <= 0)
            return false;
        int64_t timer_ms = host->by_hand ? -1 : kit_next_timer_ms(host);
        turn(host, (int)(timer_ms >= 0 && timer_ms < left_ms ? timer_ms : left_ms));
    }
}

void kit_clock_by_hand(struct kit_host *host)
{
    if (!host->held)
        read_clocks(host);
    host->by_hand = true;
}

static void move_clock(struct kit_host *host, int64_t to_us)
{
    if (to_us <= host->now_us)
        return;
    host->wall_us += to_us - host->now_us;
    host->now_us = to_us;
}

void kit_clock_advance_ms(struct kit_host *host, uint64_t ms)
{
    kit_clock_by_hand(host);
    int64_t until = host->now_us + (int64_t)ms * 1000;
    for (mg_timer *t; (t = next_timer(host)) && t->due_us <= until;) {
        move_clock(host, t->due_us);
        turn(host, 0);
    }
    move_clock(host, until);
    turn(host, 0);
}

static int64_t now_us(mg_shard *shard)
{
    kit_on_shard(shard->host, "now_us");
    return now(shard->host);
}

static int64_t wall_us(mg_shard *shard)
{
    kit_on_shard(shard->host, "wall_us");
    if (!shard->host->held)
        read_clocks(shard->host);
    return shard->host->wall_us;
}

size_t kit_live_handles(struct kit_host *host)
{
    size_t live = 0;
    for (mg_io *io = host->ios; io; io = io->next)
        live += !io->dead;
    for (mg_timer *t = host->timers; t; t = t->next)
        live += !t->dead;
    for (mg_wake *w = host->wakes; w; w = w->next)
        live += !w->dead;
    for (struct kit_job *job = host->jobs; job; job = job->next)
        live++;
    return live;
}

void kit_loop_fill(struct mg_host *table)
{
    table->io_watch = io_watch;
    table->io_events = io_events;
    table->io_stop = io_stop;
    table->timer_start = timer_start;
    table->timer_again = timer_again;
    table->timer_stop = timer_stop;
    table->wake_new = wake_new;
    table->wake = wake_any;
    table->wake_free = wake_free;
    table->work = work;
    table->now_us = now_us;
    table->wall_us = wall_us;
}

void kit_loop_fini(struct kit_host *host)
{
    for (struct kit_job *job; (job = host->jobs);) {
        host->jobs = job->next;
        pthread_join(job->thread, NULL);
        free(job);
    }
    for (mg_io *io = host->ios; io; io = io->next)
        io->dead = true;
    for (mg_timer *t = host->timers; t; t = t->next)
        t->dead = true;
    for (mg_wake *w = host->wakes; w; w = w->next)
        w->dead = true;
    reap(host);
}
