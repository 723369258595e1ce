/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "lua": a function of the user's makes of an event another, several or none. */
#include "sandbox.h"
#include "text_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *script, *file;
    int64_t steps, memory_bytes, time_limit_ms;
};

struct lua {
    const struct mg_host *host;
    mg_instance *instance;
    struct script script;
    char *text; /* of the file; NULL: the setting's */
};

static const char *const counters[] = {"errors", "stopped", "refused", NULL};
enum { COUNT_ERRORS, COUNT_STOPPED, COUNT_REFUSED };

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "script",
     .doc = "The script's text, which defines the function translate(event).",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = SCRIPT_BYTES_MAX,
     .offset = AT(script)},
    {.name = "file",
     .doc = "The script's file, in place of script.",
     .type = MG_OPT_FILE,
     .offset = AT(file)},
    {.name = "steps",
     .value = "1000000",
     .doc = "Instructions for one event, to about a thousand; what is allocated, searched and "
            "sorted counts, too.",
     .type = MG_OPT_INT,
     .least = 1000,
     .most = 1000000000,
     .offset = AT(steps)},
    {.name = "memory",
     .value = "16MiB",
     .doc = "Memory of the script, on each shard.",
     .type = MG_OPT_SIZE,
     .least = 1 << 20,
     .most = 1 << 30,
     .offset = AT(memory_bytes)},
    {.name = "time_limit",
     .value = "1s",
     .doc = "A last bound on one event, for steps that take unusually long.",
     .type = MG_OPT_DURATION_MS,
     .least = 10,
     .most = 60000,
     .offset = AT(time_limit_ms)},
    {0}};

/* ---- the script ----------------------------------------------------------------------------- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int load(const struct settings *s, struct script *ret_script, char **ret_text,
                struct mg_err *reterr)
{
    *ret_script = (struct script){.name = "script",
                                  .text = s->script,
                                  .length = s->script ? strlen(s->script) : 0,
                                  .steps_limit = s->steps,
                                  .memory_limit_bytes = s->memory_bytes,
                                  .time_limit_ms = s->time_limit_ms};
    *ret_text = NULL;
    reterr->option = s->file ? "file" : "script";
    if (!s->script == !s->file) {
        snprintf(reterr->text, sizeof reterr->text, "one of script and file is needed");
        return -EINVAL;
    }
    if (!s->file)
        return 0;
    ret_script->name = file_name(s->file);
    int error = text_file_read(s->file, SCRIPT_BYTES_MAX, ret_text, &ret_script->length, reterr);
    ret_script->text = *ret_text;
    return error;
}

static void nothing(lua_State *L, struct sandbox *s)
{
    (void)L;
    (void)s;
}

/* Compiles it, and runs what is outside of its functions. */
static int check(const void *settings, struct mg_err *reterr)
{
    struct script script;
    char *text;
    struct sandbox sandbox = {0};
    int error = load(settings, &script, &text, reterr);
    if (!error)
        error = sandbox_init(&sandbox, &script, reterr);
    if (!error)
        error = sandbox_run(&sandbox, nothing, reterr);
    sandbox_fini(&sandbox);
    free(text);
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct lua *l = self;
    if (l)
        free(l->text);
    free(l);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct lua *l = calloc(1, sizeof *l);
    if (!l) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    l->host = host;
    l->instance = instance;
    int error = load(settings, &l->script, &l->text, reterr);
    if (error) {
        destroy(l);
        return error;
    }
    *ret_self = l;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    if (context)
        sandbox_fini(context);
    free(context);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct lua *l = self;
    struct sandbox *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    int error = sandbox_init(s, &l->script, reterr);
    if (error) {
        shard_close(self, s);
        return error;
    }
    s->host = l->host;
    s->instance = l->instance;
    s->shard = shard;
    *ret_context = s;
    return 0;
}

/* ---- an event ------------------------------------------------------------------------------- */

static void translate(lua_State *L, struct sandbox *s)
{
    (void)s;
    lua_pushvalue(L, 1);
    event_push(L);
    lua_call(L, 1, 2);
    event_take(L, 2);
}

static void give_back(struct sandbox *s)
{
    for (size_t i = 0; i < s->out_count; i++)
        s->host->event_unref(s->out[i]);
    s->out_count = 0;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct lua *l = self;
    struct sandbox *s = context;
    s->call = call;
    s->out_count = 0;
    int error = sandbox_run(s, translate, &result->err);
    s->call = NULL;
    if (error) {
        give_back(s);
        l->host->count(l->instance, error == -E2BIG ? COUNT_STOPPED : COUNT_ERRORS, 1);
        return MG_REJECT;
    }
    if (s->verdict == MG_REPLACE) {
        result->events = s->out;
        result->count = s->out_count;
        return MG_REPLACE;
    }
    give_back(s);
    if (s->verdict == MG_REJECT) {
        l->host->count(l->instance, COUNT_REFUSED, 1);
        snprintf(result->err.text, sizeof result->err.text, "%s", s->reason);
    } else if (s->verdict == MG_DROP) {
        snprintf(result->err.text, sizeof result->err.text, "the script returned no event");
    }
    return s->verdict;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "lua",
    .version = "1.0.0",
    .summary = "Makes of an event another, several or none by a function in Lua, within limits.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
