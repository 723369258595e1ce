/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate store`: the store as a whole. */
#include "admin/control.h"
#include "cli/ask.h"
#include "store/transfer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: meshgate store info          -c FILE|FOLDER [--json]\n"
    "       meshgate store verify        -c FILE|FOLDER [--json]\n"
    "       meshgate store compact       -c FILE|FOLDER\n"
    "       meshgate store export [FILE] -c FILE|FOLDER\n"
    "       meshgate store import FILE   -c FILE|FOLDER\n\n"
    "info: health, size, and the backlog of every sink; asks the running gateway where there is "
    "one.\n"
    "The others work on the store of a stopped gateway.  verify reads everything and changes "
    "nothing;\n"
    "exit 1 where something is damaged (the gateway repairs that when it starts, and says what it\n"
    "could not).  compact gives free space back to the disk.  export writes all of it as lines of "
    "JSON\n"
    "(without FILE, or with -: to the standard output); import makes a new store of them, where "
    "there\n"
    "is none yet.  Exit 2: usage, or the store cannot be had.\n";

enum verb { INFO, VERIFY, COMPACT, EXPORT, IMPORT, VERBS };
static const char *const verbs[VERBS] = {"info", "verify", "compact", "export", "import"};

struct words {
    struct gw_cli_options options;
    enum verb verb;
    const char *file;
};

static int wrong(const char *what, const char *word)
{
    fprintf(stderr, "meshgate store: %s%s\n\n%s", what, word, help);
    return 2;
}

static int read_word(struct words *w, const char *word)
{
    if (w->verb == VERBS) {
        for (w->verb = 0; w->verb < VERBS && strcmp(verbs[w->verb], word);)
            w->verb++;
        return w->verb == VERBS ? wrong("there is no ", word) : 0;
    }
    if ((w->verb != EXPORT && w->verb != IMPORT) || w->file)
        return wrong("what is ", word);
    w->file = word;
    return 0;
}

static int read_words(struct words *w, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&w->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (argv[i][0] == '-' && argv[i][1])
            return wrong("unknown option ", argv[i]);
        if (read_word(w, argv[i++]))
            return 2;
    }
    if (w->options.help)
        return 0;
    if (w->verb == VERBS)
        return wrong("say info, verify, compact, export or import", "");
    return w->verb == IMPORT && !w->file ? wrong("import from which file?", "") : 0;
}

/* ---- info ----------------------------------------------------------------------------------- */

static void print_info(const json_t *info)
{
    const char *name;
    json_t *value, *route, *sink;
    size_t i, j;
    json_object_foreach(json_object_get(info, "store"), name, value)
    {
        printf("%-12s ", name);
        if (json_is_boolean(value))
            puts(json_is_true(value) ? "yes" : "no");
        else {
            gw_cli_put_cell(stdout, json_object_get(info, "store"), name, 0);
            putchar('\n');
        }
    }
    printf("\n%-24s %-40s %12s %14s %14s\n", "ROUTE", "SINK", "BACKLOG", "BYTES", "OLDEST ms");
    json_array_foreach(json_object_get(info, "routes"), i, route)
    {
        json_array_foreach(json_object_get(route, "sinks"), j, sink)
        {
            gw_cli_put_cell(stdout, route, "route", 25);
            gw_cli_put_cell(stdout, sink, "sink", 40);
            static const char *const numbers[] = {"backlog", "bytes", "oldest_ms"};
            static const int widths[] = {12, 14, 14};
            for (size_t k = 0; k < 3; k++)
                printf(" %*" JSON_INTEGER_FORMAT, widths[k],
                       json_integer_value(json_object_get(sink, numbers[k])));
            putchar('\n');
        }
    }
}

static int info(struct words *w)
{
    struct gw_cli_answer answer = {0};
    int code = gw_cli_ask(&w->options, json_pack("{s:s}", "op", "store.info"), &answer);
    if (!code && !answer.first) {
        fputs("meshgate: the gateway did not answer\n", stderr);
        code = 2;
    }
    if (!code && w->options.json)
        gw_cli_print_json(answer.first);
    else if (!code)
        print_info(answer.first);
    gw_cli_answer_fini(&answer);
    return code;
}

/* ---- the stopped one's ---------------------------------------------------------------------- */

static int failed(const char *verb, int error, const struct mg_err *err)
{
    fprintf(stderr, "meshgate store %s: %s%s\n", verb, err->text[0] ? err->text : strerror(-error),
            error == -EBUSY ? "; stop the gateway first" : "");
    return 2;
}

struct findings {
    json_t *list; /* NULL: printed as they come */
};

static void found(void *arg, uint64_t offset, const char *text)
{
    struct findings *f = arg;
    if (f->list) {
        json_t *place = offset == UINT64_MAX ? json_null() : json_integer((json_int_t)offset);
        json_array_append_new(f->list, json_pack("{s:o, s:s}", "offset", place, "text", text));
    } else if (offset == UINT64_MAX) {
        printf("%s\n", text);
    } else {
        printf("data.mdb at %" PRIu64 ": %s\n", offset, text);
    }
}

static int verify(const struct words *w, const char *folder)
{
    struct mg_err err = {{0}, NULL};
    struct gw_store_verified v = {0};
    struct findings f = {.list = w->options.json ? json_array() : NULL};
    int error = gw_store_verify(folder, found, &f, &v, &err);
    if (error) {
        json_decref(f.list);
        return failed("verify", error, &err);
    }
    if (f.list) {
        json_t *all =
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "pages", (json_int_t)v.pages, "bytes",
                      (json_int_t)v.bytes, "records", (json_int_t)v.records, "dead",
                      (json_int_t)v.dead, "archived", (json_int_t)v.archived, "findings", f.list);
        gw_cli_print_json(all);
        json_decref(all);
    } else {
        printf("%s: %" PRIu64 " bytes, %" PRIu64 " records, %" PRIu64 " dead letters, %" PRIu64
               " archived: ",
               folder, v.bytes, v.records, v.dead, v.archived);
        if (v.findings)
            printf("%" PRIu64 " damaged\n", v.findings);
        else
            puts("ok");
    }
    return v.findings ? 1 : 0;
}

static int compact(const char *folder)
{
    struct mg_err err = {{0}, NULL};
    uint64_t before = 0, after = 0;
    int error = gw_store_compact(folder, gw_cli_store_found, NULL, &before, &after, &err);
    if (error)
        return failed("compact", error, &err);
    printf("%s: %" PRIu64 " bytes, now %" PRIu64 "\n", folder, before, after);
    return 0;
}

static int export_to(const struct gw_store_settings *settings, FILE *out)
{
    struct mg_err err = {{0}, NULL};
    struct gw_store *store = NULL;
    struct gw_store_options options = {.manual = true, .read_only = true};
    int error = gw_store_open(settings, &options, gw_cli_store_found, NULL, &store, &err);
    if (!error) {
        error = gw_store_export(store, out, &err);
        gw_store_close(store);
    }
    return error ? failed("export", error, &err) : 0;
}

/* Beside it first, so that a file of that name is a whole export. */
static int export_file(const struct gw_store_settings *settings, const char *path)
{
    char part[4096];
    if (!path || !strcmp(path, "-"))
        return export_to(settings, stdout);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *out = fopen(part, "wx");
    if (!out) {
        fprintf(stderr, "meshgate store export: %s: %s\n", part, strerror(errno));
        return 2;
    }
    int code = export_to(settings, out);
    bool bad = fflush(out) || fsync(fileno(out));
    bad = fclose(out) || bad;
    if (!code && (bad || rename(part, path))) {
        fprintf(stderr, "meshgate store export: %s: %s\n", path, strerror(errno));
        code = 2;
    }
    if (code)
        unlink(part);
    return code;
}

static int import(const char *folder, const char *path)
{
    struct mg_err err = {{0}, NULL};
    struct gw_store_imported done = {0};
    FILE *in = strcmp(path, "-") ? fopen(path, "r") : stdin;
    if (!in) {
        fprintf(stderr, "meshgate store import: %s: %s\n", path, strerror(errno));
        return 2;
    }
    int error = gw_store_import(folder, in, &done, &err);
    if (in != stdin)
        fclose(in);
    if (error)
        return failed("import", error, &err);
    printf("%s: %" PRIu64 " records, %" PRIu64 " dead letters, %" PRIu64 " archived, %" PRIu64
           " identities, %" PRIu64 " entries of state\n",
           folder, done.records, done.dead, done.archived, done.identities, done.states);
    return 0;
}

static int work(const struct words *w, const struct gw_gateway_settings *gateway)
{
    const char *folder = gateway->store.path;
    if (!folder) {
        fprintf(stderr, "%s: gateway.store is not set, so there is no store\n", w->options.config);
        return 2;
    }
    struct mg_err err = {{0}, NULL};
    int fd =
        gateway->control ? gw_control_dial(gateway->control, GW_CONTROL_SILENCE_S, &err) : -ENOENT;
    if (fd >= 0) {
        close(fd);
        fprintf(stderr, "meshgate store %s: the gateway runs; stop it first\n", verbs[w->verb]);
        return 2;
    }
    switch (w->verb) {
    case VERIFY:
        return verify(w, folder);
    case COMPACT:
        return compact(folder);
    case EXPORT:
        return export_file(&gateway->store, w->file);
    default:
        return import(folder, w->file);
    }
}

int gw_cli_store(int argc, char **argv)
{
    struct words w = {.verb = VERBS};
    int code = read_words(&w, argc, argv);
    if (code || w.options.help) {
        if (!code)
            fputs(help, stdout);
        return code;
    }
    if (w.verb == INFO)
        return info(&w);
    struct gw_arena *arena = gw_arena_create();
    struct gw_gateway_settings gateway = {0};
    code = gw_cli_gateway(&w.options, arena, &gateway);
    if (!code)
        code = work(&w, &gateway);
    gw_arena_destroy(arena);
    return code;
}
