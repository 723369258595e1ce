/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup table out of a CSV, JSON or SQLite file: immutable once loaded, shared by reference. */
#pragma once
#include "meshgate/plugin.h"
#include <stdatomic.h>

enum table_format { TABLE_AUTO, TABLE_CSV, TABLE_JSON, TABLE_SQLITE };
enum table_multiple { MULTIPLE_ERROR, MULTIPLE_LIST, MULTIPLE_EVENTS };
enum { TABLE_ROWS_MAX = 2000000, TABLE_COLUMNS_MAX = 1024, TABLE_ROWS_OF_KEY_MAX = MG_EMIT_MAX };

/* What of the file becomes the table; the texts must outlive the load. */
struct table_options {
    const char *path;
    uint32_t format, multiple;
    const char *key_column; /* NULL: CSV, SQLite: the first */
    const char *column;     /* only this one, its value itself; or NULL */
    const char *const *columns;
    size_t column_count;            /* 0: all but the key's */
    const char *query, *from_table; /* SQLite: one of them */
    char delimiter;
    bool typed; /* CSV cells that are JSON numbers or booleans become such */
    int64_t most_bytes;
    const atomic_bool *given_up; /* SQLite: read while the query runs; NULL: nobody gives up */
};

/* Tells one state of the file from another; compared by its bytes. */
struct table_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns; /* the latter: also who may read it */
    uint64_t wal_size; /* SQLite: commits go to the file beside it, its write-ahead log */
    int64_t wal_modified_ns;
};

struct table;
struct table_row {
    const struct table_row *next; /* of the same key, as in the file */
    struct mg_bytes json;
};

/* TABLE_AUTO by the name of the file. */
uint32_t table_format_of(const char *path, uint32_t format);
/* Reads and parses the whole file; blocks.  0 or -EINVAL, -EFBIG, -ENOMEM, -EAGAIN (it is locked),
 * -ECANCELED or what the system said: reterr says what and where. */
int table_load(const struct table_options *options, struct table **ret_table,
               struct mg_err *reterr);
/* The same from memory, CSV or JSON. */
int table_parse(const struct table_options *options, const char *text, size_t length,
                struct table **ret_table, struct mg_err *reterr);
/* *ret_settled: no further change can have the same stamp. */
int table_stamp_of(const char *path, uint32_t format, struct table_stamp *ret_stamp,
                   bool *ret_settled);

struct table *table_ref(struct table *table); /* ANY thread */
void table_unref(struct table *table);        /* ANY thread; NULL is fine */
/* Lives as long as the table; NULL: no such key. */
const struct table_row *table_find(const struct table *table, struct mg_str key);
size_t table_count(const struct table *table); /* rows */
