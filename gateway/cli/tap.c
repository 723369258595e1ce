/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate tap`: events of the running gateway as they pass, a line each, to look at or to keep.
 */
#include "admin/control.h"
#include "cli/ask.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: meshgate tap -c FILE|FOLDER [--route NAME] [--bridge NAME] [--point in|out] "
    "[--count N]\n                    [--seconds N] [--rate N] [--out FILE] [--flat]\n\n"
    "Shows the events that pass through the running gateway, a line of JSON each, until there are "
    "N or\nCtrl-C.  `meshgate diff` reads these lines.  The gateway never waits for it: what is "
    "too much for\nthe tap goes by unseen, and how many did is said at the end.\n\n"
    "  --route NAME   only events that this route takes, or sends\n"
    "  --bridge NAME  only events of this bridge\n"
    "  --point in     as they come in (default); out: as the sinks' bridges take them\n"
    "  --count N      ends after N events\n"
    "  --seconds N    ends after N seconds\n"
    "  --rate N       at most N events a second on each shard, 5000 by default\n"
    "  --out FILE     writes there instead of standard output\n"
    "  --flat         the event alone, as a file bridge reads it: no time, no bridge\n";

static const struct gw_cli_argument arguments[] = {
    {"--route", "route", GW_CLI_TEXT},
    {"--bridge", "bridge", GW_CLI_TEXT},
    {"--point", "point", GW_CLI_TEXT},
    {"--count", "count", GW_CLI_COUNT},
    {"--seconds", "seconds", GW_CLI_COUNT},
    {"--rate", "rate", GW_CLI_COUNT},
    {NULL},
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

struct tapping {
    struct gw_cli_options options;
    json_t *request;
    const char *path; /* NULL: stdout */
    bool flat;
    FILE *out;
    uint64_t events, missed;
    bool failed;
};

static int read_words(struct tapping *t, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&t->options, argc, argv, &i);
        if (!taken)
            taken = gw_cli_argument(arguments, t->request, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (!strcmp(argv[i], "--flat")) {
            t->flat = true;
            i++;
        } else if (!strcmp(argv[i], "--out") && i + 1 < argc) {
            t->path = argv[i + 1];
            i += 2;
        } else {
            fprintf(stderr, "meshgate tap: what is \"%s\"?\n\n%s", argv[i], help);
            return 2;
        }
    }
    return 0;
}

static bool put_event(struct tapping *t, const json_t *line)
{
    const json_t *event = t->flat ? json_object_get(line, "message") : line;
    t->events++;
    if (json_dumpf(event, t->out, JSON_COMPACT) || fputc('\n', t->out) == EOF) {
        t->failed = errno != EPIPE; /* who has seen enough of a pipe just closes it */
        if (t->failed)
            perror(t->path ? t->path : "stdout");
        return false;
    }
    return true;
}

static bool take_line(void *arg, const json_t *line)
{
    struct tapping *t = arg;
    const char *error = json_string_value(json_object_get(line, "error"));
    if (error) {
        fputs("meshgate tap: ", stderr);
        gw_cli_put(stderr, error);
        fputc('\n', stderr);
        t->failed = true;
        return false;
    }
    t->missed += (uint64_t)json_integer_value(json_object_get(line, "missed"));
    if (json_object_get(line, "message") && !put_event(t, line))
        return false;
    return !interrupted; /* progress comes once a second, events or not */
}

static int ask(struct tapping *t, const struct gw_gateway_settings *gateway)
{
    struct mg_err err = {{0}, NULL};
    if (!gateway->control) {
        fprintf(stderr,
                "meshgate tap: %s: gateway.control is not set, so a running gateway cannot "
                "be asked\n",
                t->options.config);
        return 2;
    }
    t->out = t->path ? fopen(t->path, "w") : stdout;
    if (!t->out) {
        perror(t->path);
        return 2;
    }
    setvbuf(t->out, NULL, _IOLBF, 0); /* what is cut off ends with a whole line */
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    int error =
        gw_control_ask(gateway->control, GW_CONTROL_SILENCE_S, t->request, take_line, t, &err);
    if (error)
        fprintf(stderr, "meshgate tap: %s\n", err.text[0] ? err.text : strerror(-error));
    if (t->path && fclose(t->out)) {
        perror(t->path);
        t->failed = true;
    }
    if (t->path && !error)
        fprintf(stderr, "%" PRIu64 " event%s\n", t->events, t->events == 1 ? "" : "s");
    if (t->missed)
        fprintf(stderr, "%" PRIu64 " events went by unseen: more than the tap takes\n", t->missed);
    return error ? 2 : t->failed ? 1 : 0;
}

static int tap(struct tapping *t)
{
    struct gw_gateway_settings gateway = {0};
    struct gw_arena *arena = gw_arena_create();
    int code = arena ? gw_cli_gateway(&t->options, arena, &gateway) : 2;
    if (!code)
        code = ask(t, &gateway);
    gw_arena_destroy(arena);
    return code;
}

int gw_cli_tap(int argc, char **argv)
{
    struct tapping t = {.request = json_pack("{s:s}", "op", "tap")};
    int code = read_words(&t, argc, argv);
    if (!code && t.options.help)
        fputs(help, stdout);
    else if (!code)
        code = tap(&t);
    json_decref(t.request);
    return code;
}
