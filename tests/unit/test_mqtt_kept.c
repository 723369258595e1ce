/* SPDX-License-Identifier: Apache-2.0 */
/* QoS 2 over restarts: the bridge with a store and the native client's session, against a server in
 * memory.  The process dies at every instant of an exchange, in both directions, and each message
 * arrives once. */
#include "bind.h"
#include "fake_host.h"
#include "mqtt_model.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MOST = 256, DOUBTFUL = 9 /* counter */ };

static struct kit_host *host;
static mg_instance *instance;
static mg_connection *connection;
static mg_source *source;
static mg_sink *sink;
static const char *settings_text, *sink_text;

/* The core's part: events that are stored until their settlement is kept. */
static struct stored {
    mg_event *event;
    const struct kit_sent *sent; /* in hand */
    bool done;
} events[EVENTS_MOST];
static size_t event_count;
static size_t life_from; /* events ingested by this life begin here */

static const void *bound(const struct mg_option *options, size_t size, const char *yaml)
{
    const void *settings = kit_settings(host, options, size, yaml);
    if (!settings)
        fprintf(stderr, "%s: %s\n", yaml, kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void start(void)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL_FATAL(
        kit_instance_create(host, module, "m",
                            bound(module->options, module->settings_size, settings_text), &instance,
                            &err),
        0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    CU_ASSERT_EQUAL_FATAL(
        kit_source_open(connection, "in/#",
                        bound(module->source_options, module->source_settings_size, "{qos: 2}"),
                        &source, &err),
        0);
    CU_ASSERT_EQUAL_FATAL(
        kit_sink_open(connection, "{address}",
                      bound(module->sink_options, module->sink_settings_size, sink_text), &sink,
                      &err),
        0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, 5, &err), 0);
    life_from = kit_ingested_count(host);
}

static void end_life(void)
{
    for (size_t i = 0; i < event_count; i++) {
        events[i].done |=
            events[i].sent && events[i].sent->kept && events[i].sent->outcome == MG_ACCEPTED;
        events[i].sent = NULL;
    }
    kit_connection_destroy(connection);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static void crash(void)
{
    kit_store_crash(host);
    end_life();
}

#define V5   "version: 5, session_expiry: 1h"
#define V311 "version: 3.1.1"

static void open_with(const char *settings, const char *sink_settings)
{
    static char text[256];
    snprintf(text, sizeof text, "{url: \"mqtt://here\", clean_start: false, max_inflight: 6, %s}",
             settings);
    settings_text = text;
    sink_text = sink_settings;
    host = kit_host_create();
    kit_clock_by_hand(host);
    kit_store_open(host);
    model_reset();
    event_count = 0;
    start();
}

static void close_all(void)
{
    end_life();
    for (size_t i = 0; i < event_count; i++)
        kit_host_table(host)->event_unref(events[i].event);
    CU_ASSERT_EQUAL(model.violations, 0);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    model_reset();
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void new_event(const char *text)
{
    CU_ASSERT_FATAL(event_count < EVENTS_MOST);
    events[event_count++] = (struct stored){.event = kit_event("out/t", text)};
}

/* The first event that is neither settled nor in hand.  false: none, or it was not taken. */
static bool offer(void)
{
    struct mg_err err = {{0}, NULL};
    for (size_t i = 0; i < event_count; i++) {
        struct stored *e = &events[i];
        if (e->sent && e->sent->outcome >= MG_REJECTED)
            e->sent = NULL; /* given back */
        if (e->done || e->sent)
            continue;
        return !kit_send_stored(sink, e->event, "out/t", i + 1, &e->sent, &err) || (e->sent = NULL);
    }
    return false;
}

static bool settle_one(size_t which)
{
    size_t open[64], count = 0;
    for (size_t i = life_from; i < kit_ingested_count(host) && count < 64; i++)
        if (!kit_ingested(host, i)->outcome)
            open[count++] = i;
    if (count)
        kit_settle(host, open[which % count], MG_ACCEPTED, NULL);
    return count;
}

static void reconnect(void)
{
    for (int i = 0; i < 100 && !model_linked(); i++)
        kit_clock_advance_ms(host, 1000);
}

/* Until nothing moves any more. */
static void run_on(void)
{
    for (bool any = true; any;) {
        any = false;
        reconnect();
        while (model_up() || model_down())
            any = true;
        while (offer())
            any = true;
        while (settle_one(0))
            any = true;
        kit_turn(host);
        any = kit_store_commit(host, 0) || any;
        kit_turn(host);
        any = any || model_up() || model_down();
    }
}

static bool published_are(size_t count)
{
    bool same = model.published_count == count;
    for (size_t i = 0; i < count && same; i++) {
        char text[MODEL_TEXT];
        snprintf(text, sizeof text, "%zu", i);
        same = !strcmp(model.published[i], text);
    }
    for (size_t i = 0; i < model.published_count && !same; i++)
        fprintf(stderr, "%s%s", model.published[i], i + 1 < model.published_count ? " " : "\n");
    return same;
}

static bool all_done(void)
{
    for (size_t i = 0; i < event_count; i++)
        if (!events[i].done &&
            !(events[i].sent && events[i].sent->kept && events[i].sent->outcome == MG_ACCEPTED))
            return false;
    return true;
}

/* Of the events ingested, those that were kept, each content `times` times in a row. */
static bool kept_are(size_t count, size_t times)
{
    size_t seen = 0;
    bool same = true;
    for (size_t i = 0; i < kit_ingested_count(host); i++) {
        const struct kit_ingested *ingested = kit_ingested(host, i);
        char text[MODEL_TEXT];
        snprintf(text, sizeof text, "%zu", seen / times);
        if (!ingested->kept)
            continue;
        same = same && kit_payload_is(ingested->event, text);
        seen++;
    }
    if (!same || seen != count)
        fprintf(stderr, "%zu events kept of %zu, %sin order\n", seen, count, same ? "" : "not ");
    return same && seen == count;
}

/* ---- out: the process dies at each instant of one exchange ---------------------------------- */

static void step_send(void)
{
    offer();
}

static void step_turn(void)
{
    kit_turn(host);
}

static void step_commit(void)
{
    kit_store_commit(host, 0);
}

static void step_up(void)
{
    model_up();
}

static void step_down(void)
{
    model_down();
}

static void (*const out_steps[])(void) = {
    step_send,   step_turn, step_commit, step_turn, /* the entry, then PUBLISH */
    step_up,     step_down, step_turn,              /* PUBREC */
    step_commit, step_turn, step_up,                /* the entry, then PUBREL */
    step_down,   step_turn, step_commit,            /* PUBCOMP, the settlement */
};
enum { OUT_STEPS = sizeof out_steps / sizeof out_steps[0] };

static void die_after(const char *version, bool at_release, size_t steps, bool twice)
{
    open_with(version, "{qos: 2}");
    model.at_release = at_release;
    run_on();
    new_event("0");
    for (size_t i = 0; i < steps; i++)
        out_steps[i]();
    crash();
    new_event("1");
    start();
    if (twice) {
        reconnect();
        for (size_t i = 0; i < 4; i++) {
            model_up();
            model_down();
            offer();
            kit_turn(host);
            step_commit();
        }
        crash();
        start();
    }
    run_on();
    CU_ASSERT(published_are(2));
    CU_ASSERT(all_done());
    CU_ASSERT_EQUAL(model_held(), 0);
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    CU_ASSERT_EQUAL(kit_counter(instance, DOUBTFUL), 0);
    close_all();
}

static void a_message_out_arrives_once_whenever_the_process_dies(void)
{
    for (size_t steps = 0; steps <= OUT_STEPS; steps++)
        for (int i = 0; i < 8; i++)
            die_after(i & 1 ? V5 : V311, i & 2, steps, i & 4);
}

static void nothing_goes_out_before_its_entry_is_kept(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    new_event("0");
    CU_ASSERT(offer());
    step_turn();
    CU_ASSERT_FALSE(model_up());
    CU_ASSERT_EQUAL(kit_store_waiting(host), 1);
    step_commit();
    step_turn();
    CU_ASSERT(model_up());   /* PUBLISH */
    CU_ASSERT(model_down()); /* PUBREC */
    step_turn();
    CU_ASSERT_FALSE(model_up());
    step_commit();
    step_turn();
    CU_ASSERT(model_up()); /* PUBREL */
    CU_ASSERT(model_down());
    CU_ASSERT_EQUAL(events[0].sent->outcome, MG_ACCEPTED);
    CU_ASSERT_EQUAL(kit_store_waiting(host), 2); /* the settlement, and that the entry goes */
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    step_commit();
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    close_all();
}

static void a_repetition_has_its_identifier_and_is_marked(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    new_event("0");
    for (size_t i = 0; i < 5; i++)
        out_steps[i](); /* the server has it */
    crash();
    start();
    run_on();
    CU_ASSERT_EQUAL(model.repetitions, 1);
    CU_ASSERT(published_are(1));
    close_all();
}

static void a_released_exchange_completes_before_its_event_comes(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    new_event("0");
    for (size_t i = 0; i < 8; i++)
        out_steps[i](); /* PUBREL is kept */
    crash();
    start();
    for (int i = 0; i < 20; i++) {
        model_up();
        model_down();
        kit_turn(host);
    }
    step_commit();
    CU_ASSERT_EQUAL(model_held(), 0);
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    CU_ASSERT(offer());
    CU_ASSERT_EQUAL(events[0].sent->outcome, MG_ACCEPTED);
    step_commit();
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    CU_ASSERT_EQUAL(model.repetitions, 0);
    CU_ASSERT(published_are(1));
    close_all();
}

static void a_session_that_the_server_forgot_is_begun_anew_and_counted(void)
{
    for (size_t steps = 4; steps <= 9; steps++) {
        open_with(V5, "{qos: 2}");
        run_on();
        new_event("0");
        for (size_t i = 0; i < steps; i++)
            out_steps[i]();
        crash();
        model_forget();
        start();
        run_on();
        CU_ASSERT(all_done());
        CU_ASSERT_EQUAL(kit_store_count(host), 0);
        CU_ASSERT_EQUAL(kit_counter(instance, DOUBTFUL), 1);
        CU_ASSERT(kit_logged(host, MG_WARN, "may arrive twice"));
        CU_ASSERT_EQUAL(model.published_count, steps > 4 ? 2 : 1);
        close_all();
    }
}

static void run_server(void)
{
    for (int i = 0; i < 60; i++) {
        model_up();
        model_down();
        kit_turn(host);
        step_commit();
    }
}

/* The events of six exchanges have expired meanwhile; they hold all the places that there are. */
static void exchanges_whose_events_do_not_come_give_their_place(void)
{
    for (int at_server = 0; at_server < 2; at_server++) {
        open_with(V5 ", confirm_timeout: 10s", "{qos: 2}");
        run_on();
        for (int i = 0; i < 6; i++)
            new_event("x");
        while (offer())
            ;
        step_turn();
        step_commit();
        step_turn();
        for (int i = 0; i < 6 && at_server; i++)
            model_up();
        crash();
        for (int i = 0; i < 6; i++)
            events[i].done = true;
        start();
        new_event("0");
        run_server();
        CU_ASSERT_FALSE(offer());
        run_server();
        CU_ASSERT_FALSE(kit_is_sendable(sink));
        kit_clock_advance_ms(host, 10000);
        run_server();
        CU_ASSERT_EQUAL(model_held(), 0);
        CU_ASSERT(kit_is_sendable(sink));
        run_on();
        CU_ASSERT(all_done());
        CU_ASSERT_EQUAL(model.published_count, at_server ? 7 : 1);
        /* What the server had is remembered, should the event come after all. */
        CU_ASSERT_EQUAL(kit_store_count(host), at_server ? 6 : 0);
        if (at_server) {
            events[3].done = false;
            CU_ASSERT(offer());
            CU_ASSERT_EQUAL(events[3].sent->outcome, MG_ACCEPTED);
            step_commit();
            CU_ASSERT_EQUAL(kit_store_count(host), 5);
            CU_ASSERT_EQUAL(model.published_count, 7);
        }
        close_all();
    }
}

static void what_is_never_claimed_does_not_pile_up(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 6; i++)
            new_event("x");
        while (offer())
            ;
        step_turn();
        step_commit();
        step_turn();
        while (model_up() || model_down())
            ;
        step_turn();
        step_commit(); /* PUBREL is kept */
        crash();
        for (size_t i = 0; i < event_count; i++)
            events[i].done = true;
        start();
        run_server();
        CU_ASSERT_EQUAL(model_held(), 0);
        CU_ASSERT(kit_store_count(host) <= 6);
    }
    CU_ASSERT_EQUAL(model.published_count, 30);
    close_all();
}

static void without_memory_for_its_entry_an_event_is_not_taken(void)
{
    struct mg_err err = {{0}, NULL};
    open_with(V5, "{qos: 2}");
    run_on();
    new_event("0");
    kit_store_answer(host, -ENOMEM);
    CU_ASSERT_EQUAL(kit_send_stored(sink, events[0].event, "out/t", 1, NULL, &err), -EAGAIN);
    kit_store_answer(host, 0);
    run_on();
    CU_ASSERT(published_are(1));
    close_all();
}

/* ---- other kinds of sinks and sessions ------------------------------------------------------ */

static void a_sink_that_mixes_qualities_keeps_its_order(void)
{
    open_with(V5, "{qos: keep}");
    run_on();
    struct mg_message message = kit_message("out/t", "0");
    struct mg_err err = {{0}, NULL};
    message.head.present = MG_HAS_QOS;
    message.head.qos = 2;
    mg_event *first = kit_host_table(host)->event_new(&message);
    message.head.qos = 1;
    mg_event *second = kit_host_table(host)->event_new(&message);
    CU_ASSERT_EQUAL(kit_send_stored(sink, first, "out/t", 1, NULL, &err), 0);
    CU_ASSERT_EQUAL(kit_send_stored(sink, second, "out/t", 2, NULL, &err), -EAGAIN);
    step_turn();
    CU_ASSERT_FALSE(kit_is_sendable(sink));
    step_commit();
    CU_ASSERT(kit_is_sendable(sink));
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    kit_host_table(host)->event_unref(first);
    kit_host_table(host)->event_unref(second);
    close_all();
}

static void what_is_not_stored_has_no_entry(void)
{
    struct mg_err err = {{0}, NULL};
    mg_event *event = kit_event("out/t", "0");
    open_with(V5, "{qos: 2}");
    run_on();
    CU_ASSERT_EQUAL(kit_send(sink, event, "out/t", true, NULL, &err), 0);
    CU_ASSERT_EQUAL(kit_store_waiting(host), 0);
    step_turn();
    CU_ASSERT(model_up()); /* at once */
    run_on();
    CU_ASSERT(published_are(1));
    kit_host_table(host)->event_unref(event);
    close_all();
}

static void a_session_that_does_not_survive_keeps_nothing_and_tidies_up(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    new_event("0");
    for (size_t i = 0; i < 5; i++)
        out_steps[i]();
    crash();
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    settings_text = "{url: \"mqtt://here\"}";
    start();
    step_commit();
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    run_on();
    CU_ASSERT(all_done());
    close_all();
}

/* ---- in ------------------------------------------------------------------------------------- */

static void step_settle(void)
{
    settle_one(0);
}

static void (*const in_steps[])(void) = {
    step_down,   step_turn, step_commit, step_settle, step_turn, /* PUBLISH, the event, PUBREC */
    step_up,     step_down, step_turn,                           /* PUBREL */
    step_commit, step_turn, step_up,                             /* the entry is gone, PUBCOMP */
};
enum { IN_STEPS = sizeof in_steps / sizeof in_steps[0] };

static void a_message_in_is_taken_once_whenever_the_process_dies(void)
{
    for (size_t steps = 0; steps <= IN_STEPS; steps++)
        for (int v5 = 0; v5 < 2; v5++) {
            open_with(v5 ? V5 : V311, "{qos: 2}");
            run_on();
            model_message("0");
            for (size_t i = 0; i < steps; i++)
                in_steps[i]();
            crash();
            model_message("1");
            start();
            run_on();
            CU_ASSERT(kept_are(2, 1));
            CU_ASSERT_EQUAL(model_messages_left(), 0);
            CU_ASSERT_EQUAL(kit_store_count(host), 0);
            close_all();
        }
}

static void an_event_that_is_refused_ends_its_exchange(void)
{
    for (int v5 = 0; v5 < 2; v5++) {
        open_with(v5 ? V5 : V311, "{qos: 2}");
        run_on();
        model_message("0");
        step_down();
        step_commit();
        kit_settle(host, 0, MG_REJECTED, "poison");
        step_turn();
        CU_ASSERT_FALSE(model_up()); /* its entry is on its way */
        step_commit();
        step_turn();
        CU_ASSERT_EQUAL(kit_store_count(host), v5 ? 0 : 1);
        CU_ASSERT(model_up());
        run_on();
        CU_ASSERT_EQUAL(kit_store_count(host), 0);
        close_all();
    }
}

static void an_event_that_is_given_back_is_taken_anew(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    model_message("0");
    step_down();
    step_commit();
    kit_settle(host, 0, MG_RELEASED, NULL);
    step_turn();
    step_commit();
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    run_on();
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    CU_ASSERT_EQUAL(kit_ingested(host, 1)->outcome, MG_ACCEPTED);
    CU_ASSERT_EQUAL(model_messages_left(), 0);
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    close_all();
}

static void a_forgotten_session_leaves_no_entries_of_what_came(void)
{
    open_with(V5, "{qos: 2}");
    run_on();
    for (int i = 0; i < 4; i++) {
        char text[MODEL_TEXT];
        snprintf(text, sizeof text, "%d", i);
        model_message(text);
    }
    while (model_down())
        ;
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    model_cut();
    model_forget();
    run_on();
    step_commit();
    CU_ASSERT_EQUAL(kit_store_count(host), 0);
    close_all();
}

/* ---- both, at random ------------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t below(uint32_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % bound;
}

static void number(char *text, size_t n)
{
    snprintf(text, MODEL_TEXT, "%zu", n);
}

static void any_step(size_t *messages, size_t most)
{
    char text[MODEL_TEXT];
    switch (below(24)) {
    default:
        model_up();
        break;
    case 5 ... 9:
        model_down();
        break;
    case 10 ... 12:
        kit_turn(host);
        break;
    case 13:
        kit_store_commit(host, 0);
        break;
    case 14 ... 15:
        kit_store_commit(host, 1);
        break;
    case 16:
        kit_store_next_turn(host);
        break;
    case 17:
        number(text, event_count);
        if (event_count < most)
            new_event(text);
        break;
    case 18 ... 19:
        offer();
        break;
    case 20:
        number(text, *messages / 2); /* each content twice: the hash alone is not enough */
        if (*messages < most)
            ++*messages, model_message(text);
        break;
    case 21 ... 22:
        settle_one(below(64));
        break;
    case 23:
        kit_clock_advance_ms(host, 400);
        break;
    }
}

static void once_at_random(uint64_t with, bool v5)
{
    size_t messages = 0, most = 40;
    seed = with * UINT64_C(0x9e3779b97f4a7c15) + 1;
    open_with(v5 ? V5 ", confirm_timeout: 1h" : V311 ", confirm_timeout: 1h", "{qos: 2}");
    model.at_release = below(2);
    model.says_again = below(2);
    model.id_most = 10 + below(20);
    for (int i = 0; i < 3000; i++) {
        any_step(&messages, most);
        uint32_t fault = below(160);
        if (fault == 0) {
            crash();
            start();
        } else if (fault == 1) {
            model_cut();
        } else if (fault == 2 && !below(2)) { /* in order: what was under way is kept */
            kit_store_commit(host, 0);
            end_life();
            kit_store_commit(host, 0);
            start();
        }
    }
    run_on();
    if (!published_are(event_count) || !kept_are(messages, 2) || !all_done() ||
        model_messages_left() || model_held() || kit_store_count(host)) {
        fprintf(stderr, "seed %llu: %zu of %zu out, %zu in, %zu entries\n",
                (unsigned long long)with, model.published_count, event_count, messages,
                kit_store_count(host));
        CU_FAIL("not exactly once");
    }
    CU_ASSERT_EQUAL(kit_counter(instance, DOUBTFUL), 0);
    close_all();
}

/* MQTT_SEEDS: how many, MQTT_SEED: that one alone. */
static void everything_arrives_once_over_random_crashes(void)
{
    const char *one = getenv("MQTT_SEED"), *many = getenv("MQTT_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 10) : 300;
    for (uint64_t i = first; i < first + count; i++)
        once_at_random(i, i & 1);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(nothing_goes_out_before_its_entry_is_kept)},
        {KIT_TEST(a_message_out_arrives_once_whenever_the_process_dies)},
        {KIT_TEST(a_repetition_has_its_identifier_and_is_marked)},
        {KIT_TEST(a_released_exchange_completes_before_its_event_comes)},
        {KIT_TEST(a_session_that_the_server_forgot_is_begun_anew_and_counted)},
        {KIT_TEST(exchanges_whose_events_do_not_come_give_their_place)},
        {KIT_TEST(what_is_never_claimed_does_not_pile_up)},
        {KIT_TEST(without_memory_for_its_entry_an_event_is_not_taken)},
        {KIT_TEST(a_sink_that_mixes_qualities_keeps_its_order)},
        {KIT_TEST(what_is_not_stored_has_no_entry)},
        {KIT_TEST(a_session_that_does_not_survive_keeps_nothing_and_tidies_up)},
        {KIT_TEST(a_message_in_is_taken_once_whenever_the_process_dies)},
        {KIT_TEST(an_event_that_is_refused_ends_its_exchange)},
        {KIT_TEST(an_event_that_is_given_back_is_taken_anew)},
        {KIT_TEST(a_forgotten_session_leaves_no_entries_of_what_came)},
        {KIT_TEST(everything_arrives_once_over_random_crashes)},
        {NULL, NULL},
    };
    return kit_main("mqtt_kept", tests);
}
