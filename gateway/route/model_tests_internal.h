/* SPDX-License-Identifier: Apache-2.0 */
/* What the files model_tests*.c share: the option tables and the structs that they fill. */
#pragma once
#include "route/model_internal.h"
#include "route/model_tests.h"

extern const struct mg_option gw_test_options[], gw_given_options[], gw_when_options[],
    gw_expect_options[];

struct gw_test_settings {
    const char *name, *clock;
    struct mg_list given, when, expect;                        /* of const struct mg_node * */
    struct mg_list dropped, rejected, dead_lettered, returned; /* of struct gw_test_end_settings */
    int64_t expired, discarded, duplicates, waiting, unmatched, run_for_ms;
};
struct gw_test_end_settings {
    const char *step, *sink, *reason;
    int64_t times, attempts;
};
struct gw_when_settings {
    int64_t down_ms, restart_ms, unconfirmed;
    const char *rejects, *fails, *sink;
    int64_t at_ms, for_ms, times;
};
/* Of what is given, and of what is expected. */
struct gw_test_event_settings {
    const char *topic, *address, *bridge, *sink, *text, *base64;
    const struct mg_node *json, *json_has, *properties;
    const char *content_type, *content_encoding, *reply_to, *subject, *group, *message_id,
        *correlation;
    int64_t qos, priority, at_ms, every_ms, times, expires_ms, after_ms, within_ms;
    bool retain, durable;
};

/* model_tests_value.c: YAML as JSON; unquoted scalars that are numbers, true, false or null in JSON
 * are that, everything else is text.  In the arena; at NULL: out of memory. */
struct mg_str gw_model_json(struct gw_arena *arena, const struct mg_node *node);
/* A map of names to values, typed in the same way; a list under a name repeats it.  false: refused,
 * and said. */
bool gw_model_properties(struct gw_loading *m, const struct mg_node *map,
                         const struct mg_property **ret_properties, size_t *ret_count);
/* text, base64 or json of an event; at NULL: none of them.  false: refused, and said. */
bool gw_model_payload(struct gw_loading *m, const struct mg_node *node,
                      const struct gw_test_event_settings *s, struct mg_bytes *ret_payload);
