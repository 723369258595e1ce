/* SPDX-License-Identifier: Apache-2.0 */
/* One question of a command, put to the running gateway, or to the store of the stopped one. */
#pragma once
#include "cli/cli.h"
#include <jansson.h>

struct gw_cli_answer {
    /* Each object of the answer but the end, errors and progress.  NULL: the first is kept. */
    void (*entry)(void *arg, const json_t *entry);
    void *arg;
    const char *verb; /* "retried": shown with the progress on a terminal; NULL: nothing is */
    /* The answer. */
    json_t *first; /* new reference, or NULL */
    json_t *end;   /* the counts of a list; new reference, or NULL */
    bool stopped;  /* no gateway answered: its store did */
};

/* Takes request.  0; 1: it was answered with an error; 2: nobody answered.  Both are said on
 * stderr.  Only gateway: of the configuration is read, so that a gateway can be asked whose modules
 * or secrets are not at hand. */
int gw_cli_ask(const struct gw_cli_options *options, json_t *request, struct gw_cli_answer *answer);
void gw_cli_answer_fini(struct gw_cli_answer *answer);

/* The count of that name at the answer's end; 0 where there is none. */
uint64_t gw_cli_count(const struct gw_cli_answer *answer, const char *name);

/* The settings of gateway:, in the arena.  0 or 2, said on stderr. */
int gw_cli_gateway(const struct gw_cli_options *options, struct gw_arena *arena,
                   struct gw_gateway_settings *ret_settings);
/* A finding of the store at opening, on stderr where it is a warning or worse. */
void gw_cli_store_found(void *arg, uint32_t level, const char *text);

/* ---- words and texts ------------------------------------------------------------------------ */

/* Reads "--NAME VALUE" at argv[*index] into request[NAME with _ for -].  1: taken, 0: it is not
 * that one, -EINVAL: said on stderr. */
enum gw_cli_word { GW_CLI_TEXT, GW_CLI_COUNT, GW_CLI_RATE, GW_CLI_FLAG };
struct gw_cli_argument {
    const char *option; /* "--as-of-now" */
    const char *name;   /* "as_of_now" */
    enum gw_cli_word word;
};
/* The arguments end with option NULL. */
int gw_cli_argument(const struct gw_cli_argument *arguments, json_t *request, int argc, char **argv,
                    int *index);

/* Of a peer's making, so that it cannot play with the terminal: control characters become '?'. */
void gw_cli_put(FILE *out, const char *text);
/* The same of one member, padded to width; "-" where it is not there. */
void gw_cli_put_cell(FILE *out, const json_t *object, const char *name, int width);
/* Prints a list as a JSON array, an entry a line, as it comes. */
struct gw_cli_json_list {
    bool begun;
};
void gw_cli_json_entry(struct gw_cli_json_list *list, const json_t *entry);
void gw_cli_json_end(struct gw_cli_json_list *list);
void gw_cli_print_json(const json_t *value);
