/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: a JSON object from each key to what is looked up, made once and then only read. */
#include "table.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct table {
    atomic_uint refs;
    json_t *values;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct mg_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -EINVAL;
}

static bool takes(const struct table_options *o, const char *name, bool is_key)
{
    if (o->column)
        return !strcmp(o->column, name);
    for (size_t i = 0; i < o->column_count; i++)
        if (!strcmp(o->columns[i], name))
            return true;
    return !o->column_count && !is_key;
}

/* Takes value. */
static int add(struct table *t, const char *key, json_t *value, const char *where, unsigned number,
               struct mg_err *err)
{
    if (!value)
        return -ENOMEM;
    if (json_object_get(t->values, key)) {
        json_decref(value);
        return wrong(err, "%s %u: the key \"%.80s\" is there twice", where, number, key);
    }
    if (json_object_size(t->values) >= TABLE_ROWS_MAX) {
        json_decref(value);
        return wrong(err, "more than %d rows", TABLE_ROWS_MAX);
    }
    return json_object_set_new(t->values, key, value)
               ? wrong(err, "%s %u: the key is not UTF-8", where, number)
               : 0;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static json_t *cell_value(const struct table_options *o, const struct csv_cell *cell)
{
    if (o->typed && !cell->quoted) {
        json_t *json = json_loadb(cell->text, cell->length, JSON_DECODE_ANY, NULL);
        if (json && !json_is_object(json) && !json_is_array(json) && !json_is_string(json))
            return json;
        json_decref(json);
    }
    return json_stringn(cell->text, cell->length);
}

struct header {
    struct csv_cell cells[TABLE_COLUMNS_MAX];
    int count, key;
};

static bool has_column(const struct header *h, const char *name)
{
    for (int i = 0; i < h->count; i++)
        if (!strcmp(h->cells[i].text, name))
            return true;
    return false;
}

static int no_column(const struct header *h, const char *name, struct mg_err *err)
{
    size_t used = (size_t)snprintf(err->text, sizeof err->text,
                                   "line 1: no column \"%.60s\"; there are", name);
    for (int i = 0; i < h->count && used + 1 < sizeof err->text; i++)
        used += (size_t)snprintf(err->text + used, sizeof err->text - used, "%s %.40s",
                                 i ? "," : "", h->cells[i].text);
    return -EINVAL;
}

static int read_header(const struct table_options *o, struct csv *csv, struct header *h,
                       struct mg_err *err)
{
    h->count = csv_read(csv, h->cells, err);
    if (h->count <= 0)
        return h->count ? h->count
                        : wrong(err, "line 1: a CSV table begins with the names of its columns");
    for (int i = 0; i < h->count; i++) {
        if (!h->cells[i].length)
            return wrong(err, "line %u: column %d has no name", csv->line, i + 1);
        for (int k = 0; k < i; k++)
            if (!strcmp(h->cells[i].text, h->cells[k].text))
                return wrong(err, "line %u: two columns \"%.80s\"", csv->line, h->cells[i].text);
        if (o->key_column && !strcmp(h->cells[i].text, o->key_column))
            h->key = i;
    }
    if (o->key_column && !has_column(h, o->key_column))
        return no_column(h, o->key_column, err);
    if (o->column && !has_column(h, o->column))
        return no_column(h, o->column, err);
    for (size_t i = 0; i < o->column_count; i++)
        if (!has_column(h, o->columns[i]))
            return no_column(h, o->columns[i], err);
    return 0;
}

static int csv_row(const struct table_options *o, struct table *t, const struct header *h,
                   const struct csv_cell *cells, unsigned line, struct mg_err *err)
{
    json_t *row = o->column ? NULL : json_object();
    for (int i = 0; i < h->count; i++) {
        if (!takes(o, h->cells[i].text, i == h->key))
            continue;
        json_t *value = cell_value(o, &cells[i]);
        if (!value || (!o->column && json_object_set_new(row, h->cells[i].text, value))) {
            json_decref(row);
            return wrong(err, "line %u: column %d is not UTF-8 text", line, i + 1);
        }
        if (o->column)
            row = value;
    }
    return add(t, cells[h->key].text, row, "line", line, err);
}

static int parse_csv(const struct table_options *o, struct table *t, char *text, size_t length,
                     struct mg_err *err)
{
    struct csv csv = {.at = text, .end = text + length, .delimiter = o->delimiter, .next_line = 1};
    struct header *h = calloc(1, sizeof *h);
    struct csv_cell *cells = calloc(TABLE_COLUMNS_MAX, sizeof *cells);
    int error = h && cells ? 0 : -ENOMEM, count = 0;
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        csv.at += 3;
    if (!error)
        error = read_header(o, &csv, h, err);
    while (!error && (count = csv_read(&csv, cells, err)) != 0) {
        if (count < 0)
            error = count;
        else if (count != h->count)
            error = wrong(err, "line %u: %d cells where there are %d columns", csv.line, count,
                          h->count);
        else
            error = csv_row(o, t, h, cells, csv.line, err);
    }
    free(h);
    free(cells);
    return error;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* A new reference to what of the row is looked up; NULL: the row has not the column, or no memory.
 */
static json_t *select_columns(const struct table_options *o, json_t *row)
{
    if (o->column)
        return json_incref(json_object_get(row, o->column));
    if (!json_is_object(row))
        return json_incref(row);
    json_t *value = json_object();
    for (void *at = json_object_iter(row); value && at; at = json_object_iter_next(row, at)) {
        const char *name = json_object_iter_key(at);
        if (takes(o, name, o->key_column && !strcmp(name, o->key_column)))
            json_object_set(value, name, json_object_iter_value(at));
    }
    return value;
}

static int add_selected(const struct table_options *o, struct table *t, const char *key,
                        json_t *row, unsigned number, struct mg_err *err)
{
    json_t *value = select_columns(o, row);
    if (!value && o->column)
        return 0; /* a row without the column is no row of this table */
    return add(t, key, value, "row", number, err);
}

static int parse_json_list(const struct table_options *o, struct table *t, json_t *list,
                           struct mg_err *err)
{
    int error = 0;
    if (!o->key_column)
        return wrong(err, "a list of objects needs key_column");
    for (size_t i = 0; i < json_array_size(list) && !error; i++) {
        json_t *row = json_array_get(list, i), *key = json_object_get(row, o->key_column);
        char number[32];
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(key));
        if (!json_is_string(key) && !json_is_integer(key))
            return wrong(err, "row %zu: \"%.80s\" must be there, a text or a whole number", i + 1,
                         o->key_column);
        error = add_selected(o, t, json_is_string(key) ? json_string_value(key) : number, row,
                             (unsigned)i + 1, err);
    }
    return error;
}

static int parse_json(const struct table_options *o, struct table *t, const char *text,
                      size_t length, struct mg_err *err)
{
    json_error_t at;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &at);
    if (!json)
        return wrong(err, "line %d, column %d: %.160s", at.line, at.column, at.text);
    int error = 0;
    unsigned number = 0;
    if (json_is_array(json))
        error = parse_json_list(o, t, json, err);
    else if (o->key_column)
        error =
            wrong(err, "key_column is for a list of objects; here the members' names are the keys");
    else
        for (void *it = json_object_iter(json); it && !error; it = json_object_iter_next(json, it))
            error = add_selected(o, t, json_object_iter_key(it), json_object_iter_value(it),
                                 ++number, err);
    json_decref(json);
    return error;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int parse(const struct table_options *o, bool is_json, char *text, size_t length,
                 struct table **ret, struct mg_err *err)
{
    struct table *t = calloc(1, sizeof *t);
    err->text[0] = '\0';
    if (t) {
        atomic_init(&t->refs, 1);
        t->values = json_object();
    }
    int error = !t || !t->values ? -ENOMEM
                : is_json        ? parse_json(o, t, text, length, err)
                                 : parse_csv(o, t, text, length, err);
    if (!error) {
        *ret = t;
        return 0;
    }
    table_unref(t);
    if (error == -ENOMEM)
        snprintf(err->text, sizeof err->text, "out of memory");
    return error;
}

/* text has room for one byte more than length. */
static int parse_file(const struct table_options *o, char *text, size_t length, struct table **ret,
                      struct mg_err *err)
{
    size_t n = strlen(o->path);
    bool named_json = n > 5 && !strcmp(o->path + n - 5, ".json");
    return parse(o, o->format == TABLE_JSON || (o->format == TABLE_AUTO && named_json), text,
                 length, ret, err);
}

int table_parse(const struct table_options *o, const char *text, size_t length,
                struct table **ret_table, struct mg_err *reterr)
{
    char *copy = malloc(length + 1);
    if (!copy) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    int error = parse(o, o->format == TABLE_JSON, copy, length, ret_table, reterr);
    free(copy);
    return error;
}

static int system_said(const char *what, int error, struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "%s: %s", what, strerror(-error));
    return error;
}

int table_load(const struct table_options *o, struct table **ret_table, struct mg_err *reterr)
{
    struct stat st;
    int fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st)) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        return system_said("cannot open", error, reterr);
    }
    int error = 0;
    if (!S_ISREG(st.st_mode))
        error = wrong(reterr, "not a regular file");
    else if (st.st_size > o->most_bytes) {
        wrong(reterr, "%lld bytes; max_size allows %lld", (long long)st.st_size,
              (long long)o->most_bytes);
        error = -EFBIG;
    }
    /* Not a byte more than it had when it was opened: a file that grows is read again soon. */
    size_t size = error ? 0 : (size_t)st.st_size, used = 0;
    char *text = error ? NULL : malloc(size + 1);
    if (!error && !text)
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
        error = parse_file(o, text, used, ret_table, reterr);
    }
    free(text);
    return error;
}

int table_stamp_of(const char *path, struct table_stamp *ret_stamp)
{
    struct stat st;
    if (stat(path, &st))
        return -errno;
    *ret_stamp = (struct table_stamp){
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .size = (uint64_t)st.st_size,
        .modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
    };
    return 0;
}

struct table *table_ref(struct table *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void table_unref(struct table *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    json_decref(t->values);
    free(t);
}

json_t *table_find(const struct table *t, const char *key)
{
    return json_object_get(t->values, key);
}

size_t table_count(const struct table *t)
{
    return json_object_size(t->values);
}
