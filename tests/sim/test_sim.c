/* SPDX-License-Identifier: Apache-2.0 */
/* The simulation itself: some seeds hold, one seed is one story, and a peer that lies is found out.
 */
#include "sim.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
enum { SEEDS = 30 };
#else
enum { SEEDS = 150 };
#endif
enum { LYING_SEEDS = 15 };

static void nothing_is_lost_reordered_or_miscounted(void)
{
    const struct sim_options options = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_result result;
        sim_run(seed, &options, &result);
        if (result.failed) {
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, result.failure);
            CU_FAIL("a seed failed; ./dev sim --seed N repeats it");
        }
    }
}

static void one_seed_is_one_story(void)
{
    const struct sim_options options = {0};
    struct sim_result first, again, other;
    for (uint64_t seed = 20; seed < 24; seed++) {
        sim_run(seed, &options, &first);
        sim_run(seed + 100, &options, &other);
        sim_run(seed, &options, &again);
        CU_ASSERT_EQUAL(first.hash, again.hash);
        CU_ASSERT_EQUAL(first.steps, again.steps);
        CU_ASSERT_NOT_EQUAL(first.hash, other.hash);
    }
}

/* or_as: the other way in which it may show first. */
static uint32_t found_out(enum sim_lie lie, const char *as, const char *or_as)
{
    const struct sim_options options = {.lie = lie, .quiet = true};
    uint32_t found = 0;
    for (uint64_t seed = 1; seed <= LYING_SEEDS; seed++) {
        struct sim_result result;
        sim_run(seed, &options, &result);
        if (result.failed) {
            CU_ASSERT_TRUE(strstr(result.failure, as) || strstr(result.failure, or_as));
            found++;
        }
    }
    return found;
}

static void a_sink_that_loses_what_it_accepted_is_found_out(void)
{
    /* One that is sent again after a break, and only now taken, comes behind its successor. */
    CU_ASSERT_TRUE(found_out(SIM_LOSES, "is lost", "is taken after") > LYING_SEEDS / 2);
}

static void a_sink_that_takes_twice_is_found_out(void)
{
    CU_ASSERT_TRUE(found_out(SIM_DOUBLES, "more often than sent", "more often than sent") >
                   LYING_SEEDS / 2);
}

static void a_sink_that_reorders_is_found_out(void)
{
    CU_ASSERT_TRUE(found_out(SIM_REORDERS, "is taken after", "is taken after") > LYING_SEEDS / 4);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(nothing_is_lost_reordered_or_miscounted)},
        {KIT_TEST(one_seed_is_one_story)},
        {KIT_TEST(a_sink_that_loses_what_it_accepted_is_found_out)},
        {KIT_TEST(a_sink_that_takes_twice_is_found_out)},
        {KIT_TEST(a_sink_that_reorders_is_found_out)},
        {NULL, NULL},
    };
    int status = kit_main("sim", tests);
    free(sim.messages);
    return status;
}
