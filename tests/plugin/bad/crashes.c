/* SPDX-License-Identifier: Apache-2.0 */
/* An enricher that ends the process, or holds its thread up, where and how it is told to. */
#define MG_BUILD "made to crash"
#include "meshgate/plugin.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOW_SEGV, HOW_BUS, HOW_ILL, HOW_FPE, HOW_ABORT, HOW_OVERFLOW, HOW_SLOW };
static const char *const hows[] = {"segv", "bus", "ill", "fpe", "abort", "overflow", "slow", NULL};
enum { WHERE_PROCESS, WHERE_JOB, WHERE_TIMER, WHERE_CREATE, WHERE_CHECK };
static const char *const wheres[] = {"process", "job", "timer", "create", "check", NULL};

struct settings {
    uint32_t how, where;
    int64_t slow_ms;
};

static const struct mg_option options[] = {
    {.name = "how",
     .type = MG_OPT_ENUM,
     .flags = MG_OPT_REQUIRED,
     .choices = hows,
     .doc = "By which signal, or that it only takes its time.",
     .offset = offsetof(struct settings, how)},
    {.name = "where",
     .type = MG_OPT_ENUM,
     .value = "process",
     .choices = wheres,
     .doc = "In which of its functions.",
     .offset = offsetof(struct settings, where)},
    {.name = "slow",
     .type = MG_OPT_DURATION_MS,
     .value = "0s",
     .doc = "How long it takes.",
     .offset = offsetof(struct settings, slow_ms)},
    {0},
};

struct step {
    const struct mg_host *host;
    const struct settings *settings;
};

struct shard {
    const struct step *step;
    mg_shard *shard;
    mg_timer *timer;
};

/* The compiler can prove neither that it ends nor what it does. */
static int deeper(volatile char *outer)
{
    volatile char here[4096];
    here[0] = outer ? outer[0] : 1;
    return here[0] ? deeper(here) + here[4095] : 0;
}

static void crash(const struct settings *s)
{
    static int *volatile nowhere;
    struct timespec left = {.tv_sec = s->slow_ms / 1000, .tv_nsec = s->slow_ms % 1000 * 1000000};
    switch (s->how) {
    case HOW_SEGV:
        *nowhere = 1;
        return;
    case HOW_BUS:
        raise(SIGBUS);
        return;
    case HOW_ILL:
        raise(SIGILL);
        return;
    case HOW_FPE:
        raise(SIGFPE); /* not every machine's division by 0 does */
        return;
    case HOW_ABORT:
        abort();
    case HOW_OVERFLOW:
        left.tv_sec = deeper(NULL);
        return;
    default:
        while (nanosleep(&left, &left) && errno == EINTR) {
        }
    }
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    (void)reterr;
    if (s->where == WHERE_CHECK)
        crash(s);
    return 0;
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct step *step = calloc(1, sizeof *step);
    (void)instance, (void)reterr;
    if (!step)
        return -ENOMEM;
    if (s->where == WHERE_CREATE)
        crash(s);
    *step = (struct step){host, s};
    *ret_self = step;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static void fired(void *arg)
{
    const struct shard *shard = arg;
    crash(shard->step->settings);
}

static int shard_open(void *self, mg_shard *handle, void **ret_context, struct mg_err *reterr)
{
    const struct step *step = self;
    struct shard *shard = calloc(1, sizeof *shard);
    (void)reterr;
    if (!shard)
        return -ENOMEM;
    *shard = (struct shard){.step = step, .shard = handle};
    if (step->settings->where == WHERE_TIMER)
        shard->timer = step->host->timer_start(handle, 1, 0, fired, shard);
    *ret_context = shard;
    return 0;
}

static void shard_close(void *self, void *context)
{
    const struct step *step = self;
    struct shard *shard = context;
    step->host->timer_stop(shard->timer);
    free(shard);
}

static void job(void *arg)
{
    const struct step *step = arg;
    crash(step->settings);
}

static void done(void *arg)
{
    (void)arg;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    struct step *step = self;
    const struct shard *shard = context;
    (void)call, (void)ret_result;
    if (step->settings->where == WHERE_PROCESS)
        crash(step->settings);
    else if (step->settings->where == WHERE_JOB)
        step->host->work(shard->shard, job, done, step);
    return MG_PASS;
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
    .name = "crashes",
    .version = "6.6.6",
    .summary = "Ends the process, or holds its thread up.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
