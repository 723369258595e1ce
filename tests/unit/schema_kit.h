/* SPDX-License-Identifier: Apache-2.0 */
/* One schema at a time, for tests of validation: begin, add others, finish; or open; then end. */
#pragma once
#include "validator.h"

extern struct run schema_run;
extern struct mg_err schema_err;
extern struct report_entry schema_entries[REPORT_ENTRIES_MAX]; /* of the last validation */
extern size_t schema_said;                                     /* how many of them */

void schema_begin(bool formats);
void schema_add(const char *name, const char *uri, const char *text);
/* The schema itself, as file:///s/order.json.  What the validator says. */
int schema_finish(const char *text);
void schema_open(const char *text); /* begin and finish */
void schema_end(void);
const struct schema *schema_now(void);

/* What run_validate says; up to limit failures are told. */
int schema_validate_up_to(size_t limit, const char *json);
int schema_validate(const char *json);
/* The one thing that is wrong with it, in words. */
void schema_wrong(const char *json, const char *words);
/* A schema that is not taken, with these words among others. */
void schema_refused(const char *schema, const char *words);
