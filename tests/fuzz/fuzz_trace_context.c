/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as traceparent and as tracestate: what is read as the former is written and read again
 * as the same. */
#include "trace.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_str text = {(const char *)data, size};
    struct trace t, again;
    if (trace_parse(text, &t)) {
        char written[TRACE_TEXT_SIZE];
        trace_format(&t, written);
        /* But for the version and the flags that version 00 does not know. */
        if (!trace_parse((struct mg_str){written, strlen(written)}, &again) ||
            memcmp(written + 2, text.at + 2, 51) != 0 || again.flags != t.flags)
            abort();
    }
    /* A list with an empty member more is as valid as without. */
    char *more = malloc(size + 1);
    if (!more)
        return 0;
    if (size)
        memcpy(more, data, size);
    more[size] = ',';
    if (trace_state_is_valid(text) != trace_state_is_valid((struct mg_str){more, size + 1}))
        abort();
    free(more);
    return 0;
}
