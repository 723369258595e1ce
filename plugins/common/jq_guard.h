/* SPDX-License-Identifier: Apache-2.0 */
/* A limit of processor time for jq programs.  libjq has none, but looks before each instruction
 * whether it shall halt; a thread of the guard says so. */
#pragma once
#include "meshgate/plugin.h"
#include <jq.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct jq_guard;
struct jq_watch {
    pthread_mutex_t lock;
    struct jq_watch *next;
    struct jq_guard *guard;
    jq_state *jq;
    clockid_t clock; /* the processor time of the thread that runs the program */
    bool running;
    atomic_bool halted;
    uint64_t calls, seen_call; /* the one whose beginning the guard saw */
    int64_t seen_ns;
};

struct jq_guard *jq_guard_create(
    int64_t limit_ms);                         /* NULL: out of memory, or no thread to be had */
void jq_guard_destroy(struct jq_guard *guard); /* no watch is left; NULL is fine */
/* On the thread that will run the program. */
void jq_watch_init(struct jq_watch *watch, struct jq_guard *guard, jq_state *jq);
void jq_watch_fini(struct jq_watch *watch);
/* Around all that runs the program. */
void jq_watch_begin(struct jq_watch *watch);
bool jq_watch_is_halted(struct jq_watch *watch); /* between the two */
bool jq_watch_end(struct jq_watch *watch);       /* true: it was halted */
