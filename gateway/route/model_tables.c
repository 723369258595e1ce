/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own keys of the YAML, from which binding, JSON Schema and docs are made. */
#include "route/model_internal.h"
#include <stddef.h>

static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const guarantees[] = {"best-effort", "direct", NULL};
static const char *const requires[] = {"all", "any", NULL};
static const char *const overflows[] = {"block", "drop-newest", "drop-oldest", NULL};
static const char *const loops[] = {"refuse", "allow", NULL};

#define IN(type, field) .offset = offsetof(struct type, field)

const struct mg_option gw_root_options[] = {
    {.name = "gateway", .type = MG_OPT_TREE, .doc = "The gateway itself.", IN(gw_root_settings, gateway)},
    {.name = "bridges", .type = MG_OPT_TREE, .flags = MG_OPT_REQUIRED, .doc = "The peers, each under a name.",
     IN(gw_root_settings, bridges)},
    {.name = "routes", .type = MG_OPT_TREE, .flags = MG_OPT_REQUIRED, .doc = "The ways of events, each under a name.",
     IN(gw_root_settings, routes)},
    {NULL},
};

/* log is a map in the YAML and two plain fields in C: its offset is 0, theirs are whole. */
static const struct mg_option log_options[] = {
    {.name = "format", .type = MG_OPT_ENUM, .value = "logfmt", .choices = log_formats,
     .doc = "How log lines are written.", IN(gw_gateway_settings, log_format)},
    {.name = "level", .type = MG_OPT_ENUM, .value = "info", .choices = log_levels,
     .doc = "The least level that is written.", IN(gw_gateway_settings, log_level)},
    {NULL},
};
const struct mg_option gw_gateway_options[] = {
    {.name = "name", .type = MG_OPT_TEXT, .least = 1, .most = 253,
     .doc = "The gateway's name in logs and templates; without it, the host's name.", IN(gw_gateway_settings, name)},
    {.name = "shards", .type = MG_OPT_INT, .value = "1", .least = 1, .most = 64,
     .doc = "Threads that move events, each with a loop and connections of its own.",
     IN(gw_gateway_settings, shards)},
    {.name = "modules", .type = MG_OPT_FILE, .flags = MG_OPT_LIST,
     .doc = "Folders of modules, besides the one that was installed with the gateway.",
     IN(gw_gateway_settings, modules)},
    {.name = "log", .type = MG_OPT_MAP, .doc = "Logs, on standard error.", .inside = log_options,
     .inside_size = sizeof(struct gw_gateway_settings), .offset = 0},
    {.name = "control", .type = MG_OPT_FILE,
     .doc = "Path of the socket for `meshgate status`; without it, there is none.", IN(gw_gateway_settings, control)},
    {.name = "drain_timeout", .type = MG_OPT_DURATION_MS, .value = "10s", .least = 0, .most = 86400000,
     .doc = "How long a stop waits for events in hand to settle before it releases them.",
     IN(gw_gateway_settings, drain_timeout_ms)},
    {.name = "report", .type = MG_OPT_DURATION_MS, .value = "60s", .least = 0, .most = 86400000,
     .doc = "How often the log has the ledger of each route; 0: only at the end.",
     IN(gw_gateway_settings, report_every_ms)},
    {NULL},
};

const struct mg_option gw_bridge_options[] = {
    {.name = "type", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED,
     .doc = "The bridge module; `meshgate plugins ls` lists them.", IN(gw_bridge_settings, type)},
    {.name = "shard", .type = MG_OPT_INT, .least = 0, .most = 63,
     .doc = "The shard that its connections live on, counted from 0; without it, the core chooses.",
     IN(gw_bridge_settings, shard)},
    {NULL},
};

const struct mg_option gw_source_options[] = {
    {.name = "bridge", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED, .doc = "Where the events come from.",
     IN(gw_end_settings, bridge)},
    {.name = "topic", .type = MG_OPT_TEXT, .doc = "What to receive; for an MQTT bridge a topic filter with {captures}.",
     IN(gw_end_settings, topic)},
    {.name = "address", .type = MG_OPT_TEXT, .doc = "The same as topic, under AMQP's word: write one of the two.",
     IN(gw_end_settings, address)},
    {.name = "match", .type = MG_OPT_TEXT,
     .doc = "A pattern with {captures} over the event's address; without it, the topic where that is a topic filter, "
            "else every event.",
     IN(gw_end_settings, match)},
    {NULL},
};

const struct mg_option gw_sink_options[] = {
    {.name = "bridge", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED, .doc = "Where the events go.",
     IN(gw_end_settings, bridge)},
    {.name = "topic", .type = MG_OPT_TEMPLATE, .doc = "The address of each event there: a template.",
     IN(gw_end_settings, topic)},
    {.name = "address", .type = MG_OPT_TEMPLATE, .doc = "The same as topic, under AMQP's word: write one of the two.",
     IN(gw_end_settings, address)},
    {.name = "properties", .type = MG_OPT_PAIRS, .doc = "Properties to set on the way out: names and templates.",
     IN(gw_end_settings, properties)},
    {NULL},
};

const struct mg_option gw_step_options[] = {
    {.name = "type", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED,
     .doc = "The module of this kind; `meshgate plugins ls` lists them.", IN(gw_step_settings, type)},
    {NULL},
};

/* As log_options: retry's fields are the delivery's own. */
static const struct mg_option retry_options[] = {
    {.name = "max_attempts", .type = MG_OPT_INT, .value = "0", .least = 0, .most = 1000000,
     .doc = "Attempts of one event at one sink or step before it is rejected; 0: no limit.",
     IN(gw_delivery_settings, max_attempts)},
    {.name = "first", .type = MG_OPT_DURATION_MS, .value = "100ms", .least = 1, .most = 3600000,
     .doc = "The shortest wait before an attempt is repeated.", IN(gw_delivery_settings, retry_first_ms)},
    {.name = "most", .type = MG_OPT_DURATION_MS, .value = "30s", .least = 1, .most = 86400000,
     .doc = "The longest wait; in between it grows with jitter.", IN(gw_delivery_settings, retry_most_ms)},
    {NULL},
};
const struct mg_option gw_delivery_options[] = {
    {.name = "guarantee", .type = MG_OPT_ENUM, .value = "direct", .choices = guarantees,
     .doc = "best-effort: no obligation, losses are counted; direct: at least once, the source is acknowledged after "
            "the sinks have confirmed.",
     IN(gw_delivery_settings, guarantee)},
    {.name = "require", .type = MG_OPT_ENUM, .value = "all", .choices = requires,
     .doc = "How many of the sinks must confirm.", IN(gw_delivery_settings, require)},
    {.name = "overflow", .type = MG_OPT_ENUM, .value = "block", .choices = overflows,
     .doc = "What a full window does: hold the source, or drop (counted).", IN(gw_delivery_settings, overflow)},
    {.name = "window", .type = MG_OPT_INT, .value = "1000", .least = 1, .most = 65535,
     .doc = "Events of one source that may be in hand.", IN(gw_delivery_settings, window)},
    {.name = "ttl", .type = MG_OPT_DURATION_MS, .value = "0", .least = 0, .most = 31536000000,
     .doc = "How long an event may take, waiting included; 0: only the event's own expiry counts.",
     IN(gw_delivery_settings, ttl_ms)},
    {.name = "retry", .type = MG_OPT_MAP, .doc = "How often and how fast attempts are repeated.",
     .inside = retry_options, .inside_size = sizeof(struct gw_delivery_settings), .offset = 0},
    {NULL},
};

const struct mg_option gw_route_options[] = {
    {.name = "from", .type = MG_OPT_TREE, .flags = MG_OPT_LIST | MG_OPT_REQUIRED, .doc = "One source, or a list.",
     IN(gw_route_settings, from)},
    {.name = "steps", .type = MG_OPT_TREE, .flags = MG_OPT_LIST,
     .doc = "What happens to each event, in order: filter, enrich, translate.", IN(gw_route_settings, steps)},
    {.name = "to", .type = MG_OPT_TREE, .flags = MG_OPT_LIST | MG_OPT_REQUIRED, .doc = "One sink, or a list.",
     IN(gw_route_settings, to)},
    {.name = "delivery", .type = MG_OPT_MAP, .doc = "What is promised, and what happens when it is hard to keep.",
     .inside = gw_delivery_options, .inside_size = sizeof(struct gw_delivery_settings),
     IN(gw_route_settings, delivery)},
    {.name = "loops", .type = MG_OPT_ENUM, .value = "refuse", .choices = loops,
     .doc = "allow: this route may send what it, or a route before it, receives again.",
     IN(gw_route_settings, loops)},
    {NULL},
};
