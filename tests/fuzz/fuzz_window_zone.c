/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TZif file: where it is one, every instant has an offset of less than a few days.
 */
#include "zone.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t instants[] = {INT64_MIN,  -4000000000,     -1,         0,
                                       1000000000, 1782864000,      4102444800, 9999999999,
                                       INT64_MAX,  INT64_C(1) << 54};
    struct zone *zone = NULL;
    struct mg_err err = {.text = ""};
    int error = zone_parse(data, size, &zone, &err);
    if (!error != !!zone || (error && !err.text[0]))
        abort(); /* a zone, or a reason why there is none */
    for (size_t i = 0; zone && i < sizeof instants / sizeof instants[0]; i++) {
        int32_t offset = zone_offset(zone, instants[i]);
        if (offset > 8 * 86400 || offset < -8 * 86400)
            abort();
    }
    zone_destroy(zone);
    return 0;
}
