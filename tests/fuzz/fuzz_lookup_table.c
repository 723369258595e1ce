/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a lookup table: the first byte chooses format and options, the rest is the file. */
#include "json_scan.h"
#include "table.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct table_options options = {
        .format = data[0] & 1 ? TABLE_JSON : TABLE_CSV,
        .delimiter = data[0] & 2 ? ';' : ',',
        .typed = data[0] & 4,
        .key_column = data[0] & 8 ? "id" : NULL,
        .column = data[0] & 16 ? "a" : NULL,
        .multiple = data[0] & 32 ? MULTIPLE_LIST : MULTIPLE_ERROR,
        .most_bytes = 1 << 20,
    };
    struct table *table = NULL;
    struct mg_err err = {.text = ""};
    int error = table_parse(&options, (const char *)data + 1, size - 1, &table, &err);
    if (!error == !table || (error && !err.text[0]))
        abort(); /* a table, or a reason why there is none */
    const struct table_row *row = table ? table_find(table, (struct mg_str){"1", 1}) : NULL;
    for (; row; row = row->next)
        if (!scan_is_json(row->json))
            abort();
    table_unref(table);
    return 0;
}
