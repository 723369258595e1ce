/* SPDX-License-Identifier: Apache-2.0 */
/* argv → command. */
#include "cli/cli.h"
#include "plugin/crash.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"run", gw_cli_run, "run the gateway until SIGTERM or SIGINT"},
    {"check", gw_cli_check, "check a configuration and say what its routes cannot carry"},
    {"explain", gw_cli_explain, "say which routes an address would take, step by step"},
    {"test", gw_cli_test, "run the tests of the routes, offline, on a virtual clock"},
    {"diff", gw_cli_diff, "say which recorded events another configuration sends elsewhere"},
    {"tap", gw_cli_tap, "show or record the events that pass through a running gateway"},
    {"match", gw_cli_match, "say which event patterns match which events"},
    {"status", gw_cli_status, "ask a running gateway how it does; exit 0 when all is well"},
    {"ledger", gw_cli_ledger, "print a gateway's ledger; --check fails on an imbalance"},
    {"dlq", gw_cli_dlq, "list, show, edit, retry and drop dead letters"},
    {"replay", gw_cli_replay, "send again what a route's archive has of some time"},
    {"pause", gw_cli_pause, "stop sending what a stored route has"},
    {"resume", gw_cli_resume, "let a paused route send again"},
    {"store", gw_cli_store, "verify, compact, export and import the store, or say how it is"},
    {"plugins", gw_cli_plugins, "list the modules, or describe one"},
    {"new-plugin", gw_cli_new_plugin, "write the project of a new module, ready to build"},
    {"schema", gw_cli_schema, "print the JSON Schema of the configuration, for editors"},
};

static void usage(FILE *out)
{
    fputs("meshgate " MESHGATE_VERSION ": carries events between message brokers\n\n"
          "usage: meshgate COMMAND [-c FILE|FOLDER] [options]\n\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].what);
    fputs("\n`meshgate COMMAND --help` says more.  Modules are found in the installed folder\n"
          "(" MESHGATE_MODULE_DIR "), or instead in those of --modules DIR and MESHGATE_MODULES.\n",
          out);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an error of a write, not our end */
    gw_crash_watch();
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "-h") || !strcmp(command, "--help") || !strcmp(command, "help")) {
        usage(stdout);
        return 0;
    }
    if (!strcmp(command, "-V") || !strcmp(command, "--version")) {
        puts("meshgate " MESHGATE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, command))
            return commands[i].run(argc - 1, argv + 1);
    if (*command)
        fprintf(stderr, "meshgate: there is no command \"%s\"\n\n", command);
    usage(stderr);
    return 2;
}
