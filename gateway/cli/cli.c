/* SPDX-License-Identifier: Apache-2.0 */
/* Common options, and the way from a path to a checked model. */
#include "cli/cli.h"
#include "plugin/crash.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int value_of(int argc, char **argv, int *index, const char **ret_value)
{
    if (*index + 1 >= argc) {
        fprintf(stderr, "meshgate: %s needs a value\n", argv[*index]);
        return -EINVAL;
    }
    *ret_value = argv[*index + 1];
    *index += 2;
    return 1;
}

int gw_cli_option(struct gw_cli_options *options, int argc, char **argv, int *index)
{
    const char *word = argv[*index];
    if (!strcmp(word, "-c") || !strcmp(word, "--config"))
        return value_of(argc, argv, index, &options->config);
    if (!strcmp(word, "-m") || !strcmp(word, "--modules")) {
        if (options->module_count == GW_CLI_FOLDERS_MAX) {
            fprintf(stderr, "meshgate: more than %d module folders\n", GW_CLI_FOLDERS_MAX);
            return -EINVAL;
        }
        return value_of(argc, argv, index, &options->modules[options->module_count++]);
    }
    if (!strcmp(word, "--json"))
        options->json = true;
    else if (!strcmp(word, "-h") || !strcmp(word, "--help"))
        options->help = true;
    else
        return 0;
    ++*index;
    return 1;
}

static void load_environment(struct gw_cli *cli)
{
    const char *list = getenv("MESHGATE_MODULES");
    while (list && *list) {
        size_t length = strcspn(list, ":");
        char *folder = gw_arena_copy(cli->arena, list, length);
        if (folder && length)
            gw_registry_load_folder(cli->registry, folder, &cli->diags);
        list += length + (list[length] == ':');
    }
}

int gw_cli_open_modules(struct gw_cli *cli, const struct gw_cli_options *options)
{
    struct stat installed;
    *cli = (struct gw_cli){.arena = gw_arena_create(), .registry = gw_registry_create()};
    if (!cli->arena || !cli->registry)
        return -ENOMEM;
    for (size_t i = 0; i < options->module_count; i++)
        gw_registry_load_folder(cli->registry, options->modules[i], &cli->diags);
    load_environment(cli);
    /* What was named by hand comes instead of what is installed, not beside it. */
    if (gw_registry_count(cli->registry) == 0 && !stat(MESHGATE_MODULE_DIR, &installed))
        gw_registry_load_folder(cli->registry, MESHGATE_MODULE_DIR, &cli->diags);
    gw_crash_know(cli->registry);
    return cli->diags.errors ? -EINVAL : 0;
}

int gw_cli_open(struct gw_cli *cli, const struct gw_cli_options *options)
{
    gw_cli_open_modules(cli, options);
    if (!cli->arena || !cli->registry)
        return -ENOMEM;
    if (!options->config) {
        gw_diag_add(&cli->diags, GW_DIAG_ERROR, NULL, 0, 0,
                    "no configuration: name a file or a folder with -c (config/ has examples)");
        return -EINVAL;
    }
    cli->root = gw_tree_load(cli->arena, options->config, &cli->diags);
    if (!cli->root)
        return -EINVAL;
    if (!gw_model_load_gateway(cli->arena, cli->root, &cli->gateway, &cli->diags)) {
        const char *const *folders = cli->gateway.modules.items;
        for (size_t i = 0; i < cli->gateway.modules.count; i++)
            gw_registry_load_folder(cli->registry, folders[i], &cli->diags);
        gw_crash_know(cli->registry);
    }
    gw_model_load(cli->arena, cli->root, cli->registry, &cli->model, &cli->diags);
    return cli->diags.errors ? -EINVAL : 0;
}

void gw_cli_close(struct gw_cli *cli)
{
    gw_model_destroy(cli->model);
    gw_registry_destroy(cli->registry);
    gw_arena_destroy(cli->arena);
    gw_diags_fini(&cli->diags);
    *cli = (struct gw_cli){0};
}
