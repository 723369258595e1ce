/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup under test in a folder of its own. */
#pragma once
#include "fake_host.h"

extern struct kit_host *host;
extern const struct mg_host *table_of_host;
extern mg_instance *instance;
extern struct mg_err err;
enum { COUNTED_MISSING, COUNTED_LOADS, COUNTED_FAILED };

/* Good until the next call. */
const char *in_folder(const char *name);
void write_table(const char *name, const char *text); /* beside it, then renamed */
/* Creates and starts a lookup of that file by {machine}; more: further settings. */
void open_lookup(const char *name, const char *more);
void close_lookup(void);
bool jobs_end(void); /* waits for those on the thread pool */
struct kit_verdict enrich(const char *machine, const char *payload);
/* expected: the payload of the one event, NULL: none. */
void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected);
/* Until the counter has reached that. */
bool counts(uint32_t counter, int64_t least);
/* Renames it when there is no descriptor left, and waits until its load has failed for want of one.
 */
void comes_without_descriptors(const char *from, const char *to);
void in_a_folder_of_its_own(void (*run)(void));
