/* SPDX-License-Identifier: Apache-2.0 */
/* A test program: a list of named CUnit tests, quiet unless one fails. */
#pragma once
#include <CUnit/CUnit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kit_test {
    const char *name; /* the behaviour that it proves */
    void (*run)(void);
};

/* A row of the list for a function whose name says it all: {KIT_TEST(small_events_pass)}. */
#define KIT_TEST(function) #function, function

/* Runs the tests in order, prints each failure as file:line: test: condition on stderr, and ends
 * stdout with the line "SUITE: N passed, N failed" (N tests).  tests ends with a NULL name.
 * KIT_ONLY=text in the environment runs the tests whose name contains it.
 * Returns the exit status: 0, or 1 where anything failed or nothing ran. */
int kit_main(const char *suite, const struct kit_test *tests);

#ifdef __cplusplus
}
#endif
