/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the file in windows.  What is found sound is passed over as a whole, so that a
 * payload which itself holds a piece of a store is not taken for one. */
#include "store/salvage_scan.h"
#include "base/hash.h"
#include "store/check_disk.h"
#include "store/record.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 1 << 20, PAGE = 4096, LOG_TEXT_MOST = 1 << 20 };

struct scanner {
    struct gw_scan *scan;
    char *window; /* of the file from window_at on */
    uint64_t window_at;
    size_t window_length;
    char *far; /* what does not lie in the window */
    size_t far_size;
    int error;
};

bool gw_scan_grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = more;
    return true;
}

/* Reads what can be read; sectors that cannot are zeros. */
static size_t read_some(struct gw_scan *scan, char *to, size_t length, uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(scan->fd, to + done, length - done, (off_t)(offset + done));
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            break;
        } else if (errno != EINTR) {
            size_t skip = PAGE - (offset + done) % PAGE;
            skip = skip < length - done ? skip : length - done;
            memset(to + done, 0, skip);
            scan->unreadable += skip;
            done += skip;
        }
    }
    return done;
}

/* NULL: not in the file, or out of memory. */
static const char *bytes_at(struct scanner *s, uint64_t offset, size_t length)
{
    if (offset >= s->window_at && offset - s->window_at + length <= s->window_length)
        return s->window + (offset - s->window_at);
    if (length > s->scan->file_bytes || offset > s->scan->file_bytes - length)
        return NULL;
    if (length > s->far_size) {
        char *far = realloc(s->far, length);
        if (!far) {
            s->error = -ENOMEM;
            return NULL;
        }
        s->far = far;
        s->far_size = length;
    }
    return read_some(s->scan, s->far, length, offset) == length ? s->far : NULL;
}

/* ---- what it is ----------------------------------------------------------------------------- */

bool gw_scan_is_head(const struct gw_disk_head *head)
{
    return head->magic == GW_DISK_HEAD_MAGIC && head->length <= GW_RECORD_BYTES_MAX &&
           head->head_sum == gw_hash64(head, offsetof(struct gw_disk_head, head_sum));
}

bool gw_scan_is_cursor(const struct gw_disk_cursor *cursor)
{
    return cursor->magic == GW_DISK_CURSOR_MAGIC &&
           cursor->sum == gw_hash64(cursor, offsetof(struct gw_disk_cursor, sum));
}

bool gw_scan_is_log(const void *bytes, size_t length)
{
    struct gw_disk_log log;
    if (length < sizeof log)
        return false;
    memcpy(&log, bytes, sizeof log);
    if (log.magic != GW_DISK_LOG_MAGIC || length != sizeof log + log.name_bytes + log.label_bytes)
        return false;
    uint64_t parts[2], sum = log.sum;
    log.sum = 0;
    parts[0] = gw_hash64(&log, sizeof log);
    parts[1] = gw_hash64((const char *)bytes + sizeof log, length - sizeof log);
    bool right = sum == gw_hash64(parts, sizeof parts);
    const char *labels = (const char *)bytes + sizeof log + log.name_bytes;
    uint32_t ends = 0;
    for (uint32_t i = 0; right && i < log.label_bytes; i++)
        ends += !labels[i];
    return right && ends == log.sink_count && log.sink_count <= GW_RECORD_SINKS_MAX &&
           (!log.label_bytes || !labels[log.label_bytes - 1]);
}

/* A leaf that is whole keeps bytes of former entries in its free space: where no offset of it
 * leads to a head, the head is not missing. */
static bool looks_in_use(struct scanner *s, uint64_t offset)
{
    uint64_t start = offset / PAGE * PAGE;
    char page[PAGE];
    const struct gw_lmdb_page *head = (const void *)page;
    const char *at = bytes_at(s, start, PAGE);
    if (!at)
        return true;
    memcpy(page, at, PAGE);
    if (head->number != start / PAGE || head->flags != GW_LMDB_LEAF || head->lower < sizeof *head ||
        head->lower > PAGE)
        return true;
    for (size_t i = sizeof *head; i + 1 < head->lower; i += 2) {
        uint16_t slot;
        struct gw_lmdb_node node;
        memcpy(&slot, page + i, sizeof slot);
        if (slot > PAGE - sizeof node)
            return true;
        memcpy(&node, page + slot, sizeof node);
        if (slot + sizeof node + node.key_bytes == offset - start)
            return true;
    }
    return false;
}

/* ---- taking it ------------------------------------------------------------------------------ */

/* All of these: how many bytes to pass over; 0: it is not one. */
static uint64_t take_head(struct scanner *s, uint64_t offset)
{
    struct gw_scan *scan = s->scan;
    struct gw_disk_head head;
    const char *at = bytes_at(s, offset, sizeof head);
    if (!at)
        return 0;
    memcpy(&head, at, sizeof head);
    if (!gw_scan_is_head(&head)) {
        if (!looks_in_use(s, offset))
            return 0;
        if (!gw_scan_grow((void **)&scan->broken, scan->broken_count, &scan->broken_capacity,
                          sizeof *scan->broken))
            s->error = -ENOMEM;
        else
            scan->broken[scan->broken_count++] = offset;
        return 0;
    }
    const char *body = bytes_at(s, offset + sizeof head, head.length);
    bool sound = body && gw_hash64(body, head.length) == head.body_sum;
    if (s->error || !gw_scan_grow((void **)&scan->records, scan->record_count,
                                  &scan->record_capacity, sizeof *scan->records)) {
        s->error = -ENOMEM;
        return 0;
    }
    scan->records[scan->record_count++] = (struct gw_scan_record){head, offset, sound};
    return sizeof head + (sound ? head.length : 0);
}

static char *copy_text(const char *at, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, at, length);
        copy[length] = '\0';
    }
    return copy;
}

static uint64_t take_log(struct scanner *s, uint64_t offset)
{
    struct gw_scan *scan = s->scan;
    struct gw_disk_log log;
    const char *at = bytes_at(s, offset, sizeof log);
    if (!at)
        return 0;
    memcpy(&log, at, sizeof log);
    if (log.name_bytes > LOG_TEXT_MOST || log.label_bytes > LOG_TEXT_MOST)
        return 0;
    size_t length = sizeof log + log.name_bytes + log.label_bytes;
    at = bytes_at(s, offset, length);
    if (!at || !gw_scan_is_log(at, length))
        return 0;
    if (!gw_scan_grow((void **)&scan->logs, scan->log_count, &scan->log_capacity,
                      sizeof *scan->logs)) {
        s->error = -ENOMEM;
        return 0;
    }
    struct gw_scan_log found = {.log = log,
                                .name = copy_text(at + sizeof log, log.name_bytes),
                                .labels =
                                    copy_text(at + sizeof log + log.name_bytes, log.label_bytes)};
    scan->logs[scan->log_count++] = found;
    if (!found.name || !found.labels)
        s->error = -ENOMEM;
    return length;
}

static uint64_t take_cursor(struct scanner *s, uint64_t offset)
{
    struct gw_scan *scan = s->scan;
    struct gw_disk_cursor cursor;
    const char *at = bytes_at(s, offset, sizeof cursor);
    if (!at)
        return 0;
    memcpy(&cursor, at, sizeof cursor);
    if (!gw_scan_is_cursor(&cursor))
        return 0;
    if (!gw_scan_grow((void **)&scan->cursors, scan->cursor_count, &scan->cursor_capacity,
                      sizeof *scan->cursors)) {
        s->error = -ENOMEM;
        return 0;
    }
    scan->cursors[scan->cursor_count++] = cursor;
    return sizeof cursor;
}

static uint64_t take(struct scanner *s, uint64_t offset, const char *magic)
{
    uint32_t number;
    memcpy(&number, magic, sizeof number);
    switch (number) {
    case GW_DISK_HEAD_MAGIC:
        return take_head(s, offset);
    case GW_DISK_LOG_MAGIC:
        return take_log(s, offset);
    case GW_DISK_CURSOR_MAGIC:
        return take_cursor(s, offset);
    default:
        return 0;
    }
}

/* Everything that begins in the window, from `from` on.  Where to go on, perhaps far behind it. */
static uint64_t scan_window(struct scanner *s, uint64_t from)
{
    const uint32_t magic = GW_DISK_HEAD_MAGIC; /* all of them begin with the same three bytes */
    uint64_t end = s->window_at + s->window_length;
    while (!s->error && from + sizeof magic <= end) {
        const char *at = s->window + (from - s->window_at);
        const char *hit = memmem(at, (size_t)(end - from), &magic, 3);
        if (!hit || hit + sizeof magic > s->window + s->window_length)
            break;
        uint64_t offset = s->window_at + (uint64_t)(hit - s->window);
        uint64_t passed = take(s, offset, hit); /* also at odd places: behind a route's name */
        from = offset + (passed ? passed : 1);
    }
    return from > end - 3 ? from : end - 3;
}

int gw_scan_file(int fd, struct gw_scan *ret)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return -errno;
    *ret = (struct gw_scan){.fd = fd, .file_bytes = (uint64_t)stat.st_size};
    struct scanner s = {.scan = ret, .window = malloc(WINDOW)};
    if (!s.window)
        return -ENOMEM;
    uint64_t from = 0;
    while (!s.error && from + sizeof(uint32_t) <= ret->file_bytes) {
        s.window_at = from;
        s.window_length = read_some(ret, s.window, WINDOW, from);
        if (s.window_length < sizeof(uint32_t))
            break;
        from = scan_window(&s, from);
    }
    free(s.window);
    free(s.far);
    if (s.error)
        gw_scan_fini(ret);
    return s.error;
}

int gw_scan_piece(struct gw_scan *ret, uint64_t offset, uint64_t length)
{
    char window[PAGE];
    struct scanner s = {.scan = ret, .window = window, .window_at = offset};
    size_t broken = ret->broken_count;
    s.window_length = read_some(ret, window, length < PAGE ? (size_t)length : PAGE, offset);
    if (s.window_length >= sizeof(uint32_t))
        take(&s, offset, window);
    free(s.far);
    ret->broken_count = broken; /* whoever looks for it here knows without */
    return s.error;
}

void gw_scan_fini(struct gw_scan *scan)
{
    for (size_t i = 0; i < scan->log_count; i++) {
        free(scan->logs[i].name);
        free(scan->logs[i].labels);
    }
    free(scan->records);
    free(scan->logs);
    free(scan->cursors);
    free(scan->broken);
    *scan = (struct gw_scan){.fd = -1};
}

int gw_scan_body(const struct gw_scan *scan, const struct gw_scan_record *record, void **ret)
{
    struct gw_scan again = {.fd = scan->fd};
    size_t length = record->head.length;
    char *body = malloc(length ? length : 1);
    if (!body)
        return -ENOMEM;
    if (read_some(&again, body, length, record->offset + sizeof record->head) != length ||
        gw_hash64(body, length) != record->head.body_sum) {
        free(body);
        return -EIO;
    }
    *ret = body;
    return 0;
}
