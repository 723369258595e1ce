/* SPDX-License-Identifier: Apache-2.0 */
/* How many frames the amqp bridge writes for a thousand events, counted on the wire.  Were each
 * settlement or each step of credit a frame of its own, brokers would pay for every one. */
#include "amqp_rig.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 1000, MOST = EVENTS / 8 };

static struct rig_peer peer;

static void start(struct rig_end *end, const char *from, const char *to, const char *sink)
{
    rig_peer_start(&peer, "load");
    rig_host_open();
    rig_open(end, rig_text("{url: 'amqp://127.0.0.1:%d'}", peer.port), from, "", to, sink);
}

struct frames {
    int transfers, dispositions, flows;
    int accepted; /* of what the peer sent, as it heard */
};

/* Closes the connection, after which the peer says what came over it. */
static struct frames finish(struct rig_end *end)
{
    struct frames f = {-1, -1, -1, -1};
    char line[256];
    size_t n = 0;
    rig_close(end);
    while ((f.transfers < 0 || f.accepted < 0) && read(peer.out, line + n, 1) == 1) {
        if (line[n] != '\n') {
            n += n + 2 < sizeof line;
            continue;
        }
        line[n] = 0;
        n = 0;
        sscanf(line, "accepted %d", &f.accepted);
        sscanf(line, "frames %d %d %d", &f.transfers, &f.dispositions, &f.flows);
    }
    rig_host_close();
    rig_peer_stop(&peer);
    return f;
}

static bool all_ingested_are_settled(void *unused)
{
    size_t count = kit_ingested_count(rig_host), settled = 0;
    (void)unused;
    for (size_t i = 0; i < count; i++)
        settled += kit_ingested(rig_host, i)->outcome == MG_ACCEPTED;
    return settled == EVENTS;
}

static void source_frames(enum kit_settle_when when)
{
    struct rig_end end;
    start(&end, "q", NULL, "");
    kit_settle_when(rig_host, when, MG_ACCEPTED);
    rig_begin(&end, 400);
    CU_ASSERT_TRUE(kit_run_until(rig_host, all_ingested_are_settled, NULL, 20000));
    struct frames f = finish(&end);
    CU_ASSERT_EQUAL(f.accepted, EVENTS);
    CU_ASSERT_EQUAL(f.transfers, 0);
    CU_ASSERT(f.dispositions > 0 && f.dispositions <= MOST);
    CU_ASSERT(f.flows > 0 && f.flows <= MOST);
}

static void test_settlements_at_once_share_frames(void)
{
    source_frames(KIT_SETTLE_AT_ONCE);
}

static void test_settlements_of_a_turn_share_frames(void)
{
    source_frames(KIT_SETTLE_NEXT_TURN);
}

/* Sent in turns of 50 events, as a busy shard does. */
static struct frames sink_frames(const char *settings)
{
    struct rig_end end;
    struct mg_err err;
    size_t taken = 0;
    start(&end, NULL, "q", settings);
    rig_begin(&end, 1);
    CU_ASSERT_TRUE(rig_up(&end));
    mg_event *event = kit_event("plant/a", "x");
    CU_ASSERT_TRUE(rig_send(&end, event, "q") != NULL); /* waits for the credit */
    for (taken = 1; taken < EVENTS && kit_send(end.sink, event, "q", true, NULL, &err) == 0;
         taken++)
        if (taken % 50 == 0)
            kit_turn(rig_host);
    CU_ASSERT_EQUAL(taken, EVENTS);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 20000));
    kit_host_table(rig_host)->event_unref(event);
    return finish(&end);
}

static void test_a_sink_writes_its_transfers_and_no_more(void)
{
    struct frames f = sink_frames("");
    CU_ASSERT_EQUAL(f.transfers, EVENTS);
    CU_ASSERT_EQUAL(f.dispositions, 0); /* the peer has settled first */
    CU_ASSERT(f.flows >= 0 && f.flows <= MOST);
}

static void test_a_presettled_sink_writes_its_transfers_and_no_more(void)
{
    struct frames f = sink_frames("{presettled: true}");
    CU_ASSERT_EQUAL(f.transfers, EVENTS);
    CU_ASSERT_EQUAL(f.dispositions, 0);
    CU_ASSERT(f.flows >= 0 && f.flows <= MOST);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"settlements at once share frames", test_settlements_at_once_share_frames},
        {"settlements of a turn share frames", test_settlements_of_a_turn_share_frames},
        {"a sink writes its transfers and no more", test_a_sink_writes_its_transfers_and_no_more},
        {"a presettled sink writes its transfers and no more",
         test_a_presettled_sink_writes_its_transfers_and_no_more},
        {NULL, NULL},
    };
    return kit_main("amqp_batches", tests);
}
