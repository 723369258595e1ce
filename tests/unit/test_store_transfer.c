/* SPDX-License-Identifier: Apache-2.0 */
/* A store goes out as JSON lines and comes back the same; what is wrong in it is found. */
#include "../kit/unit.h"
#include "store/transfer.h"
#include "store_world.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t findings;
static char last_finding[200];

static void finding(void *arg, uint64_t offset, const char *text)
{
    (void)arg;
    findings++;
    snprintf(last_finding, sizeof last_finding, "%s", text);
    if (getenv("LOUD"))
        fprintf(stderr, "verify: %lu: %s\n", (unsigned long)offset, text);
}

static struct gw_store_verified verify(const char *folder)
{
    struct gw_store_verified verified;
    struct mg_err err;
    findings = 0;
    CU_ASSERT_EQUAL(gw_store_verify(folder, finding, NULL, &verified, &err), 0);
    CU_ASSERT_EQUAL(verified.findings, findings);
    return verified;
}

static char *export(struct rig *rig, size_t *ret_length)
{
    char *text = NULL;
    struct mg_err err = {{0}};
    FILE *out = open_memstream(&text, ret_length);
    int error = gw_store_export(rig->store, out, &err);
    if (error)
        fprintf(stderr, "export: %s\n", err.text);
    CU_ASSERT_EQUAL(error, 0);
    fclose(out);
    return text;
}

static int import(const char *folder, const char *text, size_t length, struct mg_err *err)
{
    struct gw_store_imported counts;
    FILE *in = fmemopen((void *)(uintptr_t)text, length, "r");
    int error = gw_store_import(folder, in, &counts, err);
    fclose(in);
    return error;
}

static void an_export_imported_is_the_same_store(void)
{
    struct rig rig, other;
    struct kit_random random;
    struct world_missing before, after;
    struct mg_err err = {{0}};
    size_t length, again;
    kit_random_seed(&random, 1);
    rig_init(&rig);
    world_make(&rig, &random, 700);
    world_look(&rig, &before);
    char *text = export(&rig, &length);
    rig_init(&other);
    int error = import(other.path, text, length, &err);
    if (error)
        fprintf(stderr, "import: %s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    struct gw_store_verified verified = verify(other.path);
    CU_ASSERT_EQUAL(findings, 0);
    CU_ASSERT(verified.records > 100);
    /* Opened so that nothing changes: the same text. */
    struct gw_store_options read_only = {.manual = true, .read_only = true};
    error = gw_store_open(&other.settings, &read_only, NULL, NULL, &other.store, &err);
    if (error)
        fprintf(stderr, "read only: %s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    char *second = export(&other, &again);
    const char *line = strchr(text, '\n'), *other_line = strchr(second, '\n');
    CU_ASSERT_STRING_EQUAL(line, other_line);
    rig_close(&other);
    world_open(&other);
    world_look(&other, &after);
    CU_ASSERT_EQUAL(world_lost(&before, &after), 0);
    CU_ASSERT_EQUAL(world_lost(&after, &before), 0);
    CU_ASSERT_EQUAL(after.dead, before.dead);
    CU_ASSERT_EQUAL(after.archived, before.archived);
    CU_ASSERT_EQUAL(after.states, before.states);
    for (uint32_t i = 0; i < WORLD_LOGS; i++) {
        struct gw_store_ledger a = rig_ledger(&rig, i), b = rig_ledger(&other, i);
        CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
        CU_ASSERT(rig_balances(&other, i));
    }
    world_missing_fini(&before);
    world_missing_fini(&after);
    free(text);
    free(second);
    rig_remove(&other);
    rig_remove(&rig);
}

static bool is_empty(const char *folder)
{
    char path[128];
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    bool empty = access(path, F_OK) < 0;
    snprintf(path, sizeof path, "%s/data.mdb.part", folder);
    return empty && access(path, F_OK) < 0;
}

static void a_compacted_store_is_smaller_and_the_same(void)
{
    struct rig rig;
    struct kit_random random;
    struct world_missing before, after;
    struct mg_err err = {{0}, NULL};
    uint64_t large = 0, small = 0, again = 0;
    kit_random_seed(&random, 2);
    rig_init(&rig);
    world_make(&rig, &random, 700);
    for (uint64_t sequence = 1; sequence <= 600; sequence++)
        for (uint32_t sink = 0; sink < WORLD_SINKS; sink++)
            rig_settle(&rig, WORLD_LOGS - 1, sink, sequence, GW_TERM_DELIVERED);
    world_look(&rig, &before);
    CU_ASSERT_EQUAL(gw_store_compact(rig.path, NULL, NULL, &large, &small, &err), -EBUSY);
    rig_close(&rig);
    CU_ASSERT_EQUAL(gw_store_compact(rig.path, NULL, NULL, &large, &small, &err), 0);
    CU_ASSERT(small < large);
    verify(rig.path);
    CU_ASSERT_EQUAL(findings, 0);
    world_open(&rig);
    world_look(&rig, &after);
    CU_ASSERT_EQUAL(world_lost(&before, &after), 0);
    CU_ASSERT_EQUAL(world_lost(&after, &before), 0);
    CU_ASSERT_EQUAL(after.dead, before.dead);
    CU_ASSERT_EQUAL(after.archived, before.archived);
    CU_ASSERT_EQUAL(after.states, before.states);
    CU_ASSERT_EQUAL(after.doubtful, before.doubtful);
    for (uint32_t i = 0; i < WORLD_LOGS; i++)
        CU_ASSERT(rig_balances(&rig, i));
    world_missing_fini(&before);
    world_missing_fini(&after);
    rig_remove(&rig);
    CU_ASSERT_EQUAL(gw_store_compact(rig.path, NULL, NULL, &large, &again, &err), -ENOENT);
}

static void wrong_lines_are_refused_by_number(void)
{
    static const char head[] =
        "{\"meshgate_store\":{\"format\":1,\"exported_us\":1,\"by\":\"x\"}}\n";
    static const struct {
        const char *text;
        int error;
        const char *says;
    } rows[] = {
        {"\n", -EINVAL, "line 1: not JSON"},
        {"{\"log\":{}}\n", -EINVAL, "line 1: an export"},
        {"#x\n", -EINVAL, "line 2: not JSON"},
        {"#[]\n", -EINVAL, "line 2"},
        {"#{\"log\":{\"log\":1}}\n", -EINVAL, "line 2: a log has"},
        {"#{\"cursor\":{\"log\":1}}\n", -EINVAL, "line 2: \"sink\" is missing"},
        {"#{\"mark\":{\"log\":1,\"sink\":0,\"sequence\":1,\"attempts\":-1,\"deaths\":0}}\n",
         -EINVAL, "\"attempts\""},
        {"#{\"mark\":{\"log\":1,\"sink\":0,\"sequence\":1,\"attempts\":1,\"deaths\":0,\"x\":1}}\n",
         -EINVAL, "not understood"},
        {"#{\"record\":{\"log\":1,\"sequence\":1,\"targets\":[64],\"record\":{\"message\":{}}}}\n",
         -EINVAL, "targets"},
        {"#{\"record\":{\"log\":1,\"sequence\":1,\"targets\":[0],\"record\":{\"message\":"
         "{\"qos\":7}}}}\n",
         -EINVAL, "qos"},
        {"#{\"state\":{\"key\":\"k\",\"value\":\"%\"}}\n", -EINVAL, "base64"},
        {"#{\"wish\":{}}\n", -EINVAL, "line 2: of a kind"},
        {"#{\"state\":{\"key\":\"k\",\"value\":\"AAAA\"}}\n", -EINVAL, "ends before"},
        {"#{\"state\":{\"key\":\"k\",\"value\":\"AAAA\"}}\n{\"end\":{\"lines\":1}}\n", -EINVAL,
         "line 3: lines are missing"},
        {"#{\"end\":{\"lines\":1}}\n{\"state\":{\"key\":\"k\",\"value\":\"AAAA\"}}\n", -EINVAL,
         "line 3: comes after"},
        {"{\"meshgate_store\":{\"format\":2,\"exported_us\":1,\"by\":\"x\"}}\n", -EPROTONOSUPPORT,
         "later version"},
        {"#{\"end\":{\"lines\":1}}\n", 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct mg_err err = {{0}};
        char text[700];
        const char *tail = rows[i].text;
        snprintf(text, sizeof text, "%s%s", *tail == '#' ? head : "", tail + (*tail == '#'));
        rig_init(&rig);
        int error = import(rig.path, text, strlen(text), &err);
        if (error != rows[i].error || !strstr(err.text, rows[i].says))
            fprintf(stderr, "%s: %d, %s\n", text, error, err.text);
        CU_ASSERT(error == rows[i].error && strstr(err.text, rows[i].says));
        CU_ASSERT(error == 0 || is_empty(rig.path));
        rig_remove(&rig);
    }
}

static void an_import_leaves_a_store_alone(void)
{
    struct rig rig;
    struct mg_err err;
    struct kit_random random;
    kit_random_seed(&random, 1);
    rig_init(&rig);
    world_make(&rig, &random, 10);
    rig_close(&rig);
    CU_ASSERT_EQUAL(import(rig.path, "{}", 2, &err), -EEXIST);
    verify(rig.path);
    CU_ASSERT_EQUAL(findings, 0);
    rig_remove(&rig);
}

static void verify_finds_flipped_bits(void)
{
    struct rig rig;
    struct kit_random random;
    char path[96];
    uint32_t found = 0;
    struct stat stat;
    kit_random_seed(&random, 2);
    rig_init(&rig);
    world_make(&rig, &random, 300);
    rig_close(&rig);
    verify(rig.path);
    CU_ASSERT_EQUAL(findings, 0);
    snprintf(path, sizeof path, "%s/data.mdb", rig.path);
    int fd = open(path, O_RDWR);
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &stat) == 0);
    for (int i = 0; i < 300; i++) {
        off_t at = (off_t)(kit_random64(&random) % (uint64_t)stat.st_size);
        char was, harmed;
        CU_ASSERT_EQUAL(pread(fd, &was, 1, at), 1);
        harmed = (char)(was ^ 1 << kit_random(&random, 8));
        CU_ASSERT_EQUAL(pwrite(fd, &harmed, 1, at), 1);
        verify(rig.path);
        found += findings > 0;
        CU_ASSERT_EQUAL(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
    CU_ASSERT(found > 50 && found < 300); /* the others hit pages that are free */
    verify(rig.path);
    CU_ASSERT_EQUAL(findings, 0);
    rig_remove(&rig);
}

static void verify_needs_a_store_that_nobody_has_open(void)
{
    struct rig rig;
    struct gw_store_verified verified;
    struct mg_err err;
    struct kit_random random;
    kit_random_seed(&random, 3);
    rig_init(&rig);
    CU_ASSERT_EQUAL(gw_store_verify(rig.path, finding, NULL, &verified, &err), -ENOENT);
    world_make(&rig, &random, 10);
    CU_ASSERT_EQUAL(gw_store_verify(rig.path, finding, NULL, &verified, &err), -EBUSY);
    rig_remove(&rig);
}

int main(void)
{
    return kit_main("store_transfer",
                    (const struct kit_test[]){{KIT_TEST(an_export_imported_is_the_same_store)},
                                              {KIT_TEST(a_compacted_store_is_smaller_and_the_same)},
                                              {KIT_TEST(wrong_lines_are_refused_by_number)},
                                              {KIT_TEST(an_import_leaves_a_store_alone)},
                                              {KIT_TEST(verify_finds_flipped_bits)},
                                              {KIT_TEST(verify_needs_a_store_that_nobody_has_open)},
                                              {0}});
}
