/* SPDX-License-Identifier: Apache-2.0 */
/* The checked configuration: what the YAML says, bound to modules, before anything runs. */
#pragma once
#include "config/tree.h"
#include "plugin/registry.h"
#include "route/model_tests.h"
#include "route/pattern.h"
#include "store/store.h"

enum { GW_CONSUMERS_MAX = 64 };

struct gw_gateway_settings {
    const char *name;       /* default: the host name */
    int64_t shards;         /* 1..64, default 1 */
    struct mg_list modules; /* of const char *: folders */
    uint32_t log_format;    /* enum gw_log_format */
    uint32_t log_level;     /* MG_DEBUG … */
    const char *control;    /* path of the control socket; NULL: none */
    int64_t drain_timeout_ms;
    int64_t slow_callback_ms;       /* 0: nobody watches */
    int64_t report_every_ms;        /* ledger lines in the log; 0: only at the end */
    struct gw_store_settings store; /* path NULL: none */
};

struct gw_bridge_config {
    const char *name;
    const struct mg_module *module;
    const void *settings;
    const struct mg_node *node;
    int64_t shard; /* of its first connection; -1: the core chooses */
};

struct gw_source_config {
    size_t bridge;                  /* index into gw_model.bridges */
    const char *address;            /* what open_source gets */
    const struct gw_pattern *match; /* over the event's address; NULL: every event */
    const void *settings;
    int64_t consumers; /* connections that read it, 1..GW_CONSUMERS_MAX */
    struct mg_end end;
    const struct mg_node *node;
};

struct gw_step_config {
    const char *name; /* "filter:changed", for logs; with a number where one route has two */
    const struct mg_module *module;
    const void *settings;
    const struct mg_node *node;
};

struct gw_sink_config {
    size_t bridge;
    const mg_template *address;
    struct mg_list properties; /* of struct mg_pair: set on the way out */
    const void *settings;
    struct mg_end end;
    const struct mg_node *node;
};

enum gw_guarantee { GW_BEST_EFFORT, GW_DIRECT, GW_STORED };
enum gw_require { GW_REQUIRE_ALL, GW_REQUIRE_ANY };
/* What follows when an event is refused for good or out of attempts (stored). */
enum gw_on_error { GW_ON_ERROR_RETRY, GW_ON_ERROR_DISCARD, GW_ON_ERROR_PAUSE };
/* auto: CloudEvents' source and id, else the message id; an event without is not looked at. */
enum gw_dedup_by {
    GW_DEDUP_OFF,
    GW_DEDUP_AUTO,
    GW_DEDUP_CLOUDEVENT,
    GW_DEDUP_MESSAGE_ID,
    GW_DEDUP_FIELD,
    GW_DEDUP_HASH
};
enum gw_overflow { GW_OVERFLOW_BLOCK, GW_OVERFLOW_DROP_NEWEST, GW_OVERFLOW_DROP_OLDEST };

struct gw_delivery_settings {
    uint32_t guarantee, require, overflow;
    int64_t window;       /* events of one source in hand, 1..65535, default 1000 */
    int64_t ttl_ms;       /* 0: none but the event's own */
    int64_t max_attempts; /* of one event at one sink or step; 0: no limit */
    int64_t retry_first_ms, retry_most_ms;

    /* stored alone, from here on. */
    const mg_template *order_by; /* NULL: the source's own order */
    uint32_t on_error;           /* enum gw_on_error */
    bool dead_letter;            /* false: discarded instead */
    int64_t poison_after;        /* deaths of the process with the event in hand; 0: no limit */
    int64_t breaker_after;       /* failures in a row that open a sink's breaker; 0: never */
    int64_t backlog_bytes, backlog_count, backlog_age_ms; /* of each sink; 0: no limit */
    uint32_t backlog_full;                                /* enum gw_store_full */
    uint32_t dedup_by;                                    /* enum gw_dedup_by */
    const mg_template *dedup_field;
    int64_t dedup_window_ms, dedup_count;
    int64_t archive_keep_ms, archive_bytes; /* both 0: no archive */
};

struct gw_route_config {
    const char *name;
    struct gw_source_config *sources;
    size_t source_count;
    struct gw_step_config *steps;
    size_t step_count;
    struct gw_sink_config *sinks;
    size_t sink_count;
    struct gw_delivery_settings delivery;
    struct gw_test_config *tests;
    size_t test_count;
    const struct mg_node *node;
};

struct gw_model {
    struct gw_gateway_settings gateway;
    struct gw_bridge_config *bridges;
    size_t bridge_count;
    struct gw_route_config *routes;
    size_t route_count;
};

/* Reads gateway: alone, so that the module folders are known before the modules are. */
int gw_model_load_gateway(struct gw_arena *arena, const struct mg_node *root,
                          struct gw_gateway_settings *ret_gateway, struct gw_diags *diags);
/* Binds and checks everything; every problem goes to diags.  -EINVAL where diags has errors, also
 * those from before (of the tree, of modules), since what they left out is not there.
 * Lives in the arena but for the templates, which gw_model_destroy frees. */
int gw_model_load(struct gw_arena *arena, const struct mg_node *root,
                  const struct gw_registry *registry, struct gw_model **ret_model,
                  struct gw_diags *diags);
void gw_model_destroy(struct gw_model *model); /* NULL is fine */

/* The fidelity report: a note for each leg that loses something its source can bring. */
void gw_model_report_fidelity(const struct gw_model *model, struct gw_diags *diags);
