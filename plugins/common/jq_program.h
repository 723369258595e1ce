/* SPDX-License-Identifier: Apache-2.0 */
/* jq programs as steps: loaded, compiled with what keeps them to the event, run within a time.
 *
 * A program is an instance's, and read-only; a machine runs it on one shard. */
#pragma once
#include "json_doc.h"

enum { JQ_PROGRAM_BYTES_MAX = 1 << 20, JQ_CAPTURES_MAX = 32 };
enum { JQ_NUMBERS_EXACT, JQ_NUMBERS_APPROXIMATE };

struct jq_settings {
    const char *program, *file;
    int64_t time_limit_ms;
    uint32_t numbers;
};
extern const char *const jq_numbers[];

/* The options that fill a struct jq_settings at that offset. */
#define JQ_OPTIONS(at)                                                                             \
    {.name = "program",                                                                            \
     .doc = "The program's text.",                                                                 \
     .type = MG_OPT_TEXT,                                                                          \
     .least = 1,                                                                                   \
     .most = JQ_PROGRAM_BYTES_MAX,                                                                 \
     .offset = (at) + offsetof(struct jq_settings, program)},                                      \
        {.name = "file",                                                                           \
         .doc = "The program's file, in place of program.",                                        \
         .type = MG_OPT_FILE,                                                                      \
         .offset = (at) + offsetof(struct jq_settings, file)},                                     \
        {.name = "time_limit",                                                                     \
         .value = "50ms",                                                                          \
         .doc = "A program that takes more processor time for one event is stopped.",              \
         .type = MG_OPT_DURATION_MS,                                                               \
         .least = 5,                                                                               \
         .most = 100,                                                                              \
         .offset = (at) + offsetof(struct jq_settings, time_limit_ms)},                            \
    {                                                                                              \
        .name = "numbers", .value = "exact",                                                       \
        .doc = "exact: a payload with a number that jq, which computes with doubles, would "       \
               "change is an error; approximate: it is rounded.",                                  \
        .type = MG_OPT_ENUM, .choices = jq_numbers,                                                \
        .offset = (at) + offsetof(struct jq_settings, numbers)                                     \
    }

struct jq_program;
struct jq_machine;

/* Loads, and compiles once to see whether that can be done. */
int jq_program_check(const struct jq_settings *settings, struct mg_err *reterr);
/* The same, and starts what watches the machines' time.  settings lives as long. */
int jq_program_create(const struct jq_settings *settings, struct jq_program **ret_program,
                      struct mg_err *reterr);
void jq_program_destroy(struct jq_program *program); /* NULL is fine; no machine is left */

int jq_machine_create(struct jq_program *program, const struct mg_host *host, mg_instance *instance,
                      mg_shard *shard, struct jq_machine **ret_machine, struct mg_err *reterr);
void jq_machine_destroy(struct jq_machine *machine); /* NULL is fine */
/* Sets out with an event.  -EINVAL: its payload is nothing for jq; reterr says why. */
int jq_machine_begin(struct jq_machine *machine, const struct mg_step_call *call,
                     struct mg_err *reterr);
/* 1: *ret_value is the next output, good until the next call; 0: there are no more; -EINVAL: an
 * error of the program; -ETIME: it was stopped. */
int jq_machine_next(struct jq_machine *machine, struct doc_value **ret_value,
                    struct mg_err *reterr);
/* true: the output is neither null nor false; a cheaper way to ask than by the value. */
int jq_machine_next_truth(struct jq_machine *machine, bool *ret_truth, struct mg_err *reterr);
void jq_machine_end(struct jq_machine *machine);
struct doc *jq_machine_doc(struct jq_machine *machine);
