/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a list of tests with CUnit and prints one summary line. */
#include "unit.h"
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reported test by test, so that a later crash does not swallow what failed before it. */
static void test_complete(const CU_pTest test, const CU_pSuite suite,
                          const CU_pFailureRecord failure)
{
    (void)suite;
    for (const CU_FailureRecord *f = failure; f; f = f->pNext)
        fprintf(stderr, "%s:%u: %s: %s\n", f->strFileName ? f->strFileName : "?", f->uiLineNumber,
                test->pName, f->strCondition ? f->strCondition : "failed");
}

int kit_main(const char *suite, const struct kit_test *tests)
{
    const char *only = getenv("KIT_ONLY");
    if (CU_initialize_registry() != CUE_SUCCESS) {
        fprintf(stderr, "%s: out of memory\n", suite);
        return 1;
    }
    CU_pSuite added = CU_add_suite(suite, NULL, NULL);
    bool broken = !added;
    for (const struct kit_test *t = tests; t->name && !broken; t++)
        if (!only || strstr(t->name, only))
            broken = !CU_add_test(added, t->name, t->run);
    unsigned run = 0, failed = 0;
    if (broken) {
        fprintf(stderr, "%s: a test cannot be added: %s\n", suite, CU_get_error_msg());
    } else {
        CU_set_test_complete_handler(test_complete);
        CU_run_all_tests();
        run = CU_get_number_of_tests_run();
        failed = CU_get_number_of_tests_failed();
    }
    CU_cleanup_registry();
    fflush(stderr);
    printf("%s: %u passed, %u failed\n", suite, run - failed, failed);
    fflush(stdout);
    return broken || failed || !run;
}
