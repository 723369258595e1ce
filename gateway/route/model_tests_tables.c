/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of tests:, from which binding, JSON Schema and docs are made. */
#include "route/model_tests_internal.h"
#include <stddef.h>

enum { DAY_MS = 86400000 };
#define IN(type, field) .offset = offsetof(struct type, field)
#define TIME_MOST       (366ll * DAY_MS)

static const struct mg_option dropped_options[] = {
    {.name = "step",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_PLAIN,
     .doc = "The step that dropped the event: its type, its whole name (`filter:changed#2`) or its "
            "place, counted from 1.",
     IN(gw_test_end_settings, step)},
    {.name = "times",
     .type = MG_OPT_INT,
     .value = "1",
     .least = 1,
     .most = GW_TEST_EVENTS_MAX,
     .doc = "How many events.",
     IN(gw_test_end_settings, times)},
    {NULL},
};
#define REASON                                                                                     \
    {                                                                                              \
        .name = "reason", .type = MG_OPT_TEXT, .flags = MG_OPT_PLAIN,                              \
        .doc = "A part of the reason; \"\" is part of any.", IN(gw_test_end_settings, reason)      \
    }
#define WHERE                                                                                      \
    {.name = "step",                                                                               \
     .type = MG_OPT_TEXT,                                                                          \
     .doc = "The step that refused it.",                                                           \
     IN(gw_test_end_settings, step)},                                                              \
    {                                                                                              \
        .name = "times", .type = MG_OPT_INT, .value = "1", .least = 1, .most = GW_TEST_EVENTS_MAX, \
        .doc = "How many events.", IN(gw_test_end_settings, times)                                 \
    }
static const struct mg_option rejected_options[] = {REASON, WHERE, {NULL}};
static const struct mg_option dead_options[] = {
    REASON,
    WHERE,
    {.name = "sink",
     .type = MG_OPT_TEXT,
     .doc = "The sink that refused it: its bridge, its address, or its place, counted from 1.",
     IN(gw_test_end_settings, sink)},
    {.name = "attempts",
     .type = MG_OPT_INT,
     .value = "0",
     .least = 0,
     .most = 1000000,
     .doc = "Attempts before it was given up; 0: any number.",
     IN(gw_test_end_settings, attempts)},
    {NULL},
};

#define COUNT(key, field_, doc_)                                                                   \
    {                                                                                              \
        .name = key, .type = MG_OPT_INT, .value = "0", .least = 0, .most = GW_TEST_EVENTS_MAX,     \
        .doc = doc_, IN(gw_test_settings, field_)                                                  \
    }
#define ENDS(key, field_, options, doc_)                                                           \
    {                                                                                              \
        .name = key, .type = MG_OPT_MAP, .flags = MG_OPT_LIST, .inside = options,                  \
        .inside_size = sizeof(struct gw_test_end_settings), .doc = doc_,                           \
        IN(gw_test_settings, field_)                                                               \
    }

const struct mg_option gw_test_options[] = {
    {.name = "name",
     .type = MG_OPT_TEXT,
     .value = "",
     .doc = "What it shows, for the report.",
     IN(gw_test_settings, name)},
    {.name = "given",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_LIST | MG_OPT_REQUIRED,
     .doc = "The event that a source hands over, or a list of them.",
     IN(gw_test_settings, given)},
    {.name = "when",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_LIST,
     .doc = "What goes wrong meanwhile.",
     IN(gw_test_settings, when)},
    {.name = "expect",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_LIST,
     .doc = "The events that the sinks take, for each sink in order; [] is none.",
     IN(gw_test_settings, expect)},
    ENDS("dropped", dropped, dropped_options, "Events that a step drops."),
    ENDS("rejected", rejected, rejected_options,
         "Events that a step or sink refuses for good, whatever follows from it."),
    ENDS("dead_lettered", dead_lettered, dead_options, "Events that end in the dead letters."),
    ENDS("returned", returned, rejected_options, "Events that go back to their source."),
    COUNT("expired", expired, "Events that expire on their way."),
    COUNT("discarded", discarded, "Events that are given up otherwise (best-effort, discard)."),
    COUNT("duplicates", duplicates, "Events that dedup has seen before."),
    COUNT("waiting", waiting, "Events that still wait at the end."),
    COUNT("unmatched", unmatched, "Events given that no source of the route takes."),
    {.name = "clock",
     .type = MG_OPT_TEXT,
     .value = "2026-01-01T00:00:00Z",
     .doc = "What the virtual wall clock shows at the beginning (RFC 3339).",
     IN(gw_test_settings, clock)},
    {.name = "run_for",
     .type = MG_OPT_DURATION_MS,
     .value = "0",
     .least = 0,
     .most = TIME_MOST,
     .doc = "The longest it may take on the virtual clock until all has settled; 0: an hour after "
            "the last event and fault.",
     IN(gw_test_settings, run_for_ms)},
    {NULL},
};

#define TEXT(key, field_, doc_)                                                                    \
    {                                                                                              \
        .name = key, .type = MG_OPT_TEXT, .doc = doc_, IN(gw_test_event_settings, field_)          \
    }
#define TREE(key, field_, doc_)                                                                    \
    {                                                                                              \
        .name = key, .type = MG_OPT_TREE, .doc = doc_, IN(gw_test_event_settings, field_)          \
    }
#define NUMBER(key, field_, least_, most_, value_, doc_)                                           \
    {                                                                                              \
        .name = key, .type = MG_OPT_INT, .value = value_, .least = least_, .most = most_,          \
        .doc = doc_, IN(gw_test_event_settings, field_)                                            \
    }
#define FLAG(key, field_, doc_)                                                                    \
    {                                                                                              \
        .name = key, .type = MG_OPT_BOOL, .doc = doc_, IN(gw_test_event_settings, field_)          \
    }
#define TIME(key, field_, doc_)                                                                    \
    {                                                                                              \
        .name = key, .type = MG_OPT_DURATION_MS, .value = "0", .least = 0, .most = TIME_MOST,      \
        .doc = doc_, IN(gw_test_event_settings, field_)                                            \
    }
#define HEAD                                                                                       \
    TEXT("content_type", content_type, "Content type."),                                           \
        TEXT("content_encoding", content_encoding, "Content encoding."),                           \
        TEXT("reply_to", reply_to, "Reply address (MQTT 5 response topic)."),                      \
        TEXT("subject", subject, "Subject."), TEXT("group", group, "Group id."),                   \
        TEXT("message_id", message_id, "Message id."),                                             \
        TEXT("correlation", correlation, "Correlation id (MQTT 5 correlation data)."),             \
        NUMBER("qos", qos, 0, 2, "0", "Quality of service."),                                      \
        NUMBER("priority", priority, 0, 255, "4", "Priority."),                                    \
        FLAG("retain", retain, "Retain flag."), FLAG("durable", durable, "Durable flag.")
#define PAYLOAD                                                                                    \
    TEXT("topic", topic, "Its address."),                                                          \
        TEXT("address", address, "The same as topic, under AMQP's word: write one of the two."),   \
        TREE("json", json, "The payload as YAML or JSON."),                                        \
        TEXT("text", text, "The payload as text."),                                                \
        TEXT("base64", base64, "The payload as base64."),                                          \
        TREE("properties", properties,                                                             \
             "Names and values: unquoted numbers and true or false are typed as such; a list "     \
             "repeats a name.")

const struct mg_option gw_given_options[] = {
    PAYLOAD,
    HEAD,
    TEXT("bridge", bridge,
         "The bridge that it comes from; without it the first of the route's sources that takes "
         "the address."),
    TIME("at", at_ms, "When it comes, on the virtual clock."),
    TIME("expires", expires_ms, "How long after that it expires; 0: never."),
    NUMBER("times", times, 1, GW_TEST_EVENTS_MAX, "1", "How often it comes."),
    TIME("every", every_ms, "The time between, where it comes more than once."),
    {NULL},
};

const struct mg_option gw_expect_options[] = {
    TEXT("sink", sink,
         "The sink that takes it: its bridge, its address as written in to:, or its place, "
         "counted from 1; a route with one sink needs none."),
    PAYLOAD,
    TREE("json_has", json_has,
         "A part of the payload: objects may have further members, lists may not be longer."),
    HEAD,
    TIME("after", after_ms, "It comes no earlier than this, on the virtual clock."),
    {.name = "within",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = TIME_MOST,
     .doc = "It comes no later than this.",
     IN(gw_test_event_settings, within_ms)},
    NUMBER("times", times, 1, GW_TEST_EVENTS_MAX, "1", "How many of it, one after the other."),
    {NULL},
};

#define WHEN_TIME(key, field_, doc_)                                                               \
    {                                                                                              \
        .name = key, .type = MG_OPT_DURATION_MS, .least = 0, .most = TIME_MOST, .doc = doc_,       \
        IN(gw_when_settings, field_)                                                               \
    }
const struct mg_option gw_when_options[] = {
    WHEN_TIME("sink_down", down_ms, "A sink cannot be reached for so long."),
    {.name = "sink_rejects",
     .type = MG_OPT_TEXT,
     .doc = "A sink refuses events for good, with this reason.",
     IN(gw_when_settings, rejects)},
    {.name = "sink_fails",
     .type = MG_OPT_TEXT,
     .doc = "A sink gives events back, with this reason; the attempt counts.",
     IN(gw_when_settings, fails)},
    {.name = "unconfirmed",
     .type = MG_OPT_INT,
     .least = 1,
     .most = GW_TEST_EVENTS_MAX,
     .doc = "A sink takes so many events, but the gateway does not hear of it.",
     IN(gw_when_settings, unconfirmed)},
    WHEN_TIME("restart", restart_ms, "When the gateway stops in order and starts again."),
    {.name = "sink",
     .type = MG_OPT_TEXT,
     .doc = "Which sink, as in expect; without it, all.",
     IN(gw_when_settings, sink)},
    WHEN_TIME("at", at_ms, "When it begins; without it, at once."),
    WHEN_TIME("for", for_ms, "How long it lasts; without it, until the end."),
    {.name = "times",
     .type = MG_OPT_INT,
     .value = "0",
     .least = 0,
     .most = GW_TEST_EVENTS_MAX,
     .doc = "How many events it befalls; 0: all.",
     IN(gw_when_settings, times)},
    {NULL},
};
