/* SPDX-License-Identifier: Apache-2.0 */
/* meshgate schema: the shape of the configuration, for editors and for the docs. */
#include "cli/cli.h"
#include "config/schema.h"
#include "route/model_schema.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(FILE *out)
{
    fputs("usage: meshgate schema [--modules DIR]...      JSON Schema of the YAML, with the "
          "modules' options\n"
          "       meshgate schema --markdown SECTION      the core's keys as a table; SECTION is "
          "gateway,\n"
          "                                               bridge, route, from, to, step or "
          "delivery\n",
          out);
}

static int print_markdown(const char *section)
{
    const struct mg_option *options = gw_model_section(section);
    if (!options) {
        fprintf(stderr, "meshgate schema: there is no section \"%s\"\n", section);
        usage(stderr);
        return 2;
    }
    char *text = gw_markdown_of_options(options);
    if (!text) {
        fputs("meshgate schema: out of memory\n", stderr);
        return 1;
    }
    fputs(text, stdout);
    free(text);
    return 0;
}

static int print_schema(const struct gw_cli_options *options)
{
    struct gw_cli cli;
    int error = gw_cli_open_modules(&cli, options);
    gw_diags_print(&cli.diags, stderr);
    json_t *schema = error ? NULL : gw_model_schema(cli.registry);
    if (schema)
        json_dumpf(schema, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    else if (!error)
        fputs("meshgate schema: out of memory\n", stderr);
    if (schema)
        putchar('\n');
    json_decref(schema);
    gw_cli_close(&cli);
    return schema ? 0 : 1;
}

int gw_cli_schema(int argc, char **argv)
{
    struct gw_cli_options options = {0};
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&options, argc, argv, &i);
        if (taken == 0 && !strcmp(argv[i], "--markdown") && i + 1 < argc)
            return print_markdown(argv[i + 1]);
        if (taken <= 0) {
            if (!taken)
                fprintf(stderr, "meshgate schema: \"%s\" is not an option\n", argv[i]);
            usage(stderr);
            return 2;
        }
    }
    if (options.help) {
        usage(stdout);
        return 0;
    }
    return print_schema(&options);
}
