/* SPDX-License-Identifier: Apache-2.0 */
/* Names of databases, keys, settled places. */
#include "store/rows.h"
#include "base/hash.h"
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

uint64_t gw_rows_place_sum(const struct gw_disk_place_key *key,
                           const uint64_t bits[GW_ROWS_PLACE_BITS / 64])
{
    struct {
        struct gw_disk_place_key key;
        uint64_t bits[GW_ROWS_PLACE_BITS / 64];
    } all = {.key = *key};
    memcpy(all.bits, bits, sizeof all.bits);
    return gw_hash64(&all, sizeof all);
}

uint64_t gw_rows_state_sum(struct mg_bytes key, struct mg_bytes value)
{
    uint64_t parts[2] = {gw_hash64(key.at, key.len), gw_hash64(value.at, value.len)};
    return gw_hash64(parts, sizeof parts);
}

bool gw_rows_read_state(struct mg_bytes key, struct mg_bytes row, struct mg_bytes *ret_value)
{
    uint64_t sum;
    if (row.len < sizeof sum)
        return false;
    memcpy(&sum, row.at, sizeof sum);
    *ret_value = (struct mg_bytes){(const char *)row.at + sizeof sum, row.len - sizeof sum};
    return sum == gw_rows_state_sum(key, *ret_value);
}

bool gw_rows_read_place(const struct gw_walk_entry *entry, struct gw_rows_place *ret)
{
    const struct gw_disk_place_key *key = entry->key.at;
    struct gw_disk_place place;
    if (!entry->value || entry->key.len != sizeof *key || entry->length != sizeof place)
        return false;
    memcpy(&place, entry->value, sizeof place);
    if (place.sum != gw_rows_place_sum(key, place.bits))
        return false;
    ret->log = (uint32_t)gw_rows_big(key->log, sizeof key->log);
    ret->sink = (uint32_t)gw_rows_big(key->sink, sizeof key->sink);
    ret->place = gw_rows_big(key->place, sizeof key->place);
    memcpy(ret->bits, place.bits, sizeof ret->bits);
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
