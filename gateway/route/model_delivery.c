/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of delivery: what a route promises. */
#include "route/model_internal.h"
#include <stddef.h>

static const char *const guarantees[] = {"best-effort", "direct", "stored", NULL};
static const char *const requires[] = {"all", "any", NULL};
static const char *const overflows[] = {"block", "drop-newest", "drop-oldest", NULL};
static const char *const on_errors[] = {"retry", "discard", "pause", NULL};
static const char *const fulls[] = {"block", "drop-newest", "drop-oldest", "latest-per-key", NULL};
static const char *const dedups[] = {"off",   "auto", "cloudevent", "message-id",
                                     "field", "hash", NULL};

#define IN(field) .offset = offsetof(struct gw_delivery_settings, field)
/* Its options name fields of the delivery itself. */
#define FLAT(options)                                                                              \
    .type = MG_OPT_MAP, .inside = options, .inside_size = sizeof(struct gw_delivery_settings),     \
    .offset = 0
enum { DAY_MS = 86400000 };

/* retry, breaker … are maps in the YAML and plain fields in C: the offset of such a map is 0, that
 * of its options is whole. */
static const struct mg_option retry_options[] = {
    {.name = "max_attempts",
     .type = MG_OPT_INT,
     .value = "0",
     .least = 0,
     .most = 1000000,
     .doc = "Attempts of one event at one sink or step before it is rejected (under stored: "
            "before on_error says what follows); 0: no limit.",
     IN(max_attempts)},
    {.name = "first",
     .type = MG_OPT_DURATION_MS,
     .value = "100ms",
     .least = 1,
     .most = 3600000,
     .doc = "The shortest wait before an attempt is repeated.",
     IN(retry_first_ms)},
    {.name = "most",
     .type = MG_OPT_DURATION_MS,
     .value = "30s",
     .least = 1,
     .most = 86400000,
     .doc = "The longest wait; in between it grows with jitter.",
     IN(retry_most_ms)},
    {NULL},
};
static const struct mg_option breaker_options[] = {
    {.name = "after",
     .type = MG_OPT_INT,
     .flags = MG_OPT_PLAIN,
     .value = "10",
     .least = 0,
     .most = 1000000,
     .doc = "Failures in a row that open a sink's breaker: then it is left alone, and tried with "
            "one event at a time as retry's waits say, until one gets through; 0: never.",
     IN(breaker_after)},
    {NULL},
};
static const struct mg_option backlog_options[] = {
    {.name = "bytes",
     .type = MG_OPT_SIZE,
     .value = "0",
     .least = 0,
     .most = INT64_MAX,
     .doc = "Bytes that may wait for one sink; 0: no limit but the store's size.",
     IN(backlog_bytes)},
    {.name = "count",
     .type = MG_OPT_INT,
     .value = "0",
     .least = 0,
     .most = INT64_MAX,
     .doc = "Events that may wait for one sink; 0: no limit.",
     IN(backlog_count)},
    {.name = "age",
     .type = MG_OPT_DURATION_MS,
     .value = "0",
     .least = 0,
     .most = 3650ll * DAY_MS,
     .doc = "How long the oldest event may have waited for one sink; 0: no limit.",
     IN(backlog_age_ms)},
    {.name = "when_full",
     .type = MG_OPT_ENUM,
     .value = "block",
     .choices = fulls,
     .doc = "What happens at one of these limits. block: the source is held back, and with it the "
            "route's other sinks; drop-newest: the event that comes is not kept for this sink; "
            "drop-oldest: what has waited longest is given up for it; latest-per-key: only the "
            "newest event of each order_by key is kept. What is given up is counted as discarded.",
     IN(backlog_full)},
    {NULL},
};
static const struct mg_option dedup_options[] = {
    {.name = "by",
     .type = MG_OPT_ENUM,
     .flags = MG_OPT_PLAIN,
     .value = "off",
     .choices = dedups,
     .doc = "What tells that two events are the same one. off: nothing, both go on; auto: the "
            "CloudEvent's source and id, else the message id; cloudevent, message-id: that one "
            "only; field: what field says; hash: address and payload are the same. An "
            "event without an identity goes on unseen.",
     IN(dedup_by)},
    {.name = "field",
     .type = MG_OPT_TEMPLATE,
     .doc = "by: field: a template that makes an event's identity, like \"{property.order_id}\".",
     IN(dedup_field)},
    {.name = "window",
     .type = MG_OPT_DURATION_MS,
     .value = "10m",
     .least = 1,
     .most = 30ll * DAY_MS,
     .doc = "How long an identity is remembered.",
     IN(dedup_window_ms)},
    {.name = "count",
     .type = MG_OPT_INT,
     .value = "100000",
     .least = 1,
     .most = 10000000,
     .doc = "How many identities are remembered; beyond, the oldest is forgotten before its time.",
     IN(dedup_count)},
    {NULL},
};
static const struct mg_option archive_options[] = {
    {.name = "keep",
     .type = MG_OPT_DURATION_MS,
     .flags = MG_OPT_PLAIN,
     .value = "0",
     .least = 0,
     .most = 3650ll * DAY_MS,
     .doc = "How long an event stays in the archive; 0: no limit but size.",
     IN(archive_keep_ms)},
    {.name = "size",
     .type = MG_OPT_SIZE,
     .value = "0",
     .least = 0,
     .most = INT64_MAX,
     .doc = "Bytes of the archive, part of the store's size; beyond, the oldest go; 0: no limit "
            "but keep.",
     IN(archive_bytes)},
    {NULL},
};
const struct mg_option gw_delivery_options[] = {
    {.name = "guarantee",
     .type = MG_OPT_ENUM,
     .value = "direct",
     .choices = guarantees,
     .doc = "best-effort: no obligation, losses are counted; direct: at least once, the source is "
            "acknowledged after the sinks have confirmed; stored: at least once, the source is "
            "acknowledged when the event is in the store (gateway.store), and no sink that is "
            "away holds it back.",
     IN(guarantee)},
    {.name = "require",
     .type = MG_OPT_ENUM,
     .value = "all",
     .choices = requires,
     .doc = "How many of the sinks must confirm.",
     IN(require)},
    {.name = "overflow",
     .type = MG_OPT_ENUM,
     .value = "block",
     .choices = overflows,
     .doc = "What a full window of a best-effort route does: hold the source back, or drop "
            "(counted); direct always holds, stored has backlog.when_full.",
     IN(overflow)},
    {.name = "window",
     .type = MG_OPT_INT,
     .value = "1000",
     .least = 1,
     .most = 65535,
     .doc = "Events of one source that may be in hand, all its consumers together.",
     IN(window)},
    {.name = "ttl",
     .type = MG_OPT_DURATION_MS,
     .value = "0",
     .least = 0,
     .most = 31536000000,
     .doc = "How long an event may take, waiting included; 0: only the event's own expiry counts.",
     IN(ttl_ms)},
    {.name = "retry", .doc = "How often and how fast attempts are repeated.", FLAT(retry_options)},
    {.name = "order_by",
     .type = MG_OPT_TEMPLATE,
     .doc = "stored: what events have in common whose order is kept, also through retries and "
            "restarts (a template, like \"{machine}\"); events of different keys may overtake each "
            "other, those without a value for it are one key. Without order_by, all events of one "
            "source keep their order.",
     IN(order_by)},
    {.name = "on_error",
     .type = MG_OPT_ENUM,
     .value = "retry",
     .choices = on_errors,
     .doc = "stored: what follows when an event is refused for good, or retry's attempts are used "
            "up. retry: it becomes a dead letter (see dead_letter), from where it can be sent "
            "again; discard: it is thrown away and counted; pause: the route stops until "
            "`meshgate resume`, and what a sink refused stays in its place.",
     IN(on_error)},
    {.name = "dead_letter",
     .type = MG_OPT_BOOL,
     .value = "true",
     .doc =
         "stored: keep what cannot be delivered as a dead letter (`meshgate dlq`); false: what a "
         "sink refuses is discarded and counted, what a step refuses is returned to the source.",
     IN(dead_letter)},
    {.name = "poison_after",
     .type = MG_OPT_INT,
     .value = "5",
     .least = 0,
     .most = 1000,
     .doc = "stored: how often the gateway may die with an event in a sink's hand before the event "
            "is held to be the cause and becomes a dead letter; 0: as often as it likes.",
     IN(poison_after)},
    {.name = "breaker", .doc = "stored: the circuit breaker of each sink.", FLAT(breaker_options)},
    {.name = "backlog",
     .doc = "stored: how much may wait in the store for each sink.",
     FLAT(backlog_options)},
    {.name = "dedup", .doc = "stored: what comes in twice goes on once.", FLAT(dedup_options)},
    {.name = "archive",
     .doc = "stored: keep what passed, to send it again (`meshgate replay`); without keep and "
            "size, nothing is kept.",
     FLAT(archive_options)},
    {NULL},
};
