/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate status`: how a running gateway does. */
#include "cli/ask.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char status_help[] =
    "usage: meshgate status -c FILE|FOLDER [--json] [--stuck-after SECONDS]\n\n"
    "Asks the running gateway.  Exit 0: every connection is up, no event has been in hand for "
    "longer than\n"
    "SECONDS (default 60), no route is paused, no step is left alone because it failed too often, "
    "the store\n"
    "is healthy, and the ledger balances; 1: something is wrong, the output says what; 2: no "
    "answer.\n";

struct request {
    struct gw_cli_options options;
    long stuck_after_s;
};

static int read_options(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (!strcmp(argv[i], "--stuck-after") && i + 1 < argc) {
            char *end;
            q->stuck_after_s = strtol(argv[i + 1], &end, 10);
            if (*end || q->stuck_after_s < 1) {
                fprintf(stderr, "meshgate: --stuck-after takes a number of seconds\n");
                return 2;
            }
            i += 2;
        } else {
            fprintf(stderr, "meshgate: unknown option \"%s\"\n\n%s", argv[i], status_help);
            return 2;
        }
    }
    if (q->options.help) {
        fputs(status_help, stdout);
        return -1;
    }
    return 0;
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

/* "factory" where the bridge has one connection, "factory/0", "factory/1" … where more. */
static void print_connection(const json_t *bridge, const json_t *connection, bool up)
{
    char name[96];
    bool several = json_array_size(json_object_get(bridge, "connections")) > 1;
    if (several)
        snprintf(name, sizeof name, "%s/%" JSON_INTEGER_FORMAT, text(bridge, "bridge"),
                 number(connection, "index"));
    else
        snprintf(name, sizeof name, "%s", text(bridge, "bridge"));
    printf("bridge %-20s %-5s %s\n", name, up ? "up" : "DOWN", text(connection, "why"));
}

static bool print_bridges(const json_t *reply, bool quiet)
{
    bool all_up = true;
    json_t *bridge, *connection;
    size_t i, j;
    json_array_foreach(json_object_get(reply, "bridges"), i, bridge)
    {
        json_array_foreach(json_object_get(bridge, "connections"), j, connection)
        {
            bool up = json_is_true(json_object_get(connection, "up"));
            all_up = all_up && up;
            if (!quiet)
                print_connection(bridge, connection, up);
        }
    }
    return all_up;
}

/* What waits in the store for each sink; nothing where nothing does. */
static void print_sinks(const json_t *route)
{
    json_t *sink;
    size_t i;
    json_array_foreach(json_object_get(route, "sinks"), i, sink)
    {
        const char *state = text(sink, "breaker");
        bool closed = !*state || !strcmp(state, "closed");
        if (!number(sink, "backlog") && closed)
            continue;
        printf("  to %s %s: backlog %" JSON_INTEGER_FORMAT ", oldest %" JSON_INTEGER_FORMAT " ms",
               text(sink, "bridge"), text(sink, "address"), number(sink, "backlog"),
               number(sink, "oldest_ms"));
        if (!closed)
            printf(", breaker %s: ", state);
        gw_cli_put(stdout, closed ? "" : text(sink, "reason"));
        putchar('\n');
    }
}

/* What is wrong with a step; nothing where nothing is. */
static bool print_steps(const json_t *route, bool quiet)
{
    bool all_run = true;
    json_t *step;
    size_t i;
    json_array_foreach(json_object_get(route, "steps"), i, step)
    {
        bool left_alone = json_is_true(json_object_get(step, "left_alone"));
        all_run = all_run && !left_alone;
        if (quiet || (!number(step, "pauses") && !number(step, "slow_callbacks")))
            continue;
        printf("  step %s: %sfailed too often %" JSON_INTEGER_FORMAT
               " times, slow callbacks %" JSON_INTEGER_FORMAT "\n",
               text(step, "step"), left_alone ? "LEFT ALONE for a while, " : "",
               number(step, "pauses"), number(step, "slow_callbacks"));
    }
    return all_run;
}

static bool print_routes(const json_t *reply, long stuck_after_s, bool quiet)
{
    bool all_move = true;
    json_t *route;
    size_t i;
    json_array_foreach(json_object_get(reply, "routes"), i, route)
    {
        const char *reason = text(route, "pause_reason");
        bool moves = number(route, "oldest_ms") <= (json_int_t)stuck_after_s * 1000;
        bool paused = json_is_true(json_object_get(route, "paused"));
        all_move = all_move && moves && !paused;
        if (quiet) {
            all_move = print_steps(route, true) && all_move;
            continue;
        }
        printf("route  %-20s %-6s in flight %" JSON_INTEGER_FORMAT ", oldest %" JSON_INTEGER_FORMAT
               " ms",
               text(route, "route"),
               paused  ? "PAUSED"
               : moves ? "ok"
                       : "STUCK",
               number(route, "in_flight"), number(route, "oldest_ms"));
        if (number(route, "stored") || number(route, "dead_lettered"))
            printf(", stored %" JSON_INTEGER_FORMAT ", dead letters %" JSON_INTEGER_FORMAT,
                   number(route, "stored"), number(route, "dead_lettered"));
        if (paused && *reason) {
            printf(": ");
            gw_cli_put(stdout, reason);
        }
        putchar('\n');
        all_move = print_steps(route, false) && all_move;
        print_sinks(route);
    }
    return all_move;
}

static bool print_store(const json_t *reply, bool quiet)
{
    const json_t *store = json_object_get(reply, "store");
    if (!json_is_object(store))
        return true;
    bool healthy = json_is_true(json_object_get(store, "healthy"));
    if (!quiet) {
        printf("store  %-20s %-6s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " bytes",
               text(store, "path"), healthy ? "ok" : "WRONG", number(store, "bytes"),
               number(store, "size"));
        if (number(store, "quarantined"))
            printf(", quarantined %" JSON_INTEGER_FORMAT, number(store, "quarantined"));
        printf("%s%s\n", *text(store, "reason") ? ": " : "", text(store, "reason"));
    }
    return healthy;
}

int gw_cli_status(int argc, char **argv)
{
    struct request q = {.stuck_after_s = 60};
    int code = read_options(&q, argc, argv);
    if (code)
        return code < 0 ? 0 : code;
    struct gw_cli_answer answer = {0};
    /* Whatever kept the gateway from telling: it is not well, but nobody knows what is wrong. */
    if (gw_cli_ask(&q.options, json_pack("{s:s}", "op", "report"), &answer) || !answer.first) {
        gw_cli_answer_fini(&answer);
        return 2;
    }
    const json_t *reply = answer.first;
    bool quiet = q.options.json;
    bool good = print_bridges(reply, quiet);
    good = print_routes(reply, q.stuck_after_s, quiet) && good;
    good = print_store(reply, quiet) && good;
    good = json_is_true(json_object_get(reply, "answers")) &&
           json_is_true(json_object_get(reply, "balanced")) && good;
    if (quiet)
        gw_cli_print_json(reply);
    else
        printf("%s\n", good ? "all is well" : "something is wrong");
    gw_cli_answer_fini(&answer);
    return good ? 0 : 1;
}
