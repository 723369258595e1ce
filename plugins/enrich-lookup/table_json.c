/* SPDX-License-Identifier: Apache-2.0 */
/* A table out of JSON: an object from keys to rows, or a list of objects.  One row at a time is
 * made a document. */
#include "build.h"
#include "json_scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mg_str name_of(const char *text)
{
    return text ? (struct mg_str){text, strlen(text)} : (struct mg_str){0};
}

/* What of the row is looked up.  -ENODATA: it has not the column. */
static int select_columns(struct build *b, struct doc_value *row, struct doc_value **ret)
{
    const struct table_options *o = b->options;
    struct mg_str key = name_of(o->key_column);
    *ret = o->column ? doc_get(row, name_of(o->column)) : row;
    if (o->column)
        return *ret ? 0 : -ENODATA;
    if (row->kind != DOC_OBJECT)
        return 0;
    struct doc_value *chosen = *ret = doc_object(b->doc);
    for (size_t i = 0; i < row->count && chosen; i++) {
        struct mg_str name = row->members[i].name;
        bool is_key = key.at && name.len == key.len && !memcmp(name.at, key.at, key.len);
        if (build_takes(b, name, is_key) && doc_set(b->doc, chosen, name, row->members[i].value))
            return -ENOMEM;
    }
    return chosen ? 0 : -ENOMEM;
}

/* The line of the row that was read last, in front of what is wrong with it. */
static int say_line(struct build *b, const struct scan *scan)
{
    char what[200];
    size_t line = 1;
    for (const char *at = scan->begin; at < scan->at; at++)
        line += *at == '\n';
    snprintf(what, sizeof what, "%.199s", b->err->text);
    return build_wrong(b, "line %zu: %s", line, what);
}

static int add_row(struct build *b, const struct scan *scan, struct mg_str key,
                   struct doc_value *row, size_t number)
{
    struct doc_value *chosen;
    int error = select_columns(b, row, &chosen);
    if (!error)
        error = build_add(b, key, chosen, "row", number);
    else
        doc_reset(b->doc);
    if (error == -EINVAL)
        return say_line(b, scan);
    return error == -ENODATA ? 0 : error; /* a row without the column is no row of this table */
}

/* The next value as a document. */
static int read_row(struct build *b, struct scan *scan, struct doc_value **ret, size_t number)
{
    struct scan_value found;
    if (!scan_value(scan, &found))
        return scan_refuse(scan, "not JSON", b->err);
    struct mg_bytes text = {found.text.at, found.text.len};
    int error = doc_parse(b->doc, text, ret, b->err);
    if (error != -EINVAL)
        return error;
    build_wrong(b, "row %zu: it is nested too deep, or has half of a surrogate pair in a text",
                number);
    return say_line(b, scan);
}

static int read_list(struct build *b, struct scan *scan)
{
    int error = 0;
    if (!b->options->key_column)
        return build_wrong(b, "a list of objects needs key_column");
    if (scan_take(scan, ']'))
        return 0;
    for (size_t number = 1; !error; number++) {
        struct doc_value *row;
        error = read_row(b, scan, &row, number);
        if (error)
            return error;
        const struct doc_value *key = doc_get(row, name_of(b->options->key_column));
        int64_t whole;
        if (!key || (key->kind != DOC_TEXT && !doc_as_int(key, &whole))) {
            build_wrong(b, "row %zu: \"%.80s\" must be there, a text or a whole number", number,
                        b->options->key_column);
            return say_line(b, scan);
        }
        error = add_row(b, scan, key->text, row, number);
        if (error || scan_take(scan, ']'))
            return error;
        if (!scan_expect(scan, ',', "a comma or ] belongs here"))
            return scan_refuse(scan, "not JSON", b->err);
    }
    return error;
}

/* The name of the next member, in memory of its own. */
static int read_name(struct build *b, struct scan *scan, char **ret_memory, struct mg_str *ret)
{
    struct scan_value name;
    if (!scan_value(scan, &name) || name.kind != SCAN_TEXT) {
        scan->wrong = scan->wrong ? scan->wrong : "a member's name belongs here";
        return scan_refuse(scan, "not JSON", b->err);
    }
    char *out = realloc(*ret_memory, name.text.len);
    if (!out)
        return -ENOMEM;
    *ret_memory = out;
    ptrdiff_t length = scan_unescape(name.text, out);
    *ret = (struct mg_str){out, length < 0 ? 0 : (size_t)length};
    scan->wrong = "half of a surrogate pair in this name";
    if (length < 0 || !scan_expect(scan, ':', "a colon belongs here"))
        return scan_refuse(scan, "not JSON", b->err);
    scan->wrong = NULL;
    return 0;
}

static int read_object(struct build *b, struct scan *scan)
{
    char *memory = NULL;
    int error = 0;
    if (b->options->key_column)
        return build_wrong(
            b, "key_column is for a list of objects; here the members' names are the keys");
    bool more = !scan_take(scan, '}');
    for (size_t number = 1; more && !error; number++) {
        struct doc_value *row;
        struct mg_str key = {0};
        error = read_name(b, scan, &memory, &key);
        if (!error)
            error = read_row(b, scan, &row, number);
        if (!error)
            error = add_row(b, scan, key, row, number);
        more = !error && !scan_take(scan, '}');
        if (more && !scan_expect(scan, ',', "a comma or } belongs here"))
            error = scan_refuse(scan, "not JSON", b->err);
    }
    free(memory);
    return error;
}

int table_read_json(struct build *b, const char *text, size_t length)
{
    struct scan scan;
    int error;
    scan_begin(&scan, (struct mg_bytes){text, length});
    if (scan_take(&scan, '{'))
        error = read_object(b, &scan);
    else if (scan_take(&scan, '['))
        error = read_list(b, &scan);
    else
        error = build_wrong(b, "a JSON table is an object from keys to rows, or a list of objects");
    return !error && !scan_end(&scan) ? scan_refuse(&scan, "not JSON", b->err) : error;
}
