/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and checks `tests:` of a route, so that `check` knows a test that can never be right. */
#include "config/bind_value.h"
#include "route/model_tests_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct gw_loading *m;
    const struct gw_route_config *route;
    struct gw_test_config *test;
};

static void *room_for(struct reading *r, const struct mg_node *at, size_t count, size_t size)
{
    void *room = gw_arena_alloc(r->m->arena, (count + 1) * size);
    if (!room)
        gw_bind_error(&r->m->bind, at, "out of memory");
    return room;
}

static struct mg_str as_text(const char *text)
{
    return (struct mg_str){text, text ? strlen(text) : 0};
}

static bool is_map(struct reading *r, const struct mg_node *node, const char *example)
{
    if (node->type == MG_NODE_MAP)
        return true;
    gw_bind_error(&r->m->bind, node, "this must be a map: %s", example);
    return false;
}

/* ---- names of sinks and steps --------------------------------------------------------------- */

static bool is_place(const char *name, size_t count, uint32_t *ret)
{
    int64_t place;
    if (gw_value_int(name, &place) || place < 1 || (uint64_t)place > count)
        return false;
    *ret = (uint32_t)place - 1;
    return true;
}

/* By bridge, by address, or both with a space between, where that is only one; or by its place. */
static bool find_sink(struct reading *r, const struct mg_node *at, const char *name, uint32_t *ret)
{
    const struct gw_route_config *route = r->route;
    const char *names[GW_RECORD_SINKS_MAX];
    size_t found = 0, used = 0;
    for (size_t i = 0; i < route->sink_count && used < GW_RECORD_SINKS_MAX; i++) {
        const struct gw_sink_config *k = &route->sinks[i];
        if (!k->address)
            return false; /* its mistake has been said */
        const char *bridge = r->m->model.bridges[k->bridge].name;
        const char *address = gw_template_text(k->address);
        char *both = gw_arena_printf(r->m->arena, "%s %s", bridge, address);
        if (!strcmp(name, bridge) || !strcmp(name, address) || (both && !strcmp(name, both))) {
            *ret = (uint32_t)i;
            found++;
        }
        names[used++] = bridge;
    }
    if (found == 1 || (!found && is_place(name, route->sink_count, ret)))
        return true;
    if (found)
        gw_bind_error(&r->m->bind, at,
                      "%zu sinks of the route are \"%s\": write its place in to:, from 1", found,
                      name);
    else
        gw_model_unknown(r->m, at, "sink", name, names, used, "the route has none");
    return false;
}

static bool find_step(struct reading *r, const struct mg_node *at, const char *name, uint32_t *ret)
{
    const struct gw_route_config *route = r->route;
    const char **names = calloc(route->step_count + 1, sizeof(*names));
    size_t found = 0, used = 0;
    for (size_t i = 0; names && i < route->step_count; i++) {
        const char *full = route->steps[i].name;
        if (!full) {
            free(names);
            return false; /* its mistake has been said */
        }
        const char *type = strchr(full, ':');
        bool whole = !strcmp(name, full), half = type && !strcmp(name, type + 1);
        if (whole || (half && !found))
            *ret = (uint32_t)i;
        found = whole ? 1 : found + half;
        names[used++] = full;
        if (whole)
            break;
    }
    bool known = found == 1 || (!found && is_place(name, route->step_count, ret));
    if (found > 1)
        gw_bind_error(&r->m->bind, at, "%zu steps of the route are \"%s\": write the whole name",
                      found, name);
    else if (!known)
        gw_model_unknown(r->m, at, "step", name, names, used, "the route has none");
    free(names);
    return known;
}

static bool find_source_bridge(struct reading *r, const struct mg_node *at, const char *name,
                               uint32_t *ret)
{
    const struct gw_route_config *route = r->route;
    const char **names = calloc(route->source_count + 1, sizeof(*names));
    bool known = false;
    for (size_t i = 0; names && i < route->source_count; i++) {
        names[i] = r->m->model.bridges[route->sources[i].bridge].name;
        if (!strcmp(names[i], name)) {
            *ret = (uint32_t)route->sources[i].bridge;
            known = true;
        }
    }
    if (!known)
        gw_model_unknown(r->m, at, "source of the route with the bridge", name, names,
                         names ? route->source_count : 0, "the route has none");
    free(names);
    return known;
}

/* ---- events --------------------------------------------------------------------------------- */

static const char *address_of(struct reading *r, const struct mg_node *node,
                              const struct gw_test_event_settings *s)
{
    if (s->topic && s->address)
        gw_bind_error(&r->m->bind, gw_tree_get(node, "address"),
                      "topic and address are the same: write one of them");
    return s->topic ? s->topic : s->address;
}

static struct mg_value text_value(const char *text)
{
    if (!text)
        return (struct mg_value){.type = MG_NULL};
    return (struct mg_value){.type = MG_TEXT, .as.text = as_text(text)};
}

static struct mg_head head_of(const struct mg_node *node, const struct gw_test_event_settings *s)
{
    struct mg_head head = {
        .size = sizeof head,
        .reply_to = as_text(s->reply_to),
        .subject = as_text(s->subject),
        .content_type = as_text(s->content_type),
        .content_encoding = as_text(s->content_encoding),
        .group = as_text(s->group),
        .message_id = text_value(s->message_id),
        .correlation = text_value(s->correlation),
        .qos = (uint8_t)s->qos,
        .priority = (uint8_t)s->priority,
        .retain = s->retain,
        .durable = s->durable,
    };
    head.present = (gw_tree_get(node, "qos") ? MG_HAS_QOS : 0u) |
                   (gw_tree_get(node, "retain") ? MG_HAS_RETAIN : 0u) |
                   (gw_tree_get(node, "durable") ? MG_HAS_DURABLE : 0u) |
                   (gw_tree_get(node, "priority") ? MG_HAS_PRIORITY : 0u);
    return head;
}

static bool bind_event(struct reading *r, const struct mg_option *options,
                       const struct mg_node *node, struct gw_test_event_settings *s,
                       struct mg_bytes *ret_payload, const struct mg_property **ret_properties,
                       size_t *ret_count)
{
    if (gw_bind_settings(&r->m->bind, options, node, node, s) ||
        !gw_model_payload(r->m, node, s, ret_payload))
        return false;
    return !s->properties || gw_model_properties(r->m, s->properties, ret_properties, ret_count);
}

static void read_given(struct reading *r, const struct mg_node *node)
{
    struct gw_test_event_settings s = {0};
    struct gw_test_given g = {.bridge = GW_TEST_ANY, .node = node};
    if (!is_map(r, node, "given: { topic: plant/a, json: { x: 1 } }") ||
        !bind_event(r, gw_given_options, node, &s, &g.message.payload, &g.message.properties,
                    &g.message.property_count))
        return;
    g.message.head = head_of(node, &s);
    g.message.head.address = as_text(address_of(r, node, &s));
    g.at_ms = s.at_ms;
    g.every_ms = s.every_ms;
    g.times = s.times;
    g.expires_ms = s.expires_ms;
    if (!g.message.head.address.len) {
        gw_bind_error(&r->m->bind, node, "what is given needs a topic (or an address)");
        return;
    }
    if (s.bridge && !find_source_bridge(r, gw_tree_get(node, "bridge"), s.bridge, &g.bridge))
        return;
    r->test->given[r->test->given_count++] = g;
}

static bool sink_of_arrival(struct reading *r, const struct mg_node *node, const char *sink,
                            uint32_t *ret)
{
    *ret = 0;
    if (sink)
        return find_sink(r, gw_tree_get(node, "sink"), sink, ret);
    if (r->route->sink_count == 1)
        return true;
    gw_bind_error(&r->m->bind, node, "the route has %zu sinks: say which one takes it, sink: %s",
                  r->route->sink_count, r->m->model.bridges[r->route->sinks[0].bridge].name);
    return false;
}

static void read_arrival(struct reading *r, const struct mg_node *node)
{
    struct gw_test_event_settings s = {0};
    struct gw_test_arrival a = {.node = node};
    if (!is_map(r, node, "expect: { address: plant/a, json: { x: 1 } }") ||
        !bind_event(r, gw_expect_options, node, &s, &a.payload, &a.properties, &a.property_count) ||
        !sink_of_arrival(r, node, s.sink, &a.sink))
        return;
    if (s.json_has && a.payload.at) {
        gw_bind_error(&r->m->bind, gw_tree_get(node, "json_has"),
                      "json_has stands in the place of json, text and base64");
        return;
    }
    if (s.json) {
        a.json = (struct mg_str){a.payload.at, a.payload.len};
        a.payload.at = NULL;
    }
    if (s.json_has)
        a.json_has = gw_model_json(r->m->arena, s.json_has);
    a.head = head_of(node, &s);
    a.address = as_text(address_of(r, node, &s));
    a.message_id = as_text(s.message_id);
    a.correlation = as_text(s.correlation);
    a.after_ms = s.after_ms;
    a.within_ms = gw_tree_get(node, "within") ? s.within_ms : -1;
    a.times = s.times;
    if (a.within_ms >= 0 && a.within_ms < a.after_ms)
        gw_bind_error(&r->m->bind, gw_tree_get(node, "within"), "within is before after");
    r->test->arrivals[r->test->arrival_count++] = a;
}

/* ---- faults --------------------------------------------------------------------------------- */

static const char *const fault_keys[] = {"sink_down", "sink_rejects", "sink_fails", "unconfirmed",
                                         "restart"};
enum { FAULT_KEYS = sizeof fault_keys / sizeof fault_keys[0] };

static void read_fault(struct reading *r, const struct mg_node *node)
{
    struct gw_when_settings s = {0};
    struct gw_test_fault f = {.sink = GW_TEST_ANY};
    size_t kinds = 0;
    if (!is_map(r, node, "when: { sink_down: 90s }") ||
        gw_bind_settings(&r->m->bind, gw_when_options, node, node, &s))
        return;
    for (uint32_t i = 0; i < FAULT_KEYS; i++) {
        if (!gw_tree_get(node, fault_keys[i]))
            continue;
        f.kind = i;
        kinds++;
    }
    if (kinds != 1) {
        gw_bind_error(&r->m->bind, node,
                      "each has one of sink_down, sink_rejects, sink_fails, unconfirmed and "
                      "restart; write a list for several");
        return;
    }
    f.at_ms = f.kind == GW_TEST_RESTART ? s.restart_ms : s.at_ms;
    f.for_ms = f.kind == GW_TEST_DOWN ? s.down_ms : s.for_ms;
    f.times = f.kind == GW_TEST_UNCONFIRMED ? s.unconfirmed : s.times;
    f.reason = f.kind == GW_TEST_REJECTS ? s.rejects : f.kind == GW_TEST_FAILS ? s.fails : NULL;
    if (s.sink && !find_sink(r, gw_tree_get(node, "sink"), s.sink, &f.sink))
        return;
    r->test->faults[r->test->fault_count++] = f;
}

/* ---- ends ----------------------------------------------------------------------------------- */

static const struct mg_node *item_at(const struct mg_node *list, size_t i)
{
    return list->type == MG_NODE_LIST ? list->items[i] : list;
}

static void read_ends(struct reading *r, const char *key, const struct mg_list *list, uint32_t kind)
{
    const struct gw_test_end_settings *items = list->items;
    const struct mg_node *node = gw_tree_get(r->test->node, key);
    for (size_t i = 0; i < list->count; i++) {
        const struct gw_test_end_settings *s = &items[i];
        const struct mg_node *at = item_at(node, i);
        struct gw_test_end e = {.kind = kind,
                                .step = GW_TEST_ANY,
                                .sink = GW_TEST_ANY,
                                .reason = s->reason,
                                .times = s->times,
                                .attempts = s->attempts,
                                .node = at};
        const struct mg_node *step = at->type == MG_NODE_MAP ? gw_tree_get(at, "step") : at;
        const struct mg_node *sink = at->type == MG_NODE_MAP ? gw_tree_get(at, "sink") : at;
        if ((s->step && !find_step(r, step, s->step, &e.step)) ||
            (s->sink && !find_sink(r, sink, s->sink, &e.sink)))
            continue;
        r->test->ends[r->test->end_count++] = e;
    }
}

/* ---- a whole test --------------------------------------------------------------------------- */

static void check_whole(struct reading *r, const struct gw_test_settings *s)
{
    const struct gw_test_config *t = r->test;
    int64_t events = 0;
    bool counts = s->expired || s->discarded || s->duplicates || s->waiting || s->unmatched;
    for (size_t i = 0; i < t->given_count; i++)
        events += t->given[i].times;
    if (events > GW_TEST_EVENTS_MAX)
        gw_bind_error(&r->m->bind, t->node, "more than %d events are given", GW_TEST_EVENTS_MAX);
    if (!gw_tree_get(t->node, "expect") && !s->dropped.count && !s->rejected.count &&
        !s->dead_lettered.count && !s->returned.count && !counts)
        gw_bind_error(&r->m->bind, t->node,
                      "nothing is expected: write expect: (a list of events, or [] for none), "
                      "dropped:, rejected:, dead_lettered: or another such");
}

static bool make_room(struct reading *r, const struct gw_test_settings *s)
{
    struct gw_test_config *t = r->test;
    size_t ends = s->dropped.count + s->rejected.count + s->dead_lettered.count + s->returned.count;
    t->given = room_for(r, t->node, s->given.count, sizeof *t->given);
    t->faults = room_for(r, t->node, s->when.count, sizeof *t->faults);
    t->arrivals = room_for(r, t->node, s->expect.count, sizeof *t->arrivals);
    t->ends = room_for(r, t->node, ends, sizeof *t->ends);
    return t->given && t->faults && t->arrivals && t->ends;
}

static void read_test(struct reading *r, const struct mg_node *node)
{
    struct gw_test_config *t = r->test;
    struct gw_test_settings s = {0};
    *t = (struct gw_test_config){.node = node};
    if (!is_map(r, node, "- given: { topic: plant/a, json: { x: 1 } }") ||
        gw_bind_settings(&r->m->bind, gw_test_options, node, node, &s) || !make_room(r, &s))
        return;
    t->name = s.name;
    t->run_for_ms = s.run_for_ms;
    t->expired = s.expired;
    t->discarded = s.discarded;
    t->duplicates = s.duplicates;
    t->waiting = s.waiting;
    t->unmatched = s.unmatched;
    if (gw_value_time(s.clock, 0, &t->wall_us) || t->wall_us <= 0)
        gw_bind_error(&r->m->bind, gw_tree_get(node, "clock"),
                      "clock: \"%s\" is no time; write 2026-03-01T08:00:00Z", s.clock);
    const struct mg_node *const *items = s.given.items;
    for (size_t i = 0; i < s.given.count; i++)
        read_given(r, items[i]);
    items = s.when.items;
    for (size_t i = 0; i < s.when.count; i++)
        read_fault(r, items[i]);
    items = s.expect.items;
    for (size_t i = 0; i < s.expect.count; i++)
        read_arrival(r, items[i]);
    read_ends(r, "dropped", &s.dropped, GW_TEST_DROPPED);
    read_ends(r, "rejected", &s.rejected, GW_TEST_REJECTED);
    read_ends(r, "dead_lettered", &s.dead_lettered, GW_TEST_DEAD);
    read_ends(r, "returned", &s.returned, GW_TEST_RETURNED);
    check_whole(r, &s);
}

int gw_model_read_tests(struct gw_loading *m, const struct mg_list *nodes,
                        struct gw_route_config *route)
{
    const struct mg_node *const *items = nodes->items;
    if (nodes->count > GW_TESTS_MAX) {
        gw_bind_error(&m->bind, items[GW_TESTS_MAX], "more than %d tests", GW_TESTS_MAX);
        return 0;
    }
    route->tests = gw_arena_alloc(m->arena, (nodes->count + 1) * sizeof *route->tests);
    if (!route->tests)
        return -ENOMEM;
    for (size_t i = 0; i < nodes->count; i++) {
        struct reading r = {m, route, &route->tests[route->test_count++]};
        m->bind.what = gw_arena_printf(m->arena, "route %s, test %zu", route->name, i + 1);
        read_test(&r, items[i]);
    }
    m->bind.what = gw_arena_printf(m->arena, "route %s", route->name);
    return 0;
}
