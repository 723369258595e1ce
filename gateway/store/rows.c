/* SPDX-License-Identifier: Apache-2.0 */
/* Names of databases, keys, settled places. */
#include "store/rows.h"
#include <string.h>

bool gw_rows_is(struct mg_str database, const char *name)
{
    return database.len == strlen(name) && !memcmp(database.at, name, database.len);
}

bool gw_rows_begins(struct mg_str database, const char *prefix)
{
    return database.len > strlen(prefix) && !memcmp(database.at, prefix, strlen(prefix));
}

uint32_t gw_rows_number(struct mg_str database, const char *prefix)
{
    uint64_t number = 0;
    for (size_t i = strlen(prefix); i < database.len && number <= UINT32_MAX; i++)
        number = database.at[i] < '0' || database.at[i] > '9'
                     ? UINT64_MAX
                     : number * 10 + (uint64_t)(database.at[i] - '0');
    return number > UINT32_MAX ? 0 : (uint32_t)number;
}

uint64_t gw_rows_big(const uint8_t *at, size_t length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | at[i];
    return number;
}

bool gw_rows_read_place(const struct gw_walk_entry *entry, struct gw_rows_place *ret)
{
    const struct gw_disk_place_key *key = entry->key.at;
    if (!entry->value || entry->key.len != sizeof *key || entry->length != sizeof ret->bits)
        return false;
    ret->log = (uint32_t)gw_rows_big(key->log, sizeof key->log);
    ret->sink = (uint32_t)gw_rows_big(key->sink, sizeof key->sink);
    ret->place = gw_rows_big(key->place, sizeof key->place);
    memcpy(ret->bits, entry->value, sizeof ret->bits);
    return true;
}

bool gw_rows_place_has(const struct gw_rows_place *places, size_t count, uint32_t log,
                       uint32_t sink, uint64_t sequence)
{
    uint64_t place = sequence / GW_ROWS_PLACE_BITS;
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct gw_rows_place *p = &places[middle];
        if (p->log == log && p->sink == sink && p->place == place)
            return p->bits[sequence % GW_ROWS_PLACE_BITS / 64] >> sequence % 64 & 1;
        bool before = p->log != log     ? p->log < log
                      : p->sink != sink ? p->sink < sink
                                        : p->place < place;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return false;
}
