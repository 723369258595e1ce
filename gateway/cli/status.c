/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate status` and `meshgate ledger`: ask a running gateway over its control socket. */
#include "admin/control.h"
#include "cli/cli.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char status_help[] =
    "usage: meshgate status -c FILE|FOLDER [--json] [--stuck-after SECONDS]\n\n"
    "Asks the running gateway.  Exit 0: every connection is up, no event has been in hand for "
    "longer than\n"
    "SECONDS (default 60), and the ledger balances; 1: something is wrong, the output says what; "
    "2: no answer.\n";
static const char ledger_help[] = "usage: meshgate ledger -c FILE|FOLDER [--json] [--check]\n\n"
                                  "Prints what became of every event, a line for each route.  "
                                  "received = delivered + dropped + expired +\n"
                                  "discarded + returned + dead_lettered + in_flight + stored, "
                                  "always.  --check: exit 1 where it does not.\n";

struct request {
    struct gw_cli_options options;
    bool check;
    long stuck_after_s;
};

static int read_options(struct request *q, int argc, char **argv, const char *help)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (!strcmp(argv[i], "--check")) {
            q->check = true;
            i++;
        } else if (!strcmp(argv[i], "--stuck-after") && i + 1 < argc) {
            char *end;
            q->stuck_after_s = strtol(argv[i + 1], &end, 10);
            if (*end || q->stuck_after_s < 1) {
                fprintf(stderr, "meshgate: --stuck-after takes a number of seconds\n");
                return 2;
            }
            i += 2;
        } else {
            fprintf(stderr, "meshgate: unknown option \"%s\"\n\n%s", argv[i], help);
            return 2;
        }
    }
    if (q->options.help) {
        fputs(help, stdout);
        return -1;
    }
    return 0;
}

/* Only gateway: is read, so that a gateway can be asked whose modules or secrets are not at hand.
 */
static json_t *ask(const struct gw_cli_options *options)
{
    struct gw_arena *arena = gw_arena_create();
    struct gw_diags diags = {0};
    struct gw_gateway_settings gateway = {0};
    struct mg_err err = {{0}, NULL};
    json_t *reply = NULL;
    if (!options->config)
        gw_diag_add(&diags, GW_DIAG_ERROR, NULL, 0, 0, "name the gateway's configuration with -c");
    const struct mg_node *root =
        arena && options->config ? gw_tree_load(arena, options->config, &diags) : NULL;
    if (!root || gw_model_load_gateway(arena, root, &gateway, &diags)) {
        gw_diags_print(&diags, stderr);
    } else if (!gateway.control) {
        fprintf(stderr,
                "%s: gateway.control is not set, so a running gateway cannot be asked; add\n"
                "  gateway: { control: /run/meshgate/control.sock }\n",
                options->config);
    } else {
        reply = gw_control_ask(gateway.control, "report", &err);
        if (!reply)
            fprintf(stderr, "no gateway answers: %s\n", err.text);
    }
    gw_diags_fini(&diags);
    gw_arena_destroy(arena);
    return reply;
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

static void print_json(const json_t *reply)
{
    json_dumpf(reply, stdout, JSON_INDENT(2));
    putchar('\n');
}

int gw_cli_ledger(int argc, char **argv)
{
    static const char *const columns[] = {"received",  "delivered", "dropped",       "expired",
                                          "discarded", "returned",  "dead_lettered", "in_flight",
                                          "stored",    "retries"};
    struct request q = {0};
    int code = read_options(&q, argc, argv, ledger_help);
    if (code)
        return code < 0 ? 0 : code;
    json_t *reply = ask(&q.options), *route;
    size_t i;
    if (!reply)
        return 2;
    bool balanced = json_is_true(json_object_get(reply, "balanced"));
    if (q.options.json) {
        print_json(reply);
    } else {
        printf("%-24s", "route");
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++)
            printf(" %13s", columns[c]);
        printf("  balance\n");
        json_array_foreach(json_object_get(reply, "routes"), i, route)
        {
            printf("%-24s", text(route, "route"));
            for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++)
                printf(" %13" JSON_INTEGER_FORMAT, number(route, columns[c]));
            printf("  %s\n", json_is_true(json_object_get(route, "balanced")) ? "ok" : "WRONG");
        }
    }
    json_decref(reply);
    return q.check && !balanced ? 1 : 0;
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

static bool print_routes(const json_t *reply, long stuck_after_s, bool quiet)
{
    bool all_move = true;
    json_t *route;
    size_t i;
    json_array_foreach(json_object_get(reply, "routes"), i, route)
    {
        bool moves = number(route, "oldest_ms") <= (json_int_t)stuck_after_s * 1000;
        all_move = all_move && moves;
        if (!quiet)
            printf("route  %-20s %-5s in flight %" JSON_INTEGER_FORMAT
                   ", oldest %" JSON_INTEGER_FORMAT " ms\n",
                   text(route, "route"), moves ? "ok" : "STUCK", number(route, "in_flight"),
                   number(route, "oldest_ms"));
    }
    return all_move;
}

int gw_cli_status(int argc, char **argv)
{
    struct request q = {.stuck_after_s = 60};
    int code = read_options(&q, argc, argv, status_help);
    if (code)
        return code < 0 ? 0 : code;
    json_t *reply = ask(&q.options);
    if (!reply)
        return 2;
    bool quiet = q.options.json;
    bool good = print_bridges(reply, quiet);
    good = print_routes(reply, q.stuck_after_s, quiet) && good;
    good = json_is_true(json_object_get(reply, "answers")) &&
           json_is_true(json_object_get(reply, "balanced")) && good;
    if (quiet)
        print_json(reply);
    else
        printf("%s\n", good ? "all is well" : "something is wrong");
    json_decref(reply);
    return good ? 0 : 1;
}
