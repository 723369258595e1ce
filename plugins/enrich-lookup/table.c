/* SPDX-License-Identifier: Apache-2.0 */
/* Files: which format, what is in them, and whether they have changed. */
#include "table.h"
#include "build.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint32_t table_format_of(const char *path, uint32_t format)
{
    static const struct {
        const char *end;
        enum table_format format;
    } ends[] = {{".json", TABLE_JSON},
                {".db", TABLE_SQLITE},
                {".sqlite", TABLE_SQLITE},
                {".sqlite3", TABLE_SQLITE}};
    size_t length = strlen(path);
    for (size_t i = 0; format == TABLE_AUTO && i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(ends[i].end);
        if (length > n && !strcmp(path + length - n, ends[i].end))
            return ends[i].format;
    }
    return format == TABLE_AUTO ? TABLE_CSV : format;
}

static int system_said(const char *what, int error, struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "%s: %s", what, strerror(-error));
    return error;
}

/* text: NULL for SQLite, which reads by itself. */
static int build(const struct table_options *o, uint32_t format, char *text, size_t length,
                 struct table **ret, struct mg_err *err)
{
    struct build b = {.options = o, .err = err};
    err->text[0] = '\0';
    b.table = table_new();
    b.doc = doc_create();
    int error = !b.table || !b.doc       ? -ENOMEM
                : format == TABLE_SQLITE ? table_read_sqlite(&b)
                : format == TABLE_JSON   ? table_read_json(&b, text, length)
                                         : table_read_csv(&b, text, length);
    doc_destroy(b.doc);
    if (!error) {
        *ret = b.table;
        return 0;
    }
    table_unref(b.table);
    if (!err->text[0])
        snprintf(err->text, sizeof err->text, "%s",
                 error == -ENOMEM ? "out of memory" : "given up");
    return error;
}

int table_parse(const struct table_options *o, const char *text, size_t length,
                struct table **ret_table, struct mg_err *reterr)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return system_said("cannot read", -ENOMEM, reterr);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    int error = build(o, o->format, copy, length, ret_table, reterr);
    free(copy);
    return error;
}

static int judge(const struct table_options *o, const struct stat *st, struct mg_err *err)
{
    if (!S_ISREG(st->st_mode)) {
        snprintf(err->text, sizeof err->text, "not a regular file");
        return -EINVAL;
    }
    if (st->st_size <= o->most_bytes)
        return 0;
    snprintf(err->text, sizeof err->text, "%lld bytes; max_size allows %lld",
             (long long)st->st_size, (long long)o->most_bytes);
    return -EFBIG;
}

/* Looked at by its name: to close a descriptor of it would end the locks that another reader in
 * this process has (fcntl(2)). */
static int load_database(const struct table_options *o, struct table **ret_table,
                         struct mg_err *err)
{
    struct stat st;
    int error = stat(o->path, &st) ? system_said("cannot open", -errno, err) : judge(o, &st, err);
    return error ? error : build(o, TABLE_SQLITE, NULL, 0, ret_table, err);
}

static int open_file(const struct table_options *o, int *ret_fd, size_t *ret_size,
                     struct mg_err *err)
{
    struct stat st;
    int fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error =
        fd < 0 || fstat(fd, &st) ? system_said("cannot open", -errno, err) : judge(o, &st, err);
    if (error && fd >= 0)
        close(fd);
    if (error)
        return error;
    *ret_fd = fd;
    *ret_size = (size_t)st.st_size;
    return 0;
}

int table_load(const struct table_options *o, struct table **ret_table, struct mg_err *reterr)
{
    uint32_t format = table_format_of(o->path, o->format);
    int fd;
    size_t size, used = 0;
    if (format == TABLE_SQLITE)
        return load_database(o, ret_table, reterr);
    int error = open_file(o, &fd, &size, reterr);
    if (error)
        return error;
    /* Not a byte more than it had when it was opened: a file that grows is read again soon. */
    char *text = malloc(size + 1);
    if (!text)
        error = system_said("cannot read", -ENOMEM, reterr);
    while (!error && used < size) {
        ssize_t n = read(fd, text + used, size - used);
        if (n < 0 && errno != EINTR)
            error = system_said("cannot read", -errno, reterr);
        if (n == 0)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (!error) {
        text[used] = '\0';
        error = build(o, format, text, used, ret_table, reterr);
    }
    free(text);
    return error;
}

/* ---- changes -------------------------------------------------------------------------------- */

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int table_stamp_of(const char *path, uint32_t format, struct table_stamp *ret_stamp,
                   bool *ret_settled)
{
    enum { CLOCK_TICK_NS = 50000000 }; /* more than the file system's clock moves at a time */
    struct stat st;
    char wal[PATH_MAX];
    if (stat(path, &st))
        return -errno;
    *ret_stamp = (struct table_stamp){
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .size = (uint64_t)st.st_size,
        .modified_ns = ns_of(st.st_mtim),
        .changed_ns = ns_of(st.st_ctim),
    };
    *ret_settled = true;
    if (table_format_of(path, format) != TABLE_SQLITE)
        return 0;
    /* An empty log is as good as none: our own reading may have made it. */
    if (snprintf(wal, sizeof wal, "%s-wal", path) < (int)sizeof wal && !stat(wal, &st) &&
        st.st_size) {
        ret_stamp->wal_size = (uint64_t)st.st_size;
        ret_stamp->wal_modified_ns = ns_of(st.st_mtim);
    }
    /* A database is changed in its place: a second change within one tick would not show. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    *ret_settled = llabs(now_ns - ret_stamp->modified_ns) > CLOCK_TICK_NS &&
                   llabs(now_ns - ret_stamp->wal_modified_ns) > CLOCK_TICK_NS;
    return 0;
}
