/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge and step modules that a test drives by hand, and a gateway around them without threads:
 * the test is the shard. */
#pragma once
#include "flow/internal.h"

enum probe_mode {
    PROBE_HOLD,
    PROBE_ACCEPT,
    PROBE_FULL,
    PROBE_INVALID,
    PROBE_SETTLES_TWICE,
    PROBE_SETTLES_THE_FIRST, /* what the first sink was sent last; and is full itself */
};

enum { PROBE_MAX = 100000 };

struct probe_sent {
    mg_token token;
    uint32_t attempt;
    int64_t expires_us; /* 0: never */
    char address[128], payload[64], property[32];
};

struct probe_settled {
    uint64_t cookie;
    uint32_t outcome;
    char reason[64];
};

/* One sink, found by the text of its address template. */
struct probe_sink {
    char template[64];
    mg_sink *handle;
    enum probe_mode mode;
    struct probe_sent *sent; /* PROBE_MAX places */
    size_t sent_count;
};

struct probe {
    struct gw_arena *arena;
    struct gw_registry *registry;
    struct gw_model *model;
    struct gw_gateway *gateway;
    mg_connection *connections[4];
    mg_source *sources[8];
    size_t connection_count, source_count, sink_count;
    struct probe_sink sinks[8];
    struct probe_settled *settled; /* PROBE_MAX places */
    size_t settled_count;
    uint32_t credit;
    mg_token pending[8]; /* of the enricher "wait" */
    size_t pending_count;
    size_t asked, asked_together; /* the filter "begins", one route or a set of them */
    size_t begins_opened;         /* contexts of it, for one route */
    bool begins_fails;            /* to open them */
};

extern struct probe probe;

/* yaml: the bridges and routes; modules are `probe` (a bridge; `lazy: true` in a source cannot
 * defer) and the steps odd, split, wait, rewrite, nonsense, again, begins. */
void probe_open(const char *yaml);
/* Ends everything and asserts that the ledger balances. */
void probe_close(void);
/* The loop runs until nothing is ready. */
void probe_turn(void);
int probe_ingest(const char *address, const char *payload, uint64_t cookie);
int probe_ingest_until(const char *address, const char *payload, uint64_t cookie,
                       int64_t expires_us);
struct probe_sink *probe_sink(const char *address_template);
void probe_settle(struct probe_sink *sink, size_t index, uint32_t outcome, const char *reason);
/* The route's ledger entry by its name in the report, e.g. "delivered"; asserts the balance. */
long probe_ledger(const char *route, const char *entry);
long probe_report(const char *entry);
