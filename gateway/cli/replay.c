/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate replay`, `meshgate pause` and `meshgate resume`: what a route is to do. */
#include "cli/ask.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char replay_help[] =
    "usage: meshgate replay -c FILE|FOLDER --route NAME --from TIME [--to TIME] [--address "
    "FILTER]\n"
    "                       [--limit N] [--rate N/s] [--as-of-now] [--dry-run] [--json]\n\n"
    "Sends again what the route's archive (delivery.archive) has of that time, marked as "
    "replayed.\n"
    "TIME: 2026-03-01T08:00:00Z, or 2h for two hours ago.  FILTER: plant/+/m1, plant/#.\n"
    "--as-of-now: through the route's steps as they are now; without: as it was, to the sinks "
    "alone.\n"
    "Ends where it is interrupted.  Exit 0: done; 1: an error; 2: usage, or no gateway answers.\n";
static const char pause_help[] =
    "usage: meshgate pause ROUTE -c FILE|FOLDER [--reason TEXT]\n\n"
    "Stops sending what a stored route has; events go on to be stored.  Kept across restarts.\n"
    "`meshgate status` shows it.  Exit 0: paused; 1: an error; 2: usage, or no gateway answers.\n";
static const char resume_help[] =
    "usage: meshgate resume ROUTE -c FILE|FOLDER\n\n"
    "Lets a paused route send again.  Exit 0: it does; 1: an error; 2: usage, or no gateway "
    "answers.\n";

static const struct gw_cli_argument replay_arguments[] = {
    {"--route", "route", GW_CLI_TEXT},
    {"--from", "from", GW_CLI_TEXT},
    {"--to", "to", GW_CLI_TEXT},
    {"--address", "address", GW_CLI_TEXT},
    {"--limit", "limit", GW_CLI_COUNT},
    {"--rate", "rate", GW_CLI_RATE},
    {"--as-of-now", "as_of_now", GW_CLI_FLAG},
    {"--dry-run", "dry_run", GW_CLI_FLAG},
    {0},
};
static const struct gw_cli_argument pause_arguments[] = {{"--reason", "reason", GW_CLI_TEXT}, {0}};
static const struct gw_cli_argument resume_arguments[] = {{0}};

struct words {
    const char *command, *help;
    const struct gw_cli_argument *arguments;
    bool names_route; /* without an option before it */
    struct gw_cli_options options;
    json_t *request;
};

/* 0, 2, or -1: only help was wanted. */
static int read_words(struct words *w, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&w->options, argc, argv, &i);
        if (!taken)
            taken = gw_cli_argument(w->arguments, w->request, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (w->names_route && argv[i][0] != '-' && !json_object_get(w->request, "route") &&
            !json_object_set_new(w->request, "route", json_string(argv[i]))) {
            i++;
            continue;
        }
        fprintf(stderr, "meshgate %s: what is \"%s\"?\n\n%s", w->command, argv[i], w->help);
        return 2;
    }
    if (w->options.help) {
        fputs(w->help, stdout);
        return -1;
    }
    if (!json_object_get(w->request, "route") ||
        (!w->names_route && !json_object_get(w->request, "from"))) {
        fprintf(stderr, "meshgate %s: %s\n\n%s", w->command,
                w->names_route ? "which route?" : "--route and --from are needed", w->help);
        return 2;
    }
    return 0;
}

static int replay(struct words *w)
{
    struct gw_cli_answer a = {.verb = "replayed"};
    int code = gw_cli_ask(&w->options, json_incref(w->request), &a);
    if (!code && !a.end) {
        fputs("meshgate: the gateway hung up before it was done\n", stderr);
        code = 2;
    }
    if (!code && w->options.json)
        gw_cli_print_json(a.end);
    else if (!code && json_is_true(json_object_get(w->request, "dry_run")))
        printf("%" PRIu64 " would be replayed\n", gw_cli_count(&a, "matched"));
    else if (!code)
        printf("%" PRIu64 " of %" PRIu64 " replayed\n", gw_cli_count(&a, "done"),
               gw_cli_count(&a, "matched"));
    if (!code && gw_cli_count(&a, "gone"))
        fprintf(stderr, "%" PRIu64 " left the archive meanwhile\n", gw_cli_count(&a, "gone"));
    if (!code && gw_cli_count(&a, "failed"))
        code = 1;
    gw_cli_answer_fini(&a);
    return code;
}

static int set_route(struct words *w)
{
    struct gw_cli_answer a = {0};
    int code = gw_cli_ask(&w->options, json_incref(w->request), &a);
    if (!code && !a.first) {
        fputs("meshgate: the gateway did not answer\n", stderr);
        code = 2;
    }
    if (!code)
        printf("route %s is %s\n", json_string_value(json_object_get(w->request, "route")),
               json_is_true(json_object_get(a.first, "paused")) ? "paused" : "sending");
    gw_cli_answer_fini(&a);
    return code;
}

static int run(struct words *w, int (*work)(struct words *), int argc, char **argv)
{
    w->request = json_pack("{s:s}", "op", w->command);
    int code = read_words(w, argc, argv);
    if (!code)
        code = work(w);
    json_decref(w->request);
    return code < 0 ? 0 : code;
}

int gw_cli_replay(int argc, char **argv)
{
    struct words w = {.command = "replay", .help = replay_help, .arguments = replay_arguments};
    return run(&w, replay, argc, argv);
}

int gw_cli_pause(int argc, char **argv)
{
    struct words w = {
        .command = "pause", .help = pause_help, .arguments = pause_arguments, .names_route = true};
    return run(&w, set_route, argc, argv);
}

int gw_cli_resume(int argc, char **argv)
{
    struct words w = {.command = "resume",
                      .help = resume_help,
                      .arguments = resume_arguments,
                      .names_route = true};
    return run(&w, set_route, argc, argv);
}
