/* SPDX-License-Identifier: Apache-2.0 */
/* What a salvage gets out of a store: all of a sound one, nearly all of a damaged one, and it says
 * what is missing. */
#include "../kit/unit.h"
#include "store/check.h"
#include "store/salvage.h"
#include "store/transfer.h"
#include "store_world.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* A store, the bytes of its file, and what is in it. */
struct scene {
    struct rig rig, saved;
    struct kit_random random;
    struct world_missing missing;
    struct gw_store_ledger ledgers[WORLD_LOGS];
    char path[96];
    char *bytes;
    size_t size;
    uint32_t said;
};

static void read_file(struct scene *scene)
{
    struct stat stat;
    int fd = open(scene->path, O_RDONLY);
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &stat) == 0);
    scene->size = (size_t)stat.st_size;
    scene->bytes = malloc(scene->size);
    CU_ASSERT_FATAL(scene->bytes && read(fd, scene->bytes, scene->size) == (ssize_t)scene->size);
    close(fd);
}

static void write_file(const struct scene *scene, const char *bytes, size_t size)
{
    int fd = open(scene->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void begin(struct scene *scene, uint64_t seed, uint32_t appends)
{
    *scene = (struct scene){0};
    kit_random_seed(&scene->random, seed);
    rig_init(&scene->rig);
    world_make(&scene->rig, &scene->random, appends);
    world_look(&scene->rig, &scene->missing);
    for (uint32_t i = 0; i < WORLD_LOGS; i++)
        scene->ledgers[i] = rig_ledger(&scene->rig, i);
    rig_close(&scene->rig);
    snprintf(scene->path, sizeof scene->path, "%s/data.mdb", scene->rig.path);
    read_file(scene);
}

static void end(struct scene *scene)
{
    world_missing_fini(&scene->missing);
    free(scene->bytes);
    rig_remove(&scene->rig);
}

static void heard(void *arg, uint32_t level, const char *text)
{
    struct scene *scene = arg;
    scene->said += level >= MG_WARN;
    if (getenv("LOUD"))
        fprintf(stderr, "salvage: %s\n", text);
}

static void finding(void *arg, uint64_t offset, const char *text)
{
    (void)arg;
    fprintf(stderr, "verify: %lu: %s\n", (unsigned long)offset, text);
}

/* Salvages into a folder of its own, opens that, and looks. */
static void salvage(struct scene *scene, struct gw_salvage *ret, struct world_missing *ret_found)
{
    struct gw_store_verified verified;
    struct mg_err err;
    scene->said = 0;
    rig_init(&scene->saved);
    CU_ASSERT_EQUAL_FATAL(gw_salvage(scene->path, scene->saved.path, heard, scene, ret), 0);
    CU_ASSERT_EQUAL(gw_store_verify(scene->saved.path, finding, NULL, &verified, &err), 0);
    CU_ASSERT_EQUAL(verified.findings, 0);
    CU_ASSERT_EQUAL(verified.records, ret->kept);
    world_open(&scene->saved);
    world_look(&scene->saved, ret_found);
    for (uint32_t i = 0; i < WORLD_LOGS; i++)
        CU_ASSERT(rig_balances(&scene->saved, i));
}

static void forget(struct scene *scene, struct world_missing *found)
{
    world_missing_fini(found);
    rig_remove(&scene->saved);
}

static void a_sound_store_is_salvaged_exactly(void)
{
    struct scene scene;
    struct gw_salvage counts;
    struct world_missing found;
    begin(&scene, 1, 900);
    salvage(&scene, &counts, &found);
    CU_ASSERT_EQUAL(world_lost(&scene.missing, &found), 0);
    CU_ASSERT_EQUAL(world_lost(&found, &scene.missing), 0);
    CU_ASSERT_EQUAL(found.doubtful, scene.missing.doubtful);
    CU_ASSERT_EQUAL(found.dead, scene.missing.dead);
    CU_ASSERT_EQUAL(found.archived, scene.missing.archived);
    CU_ASSERT_EQUAL(found.states, scene.missing.states);
    CU_ASSERT(scene.missing.dead > 3 && scene.missing.states > 10);
    CU_ASSERT_EQUAL(scene.said, 0);
    for (uint32_t i = 0; i < WORLD_LOGS; i++) {
        struct gw_store_ledger ledger = rig_ledger(&scene.saved, i);
        CU_ASSERT_EQUAL(memcmp(&ledger, &scene.ledgers[i], sizeof ledger), 0);
    }
    forget(&scene, &found);
    end(&scene);
}

/* Everything is found by its bytes alone. */
static void both_meta_pages_may_be_lost(void)
{
    struct scene scene;
    struct gw_salvage counts;
    struct world_missing found;
    begin(&scene, 2, 600);
    memset(scene.bytes, 0, 2 * PAGE);
    write_file(&scene, scene.bytes, scene.size);
    salvage(&scene, &counts, &found);
    CU_ASSERT_EQUAL(world_lost(&scene.missing, &found), 0);
    size_t all = 0;
    for (size_t i = 0; i < WORLD_LOGS; i++)
        for (size_t k = 0; k < WORLD_SINKS; k++)
            all += found.counts[i][k];
    CU_ASSERT_EQUAL(found.doubtful, all);
    CU_ASSERT(found.dead >= scene.missing.dead && found.archived >= scene.missing.archived);
    CU_ASSERT_EQUAL(counts.unnamed, 0);
    CU_ASSERT(scene.said > 0);
    forget(&scene, &found);
    end(&scene);
}

static void a_file_cut_short_gives_what_is_left(void)
{
    struct scene scene;
    struct gw_salvage counts;
    struct world_missing found;
    begin(&scene, 3, 600);
    write_file(&scene, scene.bytes, scene.size / 2 + 100);
    salvage(&scene, &counts, &found);
    CU_ASSERT(counts.kept > 50);
    CU_ASSERT(scene.said > 0);
    forget(&scene, &found);
    write_file(&scene, scene.bytes, 100);
    salvage(&scene, &counts, &found);
    CU_ASSERT_EQUAL(counts.kept, 0);
    forget(&scene, &found);
    end(&scene);
}

/* Damages the file in ever other ways; what is lost is said. */
static void damage_costs_what_it_hits(void)
{
    struct scene scene;
    size_t lost = 0, hits = 0;
    begin(&scene, 4, 500);
    char *copy = malloc(scene.size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (int i = 0; i < 120; i++) {
        struct gw_salvage counts;
        struct world_missing found;
        memcpy(copy, scene.bytes, scene.size);
        for (uint32_t k = 1 + kit_random(&scene.random, 3); k > 0; k--) {
            size_t page = kit_random(&scene.random, (uint32_t)(scene.size / PAGE)) * (size_t)PAGE;
            size_t at = page + kit_random(&scene.random, PAGE);
            switch (kit_random(&scene.random, 4)) {
            case 0:
                memset(copy + page, 0, PAGE);
                break;
            case 1:
                memset(copy + at / 512 * 512, 0xa5, 512);
                break;
            default:
                copy[at] ^= (char)(1 << kit_random(&scene.random, 8));
            }
        }
        write_file(&scene, copy, scene.size);
        salvage(&scene, &counts, &found);
        size_t now = world_lost(&scene.missing, &found);
        if (now && !scene.said)
            fprintf(stderr, "damage %d: %zu lost, and nothing said\n", i, now);
        CU_ASSERT(now == 0 || scene.said > 0);
        lost += now;
        hits += now > 0;
        forget(&scene, &found);
    }
    /* A page has some ten records of some sinks each. */
    CU_ASSERT(hits < 100 && lost < 2500);
    free(copy);
    end(&scene);
}

static void a_payload_that_is_a_store_is_not_taken_for_one(void)
{
    struct scene scene;
    struct gw_salvage counts;
    struct world_missing found;
    begin(&scene, 5, 40);
    /* Its own file, as the payload of an event. */
    struct gw_record_leg leg = {.sink = 0, .address = {"out", 3}};
    struct gw_record record = {
        .origin = {"a", 1},
        .message = {.head = {.address = {"a", 1}}, .payload = {scene.bytes, scene.size}},
        .legs = &leg,
        .leg_count = 1};
    void *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(gw_record_encode(&record, &bytes, &length), 0);
    world_open(&scene.rig);
    struct rig_append *append = rig_append_begin(&scene.rig, 0, "x", 1, 1, 0);
    free(append->records[0]);
    append->records[0] = bytes;
    append->lengths[0] = length;
    rig_append_submit(append);
    gw_store_turn(scene.rig.store);
    rig_append_free(append);
    world_missing_fini(&scene.missing);
    world_look(&scene.rig, &scene.missing);
    rig_close(&scene.rig);
    free(scene.bytes);
    read_file(&scene);
    memset(scene.bytes, 0, 2 * PAGE);
    write_file(&scene, scene.bytes, scene.size);
    salvage(&scene, &counts, &found);
    CU_ASSERT_EQUAL(world_lost(&scene.missing, &found), 0);
    CU_ASSERT_EQUAL(counts.logs, WORLD_LOGS);
    CU_ASSERT(found.counts[0][0] < 60);
    forget(&scene, &found);
    end(&scene);
}

static void nothing_is_written_over_a_store(void)
{
    struct scene scene;
    struct gw_salvage counts;
    begin(&scene, 6, 5);
    CU_ASSERT_EQUAL(gw_salvage(scene.path, scene.rig.path, NULL, NULL, &counts), -EEXIST);
    CU_ASSERT_EQUAL(gw_salvage("/nowhere/data.mdb", "/tmp", NULL, NULL, &counts), -ENOENT);
    end(&scene);
}

int main(void)
{
    return kit_main("store_salvage", (const struct kit_test[]){
                                         {KIT_TEST(a_sound_store_is_salvaged_exactly)},
                                         {KIT_TEST(both_meta_pages_may_be_lost)},
                                         {KIT_TEST(a_file_cut_short_gives_what_is_left)},
                                         {KIT_TEST(damage_costs_what_it_hits)},
                                         {KIT_TEST(a_payload_that_is_a_store_is_not_taken_for_one)},
                                         {KIT_TEST(nothing_is_written_over_a_store)},
                                         {0}});
}
