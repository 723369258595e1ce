/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of `meshgate`, and what they share. */
#pragma once
#include "base/arena.h"
#include "base/diag.h"
#include "plugin/registry.h"
#include "route/model.h"

/* Each takes its own name in argv[0], prints for people, and returns the exit code. */
int gw_cli_run(int argc, char **argv);
int gw_cli_check(int argc, char **argv);
int gw_cli_explain(int argc, char **argv);
int gw_cli_test(int argc, char **argv);
int gw_cli_diff(int argc, char **argv);
int gw_cli_tap(int argc, char **argv);
int gw_cli_match(int argc, char **argv);
int gw_cli_status(int argc, char **argv);
int gw_cli_ledger(int argc, char **argv);
int gw_cli_dlq(int argc, char **argv);
int gw_cli_replay(int argc, char **argv);
int gw_cli_store(int argc, char **argv);
int gw_cli_pause(int argc, char **argv);
int gw_cli_resume(int argc, char **argv);
int gw_cli_plugins(int argc, char **argv);
int gw_cli_schema(int argc, char **argv);
int gw_cli_new_plugin(int argc, char **argv);

enum { GW_CLI_FOLDERS_MAX = 64 };

/* Options that several commands take. */
struct gw_cli_options {
    const char *config;                      /* -c, --config FILE|FOLDER */
    const char *modules[GW_CLI_FOLDERS_MAX]; /* -m, --modules DIR, repeatable */
    size_t module_count;
    bool json; /* --json */
    bool help; /* -h, --help */
};

/* Reads one common option at argv[*index] and moves *index behind what it used.  1: taken,
 * 0: not one of them, -EINVAL: its value is missing (said on stderr). */
int gw_cli_option(struct gw_cli_options *options, int argc, char **argv, int *index);

/* A configuration with its modules loaded. */
struct gw_cli {
    struct gw_arena *arena;
    struct gw_registry *registry;
    const struct mg_node *root;
    struct gw_gateway_settings gateway;
    struct gw_model *model;
    struct gw_diags diags;
};

/* Modules come from --modules, from the folders in MESHGATE_MODULES (colon-separated), from the
 * installed folder, and from gateway.modules of the configuration, if there is one.  All problems
 * are in cli->diags, which the caller prints; -EINVAL where there were errors.  gw_cli_close takes
 * whatever state this leaves. */
int gw_cli_open_modules(struct gw_cli *cli, const struct gw_cli_options *options);
/* The same, and the model out of options->config. */
int gw_cli_open(struct gw_cli *cli, const struct gw_cli_options *options);
void gw_cli_close(struct gw_cli *cli);
