/* SPDX-License-Identifier: Apache-2.0 */
/* A table out of a SQLite database: all rows of one query, as of one moment. */
#include "base64.h"
#include "build.h"
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_FOR_LOCK_MS = 2000, QUERY_SECONDS_MAX = 60, STEPS_BETWEEN_LOOKS = 10000 };

struct reading {
    struct build *build;
    sqlite3 *db;
    sqlite3_stmt *statement;
    time_t deadline; /* of the monotonic clock */
    bool too_long, given_up;
};

static time_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static int goes_on_too_long(void *arg)
{
    struct reading *r = arg;
    const atomic_bool *given_up = r->build->options->given_up;
    r->given_up = given_up && atomic_load(given_up);
    r->too_long = now_s() > r->deadline;
    return r->given_up || r->too_long;
}

static int said(const struct reading *r, const char *what)
{
    int code = sqlite3_errcode(r->db) & 0xff, system = sqlite3_system_errno(r->db);
    if (r->given_up)
        return -ECANCELED;
    if (r->too_long)
        return build_wrong(r->build, "the query takes longer than %d s", QUERY_SECONDS_MAX);
    build_wrong(r->build, "%s: %.150s%s", what, sqlite3_errmsg(r->db),
                code == SQLITE_CANTOPEN
                    ? " (a database with a write-ahead log needs a folder that may be written)"
                    : "");
    if (code == SQLITE_CANTOPEN && (system == EMFILE || system == ENFILE))
        return -system;
    return code == SQLITE_NOMEM                           ? -ENOMEM
           : code == SQLITE_BUSY || code == SQLITE_LOCKED ? -EAGAIN
           : code == SQLITE_IOERR                         ? -EIO
                                                          : -EINVAL;
}

/* ---- values --------------------------------------------------------------------------------- */

static struct doc_value *blob(struct doc *doc, const void *bytes, size_t length)
{
    size_t size = base64_length(length);
    char *text = malloc(size + 1);
    if (!text)
        return NULL;
    base64_encode(bytes, length, text);
    struct doc_value *value = doc_text(doc, (struct mg_str){text, size});
    free(text);
    return value;
}

static int cell_value(struct reading *r, int column, struct doc_value **ret, size_t number)
{
    struct doc *doc = r->build->doc;
    sqlite3_stmt *s = r->statement;
    struct mg_str text;
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
        *ret = doc_int(doc, sqlite3_column_int64(s, column));
        return 0;
    case SQLITE_FLOAT:
        *ret = doc_double(doc, sqlite3_column_double(s, column));
        return 0;
    case SQLITE_NULL:
        *ret = doc_null(doc);
        return 0;
    case SQLITE_BLOB:
        text.at = sqlite3_column_blob(s, column);
        *ret = blob(doc, text.at, (size_t)sqlite3_column_bytes(s, column));
        return 0;
    default:
        text.at = (const char *)sqlite3_column_text(s, column);
        text.len = (size_t)sqlite3_column_bytes(s, column);
        if (text.at && !build_is_text(text))
            return build_wrong(r->build, "row %zu: column \"%.80s\" is not UTF-8 text", number,
                               sqlite3_column_name(s, column));
        *ret = text.at ? doc_text(doc, text) : NULL;
        return 0;
    }
}

/* Good until the next row. */
static int read_key(struct reading *r, int column, struct mg_str *ret, size_t number)
{
    int type = sqlite3_column_type(r->statement, column);
    if (type == SQLITE_NULL || type == SQLITE_BLOB)
        return build_wrong(r->build, "row %zu: the key in \"%.80s\" is %s", number,
                           sqlite3_column_name(r->statement, column),
                           type == SQLITE_NULL ? "NULL" : "a BLOB, neither text nor number");
    ret->at = (const char *)sqlite3_column_text(r->statement, column);
    ret->len = (size_t)sqlite3_column_bytes(r->statement, column);
    return ret->at ? 0 : -ENOMEM;
}

static int read_row(struct reading *r, const struct columns *c, size_t number)
{
    struct build *b = r->build;
    struct doc_value *row = b->options->column ? NULL : doc_object(b->doc), *value = NULL;
    struct mg_str key;
    int error = 0;
    for (size_t i = 0; i < c->count && !error; i++) {
        if (!build_takes(b, c->names[i], i == c->key))
            continue;
        error = cell_value(r, (int)i, &value, number);
        if (!error)
            error = build_cell(b, &row, c->names[i], value);
    }
    /* Last, since a number that is read as a text is none any more. */
    if (!error)
        error = read_key(r, (int)c->key, &key, number);
    return error ? error : build_add(b, key, row, "row", number);
}

/* ---- the query ------------------------------------------------------------------------------ */

static int open_database(struct reading *r)
{
    const struct table_options *o = r->build->options;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(o->path, &r->db, flags, NULL);
    if (!r->db)
        return -ENOMEM;
    if (code)
        return said(r, "cannot open");
    /* The file may come from elsewhere: what its schema says runs nothing but SQL. */
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH,
                  o->most_bytes < INT_MAX ? (int)o->most_bytes : INT_MAX);
    sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(r->db, WAIT_FOR_LOCK_MS);
    r->deadline = now_s() + QUERY_SECONDS_MAX;
    sqlite3_progress_handler(r->db, STEPS_BETWEEN_LOOKS, goes_on_too_long, r);
    return 0;
}

static int prepare(struct reading *r)
{
    const struct table_options *o = r->build->options;
    char *whole = o->query ? sqlite3_mprintf("%s", o->query)
                           : sqlite3_mprintf("SELECT * FROM \"%w\"", o->from_table);
    const char *tail = NULL;
    if (!whole)
        return -ENOMEM;
    int code = sqlite3_prepare_v2(r->db, whole, -1, &r->statement, &tail);
    int error = code ? said(r, o->query ? "query" : "from_table") : 0;
    if (!error && tail[strspn(tail, " \t\r\n;")])
        error = build_wrong(r->build, "query: one statement, and nothing behind it");
    if (!error && (!r->statement || !sqlite3_stmt_readonly(r->statement) ||
                   !sqlite3_column_count(r->statement)))
        error = build_wrong(r->build, "query: a SELECT is needed, which answers rows");
    sqlite3_free(whole);
    return error;
}

static int read_columns(struct reading *r, struct columns *c)
{
    int count = sqlite3_column_count(r->statement);
    const char *where = r->build->options->query ? "query" : "from_table";
    if (count > TABLE_COLUMNS_MAX)
        return build_wrong(r->build, "%s: more than %d columns", where, TABLE_COLUMNS_MAX);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(r->statement, i);
        if (!name)
            return -ENOMEM;
        c->names[i] = (struct mg_str){name, strlen(name)};
    }
    c->count = (size_t)count;
    return build_columns(r->build, c, where);
}

static int read_rows(struct reading *r, const struct columns *c)
{
    int code, error = 0;
    size_t number = 0;
    while (!error && (code = sqlite3_step(r->statement)) == SQLITE_ROW)
        error = read_row(r, c, ++number);
    return !error && code != SQLITE_DONE ? said(r, "cannot read") : error;
}

int table_read_sqlite(struct build *b)
{
    struct reading r = {.build = b};
    struct columns *c = calloc(1, sizeof *c);
    int error = c ? open_database(&r) : -ENOMEM;
    if (!error)
        error = prepare(&r);
    if (!error)
        error = read_columns(&r, c);
    if (!error)
        error = read_rows(&r, c);
    sqlite3_finalize(r.statement);
    sqlite3_close(r.db);
    free(c);
    return error;
}
