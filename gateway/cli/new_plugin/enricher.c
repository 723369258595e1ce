/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin: an enricher for meshgate.  It adds the first line of a file as a property, and reads
 * the file for each event on the thread pool.
 *
 * What holds for an enricher:
 *  - It may look things up, and wait for them: MG_PENDING now, and later exactly one resume with
 *    one of the other verdicts.  MG_PASS: as it is.  MG_REPLACE: these events instead.  MG_DROP:
 *    policy.  MG_REJECT: the event itself is at fault.  MG_RETRY: not now, bring it again.
 *  - Nothing on a shard may block.  What blocks is a job for the thread pool (work); a socket is
 *    watched by the shard's loop (io_watch, timer_start).
 *  - The event is const and lent for the call: event_ref keeps it for longer.
 *  - Several shards (threads) call one instance at the same time: what is in it does not change
 *    after create.  What changes belongs in a context for each shard. */
#include <meshgate/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 4096 };

/* What the user may configure: the gateway fills this struct from the YAML by the table below,
 * and refuses what does not fit. */
struct settings {
    const char *file;
    const char *into;
};

static const struct mg_option options[] = {
    {.name = "file",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .doc = "The file whose first line is added, at most 4,096 bytes of it.",
     .offset = offsetof(struct settings, file)},
    {.name = "into",
     .type = MG_OPT_TEXT,
     .value = "note",
     .least = 1,
     .most = 128,
     .doc = "The property that gets it.",
     .offset = offsetof(struct settings, into)},
    {0},
};

enum { COUNT_FAILED };
static const char *const counters[] = {"failed", NULL};

/* One step of a route. */
struct enricher {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings; /* live until destroy */
};

/* One event that waits.  The route's window bounds how many do. */
struct lookup {
    const struct enricher *self;
    mg_event *event;
    mg_token pending;
    int error;
    size_t length;
    char line[LINE_BYTES_MAX];
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct enricher *self = calloc(1, sizeof *self);
    (void)reterr;
    if (!self)
        return -ENOMEM;
    *self = (struct enricher){.host = host, .instance = instance, .settings = settings};
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self); /* NULL, where create failed, is fine */
}

/* The context is the shard itself: all that process needs of it is where to come back to. */
static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)self, (void)reterr;
    *ret_context = shard;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self, (void)context;
}

/* On a thread of the pool: no services of the host here but those that are marked ANY. */
static void read_line(void *arg)
{
    struct lookup *lookup = arg;
    FILE *file = fopen(lookup->self->settings->file, "re");
    if (!file) {
        lookup->error = errno;
        return;
    }
    if (fgets(lookup->line, sizeof lookup->line, file))
        lookup->length = strcspn(lookup->line, "\r\n");
    else if (ferror(file))
        lookup->error = EIO;
    fclose(file);
}

/* NULL: out of memory. */
static mg_event *with_line(const struct lookup *lookup)
{
    const struct mg_host *host = lookup->self->host;
    const char *into = lookup->self->settings->into;
    struct mg_str name = {into, strlen(into)};
    struct mg_value value = {.type = MG_TEXT};
    value.as.text = (struct mg_str){lookup->line, lookup->length};
    mg_edit *edit = host->edit_new(lookup->event);
    if (!edit)
        return NULL;
    /* Names may repeat: what the event has under this one goes first. */
    if (host->edit_property(edit, name, NULL) || host->edit_property(edit, name, &value)) {
        host->edit_free(edit);
        return NULL;
    }
    return host->edit_publish(edit);
}

/* Back on the shard. */
static void looked_up(void *arg)
{
    struct lookup *lookup = arg;
    const struct enricher *self = lookup->self;
    mg_event *out = lookup->error ? NULL : with_line(lookup);
    if (out) {
        self->host->resume(lookup->pending, MG_REPLACE, &out, 1, NULL); /* takes out */
    } else {
        char why[256];
        snprintf(why, sizeof why, "%.180s: %s", self->settings->file,
                 strerror(lookup->error ? lookup->error : ENOMEM));
        self->host->count(self->instance, COUNT_FAILED, 1);
        self->host->resume(lookup->pending, MG_RETRY, NULL, 0, why);
    }
    self->host->event_unref(lookup->event);
    free(lookup);
}

static uint32_t process(void *arg, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    const struct enricher *self = arg;
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup) {
        lookup->self = self;
        lookup->pending = call->pending;
        lookup->event = self->host->event_ref(call->event);
    }
    if (!lookup || !lookup->event || self->host->work(context, read_line, looked_up, lookup)) {
        if (lookup)
            self->host->event_unref(lookup->event); /* NULL is fine */
        free(lookup);
        snprintf(ret_result->err.text, sizeof ret_result->err.text, "out of memory");
        return MG_RETRY;
    }
    return MG_PENDING;
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
    .kind = MG_ENRICHER,
    .name = "my-plugin",
    .version = "0.1.0",
    .summary = "Adds the first line of a file as a property.",
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
