/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate ledger`: what became of every event. */
#include "cli/ask.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: meshgate ledger -c FILE|FOLDER [--json] [--check]\n\n"
    "Prints what became of every event, a line for each route.  received = delivered + dropped + "
    "expired +\n"
    "discarded + returned + duplicates + dead_lettered + in_flight + stored, always.  Asks the "
    "running gateway;\n"
    "where none answers, its store.  --check: exit 1 where it does not balance.  Exit 2: usage, or "
    "no answer.\n";

static const char *const columns[] = {"received",  "delivered", "dropped",    "expired",
                                      "discarded", "returned",  "duplicates", "dead_lettered",
                                      "in_flight", "stored",    "retries"};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void print_table(const json_t *reply)
{
    json_t *route;
    size_t i;
    printf("%-24s", "route");
    for (size_t c = 0; c < COLUMNS; c++)
        printf(" %13s", columns[c]);
    printf("  balance\n");
    json_array_foreach(json_object_get(reply, "routes"), i, route)
    {
        gw_cli_put_cell(stdout, route, "route", 24);
        for (size_t c = 0; c < COLUMNS; c++)
            printf(" %13" JSON_INTEGER_FORMAT,
                   json_integer_value(json_object_get(route, columns[c])));
        printf("  %s\n", json_is_true(json_object_get(route, "balanced")) ? "ok" : "WRONG");
    }
}

int gw_cli_ledger(int argc, char **argv)
{
    struct gw_cli_options options = {0};
    bool check = false;
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        if (strcmp(argv[i], "--check")) {
            fprintf(stderr, "meshgate: unknown option \"%s\"\n\n%s", argv[i], help);
            return 2;
        }
        check = true;
        i++;
    }
    if (options.help) {
        fputs(help, stdout);
        return 0;
    }
    struct gw_cli_answer answer = {0};
    if (gw_cli_ask(&options, json_pack("{s:s}", "op", "ledger"), &answer) || !answer.first) {
        gw_cli_answer_fini(&answer);
        return 2;
    }
    bool balanced = json_is_true(json_object_get(answer.first, "balanced"));
    if (answer.stopped)
        fputs("no gateway answers; this is what its store says\n", stderr);
    if (options.json)
        gw_cli_print_json(answer.first);
    else
        print_table(answer.first);
    gw_cli_answer_fini(&answer);
    return check && !balanced ? 1 : 0;
}
