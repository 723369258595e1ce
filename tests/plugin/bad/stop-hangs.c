/* SPDX-License-Identifier: Apache-2.0 */
/* Its stop never returns. */
#include "good.h"
#include <unistd.h>

static void stop(void *self)
{
    (void)self;
    for (;;)
        pause();
}

static const struct mg_life life = {.create = good_create, .stop = stop, .destroy = good_destroy};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("stop-hangs");
    module.life = &life;
    return &module;
}
