/* SPDX-License-Identifier: Apache-2.0 */
/* A filter that answers another event, which only enrichers and translators may. */
#include "good.h"

static const struct mg_host *the_host;

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    the_host = host;
    return good_create(host, instance, settings, ret_self, reterr);
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    static _Thread_local mg_event *rewritten;
    (void)self, (void)context;
    mg_edit *edit = the_host->edit_new(call->event);
    the_host->edit_payload(edit, (struct mg_bytes){"forged", 6}, NULL, NULL);
    rewritten = the_host->edit_publish(edit);
    ret_result->events = &rewritten;
    ret_result->count = 1;
    return MG_REPLACE;
}

static const struct mg_life life = {.create = create, .destroy = good_destroy};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("filter-rewrites");
    module.life = &life;
    module.ops = &ops;
    return &module;
}
