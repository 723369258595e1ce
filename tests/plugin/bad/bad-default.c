/* SPDX-License-Identifier: Apache-2.0 */
/* The default of an option is not of its type. */
#include "good.h"

struct settings {
    int64_t every_ms;
};

static const struct mg_option options[] = {
    {.name = "every",
     .type = MG_OPT_DURATION_MS,
     .value = "soon",
     .doc = "How often.",
     .offset = offsetof(struct settings, every_ms)},
    {0},
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("bad-default");
    module.options = options;
    module.settings_size = sizeof(struct settings);
    return &module;
}
