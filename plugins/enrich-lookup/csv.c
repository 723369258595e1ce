/* SPDX-License-Identifier: Apache-2.0 */
/* CSV by RFC 4180: quoted cells with doubled quotes and line breaks, CRLF or LF, blank lines
 * skipped. */
#include "build.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int wrong(const struct csv *csv, unsigned line, const char *what, struct mg_err *err)
{
    (void)csv;
    snprintf(err->text, sizeof err->text, "line %u: %s", line, what);
    return -EINVAL;
}

/* A cell that begins with a quote; the text between the quotes moves to the front. */
static int read_quoted(struct csv *csv, struct csv_cell *cell, struct mg_err *err)
{
    char *in = csv->at + 1, *out = csv->at;
    *cell = (struct csv_cell){.text = out, .quoted = true};
    for (;;) {
        if (in == csv->end)
            return wrong(csv, csv->line, "a quoted cell without its closing quote", err);
        if (*in == '"' && (in + 1 == csv->end || in[1] != '"'))
            break;
        in += *in == '"'; /* the first of two */
        csv->next_line += *in == '\n';
        *out++ = *in++;
    }
    cell->length = (size_t)(out - cell->text);
    csv->at = in + 1;
    return 0;
}

static void read_plain(struct csv *csv, struct csv_cell *cell)
{
    char *start = csv->at;
    while (csv->at < csv->end && *csv->at != csv->delimiter && *csv->at != '\n' &&
           !(*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n'))
        csv->at++;
    *cell = (struct csv_cell){.text = start, .length = (size_t)(csv->at - start)};
}

static void skip_blank_lines(struct csv *csv)
{
    for (;;) {
        size_t n = csv->at < csv->end && *csv->at == '\n'                               ? 1
                   : csv->at + 1 < csv->end && csv->at[0] == '\r' && csv->at[1] == '\n' ? 2
                                                                                        : 0;
        if (!n)
            return;
        csv->at += n;
        csv->next_line++;
    }
}

int csv_read(struct csv *csv, struct csv_cell *cells, struct mg_err *reterr)
{
    int count = 0;
    skip_blank_lines(csv);
    csv->line = csv->next_line;
    if (csv->at >= csv->end)
        return 0;
    for (;;) {
        if (count == TABLE_COLUMNS_MAX)
            return wrong(csv, csv->line, "more than 1024 cells", reterr);
        struct csv_cell *cell = &cells[count++];
        int error = 0;
        if (csv->at < csv->end && *csv->at == '"')
            error = read_quoted(csv, cell, reterr);
        else
            read_plain(csv, cell);
        if (error)
            return error;
        /* What follows is read before the cell's end is overwritten by its NUL. */
        char next = csv->at < csv->end ? *csv->at : '\n';
        bool is_last = next != csv->delimiter;
        if (is_last && next == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n')
            csv->at++;
        else if (is_last && next != '\n')
            return wrong(csv, csv->next_line, "text behind a closing quote", reterr);
        csv->next_line += is_last;
        csv->at++;
        cell->text[cell->length] = '\0';
        if (memchr(cell->text, 0, cell->length))
            return wrong(csv, csv->line, "a NUL character", reterr);
        if (is_last)
            return count;
    }
}
