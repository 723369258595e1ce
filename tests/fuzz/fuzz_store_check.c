/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as data.mdb: the check answers; where it says sound, LMDB reads all of it unharmed, and
 * finds as many entries. */
#include "store/check.h"
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t count_entries(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t count = 0;
    static volatile uint8_t sum;
    if (mdb_cursor_open(txn, dbi, &cursor))
        return 0;
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        count++;
        for (size_t i = 0; i < value.mv_size; i++)
            sum ^= ((const uint8_t *)value.mv_data)[i];
    }
    mdb_cursor_close(cursor);
    return count;
}

/* Names of databases that do not end in NUL cannot be opened by name: passed over by both. */
static void read_all(MDB_txn *txn, const struct gw_check *check)
{
    MDB_dbi main, dbi;
    MDB_cursor *cursor;
    MDB_val key, value;
    if (mdb_dbi_open(txn, NULL, 0, &main))
        return;
    uint64_t count = count_entries(txn, main);
    bool all = true;
    if (mdb_cursor_open(txn, main, &cursor))
        return;
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        char name[512];
        snprintf(name, sizeof name, "%.*s", (int)key.mv_size, (const char *)key.mv_data);
        if (strlen(name) != key.mv_size || mdb_dbi_open(txn, name, 0, &dbi))
            all = false;
        else
            count += count_entries(txn, dbi);
    }
    mdb_cursor_close(cursor);
    if (all && count != check->entries)
        abort();
}

static void read_with_lmdb(const char *path, const struct gw_check *check)
{
    MDB_env *env;
    MDB_txn *txn;
    if (mdb_env_create(&env))
        return;
    mdb_env_set_maxdbs(env, 64);
    if (!mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600) &&
        !mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) {
        read_all(txn, check);
        mdb_txn_abort(txn);
    }
    mdb_env_close(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_check check;
    char path[64];
    int fd = memfd_create("data.mdb", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (gw_check_file(path, &check) == 0)
        read_with_lmdb(path, &check);
    close(fd);
    return 0;
}
