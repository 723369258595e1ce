/* SPDX-License-Identifier: Apache-2.0 */
/* `tests:` of a route, checked: what is given, what goes wrong, what is expected to come of it. */
#pragma once
#include "meshgate/plugin.h"

enum { GW_TEST_ANY = UINT32_MAX, GW_TEST_EVENTS_MAX = 100000, GW_TESTS_MAX = 10000 };

/* An event that a peer sends. */
struct gw_test_given {
    struct mg_message message;
    uint32_t bridge; /* of the model, or GW_TEST_ANY: the first whose source takes the address */
    int64_t at_ms, every_ms, times, expires_ms; /* expires_ms 0: never */
    const struct mg_node *node;
};

enum gw_test_fault_kind {
    GW_TEST_DOWN,
    GW_TEST_REJECTS,
    GW_TEST_FAILS,
    GW_TEST_UNCONFIRMED,
    GW_TEST_RESTART
};
struct gw_test_fault {
    uint32_t kind; /* enum gw_test_fault_kind */
    uint32_t sink; /* place in the route, or GW_TEST_ANY */
    int64_t at_ms, for_ms, times;
    const char *reason;
};

/* An event that a sink takes.  Texts that are unset are not looked at. */
struct gw_test_arrival {
    uint32_t sink;
    struct mg_str address;
    struct mg_str json, json_has; /* JSON texts */
    struct mg_bytes payload;      /* at NULL: not looked at, or json is */
    const struct mg_property *properties;
    size_t property_count;
    struct mg_head head; /* MG_HAS_* in present says which numbers and flags are looked at */
    struct mg_str message_id, correlation;
    int64_t after_ms, within_ms; /* within_ms -1: no bound */
    int64_t times;
    const struct mg_node *node;
};

/* REJECTED: refused for good by a step or sink, whatever followed. */
enum gw_test_end_kind { GW_TEST_DROPPED, GW_TEST_REJECTED, GW_TEST_DEAD, GW_TEST_RETURNED };
struct gw_test_end {
    uint32_t kind;           /* enum gw_test_end_kind */
    uint32_t step, sink;     /* places in the route, or GW_TEST_ANY */
    const char *reason;      /* part of it; NULL: any */
    int64_t times, attempts; /* attempts 0: any number */
    const struct mg_node *node;
};

struct gw_test_config {
    const char *name; /* "" where it has none */
    int64_t wall_us;  /* of the virtual clock at the beginning */
    int64_t run_for_ms;
    struct gw_test_given *given;
    size_t given_count;
    struct gw_test_fault *faults;
    size_t fault_count;
    struct gw_test_arrival *arrivals;
    size_t arrival_count;
    struct gw_test_end *ends;
    size_t end_count;
    int64_t expired, discarded, duplicates, waiting, unmatched;
    const struct mg_node *node;
};
