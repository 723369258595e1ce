/* SPDX-License-Identifier: Apache-2.0 */
/* The small operations: counts, notes on records, the state of bridges. */
#include "store/internal.h"
#include "store/rows.h"
#include <errno.h>
#include <string.h>

int gw_op_count(struct gw_store *store, struct gw_store_count *op)
{
    struct gw_disk_ledger *ledger = &op->log->ledger;
    (void)store;
    for (size_t i = 0; i < GW_TERMS; i++) {
        ledger->ended[i] += op->ended[i];
        ledger->received += op->ended[i];
    }
    ledger->retries += op->retries;
    gw_log_touch(op->log);
    return 0;
}

/* ---- marks -------------------------------------------------------------------------------------
 */

int gw_mark_get(struct gw_store *store, MDB_txn *txn, uint32_t log, uint32_t sink,
                uint64_t sequence, struct gw_disk_mark *ret, bool *ret_there)
{
    struct gw_disk_place_key name = gw_place_key(log, sink, sequence);
    MDB_val key = gw_val(&name, sizeof name), value;
    *ret = (struct gw_disk_mark){0, 0};
    int rc = mdb_get(txn, store->dbs[DB_MARKS], &key, &value);
    *ret_there = !rc;
    if (!rc && value.mv_size == sizeof *ret)
        memcpy(ret, value.mv_data, sizeof *ret);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int gw_mark_put(struct gw_store_log *log, uint32_t sink, uint64_t sequence,
                const struct gw_disk_mark *mark)
{
    struct gw_disk_place_key name = gw_place_key(log->number, sink, sequence);
    MDB_dbi dbi = log->store->dbs[DB_MARKS];
    MDB_val key = gw_val(&name, sizeof name), value = gw_val(mark, sizeof *mark);
    gw_log_touch(log);
    int rc = mdb_put(log->store->txn, dbi, &key, &value, MDB_NOOVERWRITE);
    if (rc == MDB_KEYEXIST) {
        value = gw_val(mark, sizeof *mark);
        return mdb_put(log->store->txn, dbi, &key, &value, 0);
    }
    log->marks += !rc;
    return rc;
}

int gw_op_note(struct gw_store *store, struct gw_store_note *op)
{
    struct gw_store_sink *sink = gw_log_sink(op->log, op->sink);
    struct gw_disk_mark mark;
    bool there;
    if (!sink || !gw_sink_misses(op->log, sink, op->sequence))
        return 0;
    int rc =
        gw_mark_get(store, store->txn, op->log->number, sink->number, op->sequence, &mark, &there);
    mark.attempts = op->attempts;
    return rc ? rc : gw_mark_put(op->log, sink->number, op->sequence, &mark);
}

struct death {
    struct gw_store_log *log;
    struct gw_store_sink *sink;
    int rc;
};

/* That there is a mark says that it is in doubt. */
static void mark_left(void *arg, uint64_t sequence, bool in_hand)
{
    struct death *d = arg;
    struct gw_disk_mark mark;
    bool there;
    if (d->rc || !gw_sink_misses(d->log, d->sink, sequence))
        return;
    d->rc = gw_mark_get(d->log->store, d->log->store->txn, d->log->number, d->sink->number,
                        sequence, &mark, &there);
    mark.deaths += in_hand;
    if (!d->rc && (in_hand || !there))
        d->rc = gw_mark_put(d->log, d->sink->number, sequence, &mark);
}

int gw_marks_of_crash(struct gw_store *store)
{
    int rc = 0;
    for (size_t i = 0; i < store->log_count && !rc; i++) {
        struct gw_store_log *log = store->logs[i];
        for (uint32_t s = 0; s < log->sink_end && !rc; s++) {
            struct death death = {log, log->sinks[s], 0};
            if (death.sink)
                gw_hand_each_left(store->hand, log->number, s, mark_left, &death);
            rc = death.rc;
        }
    }
    return rc;
}

/* ---- state of bridges ---------------------------------------------------------------------------
 */

bool gw_state_fits(struct mg_bytes key)
{
    return key.len > 0 && key.len <= GW_STORE_STATE_KEY_MAX;
}

int gw_state_put(struct gw_store *store, struct mg_bytes key, struct mg_bytes value)
{
    uint64_t sum = gw_rows_state_sum(key, value);
    MDB_val k = gw_val(key.at, key.len), v = {sizeof sum + value.len, NULL};
    int rc;
    if (value.at) {
        rc = mdb_put(store->txn, store->dbs[DB_STATE], &k, &v, MDB_RESERVE);
        if (rc)
            return rc;
        memcpy(v.mv_data, &sum, sizeof sum);
        memcpy((char *)v.mv_data + sizeof sum, value.at, value.len);
        return 0;
    }
    rc = mdb_del(store->txn, store->dbs[DB_STATE], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int gw_op_state(struct gw_store *store, struct gw_store_state *op)
{
    if (gw_state_fits(op->key))
        return gw_state_put(store, op->key, op->value);
    op->op.error = -EINVAL;
    return 0;
}

int gw_store_state_each(struct gw_store *store, struct mg_bytes prefix,
                        void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value),
                        void *arg)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key = gw_val(prefix.at, prefix.len), value;
    int rc = gw_engine_read_begin(store, &txn);
    if (rc)
        return -EIO;
    rc = mdb_cursor_open(txn, store->dbs[DB_STATE], &cursor);
    if (!rc) {
        for (rc = mdb_cursor_get(cursor, &key, &value, prefix.len ? MDB_SET_RANGE : MDB_FIRST);
             !rc && key.mv_size >= prefix.len &&
             (!prefix.len || !memcmp(key.mv_data, prefix.at, prefix.len));
             rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            struct mg_bytes name = {key.mv_data, key.mv_size}, content;
            if (gw_rows_read_state(name, (struct mg_bytes){value.mv_data, value.mv_size}, &content))
                each(arg, name, content);
            else
                gw_quarantine(store, "state", value);
        }
        mdb_cursor_close(cursor);
    }
    gw_engine_read_end(store, txn);
    return rc && rc != MDB_NOTFOUND ? -EIO : 0;
}
