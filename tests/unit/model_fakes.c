/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors whose operations do nothing but check their configuration. */
#include "model_fakes.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)host, (void)instance, (void)settings, (void)ret_self, (void)reterr;
    return -ENOTSUP;
}

static void destroy(void *self)
{
    (void)self;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)self, (void)shard, (void)ret_context, (void)reterr;
    return -ENOTSUP;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static void shard_close(void *self, void *context)
{
    (void)self, (void)context;
}

static const struct mg_life remembering = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};

static int open_connection(void *self, mg_connection *c, uint32_t index, void **ret,
                           struct mg_err *reterr)
{
    (void)self, (void)c, (void)index, (void)ret, (void)reterr;
    return -ENOTSUP;
}

static int open_source(void *context, mg_source *s, const char *address, const void *settings,
                       void **ret, struct mg_err *reterr)
{
    (void)context, (void)s, (void)address, (void)settings, (void)ret, (void)reterr;
    return -ENOTSUP;
}

static int open_sink(void *context, mg_sink *s, const char *address, const void *settings,
                     void **ret, struct mg_err *reterr)
{
    (void)context, (void)s, (void)address, (void)settings, (void)ret, (void)reterr;
    return -ENOTSUP;
}

static int begin(void *context, struct mg_err *reterr)
{
    (void)context, (void)reterr;
    return -ENOTSUP;
}

static void credit(void *context, void *source, uint32_t more)
{
    (void)context, (void)source, (void)more;
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    (void)context, (void)source, (void)cookie, (void)outcome, (void)reason;
}

static int send_event(void *context, void *sink, const struct mg_delivery *d, struct mg_err *reterr)
{
    (void)context, (void)sink, (void)d, (void)reterr;
    return -EAGAIN;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    (void)self, (void)context, (void)call, (void)result;
    return MG_PASS;
}

static int refuse(struct mg_err *err, const char *option, const char *text, const char *value)
{
    snprintf(err->text, sizeof err->text, "%s: %s", text, value);
    err->option = option;
    return -EINVAL;
}

#define BRIDGE_OPS(what, end_of)                                                                   \
    {                                                                                              \
        .size = sizeof(struct mg_bridge_ops), .abilities = (what), .end = (end_of),                \
        .open = open_connection, .open_source = open_source, .open_sink = open_sink,               \
        .begin = begin, .credit = credit, .settled = settled, .send = send_event,                  \
        .close = destroy, .destroy = destroy,                                                      \
    }

/* ---- quick ----------------------------------------------------------------------------------- */

struct quick {
    const char *url, *client_id;
    int64_t version, keep_alive_ms;
    bool clean_start;
};
struct quick_end {
    int64_t qos;
};
static const struct mg_option quick_options[] = {
    {.name = "url",
     .type = MG_OPT_URL,
     .flags = MG_OPT_REQUIRED,
     .doc = "The broker.",
     .offset = offsetof(struct quick, url)},
    {.name = "client_id",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 23,
     .doc = "The name of the client.",
     .offset = offsetof(struct quick, client_id)},
    {.name = "version",
     .type = MG_OPT_INT,
     .value = "5",
     .least = 3,
     .most = 5,
     .doc = "The protocol's version.",
     .offset = offsetof(struct quick, version)},
    {.name = "keep_alive",
     .type = MG_OPT_DURATION_MS,
     .value = "30s",
     .least = 1000,
     .most = 65535000,
     .doc = "Between pings.",
     .offset = offsetof(struct quick, keep_alive_ms)},
    {.name = "clean_start",
     .type = MG_OPT_BOOL,
     .value = "false",
     .doc = "Forget the session.",
     .offset = offsetof(struct quick, clean_start)},
    {0},
};
static const struct mg_option quick_end_options[] = {
    {.name = "qos",
     .type = MG_OPT_INT,
     .value = "1",
     .least = 0,
     .most = 2,
     .doc = "The quality of service.",
     .offset = offsetof(struct quick_end, qos)},
    {0},
};
static int quick_end(const void *settings, uint32_t direction, const char *address,
                     const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    const struct quick_end *end = end_settings;
    (void)settings;
    if (direction == MG_SINK && strstr(address, "//"))
        return refuse(reterr, "address", "an empty level", address);
    ret_end->abilities = direction == MG_SOURCE
                             ? MG_SOURCE | MG_FILTERS | MG_ORDERED
                             : MG_SINK | MG_ORDERED | (end->qos ? MG_CONFIRMS : 0);
    if (direction == MG_SOURCE && !strncmp(address, "$share/", 7))
        ret_end->abilities |= MG_COMPETES;
    ret_end->carries = MG_CARRIES_PROPERTIES | MG_CARRIES_RETAIN | MG_CARRIES_EXPIRY |
                       MG_CARRIES_BINARY | MG_CARRIES_ADDRESS;
    return 0;
}
static const struct mg_bridge_ops quick_ops =
    BRIDGE_OPS(MG_SOURCE | MG_SINK | MG_CONFIRMS | MG_FILTERS | MG_COMPETES, quick_end);
static const struct mg_module quick = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "quick",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = quick_options,
    .settings_size = sizeof(struct quick),
    .source_options = quick_end_options,
    .source_settings_size = sizeof(struct quick_end),
    .sink_options = quick_end_options,
    .sink_settings_size = sizeof(struct quick_end),
    .life = &life,
    .ops = &quick_ops,
};

/* ---- late ------------------------------------------------------------------------------------ */

struct late {
    const char *url, *user, *password, *ca;
    struct mg_list hosts;
    int64_t frame_bytes;
    double ratio;
    uint32_t sasl;
};
static const char *const late_sasl[] = {"anonymous", "plain", "external", NULL};
static const struct mg_option late_tls_options[] = {
    {.name = "ca",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .doc = "A file of certificates.",
     .offset = offsetof(struct late, ca)},
    {0},
};
static const struct mg_option late_options[] = {
    {.name = "url",
     .type = MG_OPT_URL,
     .value = "amqp://localhost",
     .doc = "The broker.",
     .offset = offsetof(struct late, url)},
    {.name = "user", .type = MG_OPT_TEXT, .doc = "Who.", .offset = offsetof(struct late, user)},
    {.name = "password",
     .type = MG_OPT_SECRET,
     .doc = "The secret.",
     .offset = offsetof(struct late, password)},
    {.name = "tls",
     .type = MG_OPT_MAP,
     .doc = "TLS.",
     .inside = late_tls_options,
     .inside_size = sizeof(struct late),
     .offset = 0},
    {.name = "hosts",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_LIST,
     .doc = "More of them.",
     .offset = offsetof(struct late, hosts)},
    {.name = "frame",
     .type = MG_OPT_SIZE,
     .value = "64KiB",
     .least = 512,
     .most = 1 << 20,
     .doc = "The largest frame.",
     .offset = offsetof(struct late, frame_bytes)},
    {.name = "ratio",
     .type = MG_OPT_DOUBLE,
     .value = "0.5",
     .least = 0,
     .most = 1,
     .doc = "A number.",
     .offset = offsetof(struct late, ratio)},
    {.name = "sasl",
     .type = MG_OPT_ENUM,
     .value = "anonymous",
     .choices = late_sasl,
     .doc = "The mechanism.",
     .offset = offsetof(struct late, sasl)},
    {0},
};
static int late_check(const void *settings, struct mg_err *reterr)
{
    const struct late *s = settings;
    if (s->sasl == 1 && !s->password)
        return refuse(reterr, "sasl", "plain needs a user and a password", "they are missing");
    if (s->password && !s->user)
        return refuse(reterr, "password", "without a user", s->password);
    return 0;
}
static int late_end(const void *settings, uint32_t direction, const char *address,
                    const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)end_settings;
    if (*address != '/')
        return refuse(reterr, "address", "an address begins with /", address);
    ret_end->abilities = direction == MG_SOURCE ? MG_SOURCE | MG_DEFERS_ACK : MG_SINK | MG_CONFIRMS;
    if (direction == MG_SOURCE && !strncmp(address, "/queue/", 7))
        ret_end->abilities |= MG_COMPETES;
    ret_end->carries = UINT32_MAX & ~(uint32_t)MG_CARRIES_RETAIN;
    return 0;
}
static const struct mg_bridge_ops late_ops =
    BRIDGE_OPS(MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_COMPETES, late_end);
static const struct mg_module late = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "late",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = late_options,
    .settings_size = sizeof(struct late),
    .check = late_check,
    .life = &life,
    .ops = &late_ops,
};

/* ---- bus and out ----------------------------------------------------------------------------- */

struct bus {
    bool no_local;
};
static const struct mg_option bus_options[] = {
    {.name = "no_local",
     .type = MG_OPT_BOOL,
     .value = "false",
     .doc = "Does not hear itself.",
     .offset = offsetof(struct bus, no_local)},
    {0},
};
static int bus_end(const void *settings, uint32_t direction, const char *address,
                   const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    const struct bus *s = settings;
    (void)end_settings, (void)reterr;
    ret_end->abilities = direction == MG_SOURCE ? MG_SOURCE | MG_FILTERS | MG_DEFERS_ACK |
                                                      (s->no_local ? MG_NO_ECHO : 0)
                                                : MG_SINK | MG_CONFIRMS;
    if (direction == MG_SOURCE && !strncmp(address, "$share/", 7))
        ret_end->abilities |= MG_COMPETES;
    ret_end->carries = MG_CARRIES_BINARY | MG_CARRIES_ADDRESS;
    return 0;
}
static const struct mg_bridge_ops bus_ops = BRIDGE_OPS(
    MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_FILTERS | MG_NO_ECHO | MG_COMPETES,
    bus_end);
static const struct mg_module bus = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "bus",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = bus_options,
    .settings_size = sizeof(struct bus),
    .life = &life,
    .ops = &bus_ops,
};

static int out_end(const void *settings, uint32_t direction, const char *address,
                   const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)reterr;
    *ret_end = (struct mg_end){MG_SINK, MG_CARRIES_BINARY};
    return 0;
}
static const struct mg_bridge_ops out_ops = BRIDGE_OPS(MG_SINK, out_end);
static const struct mg_module out = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "out",
    .version = "1.0.0",
    .summary = "A fake.",
    .life = &life,
    .ops = &out_ops,
};

/* ---- steps ----------------------------------------------------------------------------------- */

struct step {
    const mg_template *key;
    const struct mg_node *fields;
};
static const struct mg_option key_options[] = {
    {.name = "key",
     .type = MG_OPT_TEMPLATE,
     .value = "'{event.address}'",
     .doc = "What to compare.",
     .offset = offsetof(struct step, key)},
    {0},
};
static const struct mg_option fields_options[] = {
    {.name = "fields",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_REQUIRED,
     .doc = "What to write.",
     .offset = offsetof(struct step, fields)},
    {0},
};
static int map_check(const void *settings, struct mg_err *reterr)
{
    const struct step *s = settings;
    return s->fields->type == MG_NODE_MAP ? 0 : refuse(reterr, "fields", "must be", "a map");
}
static const struct mg_step_ops step_ops = {.size = sizeof step_ops, .process = process};
static const struct mg_module changed = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "changed",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = key_options,
    .settings_size = sizeof(struct step),
    .life = &remembering,
    .ops = &step_ops,
};
static const struct mg_module lookup = {
    .abi = MG_ABI_HERE,
    .kind = MG_ENRICHER,
    .name = "lookup",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = key_options,
    .settings_size = sizeof(struct step),
    .life = &life,
    .ops = &step_ops,
};
static const struct mg_module map = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "map",
    .version = "1.0.0",
    .summary = "A fake.",
    .options = fields_options,
    .settings_size = sizeof(struct step),
    .check = map_check,
    .life = &life,
    .ops = &step_ops,
};

struct gw_registry *model_fakes_create(void)
{
    static const struct mg_module *const all[] = {&quick,   &late,   &bus, &out,
                                                  &changed, &lookup, &map};
    struct gw_registry *registry = gw_registry_create();
    struct gw_diags diags = {0};
    for (size_t i = 0; registry && i < sizeof all / sizeof all[0]; i++)
        gw_registry_add(registry, all[i], "(built in)", &diags);
    if (diags.errors) {
        gw_diags_print(&diags, stderr);
        gw_registry_destroy(registry);
        registry = NULL;
    }
    gw_diags_fini(&diags);
    return registry;
}
