/* SPDX-License-Identifier: Apache-2.0 */
/* The translator's own: its settings, what a shard has, and the verdict on an event. */
#pragma once
#include "validator.h"

enum by { BY_NOTHING, BY_DATASCHEMA };
enum root { OF_DATA, OF_PAYLOAD };
enum invalid { INVALID_REJECT, INVALID_DEAD_LETTER, INVALID_TAG, INVALID_DROP };
enum formats { FORMATS_ANNOTATE, FORMATS_ASSERT };

struct settings {
    const char *file;
    const struct mg_node *schema;
    struct mg_list schemas; /* of const char * */
    uint32_t by, draft, of, on_invalid, formats;
    int64_t errors, max_size;
};

struct translator {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct validator *validator;
};

struct context {
    struct doc *doc;
    struct run run;
    struct report_entry entries[REPORT_ENTRIES_MAX];
    char said[REPORT_ENTRIES_MAX * (REPORT_BYTES + 2)];
    mg_event *out[1];
};

/* 0: it fits.  -EINVAL, -EOVERFLOW (it would take too much): context->said says why. */
int judge_event(const struct translator *t, struct context *context, const mg_event *event);
