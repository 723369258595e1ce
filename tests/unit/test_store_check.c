/* SPDX-License-Identifier: Apache-2.0 */
/* The check takes every file that LMDB writes for sound, finds damage by its place, and what it
 * lets pass does not hurt LMDB. */
#include "../kit/unit.h"
#include "record_kit.h"
#include "store/check.h"
#include "store/check_disk.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, DATABASES = 4, VALUE_MOST = 3 * PAGE };

static char folder[64], path[80], copy[80];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/store-check-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    snprintf(copy, sizeof copy, "%s/copy.mdb", folder);
}

static void remove_folder(void)
{
    char lock[96];
    snprintf(lock, sizeof lock, "%s/lock.mdb", folder);
    unlink(lock);
    unlink(path);
    unlink(copy);
    rmdir(folder);
}

/* ---- files as LMDB writes them -------------------------------------------------------------- */

struct world {
    struct kit_random random;
    MDB_env *env;
    MDB_dbi dbis[DATABASES];
};

static const struct {
    const char *name;
    unsigned flags;
} databases[DATABASES] = {
    {"texts", 0}, {"numbers", MDB_INTEGERKEY}, {"small-numbers", MDB_INTEGERKEY}, {"long-keys", 0}};

static void open_world(struct world *w, uint64_t seed, unsigned flags)
{
    kit_random_seed(&w->random, seed);
    CU_ASSERT_EQUAL_FATAL(mdb_env_create(&w->env), 0);
    mdb_env_set_maxdbs(w->env, DATABASES);
    mdb_env_set_mapsize(w->env, 256 << 20);
    CU_ASSERT_EQUAL_FATAL(mdb_env_open(w->env, folder, MDB_NOSYNC | MDB_NOTLS | flags, 0600), 0);
    MDB_txn *txn;
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(w->env, NULL, 0, &txn), 0);
    for (size_t i = 0; i < DATABASES; i++)
        CU_ASSERT_EQUAL_FATAL(
            mdb_dbi_open(txn, databases[i].name, databases[i].flags | MDB_CREATE, &w->dbis[i]), 0);
    CU_ASSERT_EQUAL_FATAL(mdb_txn_commit(txn), 0);
}

static MDB_val random_key(struct world *w, size_t database, char *buffer)
{
    uint64_t number = kit_random(&w->random, 4000);
    size_t length;
    switch (database) {
    case 1:
        memcpy(buffer, &number, 8);
        return (MDB_val){8, buffer};
    case 2:
        memcpy(buffer, &(uint32_t){(uint32_t)number}, 4);
        return (MDB_val){4, buffer};
    default:
        length = (size_t)snprintf(buffer, 512, "%" PRIx64 "-key", number * 0x9e3779b97f4a7c15u);
        if (database == 3) {
            memset(buffer + length, 'x', 500 - length);
            length = 100 + number % 400;
        }
        return (MDB_val){length, buffer};
    }
}

static void random_commit(struct world *w)
{
    static char bytes[VALUE_MOST];
    char key_buffer[512];
    MDB_txn *txn;
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(w->env, NULL, 0, &txn), 0);
    bool deleting = kit_random(&w->random, 3) == 0;
    for (uint32_t i = 1 + kit_random(&w->random, 400); i > 0; i--) {
        size_t database = kit_random(&w->random, DATABASES);
        MDB_val key = random_key(w, database, key_buffer);
        MDB_val value = {kit_random(&w->random, 4) ? kit_random(&w->random, 300)
                                                   : kit_random(&w->random, VALUE_MOST),
                         bytes};
        int error = deleting || kit_random(&w->random, 3) == 0
                        ? mdb_del(txn, w->dbis[database], &key, NULL)
                        : mdb_put(txn, w->dbis[database], &key, &value, 0);
        CU_ASSERT(error == 0 || error == MDB_NOTFOUND);
    }
    if (kit_random(&w->random, 40) == 0)
        CU_ASSERT_EQUAL(mdb_drop(txn, w->dbis[kit_random(&w->random, DATABASES)], 0), 0);
    if (kit_random(&w->random, 10) == 0)
        mdb_txn_abort(txn);
    else
        CU_ASSERT_EQUAL(mdb_txn_commit(txn), 0);
}

static uint64_t entries_of(struct world *w)
{
    MDB_txn *txn;
    uint64_t entries = DATABASES; /* in the main database */
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(w->env, NULL, MDB_RDONLY, &txn), 0);
    for (size_t i = 0; i < DATABASES; i++) {
        MDB_stat stat;
        mdb_stat(txn, w->dbis[i], &stat);
        entries += stat.ms_entries;
    }
    mdb_txn_abort(txn);
    return entries;
}

static void is_sound(struct world *w, uint64_t seed)
{
    struct gw_check check;
    int error = gw_check_file(path, &check);
    if (error)
        fprintf(stderr, "seed %" PRIu64 ": %d at %" PRIu64 ": %s\n", seed, error, check.offset,
                check.text);
    CU_ASSERT_EQUAL(error, 0);
    CU_ASSERT_EQUAL(check.entries, entries_of(w));
}

static void run_world(uint64_t seed, unsigned flags, uint32_t commits)
{
    struct world w;
    open_world(&w, seed, flags);
    is_sound(&w, seed);
    for (uint32_t i = 0; i < commits; i++) {
        /* A reader pins free pages: their list grows over a page. */
        MDB_txn *reader = NULL;
        if (kit_random(&w.random, 4) == 0)
            CU_ASSERT_EQUAL(mdb_txn_begin(w.env, NULL, MDB_RDONLY, &reader), 0);
        for (uint32_t k = kit_random(&w.random, 6); k > 0; k--)
            random_commit(&w);
        is_sound(&w, seed);
        if (reader)
            mdb_txn_abort(reader);
    }
    mdb_env_close(w.env);
}

static void what_lmdb_writes_is_sound(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        make_folder();
        run_world(seed, seed % 3 == 0 ? MDB_WRITEMAP : 0, 20);
        remove_folder();
    }
}

static void trees_of_many_levels_are_sound(void)
{
    make_folder();
    struct world w;
    open_world(&w, 1, 0);
    MDB_txn *txn;
    CU_ASSERT_EQUAL_FATAL(mdb_txn_begin(w.env, NULL, 0, &txn), 0);
    char key_bytes[500], value_bytes[300] = {0};
    memset(key_bytes, 'k', sizeof key_bytes);
    for (uint32_t i = 0; i < 12000; i++) {
        uint32_t number = __builtin_bswap32(i * 2654435761u);
        memcpy(key_bytes, &number, sizeof number);
        MDB_val key = {sizeof key_bytes, key_bytes}, value = {sizeof value_bytes, value_bytes};
        CU_ASSERT_EQUAL_FATAL(mdb_put(txn, w.dbis[3], &key, &value, 0), 0);
    }
    MDB_stat stat;
    mdb_stat(txn, w.dbis[3], &stat);
    CU_ASSERT(stat.ms_depth >= 5);
    CU_ASSERT_EQUAL(mdb_txn_commit(txn), 0);
    is_sound(&w, 0);
    mdb_env_close(w.env);
    remove_folder();
}

/* ---- damage --------------------------------------------------------------------------------- */

static char *image;
static size_t image_size;

static void load_image(void)
{
    int fd = open(path, O_RDONLY);
    struct stat stat;
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &stat) == 0);
    image_size = (size_t)stat.st_size;
    image = malloc(image_size);
    CU_ASSERT_FATAL(image && read(fd, image, image_size) == (ssize_t)image_size);
    close(fd);
}

static int check_image(struct gw_check *check)
{
    int fd = open(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, image, image_size) == (ssize_t)image_size);
    close(fd);
    return gw_check_file(copy, check);
}

static struct gw_lmdb_meta *meta(void)
{
    struct gw_lmdb_meta *first = (void *)(image + sizeof(struct gw_lmdb_page));
    struct gw_lmdb_meta *second = (void *)(image + PAGE + sizeof(struct gw_lmdb_page));
    return second->transaction > first->transaction ? second : first;
}

static struct gw_lmdb_page *page_at(uint64_t number)
{
    return (void *)(image + number * PAGE);
}

static uint16_t *slots(struct gw_lmdb_page *page)
{
    return (uint16_t *)(void *)(page + 1);
}

static struct gw_lmdb_node *node(struct gw_lmdb_page *page, uint32_t index)
{
    return (void *)((char *)page + slots(page)[index]);
}

/* Behind a key of any length. */
typedef struct gw_lmdb_database loose_database __attribute__((aligned(1)));
typedef uint64_t loose_number __attribute__((aligned(1)));

/* The description of a named database in the main database's only leaf. */
static loose_database *database(const char *name)
{
    struct gw_lmdb_page *page = page_at(meta()->main.root);
    for (uint32_t i = 0; i < (page->lower - sizeof *page) / 2; i++) {
        struct gw_lmdb_node *n = node(page, i);
        if (n->key_bytes == strlen(name) && !memcmp(n + 1, name, n->key_bytes))
            return (void *)((char *)(n + 1) + n->key_bytes);
    }
    CU_FAIL_FATAL("no such database");
    return NULL;
}

static struct gw_lmdb_page *some_leaf(const char *name)
{
    loose_database *db = database(name);
    struct gw_lmdb_page *page = page_at(db->root);
    while (page->flags == GW_LMDB_BRANCH)
        page = page_at(node(page, 1)->low | (uint64_t)node(page, 1)->high << 16);
    return page;
}

static struct gw_lmdb_node *big_node(struct gw_lmdb_page *page)
{
    for (uint32_t i = 0; i < (page->lower - sizeof *page) / 2; i++)
        if (node(page, i)->flags & GW_LMDB_BIG)
            return node(page, i);
    CU_FAIL_FATAL("no big value");
    return NULL;
}

static struct gw_lmdb_page *overflow(void)
{
    struct gw_lmdb_node *n = big_node(some_leaf("numbers"));
    uint64_t number;
    memcpy(&number, (char *)(n + 1) + n->key_bytes, sizeof number);
    return page_at(number);
}

static void harm_page_number(void)
{
    some_leaf("texts")->number ^= 1;
}
static void harm_kind(void)
{
    some_leaf("texts")->flags = GW_LMDB_BRANCH;
}
static void harm_lower(void)
{
    some_leaf("texts")->lower = 15;
}
static void harm_lower_above_upper(void)
{
    some_leaf("texts")->lower = (uint16_t)(some_leaf("texts")->upper + 2);
}
static void harm_upper(void)
{
    some_leaf("texts")->upper = PAGE + 2;
}
static void harm_slot(void)
{
    slots(some_leaf("texts"))[1] = PAGE - 2;
}
static void harm_slot_odd(void)
{
    slots(some_leaf("texts"))[1] |= 1;
}
static void harm_value_length(void)
{
    node(some_leaf("texts"), 0)->low = 60000;
}
static void harm_key_length(void)
{
    node(some_leaf("texts"), 0)->key_bytes = 0;
}
static void harm_integer_key_length(void)
{
    node(some_leaf("numbers"), 0)->key_bytes = 6;
}
static void harm_order(void)
{
    uint16_t *s = slots(some_leaf("texts")), first = s[0];
    s[0] = s[1];
    s[1] = first;
}
static void harm_key_out_of_bounds(void)
{
    struct gw_lmdb_page *page = some_leaf("texts");
    *(char *)(node(page, (page->lower - sizeof *page) / 2 - 1) + 1) = '~';
}
static void harm_overlap(void)
{
    slots(some_leaf("texts"))[1] = slots(some_leaf("texts"))[0];
}
static void harm_node_flags(void)
{
    node(some_leaf("texts"), 0)->flags |= 4;
}
static void harm_sub_database(void)
{
    node(page_at(meta()->main.root), 0)->flags = 0;
    node(page_at(meta()->main.root), 0)->flags = GW_LMDB_SUB | GW_LMDB_BIG;
}
static void harm_root(void)
{
    database("texts")->root = database("numbers")->root;
}
static void harm_root_behind_the_end(void)
{
    database("texts")->root = image_size;
}
static void harm_depth(void)
{
    database("texts")->depth++;
}
static void harm_depth_much(void)
{
    database("texts")->depth = 1000;
}
static void harm_entries(void)
{
    database("texts")->entries++;
}
static void harm_flags(void)
{
    database("texts")->flags = 4;
}
static void harm_overflow_number(void)
{
    overflow()->number++;
}
static void harm_overflow_kind(void)
{
    overflow()->flags = GW_LMDB_LEAF;
}
static void harm_overflow_short(void)
{
    overflow()->pages = 0;
}
static void harm_overflow_long(void)
{
    overflow()->pages = 1 << 30;
}
static void harm_overflow_used_twice(void)
{
    struct gw_lmdb_node *n = big_node(some_leaf("numbers"));
    memcpy((char *)(n + 1) + n->key_bytes, &meta()->main.root, sizeof(uint64_t));
    page_at(meta()->main.root)->flags = GW_LMDB_OVERFLOW;
}
static void harm_free_list(void)
{
    struct gw_lmdb_page *page = page_at(meta()->free_list.root);
    struct gw_lmdb_node *n = node(page, 0);
    loose_number *idl = (void *)((char *)(n + 1) + n->key_bytes);
    idl[0] = 1;
    idl[1] = meta()->main.root;
}
static void harm_free_list_count(void)
{
    struct gw_lmdb_page *page = page_at(meta()->free_list.root);
    struct gw_lmdb_node *n = node(page, 0);
    *(loose_number *)(void *)((char *)(n + 1) + n->key_bytes) = 1000000;
}
static void harm_meta_magic(void)
{
    meta()->magic ^= 1;
}
static void harm_meta_version(void)
{
    meta()->version = 999;
}
static void harm_page_size(void)
{
    meta()->free_list.pad = 4097;
}
static void harm_last_page(void)
{
    meta()->last_page = 3;
}
static void harm_end(void)
{
    image_size = (meta()->main.root + 1) * PAGE - 512;
}
static void harm_end_much(void)
{
    image_size = 100;
}

static void damage_is_found(void)
{
#define HARM(name)                                                                                 \
    {                                                                                              \
#name, harm_##name                                                                         \
    }
    static const struct {
        const char *name;
        void (*harm)(void);
    } rows[] = {
        HARM(page_number),
        HARM(kind),
        HARM(lower),
        HARM(lower_above_upper),
        HARM(upper),
        HARM(slot),
        HARM(slot_odd),
        HARM(value_length),
        HARM(key_length),
        HARM(integer_key_length),
        HARM(order),
        HARM(key_out_of_bounds),
        HARM(overlap),
        HARM(node_flags),
        HARM(sub_database),
        HARM(root),
        HARM(root_behind_the_end),
        HARM(depth),
        HARM(depth_much),
        HARM(entries),
        HARM(flags),
        HARM(overflow_number),
        HARM(overflow_kind),
        HARM(overflow_short),
        HARM(overflow_long),
        HARM(overflow_used_twice),
        HARM(free_list),
        HARM(free_list_count),
        HARM(meta_magic),
        HARM(meta_version),
        HARM(page_size),
        HARM(last_page),
        HARM(end),
        HARM(end_much),
    };
    make_folder();
    run_world(11, 0, 20);
    load_image();
    char *whole = malloc(image_size);
    size_t whole_size = image_size;
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    memcpy(whole, image, image_size);
    struct gw_check check;
    CU_ASSERT_EQUAL(check_image(&check), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        image_size = whole_size;
        memcpy(image, whole, whole_size);
        rows[i].harm();
        int error = check_image(&check);
        if (error != -EBADMSG || !check.text[0])
            fprintf(stderr, "%s: %d\n", rows[i].name, error);
        CU_ASSERT_EQUAL(error, -EBADMSG);
        CU_ASSERT(check.text[0] != '\0' && check.offset < whole_size);
    }
    free(whole);
    free(image);
    remove_folder();
}

static void no_file_and_an_empty_one_are_not_there(void)
{
    struct gw_check check;
    make_folder();
    CU_ASSERT_EQUAL(gw_check_file(path, &check), -ENOENT);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    CU_ASSERT_EQUAL(gw_check_file(path, &check), -ENOENT);
    remove_folder();
}

/* In a child, since it may crash.  The number of entries, modulo 200; 255: a crash. */
static int entries_by_lmdb(void)
{
    pid_t child = fork();
    if (child == 0) {
        uint64_t entries = 0;
        MDB_env *env;
        MDB_txn *txn;
        alarm(20);
        if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, DATABASES) ||
            mdb_env_set_mapsize(env, 256 << 20) ||
            mdb_env_open(env, copy, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600) ||
            mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
            _exit(254);
        for (size_t i = 0; i < DATABASES; i++) {
            MDB_dbi dbi;
            MDB_cursor *cursor;
            MDB_val key, value;
            if (mdb_dbi_open(txn, databases[i].name, 0, &dbi))
                _exit(253);
            mdb_cursor_open(txn, dbi, &cursor);
            for (; !mdb_cursor_get(cursor, &key, &value, MDB_NEXT); entries++)
                for (size_t k = 0; k < value.mv_size; k++)
                    (void)((volatile char *)value.mv_data)[k];
        }
        _exit((int)(entries % 200));
    }
    int status;
    CU_ASSERT_FATAL(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void what_passes_does_not_hurt_lmdb(void)
{
    make_folder();
    run_world(21, 0, 6);
    load_image();
    struct kit_random random;
    kit_random_seed(&random, 5);
    struct gw_check check;
    CU_ASSERT_EQUAL(check_image(&check), 0);
    int fd = open(copy, O_WRONLY);
    uint32_t passed = 0, refused = 0;
    for (int i = 0; i < 400; i++) {
        /* Where the structure is: in the heads of pages, mostly. */
        size_t page = kit_random(&random, (uint32_t)(image_size / PAGE)) * (size_t)PAGE;
        size_t at = page + kit_random(&random, kit_random(&random, 4) ? 100 : PAGE);
        char harmed = (char)(image[at] ^ 1 << kit_random(&random, 8));
        CU_ASSERT_EQUAL(pwrite(fd, &harmed, 1, (off_t)at), 1);
        if (gw_check_file(copy, &check) == 0) {
            passed++;
            CU_ASSERT_EQUAL(entries_by_lmdb(), (int)((check.entries - DATABASES) % 200));
        } else {
            refused++;
        }
        CU_ASSERT_EQUAL(pwrite(fd, &image[at], 1, (off_t)at), 1);
    }
    close(fd);
    CU_ASSERT(passed > 20 && refused > 20);
    free(image);
    remove_folder();
}

int main(void)
{
    return kit_main("store_check",
                    (const struct kit_test[]){{KIT_TEST(what_lmdb_writes_is_sound)},
                                              {KIT_TEST(trees_of_many_levels_are_sound)},
                                              {KIT_TEST(damage_is_found)},
                                              {KIT_TEST(no_file_and_an_empty_one_are_not_there)},
                                              {KIT_TEST(what_passes_does_not_hurt_lmdb)},
                                              {0}});
}
