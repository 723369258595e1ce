/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables as Markdown, for the README of each module. */
#include "config/schema.h"
#include "config/bind.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {
    [MG_OPT_TEXT] = "text",
    [MG_OPT_INT] = "whole number",
    [MG_OPT_DOUBLE] = "number",
    [MG_OPT_BOOL] = "true or false",
    [MG_OPT_DURATION_MS] = "duration",
    [MG_OPT_SIZE] = "size",
    [MG_OPT_ENUM] = "choice",
    [MG_OPT_URL] = "URL",
    [MG_OPT_TEMPLATE] = "template",
    [MG_OPT_SECRET] = "secret",
    [MG_OPT_FILE] = "path",
    [MG_OPT_PAIRS] = "map of templates",
    [MG_OPT_MAP] = "map",
    [MG_OPT_TREE] = "YAML",
};

/* A cell must not end its row or its column. */
static void put_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputs("\\|", out);
        else
            fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void put_duration(FILE *out, int64_t ms)
{
    static const struct {
        int64_t factor;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].factor)
        i++;
    fprintf(out, "%" PRId64 "%s", ms ? ms / units[i].factor : 0, ms ? units[i].unit : "");
}

static void put_size(FILE *out, int64_t bytes)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    while (bytes && bytes % 1024 == 0 && i < 4) {
        bytes /= 1024;
        i++;
    }
    fprintf(out, "%" PRId64 "%s", bytes, units[i]);
}

static void put_bounds(FILE *out, const struct mg_option *o)
{
    bool size = o->type == MG_OPT_SIZE;
    if (!o->least && (!o->most || o->most == INT64_MAX))
        return;
    fputs(", ", out);
    if (o->most == INT64_MAX && (size || o->type == MG_OPT_INT)) {
        fputs("at least ", out);
        if (size)
            put_size(out, o->least);
        else
            fprintf(out, "%" PRId64, o->least);
        return;
    }
    switch (o->type) {
    case MG_OPT_DURATION_MS:
        put_duration(out, o->least);
        fputs(" to ", out);
        put_duration(out, o->most);
        break;
    case MG_OPT_SIZE:
        put_size(out, o->least);
        fputs(" to ", out);
        put_size(out, o->most);
        break;
    case MG_OPT_INT:
    case MG_OPT_DOUBLE:
        fprintf(out, "%" PRId64 " to %" PRId64, o->least, o->most);
        break;
    default:
        fprintf(out, "%" PRId64 " to %" PRId64 " bytes", o->least, o->most);
    }
}

static void put_type(FILE *out, const struct mg_option *o)
{
    bool known = o->type < sizeof type_names / sizeof type_names[0] && type_names[o->type];
    if (o->flags & MG_OPT_LIST)
        fputs("one or a list of: ", out);
    if (o->type == MG_OPT_ENUM) {
        for (size_t i = 0; o->choices[i]; i++)
            fprintf(out, "%s`%s`", i ? ", " : "", o->choices[i]);
        return;
    }
    fputs(known ? type_names[o->type] : "unknown", out);
    const struct mg_option *plain = gw_bind_plain(o);
    if (plain)
        fprintf(out, ", or its `%s` alone", plain->name);
    put_bounds(out, o);
}

static void put_rows(FILE *out, const struct mg_option *options, const char *prefix)
{
    for (const struct mg_option *o = options; o && o->name; o++) {
        fprintf(out, "| `%s%s` | ", prefix, o->name);
        put_type(out, o);
        fputs(" | ", out);
        if (o->value && o->type != MG_OPT_SECRET) {
            fputc('`', out);
            put_cell(out, *o->value ? o->value : "\"\"");
            fputc('`', out);
        } else if (o->flags & MG_OPT_REQUIRED) {
            fputs("**required**", out);
        }
        fputs(" | ", out);
        put_cell(out, o->doc ? o->doc : "");
        fputs(" |\n", out);
        char dotted[256];
        if (o->type == MG_OPT_MAP) {
            snprintf(dotted, sizeof dotted, "%s%s%s.", prefix, o->name,
                     o->flags & MG_OPT_LIST ? "[]" : "");
            put_rows(out, o->inside, dotted);
        }
    }
}

char *gw_markdown_of_options(const struct mg_option *options)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    if (!options || !options->name)
        fputs("No options.\n", out);
    else
        fputs("| option | type | default | meaning |\n| --- | --- | --- | --- |\n", out);
    put_rows(out, options, "");
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}
