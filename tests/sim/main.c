/* SPDX-License-Identifier: Apache-2.0 */
/* sim: runs seeds, and says which of them fails. */
#include "sim.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED_SECONDS = 60 };

static uint64_t current;
static bool aloud;

/* A crash of the product, or a loop without end: say which seed it was, and what came before. */
static void on_signal(int number)
{
    printf("seed %" PRIu64 ": %s\n", current,
           number == SIGALRM ? "it does not end" : strsignal(number));
    if (!aloud)
        sim_trace_print();
    printf("sim: 0 passed, 1 failed\n");
    fflush(stdout);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static int usage(void)
{
    fputs("usage: sim [--seeds N] [--seed S] [--verbose]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1000, failed = 0, lives = 0, events = 0, takes = 0, steps = 0;
    struct sim_options options = {0};
    for (int i = 1; i < argc; i++) {
        bool has_number = i + 1 < argc;
        if (!strcmp(argv[i], "--seeds") && has_number) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seed") && has_number) {
            first = strtoull(argv[++i], NULL, 10);
            count = 1;
        } else if (!strcmp(argv[i], "--from") && has_number) {
            first = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--verbose")) {
            options.aloud = aloud = true;
        } else {
            return usage();
        }
    }
#ifndef __SANITIZE_ADDRESS__
    signal(SIGSEGV, on_signal);
#endif
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct sim_result result;
        current = seed;
        alarm(SEED_SECONDS);
        sim_run(seed, &options, &result);
        lives += result.lives;
        events += result.messages;
        takes += result.takes;
        steps += result.steps;
        if (result.failed) {
            failed++;
            printf("seed %" PRIu64 " FAILED: %s\n", seed, result.failure);
            fflush(stdout);
        }
        if (seed % 1000 == 0)
            fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 " failed\n", seed, failed);
        if (count == 1)
            printf("seed %" PRIu64 ": %" PRIu64 " steps, trace %016" PRIx64 "\n", seed,
                   result.steps, result.hash);
        if (failed == 10)
            break;
    }
    printf("%" PRIu64 " lives, %" PRIu64 " events in, %" PRIu64 " out, %" PRIu64 " steps\n", lives,
           events, takes, steps);
    printf("sim: %" PRIu64 " passed, %" PRIu64 " failed\n", count - failed, failed);
    free(sim.messages);
    return failed ? 1 : 0;
}
