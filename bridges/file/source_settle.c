/* SPDX-License-Identifier: Apache-2.0 */
/* What the core has and has not settled yet, what it gave back, and how far all is done. */
#include "source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 1000, SAVE_MS = 200, OUTSTANDING_MAX = 1 << 20 };

static struct outstanding *at(struct file_source *s, uint64_t cookie)
{
    return &s->ring[(s->ring_first + (size_t)(cookie - s->first_cookie)) % s->ring_size];
}

static bool is_outstanding(const struct file_source *s, uint64_t cookie)
{
    return cookie >= s->first_cookie && cookie - s->first_cookie < s->ring_count;
}

static bool make_room(struct file_source *s)
{
    if (s->ring_count < s->ring_size)
        return true;
    size_t size = s->ring_size ? s->ring_size * 2 : 64;
    struct outstanding *ring = size > OUTSTANDING_MAX ? NULL : calloc(size, sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < s->ring_count; i++)
        ring[i] = s->ring[(s->ring_first + i) % s->ring_size];
    free(s->ring);
    s->ring = ring;
    s->ring_size = size;
    s->ring_first = 0;
    return true;
}

static int hand_over(struct file_source *s, mg_event *event, uint64_t cookie)
{
    struct file_connection *c = s->connection;
    int error = c->host->ingest_event(c->connection, s->core, event, cookie);
    if (error) {
        c->host->event_unref(event);
        s->credit = 0;
        return -EAGAIN;
    }
    if (s->credit)
        s->credit--;
    return 0;
}

int file_source_ingest(struct file_source *s, const struct mg_message *message, uint64_t end)
{
    const struct mg_host *host = s->connection->host;
    mg_event *event = make_room(s) ? host->event_new(message) : NULL;
    mg_event *kept = event ? host->event_ref(event) : NULL;
    if (!kept) {
        host->event_unref(event);
        s->credit = 0;
        return -EAGAIN;
    }
    uint64_t cookie = s->first_cookie + s->ring_count++;
    *at(s, cookie) = (struct outstanding){.event = kept, .end = end, .inode = s->reader.inode};
    int error = hand_over(s, event, cookie);
    if (error) { /* nothing was settled: it is still the last */
        s->ring_count--;
        host->event_unref(kept);
    }
    return error;
}

/* The same event, marked as a repetition, as MQTT's DUP and AMQP's delivery count do. */
static mg_event *repetition(const struct mg_host *host, const mg_event *event)
{
    mg_edit *edit = host->edit_new(event);
    if (!edit)
        return NULL;
    host->edit_head(edit)->duplicate = true;
    return host->edit_publish(edit);
}

bool file_source_give_again(struct file_source *s)
{
    if (!s->again_count)
        return true;
    if (!s->again_due)
        return false;
    const struct mg_host *host = s->connection->host;
    for (uint64_t cookie = s->first_cookie; s->credit && is_outstanding(s, cookie); cookie++) {
        struct outstanding *o = at(s, cookie);
        if (!o->again)
            continue;
        mg_event *event = repetition(host, o->event);
        if (!event)
            return false;
        o->again = false;
        s->again_count--;
        if (hand_over(s, event, cookie)) {
            at(s, cookie)->again = true;
            s->again_count++;
            return false;
        }
        if (cookie < s->first_cookie) /* settled at once, and the ring moved on */
            cookie = s->first_cookie - 1;
    }
    return !s->again_count;
}

static void again(void *arg)
{
    struct file_source *s = arg;
    s->again_due = true;
    file_source_advance(s);
}

static void give_later(struct file_source *s)
{
    struct file_connection *c = s->connection;
    s->again_due = false;
    if (s->again)
        c->host->timer_again(s->again, AGAIN_MS, 0);
    else
        s->again = c->host->timer_start(c->shard, AGAIN_MS, 0, again, s);
    if (!s->again)
        s->again_due = true; /* the next credit does it */
}

/* ---- how far -------------------------------------------------------------------------------- */

static void moved_to(struct file_source *s, uint64_t offset, uint64_t inode)
{
    s->settled_offset = offset;
    s->settled_inode = inode;
    s->position_dirty = true;
}

static void save(void *arg)
{
    file_source_save(arg);
}

/* Soon, so that one write serves many events. */
static void save_soon(struct file_source *s)
{
    struct file_connection *c = s->connection;
    if (!s->position_path || s->saving || c->closing || !s->position_dirty)
        return;
    if (!s->save_timer)
        s->save_timer = c->host->timer_start(c->shard, SAVE_MS, 0, save, s);
    else if (!s->save_armed)
        c->host->timer_again(s->save_timer, SAVE_MS, 0);
    s->save_armed = s->save_timer != NULL;
}

void file_source_reached(struct file_source *s)
{
    if (s->ring_count)
        return;
    moved_to(s, s->data_offset, s->reader.inode);
    save_soon(s);
}

void file_source_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    (void)context;
    (void)reason;
    struct file_source *s = source;
    if (!s || !is_outstanding(s, cookie))
        return;
    struct outstanding *o = at(s, cookie);
    if (!o->event || o->again)
        return;
    if (outcome == MG_RELEASED || outcome == MG_MODIFIED) {
        o->again = true;
        s->again_count++;
        if (!s->connection->draining)
            give_later(s);
        return;
    }
    s->connection->host->event_unref(o->event);
    o->event = NULL;
    while (s->ring_count && !s->ring[s->ring_first].event) {
        moved_to(s, s->ring[s->ring_first].end, s->ring[s->ring_first].inode);
        s->ring_first = (s->ring_first + 1) % s->ring_size;
        s->ring_count--;
        s->first_cookie++;
    }
    save_soon(s);
}

/* ---- the position file ---------------------------------------------------------------------- */

static void store_job(void *arg)
{
    struct file_source *s = arg;
    s->saver.error = file_position_store(s->position_path, s->saver.offset, s->saver.inode);
}

static void stored(void *arg)
{
    struct file_source *s = arg;
    struct file_connection *c = s->connection;
    s->saving = false;
    if (c->orphaned) {
        file_job_done(c);
        return;
    }
    if (s->saver.error) {
        s->position_dirty = true;
        if (!s->save_failed || c->closing)
            c->host->log(c->bridge->instance, MG_ERROR, "%s: %s; a restart would repeat events",
                         s->position_path, strerror(-s->saver.error));
    } else if (c->closing) {
        file_source_save(s);
    }
    s->save_failed = s->saver.error != 0;
    save_soon(s);
    file_job_done(c);
}

void file_source_save(struct file_source *s)
{
    s->save_armed = false;
    if (!s->position_path || !s->position_dirty || s->saving)
        return;
    s->saver.offset = s->settled_offset;
    s->saver.inode = s->settled_inode;
    s->position_dirty = false;
    s->saving = true;
    if (file_job(s->connection, store_job, stored, s)) {
        s->saving = false;
        s->position_dirty = true;
        save_soon(s);
    }
}
