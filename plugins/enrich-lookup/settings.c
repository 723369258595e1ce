/* SPDX-License-Identifier: Apache-2.0 */
/* What may be configured, and what of it goes together. */
#include "lookup.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const formats[] = {"auto", "csv", "json", "sqlite", NULL};
static const char *const multiples[] = {"error", "list", "events", NULL};
static const char *const missings[] = {"pass", "drop", "reject", NULL};

#define AT(field) offsetof(struct settings, field)
const struct mg_option lookup_options[] = {
    {.name = "table",
     .doc =
         "The file: CSV with a line of column names, JSON (an object of rows, or a list of them), "
         "or a SQLite database.",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(table)},
    {.name = "key",
     .doc = "What is looked up, as \"{machine}\" or \"{property.device}\".",
     .type = MG_OPT_TEMPLATE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(key)},
    {.name = "into",
     .doc = "Where the row goes: a path in the JSON payload (machine, data.machine), or "
            "property:NAME.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_REQUIRED,
     .least = 1,
     .most = 1024,
     .offset = AT(into)},
    {.name = "column",
     .doc = "Only this column; its value itself goes there.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(column)},
    {.name = "columns",
     .doc = "Only these columns; unset: all but the key's.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_LIST,
     .least = 1,
     .most = 1024,
     .offset = AT(columns)},
    {.name = "key_column",
     .doc = "The column of the keys; unset: the first of a CSV table or of a query.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(key_column)},
    {.name = "on_missing",
     .value = "pass",
     .doc = "What happens to an event whose key the table has not: it passes unchanged, is dropped "
            "or rejected.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {.name = "format",
     .value = "auto",
     .doc = "auto: JSON where the file's name ends in .json, SQLite with .db, .sqlite or .sqlite3, "
            "else CSV.",
     .type = MG_OPT_ENUM,
     .choices = formats,
     .offset = AT(format)},
    {.name = "query",
     .doc = "SQLite: the SELECT whose rows are the table.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 65536,
     .offset = AT(query)},
    {.name = "from_table",
     .doc = "SQLite: the table or view that is taken whole, in place of a query.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(from_table)},
    {.name = "multiple",
     .value = "error",
     .doc = "Several rows of one key; error: there may be none, list: a list of its rows goes into "
            "the event, also where there is one, events: an event for each row.",
     .type = MG_OPT_ENUM,
     .choices = multiples,
     .offset = AT(multiple)},
    {.name = "delimiter",
     .value = "\",\"",
     .doc = "What stands between the cells of a CSV table, one character.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1,
     .offset = AT(delimiter)},
    {.name = "typed",
     .value = "false",
     .doc = "CSV cells that are not quoted and are a number, true, false or null become such "
            "instead of text.",
     .type = MG_OPT_BOOL,
     .offset = AT(typed)},
    {.name = "reload",
     .value = "2s",
     .doc = "How often to see whether the file has changed; 0s: never.",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = 86400000,
     .offset = AT(reload_ms)},
    {.name = "max_size",
     .value = "64MiB",
     .doc = "A larger file is refused.",
     .type = MG_OPT_SIZE,
     .least = 1,
     .most = 1 << 30,
     .offset = AT(most_bytes)},
    {.name = "waiting",
     .value = "1000",
     .doc = "Events that may wait on each shard until the table is there.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = 1000000,
     .offset = AT(waiting)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

static int check_sqlite(const struct settings *s, struct mg_err *reterr)
{
    bool is_sqlite = table_format_of(s->table, s->format) == TABLE_SQLITE;
    const char *given = s->query ? "query" : s->from_table ? "from_table" : NULL;
    if (s->query && s->from_table)
        return refuse(reterr, "from_table",
                      "query says which rows, from_table takes all of one table: use one of them");
    if (is_sqlite && !given)
        return refuse(reterr, "query",
                      "what of the database is the table?  query: \"SELECT …\", or from_table: "
                      "NAME");
    if (!is_sqlite && given)
        return refuse(reterr, given,
                      "this belongs to a SQLite database; where its name does not end in .db, "
                      ".sqlite or .sqlite3, set format: sqlite");
    return 0;
}

int lookup_check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct place into;
    if (s->column && s->columns.count)
        return refuse(
            reterr, "columns",
            "column takes one value, columns makes an object of several: use one of them");
    if (strchr("\"\r\n", *s->delimiter))
        return refuse(reterr, "delimiter",
                      "neither a quote nor a line break can stand between cells");
    int error = check_sqlite(s, reterr);
    if (!error)
        error = place_init(&into, s->into, "into", reterr);
    if (!error)
        place_fini(&into);
    return error;
}
