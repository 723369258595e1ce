/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be stamped, and where. */
#pragma once
#include "doc_path.h"

enum stamp_kind {
    STAMP_TIME,
    STAMP_TIME_MS,
    STAMP_CREATED,
    STAMP_CREATED_MS,
    STAMP_GATEWAY,
    STAMP_ROUTE,
    STAMP_HOST,
    STAMP_HOPS,
    STAMP_UUID,
    STAMP_UUID7,
    STAMP_HASH,
    STAMP_RUN,
    STAMP_SEQUENCE,
};
enum stamp_message_id { ID_NONE, ID_UUID, ID_UUID7, ID_HASH };
enum stamp_trace { TRACE_OFF, TRACE_START, TRACE_CHILD };

struct settings {
    const struct mg_node *properties, *payload;
    uint32_t message_id, trace;
    bool created, overwrite;
    const char *sample, *trace_prefix;
    int64_t max_hops;
};

/* One place and what goes there. */
struct stamp {
    enum stamp_kind kind;
    struct mg_str property; /* of the settings' YAML; unset: path */
    struct doc_path *path;
};
struct stamps {
    struct stamp *items; /* those of the payload behind those of properties */
    size_t count;
    double sample; /* 0..1 */
};

extern const struct mg_option stamp_options[];
int stamp_check(const void *settings, struct mg_err *reterr);
/* -EINVAL: reterr says what and where; -ENOMEM.  stamps_fini is needed in each case. */
int stamps_compile(const struct settings *settings, struct stamps *ret_stamps,
                   struct mg_err *reterr);
void stamps_fini(struct stamps *stamps);
