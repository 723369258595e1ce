/* SPDX-License-Identifier: Apache-2.0 */
/* Its create fails after it has allocated the one half: destroy must get that half. */
#include "good.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    char *half = malloc(64);
    (void)settings;
    if (!half)
        return -ENOMEM;
    memset(half, 'x', 64);
    *ret_self = half;
    host->log(instance, MG_INFO, "create has got half-way");
    snprintf(reterr->text, sizeof reterr->text, "the other half is missing");
    return -ENXIO;
}

static const struct mg_life life = {.create = create, .destroy = free};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("create-half-way");
    module.life = &life;
    return &module;
}
