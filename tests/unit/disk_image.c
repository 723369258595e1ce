/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a folder as a power cut may leave it. */
#include "disk_internal.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, NAMES = 64 };

/* How many events there were when the last sync began that has returned before the cut. */
static size_t synced_until(size_t events, enum disk_kind kind, size_t file)
{
    size_t until = 0;
    for (size_t i = 0; i < events; i++) {
        const struct disk_event *e = &disk.events[i];
        if (e->kind == kind && e->file == file && e->began > until)
            until = e->began;
    }
    return until;
}

static bool is_sure(const struct disk_event *e, size_t synced, size_t events)
{
    if (e->end == DISK_NO_EVENT)
        return false;
    return e->end < synced || (e->by_itself && e->end < events);
}

/* ---- one file ------------------------------------------------------------------------------- */

struct content {
    char *at;
    size_t length, capacity;
};

static void reach(struct content *c, size_t length)
{
    if (length > c->capacity) {
        c->capacity = length * 2;
        c->at = realloc(c->at, c->capacity);
        if (!c->at)
            abort();
    }
    if (length > c->length) {
        memset(c->at + c->length, 0, length - c->length);
        c->length = length;
    }
}

static void put(struct content *c, uint64_t offset, const char *bytes, size_t length)
{
    reach(c, offset + length);
    memcpy(c->at + offset, bytes, length);
}

static void put_sectors(struct kit_random *random, struct content *c, const struct disk_event *e,
                        uint32_t percent)
{
    for (size_t done = 0; done < e->length;) {
        size_t part = SECTOR - (e->offset + done) % SECTOR;
        part = part < e->length - done ? part : e->length - done;
        if (kit_random(random, 100) < percent)
            put(c, e->offset + done, e->bytes + done, part);
        done += part;
    }
}

static void apply(struct kit_random *random, struct content *c, const struct disk_event *e,
                  bool sure, enum disk_variant variant, uint32_t percent)
{
    if (!sure && variant == DISK_DROPPED)
        return;
    if (e->kind == DISK_WRITE && !sure && variant == DISK_SECTORS) {
        put_sectors(random, c, e, percent);
        return;
    }
    if (!sure && variant != DISK_WHOLE && kit_random(random, 100) >= percent)
        return;
    if (e->kind == DISK_WRITE) {
        put(c, e->offset, e->bytes, e->length);
    } else {
        reach(c, e->offset);
        c->length = e->offset;
    }
}

static void write_file(struct kit_random *random, size_t events, enum disk_variant variant,
                       size_t file, const char *path)
{
    static const uint32_t chances[] = {5, 50, 95};
    uint32_t percent = chances[kit_random(random, 3)];
    struct content c = {0};
    size_t longest = 0, synced = synced_until(events, DISK_SYNC, file);
    reach(&c, disk.files[file].base_length + 1);
    c.length = disk.files[file].base_length;
    if (c.length)
        memcpy(c.at, disk.files[file].base, c.length);
    for (size_t i = 0; i < events; i++) {
        const struct disk_event *e = &disk.events[i];
        if (e->file != file || (e->kind != DISK_WRITE && e->kind != DISK_TRUNCATE))
            continue;
        apply(random, &c, e, is_sure(e, synced, events), variant, percent);
        longest = e->offset + e->length > longest ? e->offset + e->length : longest;
    }
    /* The length may be there before the bytes are. */
    if (variant == DISK_SECTORS && kit_random(random, 2))
        reach(&c, longest);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, c.at, c.length, 0) != (ssize_t)c.length)
        abort();
    close(fd);
    free(c.at);
}

/* ---- names ---------------------------------------------------------------------------------- */

struct name {
    const char *name;
    size_t file;
};

static size_t apply_name(struct name *names, size_t count, const struct disk_event *e)
{
    const char *from = e->name, *to = e->kind == DISK_CREATE ? e->name : e->to;
    size_t file = e->file;
    for (size_t i = 0; e->kind != DISK_CREATE && i < count; i++)
        if (!strcmp(names[i].name, from)) {
            file = names[i].file;
            names[i--] = names[--count];
        }
    if (e->kind == DISK_UNLINK || file == DISK_NO_FILE)
        return count;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i].name, to))
            names[i--] = names[--count];
    if (count == NAMES)
        abort();
    names[count] = (struct name){to, file};
    return count + 1;
}

void disk_image(struct kit_random *random, size_t events, enum disk_variant variant, const char *to)
{
    struct name names[NAMES];
    size_t count = 0, until = synced_until(events, DISK_SYNC_NAMES, DISK_NO_FILE);
    until = until > disk.sure_from ? until : disk.sure_from;
    if (variant == DISK_WHOLE)
        until = events;
    else if (variant != DISK_DROPPED && until < events)
        until += kit_random(random, (uint32_t)(events - until + 1));
    for (size_t i = 0; i < until && i < events; i++)
        if (disk.events[i].kind >= DISK_CREATE)
            count = apply_name(names, count, &disk.events[i]);
    for (size_t i = 0; i < count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", to, names[i].name);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
        write_file(random, events, variant, names[i].file, path);
    }
}

/* ---- notes ---------------------------------------------------------------------------------- */

static size_t file_named(size_t events, const char *name)
{
    size_t file = DISK_NO_FILE;
    for (size_t i = 0; i < events; i++) {
        const struct disk_event *e = &disk.events[i];
        if (e->kind == DISK_CREATE && !strcmp(e->name, name))
            file = e->file;
    }
    return file;
}

size_t disk_synced(size_t events, const char *name)
{
    size_t file = file_named(events, name);
    return file == DISK_NO_FILE ? 0 : synced_until(events, DISK_SYNC, file);
}

size_t disk_sync_end(size_t events, const char *name)
{
    size_t file = file_named(events, name);
    while (events-- > 0)
        if (disk.events[events].kind == DISK_SYNC && disk.events[events].file == file)
            return file == DISK_NO_FILE ? 0 : events;
    return 0;
}

bool disk_next_note(size_t events, size_t *position, uint64_t *ret_what)
{
    for (size_t i = *position; i < events; i++)
        if (disk.events[i].kind == DISK_NOTE) {
            *ret_what = disk.events[i].what;
            *position = i + 1;
            return true;
        }
    return false;
}
