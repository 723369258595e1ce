/* SPDX-License-Identifier: Apache-2.0 */
/* The life of instances: order, rollback, stop with a deadline, counters, the error budget. */
#include "plugin/instance.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the module was called with, in order: "c1 c2 s1 …". */
static char trace[256];
static int fail_create_of, fail_start_of, fail_check_of;

static void note(char what, const void *self)
{
    size_t used = strlen(trace);
    snprintf(trace + used, sizeof trace - used, "%s%c%d", used ? " " : "", what,
             self ? *(const int *)self : 0);
}

static int check(const void *settings, struct mg_err *reterr)
{
    note('k', settings);
    if (*(const int *)settings != fail_check_of)
        return 0;
    snprintf(reterr->text, sizeof reterr->text, "limit is below least");
    reterr->option = "limit";
    return -EINVAL;
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)host, (void)instance, (void)reterr;
    note('c', settings);
    if (*(const int *)settings == fail_create_of)
        return -ENOMEM;
    *ret_self = (void *)(uintptr_t)settings;
    return 0;
}

static int start(void *self, struct mg_err *reterr)
{
    (void)reterr;
    note('s', self);
    return *(int *)self == fail_start_of ? -EBUSY : 0;
}

static void drain(void *self)
{
    note('d', self);
}

static void stop(void *self)
{
    note('t', self);
}

static void destroy(void *self)
{
    note('x', self);
}

static const char *const counters[] = {"seen", "lost", NULL};
static const struct mg_life life = {
    .create = create, .start = start, .drain = drain, .stop = stop, .destroy = destroy};
static const struct mg_module module = {.abi = MG_ABI_HERE,
                                        .kind = MG_FILTER,
                                        .name = "m",
                                        .version = "1",
                                        .counters = counters,
                                        .check = check,
                                        .life = &life};
static const int one = 1, two = 2, three = 3;
static const struct gw_instance_plan plans[] = {
    {&module, "a", &one}, {&module, "b", &two}, {&module, "c", &three}};
static struct mg_instance *instances[3];
static struct mg_host host;

static int create_all(struct mg_err *err)
{
    trace[0] = '\0';
    gw_instance_host_fill(&host);
    return gw_instances_create(&host, "plant-7", plans, 3, instances, err);
}

static void all_are_checked_before_any_is_created_and_all_drain_before_any_stops(void)
{
    struct mg_err err;
    fail_check_of = fail_create_of = fail_start_of = 0;
    CU_ASSERT_EQUAL_FATAL(create_all(&err), 0);
    CU_ASSERT_EQUAL(gw_instances_start(instances, 3, &err), 0);
    gw_instances_drain(instances, 3);
    CU_ASSERT_EQUAL(gw_instances_stop(instances, 3, 1000), 0);
    gw_instances_destroy(instances, 3);
    CU_ASSERT_STRING_EQUAL(trace, "k1 k2 k3 c1 c2 c3 s1 s2 s3 d1 d2 d3 t3 t2 t1 x3 x2 x1");
}

static void a_refused_check_creates_nothing_and_names_the_option(void)
{
    struct mg_err err;
    fail_check_of = 3;
    CU_ASSERT_EQUAL(create_all(&err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(trace, "k1 k2 k3");
    CU_ASSERT_STRING_EQUAL(err.text, "c: limit is below least");
    CU_ASSERT_STRING_EQUAL(err.option, "limit");
    fail_check_of = 0;
}

static void a_failed_create_destroys_itself_and_the_earlier_ones_in_reverse(void)
{
    struct mg_err err;
    fail_create_of = 3;
    CU_ASSERT_EQUAL(create_all(&err), -ENOMEM);
    CU_ASSERT_STRING_EQUAL(trace, "k1 k2 k3 c1 c2 c3 x0 x2 x1");
    CU_ASSERT_STRING_EQUAL(err.text, "c: the module cannot be created and does not say why");
    CU_ASSERT(!instances[0] && !instances[1] && !instances[2]);
    fail_create_of = 0;
}

static void a_failed_start_stops_those_that_were_started(void)
{
    struct mg_err err;
    fail_start_of = 3;
    CU_ASSERT_EQUAL_FATAL(create_all(&err), 0);
    CU_ASSERT_EQUAL(gw_instances_start(instances, 3, &err), -EBUSY);
    CU_ASSERT_STRING_EQUAL(trace, "k1 k2 k3 c1 c2 c3 s1 s2 s3 d1 d2 t2 t1");
    gw_instances_destroy(instances, 3);
    CU_ASSERT_STRING_EQUAL(trace, "k1 k2 k3 c1 c2 c3 s1 s2 s3 d1 d2 t2 t1 x3 x2 x1");
    fail_start_of = 0;
}

static void a_started_instance_is_stopped_before_it_is_destroyed(void)
{
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(create_all(&err), 0);
    CU_ASSERT_EQUAL(gw_instance_start(instances[0], &err), 0);
    trace[0] = '\0';
    gw_instances_destroy(instances, 3);
    CU_ASSERT_STRING_EQUAL(trace, "x3 x2 t1 x1");
    gw_instance_destroy(NULL);
}

static void the_host_knows_names_and_counts(void)
{
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(create_all(&err), 0);
    struct mg_str name = host.instance_name(instances[1]),
                  gateway = host.gateway_name(instances[1]);
    CU_ASSERT(name.len == 1 && name.at[0] == 'b');
    CU_ASSERT(gateway.len == 7 && !memcmp(gateway.at, "plant-7", 7));
    host.count(instances[1], 0, 5);
    host.count(instances[1], 0, 2);
    host.count(instances[1], 1, 1);
    host.count(instances[1], 2, 1); /* there is no such counter */
    CU_ASSERT_EQUAL(instances[1]->counters[0], 7);
    CU_ASSERT_EQUAL(instances[1]->counters[1], 1);
    CU_ASSERT_EQUAL(instances[0]->counters[0], 0);
    gw_instances_destroy(instances, 3);
}

/* ---- the error budget -------------------------------------------------------------------------
 */

static struct mg_instance *budgeted(void)
{
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(create_all(&err), 0);
    return instances[0];
}

static int64_t fail_until_open(struct mg_instance *instance, int64_t now_us)
{
    for (int i = 0; i < GW_INSTANCE_ERRORS_MAX; i++) {
        CU_ASSERT(gw_instance_ready(instance, now_us));
        gw_instance_error(instance, now_us, "boom");
        now_us += 1000;
    }
    return now_us;
}

static void a_step_that_fails_too_often_is_left_alone_for_a_while(void)
{
    struct mg_instance *instance = budgeted();
    int64_t now_us = fail_until_open(instance, 1000000);
    CU_ASSERT_FALSE(gw_instance_ready(instance, now_us));
    int64_t at_us = gw_instance_ready_at_us(instance);
    CU_ASSERT_EQUAL(at_us, now_us - 1000 + GW_INSTANCE_PAUSE_MS * 1000);
    CU_ASSERT_FALSE(gw_instance_ready(instance, at_us - 1));
    CU_ASSERT(gw_instance_ready(instance, at_us));
    CU_ASSERT_EQUAL(instance->pauses, 1);
    /* On probation, one failure is enough. */
    gw_instance_error(instance, at_us, "boom");
    CU_ASSERT_FALSE(gw_instance_ready(instance, at_us + 1));
    CU_ASSERT_EQUAL(instance->pauses, 2);
    gw_instances_destroy(instances, 3);
}

static void one_success_ends_the_probation(void)
{
    struct mg_instance *instance = budgeted();
    fail_until_open(instance, 1000000);
    int64_t at_us = gw_instance_ready_at_us(instance);
    CU_ASSERT(gw_instance_ready(instance, at_us));
    gw_instance_ok(instance);
    gw_instance_error(instance, at_us, "boom");
    CU_ASSERT(gw_instance_ready(instance, at_us + 1));
    CU_ASSERT_EQUAL(gw_instance_ready_at_us(instance), 0);
    gw_instances_destroy(instances, 3);
}

static void failures_that_are_far_apart_are_no_reason(void)
{
    struct mg_instance *instance = budgeted();
    int64_t now_us = 1000000;
    for (int i = 0; i < 10 * GW_INSTANCE_ERRORS_MAX; i++) {
        gw_instance_error(instance, now_us, "boom");
        CU_ASSERT(gw_instance_ready(instance, now_us));
        now_us += (int64_t)GW_INSTANCE_ERRORS_WINDOW_MS * 1000 / 2;
    }
    gw_instances_destroy(instances, 3);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(all_are_checked_before_any_is_created_and_all_drain_before_any_stops)},
        {KIT_TEST(a_refused_check_creates_nothing_and_names_the_option)},
        {KIT_TEST(a_failed_create_destroys_itself_and_the_earlier_ones_in_reverse)},
        {KIT_TEST(a_failed_start_stops_those_that_were_started)},
        {KIT_TEST(a_started_instance_is_stopped_before_it_is_destroyed)},
        {KIT_TEST(the_host_knows_names_and_counts)},
        {KIT_TEST(a_step_that_fails_too_often_is_left_alone_for_a_while)},
        {KIT_TEST(one_success_ends_the_probation)},
        {KIT_TEST(failures_that_are_far_apart_are_no_reason)},
        {NULL, NULL},
    };
    return kit_main("instance", tests);
}
