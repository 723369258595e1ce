/* SPDX-License-Identifier: Apache-2.0 */
/* An option lies outside of the settings struct. */
#include "good.h"

struct settings {
    int64_t limit;
};

static const struct mg_option options[] = {
    {.name = "limit", .type = MG_OPT_INT, .doc = "The limit.", .offset = sizeof(struct settings)},
    {0},
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("option-outside");
    module.options = options;
    module.settings_size = sizeof(struct settings);
    return &module;
}
