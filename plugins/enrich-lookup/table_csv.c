/* SPDX-License-Identifier: Apache-2.0 */
/* A table out of CSV, whose first line has the names of the columns. */
#include "build.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL: out of memory. */
static struct doc_value *cell_value(struct build *b, const struct csv_cell *cell)
{
    struct mg_str text = {cell->text, cell->length};
    struct doc_value *value;
    struct mg_err unread;
    if (b->options->typed && !cell->quoted &&
        !doc_parse(b->doc, (struct mg_bytes){text.at, text.len}, &value, &unread) &&
        value->kind != DOC_TEXT && value->kind != DOC_LIST && value->kind != DOC_OBJECT)
        return value;
    return doc_text(b->doc, text);
}

static int read_head(struct build *b, struct csv *csv, struct csv_cell *cells, struct columns *c)
{
    int count = csv_read(csv, cells, b->err);
    char where[32];
    if (count < 0)
        return count;
    if (count == 0)
        return build_wrong(b, "line 1: a CSV table begins with the names of its columns");
    for (int i = 0; i < count; i++)
        c->names[i] = (struct mg_str){cells[i].text, cells[i].length};
    c->count = (size_t)count;
    snprintf(where, sizeof where, "line %u", csv->line);
    return build_columns(b, c, where);
}

static int read_row(struct build *b, const struct columns *c, const struct csv_cell *cells,
                    unsigned line)
{
    struct doc_value *row = b->options->column ? NULL : doc_object(b->doc);
    for (size_t i = 0; i < c->count; i++) {
        if (!build_takes(b, c->names[i], i == c->key))
            continue;
        if (!build_is_text((struct mg_str){cells[i].text, cells[i].length}))
            return build_wrong(b, "line %u: column %zu is not UTF-8 text", line, i + 1);
        int error = build_cell(b, &row, c->names[i], cell_value(b, &cells[i]));
        if (error)
            return error;
    }
    struct mg_str key = {cells[c->key].text, cells[c->key].length};
    return build_add(b, key, row, "line", line);
}

int table_read_csv(struct build *b, char *text, size_t length)
{
    struct csv csv = {
        .at = text, .end = text + length, .delimiter = b->options->delimiter, .next_line = 1};
    struct columns *c = calloc(1, sizeof *c);
    struct csv_cell *cells = calloc(TABLE_COLUMNS_MAX, sizeof *cells);
    int error = c && cells ? 0 : -ENOMEM, count = 0;
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        csv.at += 3;
    if (!error)
        error = read_head(b, &csv, cells, c);
    while (!error && (count = csv_read(&csv, cells, b->err)) != 0) {
        if (count < 0)
            error = count;
        else if ((size_t)count != c->count)
            error = build_wrong(b, "line %u: %d cells where there are %zu columns", csv.line, count,
                                c->count);
        else
            error = read_row(b, c, cells, csv.line);
    }
    free(c);
    free(cells);
    return error;
}
