/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context, Level 1 (Recommendation of 23 November 2021): the texts traceparent and
 * tracestate. */
#pragma once
#include "meshgate/plugin.h"

enum { TRACE_SAMPLED = 1, TRACE_TEXT_SIZE = 56 }; /* with a NUL */

struct trace {
    uint8_t trace_id[16];
    uint8_t parent_id[8];
    uint8_t flags; /* of version 00: TRACE_SAMPLED and nothing else */
};

/* "Traceparent Header Field Values"; of a later version what "Versioning of traceparent" allows. */
bool trace_parse(struct mg_str text, struct trace *ret_trace);
/* As version 00. */
void trace_format(const struct trace *trace, char out[static TRACE_TEXT_SIZE]);
/* "Tracestate Header Field Values": at most 32 members, each key once. */
bool trace_state_is_valid(struct mg_str text);
/* Lower-case hexadecimal digits and a NUL, into out of 2 * length + 1. */
void hex_write(const uint8_t *bytes, size_t length, char *out);
