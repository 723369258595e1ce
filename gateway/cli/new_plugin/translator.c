/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin: a translator for meshgate.  It puts a text before each payload.
 *
 * What holds for a translator:
 *  - Its result depends on the event and the settings alone.  It answers MG_PASS (as it is),
 *    MG_REPLACE (these events instead), MG_DROP or MG_REJECT (the event itself is at fault), and
 *    never waits.
 *  - An event is const: edit_new makes a draft that shares what is not replaced, edit_publish an
 *    event of it.
 *  - Several shards (threads) call one instance at the same time: what is in it does not change
 *    after create.  What changes is in the context, of which each shard has its own. */
#include <meshgate/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES_MAX = 1024 };

/* What the user may configure: the gateway fills this struct from the YAML by the table below,
 * and refuses what does not fit. */
struct settings {
    const mg_template *prefix;
};

static const struct mg_option options[] = {
    {.name = "prefix",
     .type = MG_OPT_TEMPLATE,
     .flags = MG_OPT_REQUIRED,
     .doc = "What stands before the payload, such as \"{line}: \"; at most 1,024 bytes.",
     .offset = offsetof(struct settings, prefix)},
    {0},
};

/* One step of a route. */
struct translator {
    const struct mg_host *host;
    const struct settings *settings; /* live until destroy */
};

/* What one shard needs: the array of MG_REPLACE stays the module's. */
struct shard {
    mg_event *out[1];
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct translator *self = calloc(1, sizeof *self);
    (void)instance, (void)reterr;
    if (!self)
        return -ENOMEM;
    *self = (struct translator){.host = host, .settings = settings};
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self); /* NULL, where create failed, is fine */
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)self, (void)shard, (void)reterr;
    *ret_context = calloc(1, sizeof(struct shard));
    return *ret_context ? 0 : -ENOMEM;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    free(context);
}

/* NULL: out of memory. */
static mg_event *with_prefix(const struct mg_host *host, const mg_event *event, const char *prefix,
                             size_t length)
{
    struct mg_bytes old = host->event_payload(event);
    struct mg_bytes payload = {NULL, length + old.len};
    char *bytes = malloc(payload.len + 1);
    mg_edit *edit = bytes ? host->edit_new(event) : NULL;
    if (!edit) {
        free(bytes);
        return NULL;
    }
    memcpy(bytes, prefix, length);
    if (old.len)
        memcpy(bytes + length, old.at, old.len);
    payload.at = bytes;
    if (host->edit_payload(edit, payload, free, bytes)) { /* takes bytes, where it succeeds */
        free(bytes);
        host->edit_free(edit);
        return NULL;
    }
    return host->edit_publish(edit);
}

static uint32_t process(void *arg, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    const struct translator *self = arg;
    struct shard *shard = context;
    char prefix[PREFIX_BYTES_MAX];
    ptrdiff_t length = self->host->expand(self->settings->prefix, call->scope, call->event, prefix,
                                          sizeof prefix, &ret_result->err);
    if (length < 0) {
        if (length == -ENOSPC)
            snprintf(ret_result->err.text, sizeof ret_result->err.text,
                     "the prefix has more than %d bytes", PREFIX_BYTES_MAX);
        return MG_REJECT; /* else err says which name has no value */
    }
    shard->out[0] = with_prefix(self->host, call->event, prefix, (size_t)length);
    if (!shard->out[0]) {
        snprintf(ret_result->err.text, sizeof ret_result->err.text, "out of memory");
        return MG_REJECT;
    }
    ret_result->events = shard->out;
    ret_result->count = 1;
    return MG_REPLACE;
}

static const struct mg_life life = {
    .create = create,
    .destroy = destroy,
    .shard_open = shard_open,
    .shard_close = shard_close,
};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "my-plugin",
    .version = "0.1.0",
    .summary = "Puts a text before each payload.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .life = &life,
    .ops = &ops,
};

/* The one exported symbol. */
const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
