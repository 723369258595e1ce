/* SPDX-License-Identifier: Apache-2.0 */
/* A route's log as the configuration wants it: made where it is not there, its sinks matched by
 * what they are, those that are gone given up. */
#include "store/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GIVE_UP_AT_ONCE = 4096 }; /* records of a sink that is gone, in one transaction */

static int check(const struct gw_store_log_settings *settings, struct mg_err *reterr)
{
    if (!settings->route || !settings->route[0] || strlen(settings->route) > 511)
        return gw_store_fail(reterr, -EINVAL, "a route's name has 1 to 511 bytes");
    if (!settings->sink_count || settings->sink_count > GW_RECORD_SINKS_MAX)
        return gw_store_fail(reterr, -EINVAL, "route %s: 1 to %d sinks can be stored for",
                             settings->route, GW_RECORD_SINKS_MAX);
    return 0;
}

static struct gw_store_log *find(struct gw_store *store, const char *route)
{
    for (size_t i = 0; i < store->log_count; i++)
        if (!strcmp(store->logs[i]->name, route))
            return store->logs[i];
    return NULL;
}

/* A number that no log has or had, also where its entry is lost and its records are not. */
static int free_number(struct gw_store *store, uint32_t *ret)
{
    MDB_txn *txn;
    MDB_dbi all;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &all);
    for (*ret = 1; !rc && *ret <= UINT16_MAX; ++*ret) {
        char name[32];
        MDB_val key, value;
        snprintf(name, sizeof name, "log.%u", *ret);
        key = gw_val(name, strlen(name));
        rc = gw_log_find(store, *ret) ? 0 : mdb_get(txn, all, &key, &value);
        if (rc == MDB_NOTFOUND)
            break;
    }
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? 0 : rc ? rc : ENOSPC;
}

/* ---- sinks ------------------------------------------------------------------------------------
 */

/* The same label twice: two sinks, matched in their order. */
static struct gw_store_sink *match(struct gw_store_log *log, const char *label)
{
    for (uint32_t i = 0; i < log->sink_end; i++)
        if (log->sinks[i] && log->sinks[i]->place == UINT32_MAX &&
            !strcmp(log->sinks[i]->label, label))
            return log->sinks[i];
    return NULL;
}

static void place_known(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    for (uint32_t i = 0; i < log->sink_end; i++)
        if (log->sinks[i])
            log->sinks[i]->place = UINT32_MAX;
    for (size_t i = 0; i < settings->sink_count; i++) {
        struct gw_store_sink *sink = match(log, settings->sinks[i]);
        if (sink)
            sink->place = (uint32_t)i;
    }
}

static int remove_cursor(struct gw_store_log *log, uint32_t number)
{
    struct gw_disk_sink_key name = gw_sink_key(log->number, number);
    MDB_val key = gw_val(&name, sizeof name);
    int rc = mdb_del(log->store->txn, log->store->dbs[DB_CURSORS], &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* One transaction's part of what a sink that is gone has not had. */
static int give_up_part(struct gw_store_log *log, struct gw_store_sink *sink)
{
    struct gw_store *store = log->store;
    int rc = gw_engine_begin(store);
    if (rc)
        return rc;
    rc = gw_sink_advance(log, sink);
    for (int i = 0; i < GIVE_UP_AT_ONCE && sink->first < log->end && !rc; i++)
        rc = gw_log_settle(log, sink, sink->first, GW_TERM_DISCARDED);
    if (!rc)
        rc = gw_logs_write_dirty(store);
    if (rc)
        gw_engine_abort(store);
    else
        rc = gw_engine_commit(store);
    if (!rc) {
        gw_logs_publish_dirty(store);
        return 0;
    }
    store->stale = gw_logs_reload_dirty(store) != 0;
    return rc == MDB_MAP_FULL && gw_engine_grow(store, true) ? 0 : rc;
}

static int give_up(struct gw_store_log *log, struct gw_store_sink *sink)
{
    int rc = 0;
    if (sink->count)
        gw_store_find(log->store, MG_WARN,
                      "route %s: sink \"%s\" is not configured any more; the %llu events that it "
                      "has not had are discarded",
                      log->name, sink->label, (unsigned long long)sink->count);
    while (sink->first < log->end && !rc)
        rc = give_up_part(log, sink);
    return rc;
}

static int give_up_unwanted(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    int rc = 0;
    place_known(log, settings);
    for (uint32_t i = 0; i < log->sink_end && !rc; i++)
        if (log->sinks[i] && log->sinks[i]->place == UINT32_MAX)
            rc = give_up(log, log->sinks[i]);
    return rc;
}

/* Those that were given up leave; who still points to them frees them after the commit. */
static int remove_unwanted(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    int rc = 0;
    place_known(log, settings);
    for (uint32_t i = 0; i < log->sink_end && !rc; i++) {
        if (!log->sinks[i] || log->sinks[i]->place != UINT32_MAX)
            continue;
        rc = remove_cursor(log, i);
        log->sinks[i] = NULL;
    }
    while (log->sink_end && !log->sinks[log->sink_end - 1])
        log->sink_end--;
    return rc;
}

static int add_missing(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    uint32_t number = 0;
    for (size_t i = 0; i < settings->sink_count; i++) {
        bool there = false;
        for (uint32_t s = 0; s < log->sink_end; s++)
            there |= log->sinks[s] && log->sinks[s]->place == i;
        if (there)
            continue;
        while (number < GW_RECORD_SINKS_MAX && log->sinks[number])
            number++;
        struct gw_store_sink *sink = gw_log_add_sink(log, number, settings->sinks[i]);
        if (!sink)
            return ENOMEM;
        sink->place = (uint32_t)i;
        gw_sink_touch(sink, log);
    }
    log->places = (uint32_t)settings->sink_count;
    log->same_numbers = true;
    for (uint32_t s = 0; s < log->sink_end; s++)
        if (log->sinks[s]) {
            log->lasting[log->sinks[s]->place] = (uint8_t)s;
            log->same_numbers &= log->sinks[s]->place == s;
        }
    return 0;
}

/* ---- the log ----------------------------------------------------------------------------------
 */

static int open_extra(struct gw_store_log *log, const char *kind, bool wanted, MDB_dbi *dbi,
                      bool *has)
{
    if (!wanted || *has)
        return 0;
    int rc = gw_engine_open_named(log->store, kind, log->number, true, dbi);
    *has = !rc;
    return rc;
}

/* What a transaction that makes or changes a log has to give back where it fails. */
struct before {
    struct gw_store_sink *sinks[GW_RECORD_SINKS_MAX];
    uint32_t sink_end;
    bool has_dedup, has_archive, has_latest;
};

static int make(struct gw_store_log *log, const struct gw_store_log_settings *s)
{
    bool had_dedup = log->has_dedup;
    int rc = log->on_disk ? 0 : gw_log_open_handles(log);
    if (!rc)
        rc = remove_unwanted(log, s);
    if (!rc)
        rc = add_missing(log, s);
    if (!rc)
        rc = open_extra(log, "dedup", s->dedup_count > 0, &log->dedup, &log->has_dedup);
    if (!rc)
        rc = open_extra(log, "archive", s->archive_keep_ms > 0 || s->archive_bytes > 0,
                        &log->archive, &log->has_archive);
    if (!rc)
        rc = open_extra(log, "latest", s->when_full == GW_FULL_LATEST_PER_KEY, &log->latest,
                        &log->has_latest);
    if (!rc && log->has_dedup && !had_dedup)
        rc = gw_dedup_load(log);
    if (!rc)
        rc = gw_log_save_entry(log);
    if (!rc)
        gw_log_touch(log);
    return rc ? rc : gw_logs_write_dirty(log->store);
}

static bool has_sink(struct gw_store_sink *const *sinks, uint32_t end,
                     const struct gw_store_sink *sink)
{
    for (uint32_t i = 0; i < end; i++)
        if (sinks[i] == sink)
            return true;
    return false;
}

static void free_others(struct gw_store_sink *const *sinks, uint32_t end,
                        struct gw_store_sink *const *but, uint32_t but_end)
{
    for (uint32_t i = 0; i < end; i++)
        if (sinks[i] && !has_sink(but, but_end, sinks[i]))
            gw_sink_free(sinks[i]);
}

static int try_make(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    struct gw_store *store = log->store;
    struct before before = {.sink_end = log->sink_end,
                            .has_dedup = log->has_dedup,
                            .has_archive = log->has_archive,
                            .has_latest = log->has_latest};
    memcpy(before.sinks, log->sinks, sizeof before.sinks);
    int rc = gw_engine_begin(store);
    if (rc)
        return rc;
    rc = make(log, settings);
    if (rc)
        gw_engine_abort(store);
    else
        rc = gw_engine_commit(store);
    if (!rc) {
        log->on_disk = true;
        free_others(before.sinks, before.sink_end, log->sinks, log->sink_end);
        gw_logs_publish_dirty(store);
        return 0;
    }
    free_others(log->sinks, log->sink_end, before.sinks, before.sink_end);
    memcpy(log->sinks, before.sinks, sizeof before.sinks);
    log->sink_end = before.sink_end;
    log->has_dedup = before.has_dedup;
    log->has_archive = before.has_archive;
    log->has_latest = before.has_latest;
    store->stale = gw_logs_reload_dirty(store) != 0;
    return rc;
}

static int make_log(struct gw_store_log *log, const struct gw_store_log_settings *settings)
{
    int rc;
    do
        rc = try_make(log, settings);
    while (rc == MDB_MAP_FULL && gw_engine_grow(log->store, true));
    return rc;
}

static void drop_new(struct gw_store *store, struct gw_store_log *log)
{
    if (!log || log->on_disk)
        return;
    store->log_count--; /* it is the last */
    gw_log_free(log);
}

static int find_or_add(struct gw_store *store, const char *route, struct gw_store_log **ret)
{
    uint32_t number;
    *ret = find(store, route);
    if (*ret)
        return 0;
    int rc = free_number(store, &number);
    if (rc)
        return rc;
    struct gw_store_log *log = gw_log_new(store, route, number);
    rc = log ? gw_log_keep(log) : ENOMEM;
    if (rc)
        gw_log_free(log);
    else
        *ret = log;
    return rc;
}

static int open_log(struct gw_store *store, const struct gw_store_log_settings *settings,
                    struct gw_store_log **ret_log, struct mg_err *reterr)
{
    struct gw_store_log *log = NULL;
    int rc = gw_engine_room_for_dbs(store, 8);
    if (!rc)
        rc = find_or_add(store, settings->route, &log);
    if (!rc)
        rc = give_up_unwanted(log, settings);
    if (!rc) {
        gw_engine_lock_map(store); /* LMDB opens databases with no reader about */
        rc = make_log(log, settings);
        gw_engine_unlock_map(store);
    }
    if (rc) {
        drop_new(store, log);
        return gw_store_fail(reterr, rc > 0 ? -rc : -EIO, "%s: route %s: %s", store->path,
                             settings->route, mdb_strerror(rc));
    }
    log->settings = *settings;
    log->settings.route = log->name;
    log->settings.sinks = NULL;
    log->configured = true;
    gw_log_publish(log);
    *ret_log = log;
    return 0;
}

int gw_store_log_open(struct gw_store *store, const struct gw_store_log_settings *settings,
                      struct gw_store_log **ret_log, struct mg_err *reterr)
{
    int error = check(settings, reterr);
    if (error)
        return error;
    if (store->read_only)
        return gw_store_fail(reterr, -EROFS, "%s: opened to be read only", store->path);
    pthread_mutex_lock(&store->turning);
    error = open_log(store, settings, ret_log, reterr);
    pthread_mutex_unlock(&store->turning);
    return error;
}
