/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate dlq`: the dead letters, listed, shown, edited, sent again, dropped. */
#include "cli/dlq.h"
#include "config/bind_value.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: meshgate dlq ls     -c FILE|FOLDER [WHICH]... [--limit N] [--json]\n"
    "       meshgate dlq show ID  -c FILE|FOLDER [--json]\n"
    "       meshgate dlq edit ID  -c FILE|FOLDER [--from FILE|-]\n"
    "       meshgate dlq retry  -c FILE|FOLDER WHICH... | --all [--limit N] [--rate N/s] "
    "[--dry-run]\n"
    "       meshgate dlq drop   -c FILE|FOLDER WHICH... | --all [--limit N] [--rate N/s] "
    "[--dry-run]\n\n"
    "WHICH, all of them together:\n"
    "  --route NAME     --sink SINK (or its bridge)     --step STEP (or its kind: translate)\n"
    "  --reason TEXT    a part of the reason\n"
    "  --since TIME     --until TIME     when they died: 2026-03-01T08:00:00Z, or 2h for two hours "
    "ago\n"
    "  --id ID          or some: 7-9, 7-\n\n"
    "retry sends a sink's letter to that sink again, and a step's through the steps as a new "
    "event\n"
    "(for which the gateway must run).  drop counts them as discarded.  edit opens $VISUAL or "
    "$EDITOR.\n"
    "Asks the running gateway; where none answers, opens its store.\n"
    "Exit 0: done; 1: an error, or some could not be retried or dropped; 2: usage, or no answer.\n";

#define WHICH                                                                                      \
    {"--route", "route", GW_CLI_TEXT}, {"--sink", "sink", GW_CLI_TEXT},                            \
        {"--step", "step", GW_CLI_TEXT}, {"--reason", "reason", GW_CLI_TEXT},                      \
        {"--since", "since", GW_CLI_TEXT}, {"--until", "until", GW_CLI_TEXT},                      \
        {"--id", "id", GW_CLI_TEXT},                                                               \
    {                                                                                              \
        "--limit", "limit", GW_CLI_COUNT                                                           \
    }
static const struct gw_cli_argument ls_arguments[] = {WHICH, {0}};
static const struct gw_cli_argument act_arguments[] = {
    WHICH,
    {"--all", "all", GW_CLI_FLAG},
    {"--rate", "rate", GW_CLI_RATE},
    {"--dry-run", "dry_run", GW_CLI_FLAG},
    {0},
};
static const struct gw_cli_argument no_arguments[] = {{0}};

enum verb { LS, SHOW, EDIT, RETRY, DROP, VERBS };
static const struct {
    const char *word, *op, *done;
    bool one;
    const struct gw_cli_argument *arguments;
} verbs[VERBS] = {
    {"ls", "dlq.ls", NULL, false, ls_arguments},
    {"show", NULL, NULL, true, no_arguments},
    {"edit", NULL, NULL, true, no_arguments},
    {"retry", "dlq.retry", "retried", false, act_arguments},
    {"drop", "dlq.drop", "dropped", false, act_arguments},
};

struct words {
    struct gw_cli_options options;
    enum verb verb;
    int64_t id;
    const char *from;
    json_t *request;
};

static int wrong(const char *what, const char *word)
{
    fprintf(stderr, "meshgate dlq: %s%s\n\n%s", what, word, help);
    return 2;
}

static int read_word(struct words *w, const char *word)
{
    if (w->verb == VERBS) {
        for (w->verb = 0; w->verb < VERBS && strcmp(verbs[w->verb].word, word);)
            w->verb++;
        return w->verb == VERBS ? wrong("there is no ", word) : 0;
    }
    if (!verbs[w->verb].one || w->id)
        return wrong("what is ", word);
    return gw_value_int(word, &w->id) || w->id < 1 ? wrong("no id: ", word) : 0;
}

static int read_words(struct words *w, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&w->options, argc, argv, &i);
        if (!taken && w->verb < VERBS)
            taken = gw_cli_argument(verbs[w->verb].arguments, w->request, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (w->verb == EDIT && !strcmp(argv[i], "--from") && i + 1 < argc) {
            w->from = argv[i + 1];
            i += 2;
        } else if (argv[i][0] == '-') {
            return wrong("unknown option ", argv[i]);
        } else if (read_word(w, argv[i++])) {
            return 2;
        }
    }
    if (w->options.help)
        return 0;
    if (w->verb == VERBS)
        return wrong("say ls, show, edit, retry or drop", "");
    if (verbs[w->verb].one && !w->id)
        return wrong("which one? say its id", "");
    return 0;
}

/* ---- ls ------------------------------------------------------------------------------------- */

struct table {
    bool begun;
};

static void print_row(void *arg, const json_t *entry)
{
    struct table *table = arg;
    if (!table->begun)
        printf("%-7s %-27s %-20s %-32s %-8s %-28s %s\n", "ID", "DIED", "ROUTE", "SINK OR STEP",
               "ATTEMPTS", "ADDRESS", "REASON");
    table->begun = true;
    bool of_sink = json_is_string(json_object_get(entry, "sink"));
    static const struct {
        const char *name;
        int width;
    } columns[] = {{"id", 7},       {"died", 27},    {"route", 20}, {NULL, 32},
                   {"attempts", 8}, {"address", 28}, {"reason", 0}};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const char *name = columns[i].name ? columns[i].name : of_sink ? "sink" : "step";
        gw_cli_put_cell(stdout, entry, name, columns[i].width);
        putchar(columns[i].width ? ' ' : '\n');
    }
}

static void print_entry(void *arg, const json_t *entry)
{
    gw_cli_json_entry(arg, entry);
}

static int list(struct words *w)
{
    struct table table = {0};
    struct gw_cli_json_list json = {0};
    struct gw_cli_answer answer = {.entry = w->options.json ? print_entry : print_row,
                                   .arg = w->options.json ? (void *)&json : &table};
    int code = gw_cli_ask(&w->options, json_incref(w->request), &answer);
    if (w->options.json && code != 2)
        gw_cli_json_end(&json);
    else if (!code)
        printf("%s%" PRIu64 " dead letter%s\n", table.begun ? "\n" : "",
               gw_cli_count(&answer, "matched"), gw_cli_count(&answer, "matched") == 1 ? "" : "s");
    gw_cli_answer_fini(&answer);
    return code;
}

/* ---- retry, drop ---------------------------------------------------------------------------- */

static void print_counts(const struct words *w, const struct gw_cli_answer *a)
{
    static const char *const others[] = {"gone", "skipped", "failed"};
    const char *done = verbs[w->verb].done;
    if (w->options.json) {
        gw_cli_print_json(a->end);
        return;
    }
    uint64_t matched = gw_cli_count(a, "matched");
    if (json_is_true(json_object_get(w->request, "dry_run"))) {
        printf("%" PRIu64 " would be %s\n", matched, done);
        return;
    }
    printf("%" PRIu64 " of %" PRIu64 " %s", gw_cli_count(a, "done"), matched, done);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (gw_cli_count(a, others[i]))
            printf(", %" PRIu64 " %s", gw_cli_count(a, others[i]), others[i]);
    putchar('\n');
}

static int act(struct words *w)
{
    struct gw_cli_answer answer = {.verb = verbs[w->verb].done};
    int code = gw_cli_ask(&w->options, json_incref(w->request), &answer);
    if (!code && !answer.end) {
        fputs("meshgate: the gateway hung up before it was done\n", stderr);
        code = 2;
    }
    if (!code) {
        print_counts(w, &answer);
        code = gw_cli_count(&answer, "failed") || gw_cli_count(&answer, "skipped");
    }
    gw_cli_answer_fini(&answer);
    return code;
}

int gw_cli_dlq(int argc, char **argv)
{
    struct words w = {.verb = VERBS, .request = json_object()};
    int code = read_words(&w, argc, argv);
    if (!code && w.options.help) {
        fputs(help, stdout);
    } else if (!code) {
        if (verbs[w.verb].op)
            json_object_set_new(w.request, "op", json_string(verbs[w.verb].op));
        code = w.verb == LS     ? list(&w)
               : w.verb == SHOW ? gw_cli_dlq_show(&w.options, w.id)
               : w.verb == EDIT ? gw_cli_dlq_edit(&w.options, w.id, w.from)
                                : act(&w);
    }
    json_decref(w.request);
    return code;
}
