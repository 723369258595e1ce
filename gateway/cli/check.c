/* SPDX-License-Identifier: Apache-2.0 */
/* meshgate check: everything that can be said about a configuration without running it. */
#include "cli/cli.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void usage(FILE *out)
{
    fputs("usage: meshgate check -c FILE|FOLDER [--modules DIR]... [--json]\n\n"
          "Prints every error and warning with its file, line and column, and a note for each leg "
          "of a\n"
          "route that cannot carry all that its source brings.  Exit 0: no error, 1: errors, 2: "
          "usage.\n",
          out);
}

static void print_json(const struct gw_diags *diags)
{
    static const char *const levels[] = {"error", "warning", "note"};
    json_t *list = json_array();
    for (size_t i = 0; i < diags->count; i++) {
        const struct gw_diag *d = &diags->items[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s?, s:I, s:I, s:s?}", "level", levels[d->level],
                                        "file", d->file, "line", (json_int_t)d->line, "column",
                                        (json_int_t)d->column, "text", d->text));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_closing(const struct gw_cli *cli, const char *path)
{
    size_t warnings = 0;
    for (size_t i = 0; i < cli->diags.count; i++)
        warnings += cli->diags.items[i].level == GW_DIAG_WARNING;
    printf("%s: ", path ? path : "meshgate check");
    if (cli->diags.errors)
        printf("%zu error%s", cli->diags.errors, plural(cli->diags.errors));
    else
        printf("%zu route%s, %zu bridge%s", cli->model->route_count,
               plural(cli->model->route_count), cli->model->bridge_count,
               plural(cli->model->bridge_count));
    if (warnings)
        printf(", %zu warning%s", warnings, plural(warnings));
    puts(cli->diags.errors ? "" : ": ok");
}

int gw_cli_check(int argc, char **argv)
{
    struct gw_cli_options options = {0};
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&options, argc, argv, &i);
        if (taken == 0 && argv[i][0] != '-' && !options.config) {
            options.config = argv[i++];
            taken = 1;
        }
        if (taken <= 0) {
            if (!taken)
                fprintf(stderr, "meshgate check: \"%s\" is not an option\n", argv[i]);
            usage(stderr);
            return 2;
        }
    }
    if (options.help) {
        usage(stdout);
        return 0;
    }
    struct gw_cli cli;
    int error = gw_cli_open(&cli, &options);
    if (!error)
        gw_model_report_fidelity(cli.model, &cli.diags);
    if (options.json) {
        print_json(&cli.diags);
    } else {
        gw_diags_print(&cli.diags, stdout);
        if (!error || cli.diags.errors)
            print_closing(&cli, options.config);
        else
            fputs("meshgate check: out of memory\n", stderr);
    }
    gw_cli_close(&cli);
    return error ? 1 : 0;
}
