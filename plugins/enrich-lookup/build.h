/* SPDX-License-Identifier: Apache-2.0 */
/* How the readers of the formats make a table. */
#pragma once
#include "json_doc.h"
#include "table.h"

struct build {
    const struct table_options *options;
    struct table *table;
    struct doc *doc; /* for one row at a time */
    struct mg_err *err;
};

/* What is wrong, -EINVAL. */
__attribute__((format(printf, 2, 3))) int build_wrong(struct build *build, const char *format, ...);
/* value: of build->doc, which is empty behind this; NULL: out of memory.  "LINE 7" is where it
 * stands. */
int build_add(struct build *build, struct mg_str key, const struct doc_value *value,
              const char *where, size_t number);

/* The columns of a table that has a head. */
struct columns {
    struct mg_str names[TABLE_COLUMNS_MAX];
    size_t count, key;
};
/* Has it all that the options name, nothing twice?  Finds the key's. */
int build_columns(struct build *build, struct columns *columns, const char *where);
bool build_takes(const struct build *build, struct mg_str name, bool is_key);
/* The value of one cell goes into *row: it is the row, or a member of it. */
int build_cell(struct build *build, struct doc_value **row, struct mg_str name,
               struct doc_value *value);
bool build_is_text(struct mg_str text); /* UTF-8 */

struct table *table_new(void); /* NULL: out of memory */

/* The formats.  text has room for one byte more than length, and is changed. */
int table_read_csv(struct build *build, char *text, size_t length);
int table_read_json(struct build *build, const char *text, size_t length);
int table_read_sqlite(struct build *build);

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
