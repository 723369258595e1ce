/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin: a filter for meshgate.  An event passes when its payload contains a text.
 *
 * What holds for a filter:
 *  - It answers MG_PASS, MG_DROP (policy: counted, the source hears "accepted") or MG_REJECT (the
 *    event itself is at fault).  It does not change events, and does not wait.
 *  - Several shards (threads) call one instance at the same time: what is in it does not change
 *    after create.  What changes belongs in a context for each shard: life.shard_open.
 *  - The event is const and lent for the call: event_ref keeps it for longer. */
#include <meshgate/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the user may configure: the gateway fills this struct from the YAML by the table below,
 * and refuses what does not fit. */
struct settings {
    const char *contains;
};

static const struct mg_option options[] = {
    {.name = "contains",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_REQUIRED,
     .least = 1,
     .most = 256,
     .doc = "The text that the payload must contain.",
     .offset = offsetof(struct settings, contains)},
    {0},
};

enum { COUNT_WITHOUT };
static const char *const counters[] = {"without", NULL};

/* One step of a route. */
struct filter {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings; /* live until destroy */
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct filter *self = calloc(1, sizeof *self);
    (void)reterr;
    if (!self)
        return -ENOMEM;
    *self = (struct filter){.host = host, .instance = instance, .settings = settings};
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self); /* NULL, where create failed, is fine */
}

static bool contains(struct mg_bytes payload, const char *text)
{
    const char *at = payload.at;
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= payload.len; i++)
        if (!memcmp(at + i, text, length))
            return true;
    return false;
}

static uint32_t process(void *arg, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    const struct filter *self = arg;
    (void)context;
    if (contains(self->host->event_payload(call->event), self->settings->contains))
        return MG_PASS;
    self->host->count(self->instance, COUNT_WITHOUT, 1);
    /* Why, for logs and for who asks where an event has gone. */
    snprintf(ret_result->err.text, sizeof ret_result->err.text, "does not contain \"%s\"",
             self->settings->contains);
    return MG_DROP;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_step_ops ops = {
    .size = sizeof ops, .process = process, .traits = MG_STEP_STATELESS};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "my-plugin",
    .version = "0.1.0",
    .summary = "Lets events pass whose payload contains a text.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .life = &life,
    .ops = &ops,
};

/* The one exported symbol. */
const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
