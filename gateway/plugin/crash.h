/* SPDX-License-Identifier: Apache-2.0 */
/* A report of the signal that ends the process: who was running, where, and what was loaded. */
#pragma once
#include "plugin/registry.h"
#include <signal.h>

/* From now on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT write a report to stderr, and then end
 * the process as they would have, with a core where the system writes one.  Sanitizers have a
 * report of their own: there nothing is done.  CONTROL, before other threads. */
void gw_crash_watch(void);
/* What the report shall list, and name addresses after: the modules, and every object that is
 * loaded by now.  CONTROL, before threads that may crash; again, when more is loaded. */
void gw_crash_know(const struct gw_registry *registry);
/* The report goes to the file crash.txt of this folder, too; the one of a crash before is
 * replaced.  NULL: to no file. */
void gw_crash_folder(const char *folder);

/* Takes them out of a set: a thread that blocks them ends the process without a word. */
void gw_crash_unblock(sigset_t *set);

/* A stack for the handler, for the calling thread: an overflow of its own can be reported then.
 * NULL where there is no memory: the handler runs on the thread's own. */
void *gw_crash_stack_begin(void);
void gw_crash_stack_end(void *stack);
