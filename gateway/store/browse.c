/* SPDX-License-Identifier: Apache-2.0 */
/* Logs without their configuration. */
#include "store/browse.h"
#include "store/internal.h"
#include <errno.h>

/* Its sinks get places in the order of their lasting numbers.  The settings stay zero: nothing is
 * appended, so no limit of them is asked for. */
static void adopt(struct gw_store_log *log)
{
    log->places = 0;
    log->same_numbers = true;
    for (uint32_t i = 0; i < log->sink_end; i++) {
        if (!log->sinks[i])
            continue;
        log->same_numbers = log->same_numbers && i == log->places;
        log->sinks[i]->place = log->places;
        log->lasting[log->places++] = (uint8_t)i;
    }
    log->configured = true;
    gw_log_publish(log);
}

int gw_store_log_each(struct gw_store *store,
                      void (*each)(void *arg, const char *route, struct gw_store_log *log,
                                   const char *const *sinks, size_t sink_count),
                      void *arg)
{
    for (size_t i = 0; i < store->log_count; i++) {
        struct gw_store_log *log = store->logs[i];
        const char *sinks[GW_RECORD_SINKS_MAX];
        pthread_mutex_lock(&store->turning);
        if (!log->configured && store->manual)
            adopt(log);
        for (uint32_t p = 0; p < log->places; p++)
            sinks[p] = log->sinks[log->lasting[p]]->label;
        pthread_mutex_unlock(&store->turning);
        each(arg, log->name, log, sinks, log->places);
    }
    return 0;
}
