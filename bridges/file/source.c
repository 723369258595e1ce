/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: bytes become lines, lines become events, as far as the core gives credit. */
#include "source.h"
#include "record.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file_source *file_source_next(struct file_source *s)
{
    return s->next;
}

const char *file_source_trouble(const struct file_source *s)
{
    return s->trouble;
}

void file_source_say(struct file_source *s, const char *trouble)
{
    struct file_connection *c = s->connection;
    if (!strcmp(s->trouble, trouble))
        return;
    snprintf(s->trouble, sizeof s->trouble, "%s", trouble);
    if (*trouble)
        c->host->log(c->bridge->instance, MG_WARN, "%s", trouble);
    file_status(c);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* At most one line a second: a broken file must not flood the log; the counter has them all. */
static void complain(struct file_source *s, uint32_t counter, const char *what)
{
    struct file_connection *c = s->connection;
    c->host->count(c->bridge->instance, counter, 1);
    int64_t now = c->host->now_us(c->shard);
    if (s->complained_us && now - s->complained_us < 1000000)
        return;
    s->complained_us = now;
    c->host->log(c->bridge->instance, MG_WARN, "%s: skipped the line at byte %llu: %s", s->path,
                 (unsigned long long)s->data_offset, what);
}

/* MQTT 5 §4.7: '+' is one level, '#' the rest, and neither takes '$' at the very beginning. */
static bool filter_matches(const char *f, struct mg_str address)
{
    const char *a = address.at, *end = a + address.len;
    if (a < end && *a == '$' && (*f == '+' || *f == '#'))
        return false;
    for (;;) {
        if (*f == '#')
            return true;
        if (*f == '+') {
            while (a < end && *a != '/')
                a++;
            f++;
        } else {
            while (*f && *f != '/' && a < end && *a == *f)
                f++, a++;
        }
        if (a == end && (!*f || !strcmp(f, "/#")))
            return true;
        if (a == end || *a != '/' || *f != '/')
            return false;
        a++;
        f++;
    }
}

/* -EAGAIN: later; otherwise the line is done with. */
static int take_record(struct file_source *s, const char *line, size_t length, uint64_t end)
{
    struct record record;
    struct mg_err err = {.text = ""};
    if (strspn(line, " \t\r") >= length)
        return 0;
    int error = record_read(line, length, &record, &err);
    if (error) {
        complain(s, COUNT_BAD_RECORDS, err.text);
        return 0;
    }
    struct mg_head *head = &record.message.head;
    if (!head->address.at && s->literal)
        head->address = (struct mg_str){s->address, strlen(s->address)};
    if (!head->address.at)
        complain(s, COUNT_BAD_RECORDS, "no \"address\", and the source's own has wildcards");
    else if (!filter_matches(s->address, head->address))
        complain(s, COUNT_OTHER_ADDRESS, "its address does not match the source's");
    else
        error = file_source_ingest(s, &record.message, end);
    record_fini(&record);
    return error;
}

static int take_line(struct file_source *s, const char *line, size_t length, uint64_t end)
{
    if (s->settings->format == FORMAT_NDJSON)
        return take_record(s, line, length, end);
    struct mg_message message = {
        .head = {.size = sizeof message.head,
                 .priority = 4,
                 .address = {s->address, strlen(s->address)}},
        .payload = {line, length},
    };
    if (s->settings->content_type)
        message.head.content_type =
            (struct mg_str){s->settings->content_type, strlen(s->settings->content_type)};
    return file_source_ingest(s, &message, end);
}

static void consume(struct file_source *s, size_t length)
{
    s->at += length;
    s->data_offset += length;
    s->searched = 0;
    if (s->at == s->used)
        s->at = s->used = 0;
    if (!s->skipping)
        file_source_reached(s);
}

enum progress { TOOK, STARVED, HELD };

/* One line, or the part of one that is too long. */
static enum progress advance_line(struct file_source *s)
{
    size_t have = s->used - s->at, most = (size_t)s->settings->max_line;
    if (!have)
        return STARVED;
    const char *line = s->data + s->at;
    const char *feed = memchr(line + s->searched, '\n', have - s->searched);
    bool whole = feed || s->last;
    size_t length = feed ? (size_t)(feed - line) : have, step = length + (feed ? 1 : 0);

    s->searched = length;
    if (s->skipping || length > most) {
        if (!s->skipping)
            complain(s, COUNT_OVERSIZE_LINES, "longer than max_line");
        s->skipping = !whole;
    } else if (!whole) {
        return STARVED;
    } else if (take_line(s, line, length, s->data_offset + step)) {
        return HELD;
    }
    consume(s, step);
    return TOOK;
}

/* ingest may settle at once, and a settlement or credit must not come in here again. */
void file_source_advance(struct file_source *s)
{
    struct file_connection *c = s->connection;
    if (s->advancing || !c->begun || c->draining)
        return;
    s->advancing = true;
    enum progress progress = file_source_give_again(s) ? TOOK : HELD;
    while (progress == TOOK && s->credit && !s->again_count)
        progress = advance_line(s);
    s->advancing = false;
    if (progress == STARVED)
        file_source_read(s);
}

/* ---- life ----------------------------------------------------------------------------------- */

int file_source_open(void *context, mg_source *core, const char *address, const void *settings,
                     void **ret_source, struct mg_err *reterr)
{
    struct file_connection *c = context;
    struct file_source *s = calloc(1, sizeof *s);
    if (!s)
        goto no_memory;
    s->connection = c;
    s->core = core;
    s->settings = settings;
    s->address = address;
    s->literal = !strpbrk(address, "+#");
    s->reader.source = s->saver.source = s;
    s->reader.fd = -1;
    s->first_cookie = 1;
    s->path = file_path(c->bridge, s->settings->path);
    s->position_path = s->settings->position ? file_path(c->bridge, s->settings->position) : NULL;
    if (!s->path || (s->settings->position && !s->position_path))
        goto no_memory;
    s->next = c->sources;
    c->sources = s;
    *ret_source = s;
    return 0;
no_memory:
    if (s)
        free(s->path);
    free(s);
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

void file_source_begin(struct file_source *s)
{
    file_source_advance(s);
}

void file_source_credit(void *context, void *source, uint32_t more)
{
    (void)context;
    struct file_source *s = source;
    if (!s)
        return; /* of events without a source, which this bridge has not */
    s->credit = more > UINT32_MAX - s->credit ? UINT32_MAX : s->credit + more;
    file_source_advance(s);
}

void file_source_quiet(struct file_source *s)
{
    const struct mg_host *host = s->connection->host;
    if (s->io)
        host->io_stop(s->io);
    if (s->timer)
        host->timer_stop(s->timer);
    if (s->again)
        host->timer_stop(s->again);
    if (s->save_timer)
        host->timer_stop(s->save_timer);
    s->io = NULL;
    s->timer = s->again = s->save_timer = NULL;
}

void file_source_close(struct file_source *s)
{
    file_source_quiet(s);
    file_source_save(s);
}

void file_source_destroy(struct file_source *s)
{
    for (size_t i = 0; i < s->ring_count; i++)
        s->connection->host->event_unref(s->ring[(s->ring_first + i) % s->ring_size].event);
    if (s->reader.fd > STDIN_FILENO)
        close(s->reader.fd);
    free(s->ring);
    free(s->data);
    free(s->path);
    free(s->position_path);
    free(s);
}
