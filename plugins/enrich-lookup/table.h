/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup table out of a CSV or JSON file: immutable once loaded, shared by reference. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

enum table_format { TABLE_AUTO, TABLE_CSV, TABLE_JSON };
enum { TABLE_ROWS_MAX = 2000000, TABLE_COLUMNS_MAX = 1024 };

/* What of the file becomes the table; the texts must outlive the load. */
struct table_options {
    const char *path;
    uint32_t format;
    const char *key_column; /* NULL: CSV: the first */
    const char *column;     /* only this one, its value itself; or NULL */
    const char *const *columns;
    size_t column_count; /* 0: all but the key's */
    char delimiter;
    bool typed; /* CSV cells that are JSON numbers or booleans become such */
    int64_t most_bytes;
};

/* Tells one state of the file from another. */
struct table_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns;
};

struct table;

/* Reads and parses the whole file; blocks.  0 or -EINVAL, -EFBIG, -ENOMEM or what the system said:
 * reterr says what and where. */
int table_load(const struct table_options *options, struct table **ret_table,
               struct mg_err *reterr);
/* The same from memory, but for the format TABLE_AUTO. */
int table_parse(const struct table_options *options, const char *text, size_t length,
                struct table **ret_table, struct mg_err *reterr);
int table_stamp_of(const char *path, struct table_stamp *ret_stamp);

struct table *table_ref(struct table *table); /* ANY thread */
void table_unref(struct table *table);        /* ANY thread; NULL is fine */
/* Borrowed and not to be changed; NULL: no such key. */
json_t *table_find(const struct table *table, const char *key);
size_t table_count(const struct table *table);

/* csv.c: reads one record.  *at moves behind it; cells (at most TABLE_COLUMNS_MAX) point into text,
 * which is unquoted in place.  Returns their number, 0 at the end, or -EINVAL with *line at the
 * fault. */
struct csv {
    char *at, *end;
    char delimiter;
    unsigned line; /* of the record that was read last */
    unsigned next_line;
};
struct csv_cell {
    char *text; /* NUL-terminated */
    size_t length;
    bool quoted;
};
int csv_read(struct csv *csv, struct csv_cell *cells, struct mg_err *reterr);
