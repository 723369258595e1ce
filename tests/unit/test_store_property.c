/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations, restarts and kills against a model in memory: after each turn the ledger, and
 * after each restart everything that can be read, is what the model says. */
#include "store_rig.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 300, STEPS = 120, SINKS = 3, RECORDS = 600, KEYS = 8, IDENTITIES = 16 };
enum { LIMIT = 12, WINDOW = 10 };

struct model_record {
    uint32_t event;
    uint8_t left;   /* sinks that miss it */
    bool delivered; /* by one of them */
    uint8_t worst;  /* rank of the worst term */
    uint32_t attempts[SINKS];
};
struct model_event {
    uint32_t left; /* records */
    uint8_t worst;
};
struct model {
    struct model_record records[RECORDS];
    struct model_event events[RECORDS];
    uint32_t record_count, event_count; /* a record's sequence is its place + 1 */
    uint64_t received, ended[GW_TERMS], stored;
    uint64_t state[KEYS]; /* 0: none */
    uint64_t identities[RECORDS];
    uint32_t identity_count;
    uint32_t dead;
};

struct world {
    struct rig rig;
    struct model now, kept; /* kept: as of the last turn */
    struct gw_store_log_settings settings;
    uint64_t seed;
    struct rig_append *appends[STEPS];
    uint64_t expected[STEPS]; /* their first sequence; 0: a duplicate */
    size_t append_count, turned;
};

static uint32_t roll(struct world *w, uint32_t bound)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 33) % bound;
}

/* Terms by weight. */
static const uint32_t terms[] = {GW_TERM_DELIVERED, GW_TERM_EXPIRED, GW_TERM_DISCARDED,
                                 GW_TERM_DEAD_LETTERED};

static void end_record(struct world *w, struct model_record *r)
{
    struct model *m = &w->now;
    struct model_event *e = &m->events[r->event];
    uint8_t rank = w->settings.any && r->delivered ? 0 : r->worst;
    if (rank > e->worst)
        e->worst = rank;
    if (--e->left)
        return;
    m->stored--;
    m->ended[terms[e->worst]]++;
}

static void model_settle(struct world *w, uint32_t sink, uint32_t at, uint8_t rank)
{
    struct model_record *r = &w->now.records[at];
    if (at >= w->now.record_count || !(r->left >> sink & 1))
        return;
    r->left &= (uint8_t) ~(1u << sink);
    r->delivered |= !rank;
    r->worst = rank > r->worst ? rank : r->worst;
    if (w->settings.any && !rank)
        r->left = 0;
    if (rank == 3)
        w->now.dead++;
    if (!r->left)
        end_record(w, r);
}

static uint32_t backlog(const struct model *m, uint32_t sink)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->record_count; i++)
        count += m->records[i].left >> sink & 1;
    return count;
}

static uint64_t model_append(struct world *w, uint32_t count, uint8_t sinks, uint64_t identity)
{
    struct model *m = &w->now;
    uint8_t refused = 0;
    m->received++;
    if (identity) {
        uint32_t from = m->identity_count > WINDOW ? m->identity_count - WINDOW : 0;
        for (uint32_t i = from; i < m->identity_count; i++)
            if (m->identities[i] == identity) {
                m->ended[GW_TERM_DUPLICATE]++;
                return 0;
            }
        m->identities[m->identity_count++] = identity;
    }
    for (uint32_t s = 0; s < SINKS; s++) {
        uint32_t waits = backlog(m, s);
        if (w->settings.backlog_count && waits && waits + count > LIMIT && sinks >> s & 1)
            refused |= (uint8_t)(1u << s);
    }
    uint32_t event = m->event_count++, first = m->record_count;
    m->events[event] = (struct model_event){count, 0};
    m->stored++;
    for (uint32_t i = 0; i < count; i++) {
        struct model_record *r = &m->records[m->record_count++];
        *r = (struct model_record){.event = event, .left = (uint8_t)(sinks & ~refused)};
        r->worst = refused ? 2 : 0;
    }
    for (uint32_t i = first; i < m->record_count; i++)
        if (!m->records[i].left)
            end_record(w, &m->records[i]);
    return first + 1;
}

/* ---- one step on both sides
 * ----------------------------------------------------------------------- */

static void step_append(struct world *w)
{
    uint32_t count = roll(w, 4) ? 1 : 1 + roll(w, 3);
    uint8_t sinks = (uint8_t)(1 + roll(w, (1u << SINKS) - 1));
    uint64_t identity = roll(w, 2) ? 0 : 1 + roll(w, IDENTITIES);
    if (w->now.record_count + count > RECORDS)
        return;
    struct rig_append *append = rig_append_begin(&w->rig, 0, "x", count, sinks, 0);
    append->op.identified = identity != 0;
    append->op.identity[0] = identity;
    w->expected[w->append_count] = model_append(w, count, sinks, identity);
    w->appends[w->append_count++] = append;
    rig_append_submit(append);
}

static uint32_t some_record(struct world *w)
{
    uint32_t count = w->now.record_count, back = roll(w, 30);
    return roll(w, 8) ? (count > back ? count - 1 - back : 0) : roll(w, count + 2);
}

static void step(struct world *w)
{
    uint32_t sink = roll(w, SINKS), at;
    switch (roll(w, 10)) {
    case 0:
    case 1:
    case 2:
        step_append(w);
        break;
    case 3: /* the oldest first, as a lane does */
        for (at = 0; at < w->now.record_count && !(w->now.records[at].left >> sink & 1);)
            at++;
        rig_settle_later(&w->rig, 0, sink, at + 1, GW_TERM_DELIVERED);
        model_settle(w, sink, at, 0);
        break;
    case 4:
    case 5:
    case 6: {
        uint8_t rank = (uint8_t)roll(w, 3);
        at = some_record(w);
        rig_settle_later(&w->rig, 0, sink, at + 1, terms[rank]);
        model_settle(w, sink, at, rank);
        break;
    }
    case 7:
        at = some_record(w);
        rig_bury_later(&w->rig, 0, sink, at + 1, "no");
        model_settle(w, sink, at, 3);
        break;
    case 8:
        at = some_record(w);
        uint32_t attempts = 1 + roll(w, 100);
        rig_note_later(&w->rig, 0, sink, at + 1, attempts);
        if (at < w->now.record_count && w->now.records[at].left >> sink & 1)
            w->now.records[at].attempts[sink] = attempts;
        break;
    default: {
        char key[2] = {(char)('a' + roll(w, KEYS)), '\0'}, value[16];
        uint64_t number = roll(w, 3) ? 1 + roll(w, 1000) : 0;
        snprintf(value, sizeof value, "%llu", (unsigned long long)number);
        rig_state_later(&w->rig, key, number ? value : NULL);
        w->now.state[key[0] - 'a'] = number;
    }
    }
}

/* ---- comparing
 * ------------------------------------------------------------------------------------- */

static bool same_ledger(struct world *w)
{
    struct gw_store_ledger ledger = rig_ledger(&w->rig, 0);
    bool same = ledger.received == w->now.received && ledger.stored == w->now.stored;
    for (size_t i = 0; i < GW_TERMS; i++)
        same = same && ledger.ended[i] == w->now.ended[i];
    return same;
}

struct reading {
    struct world *world;
    uint32_t sink, at;
    bool same;
};

static bool compare(void *arg, const struct gw_stored *stored)
{
    struct reading *r = arg;
    const struct model *m = &r->world->now;
    while (r->at < m->record_count && !(m->records[r->at].left >> r->sink & 1))
        r->at++;
    r->same = r->same && r->at < m->record_count && stored->record.sequence == r->at + 1 &&
              stored->attempts == m->records[r->at].attempts[r->sink];
    r->at++;
    return true;
}

static void compare_state(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct reading *r = arg;
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.at);
    uint64_t number = r->world->now.state[*(const char *)key.at - 'a'];
    r->same = r->same && number && number == strtoull(text, NULL, 10);
    r->at++;
}

static bool count_dead(void *arg, const struct gw_dead *dead)
{
    (void)dead;
    ++*(uint32_t *)arg;
    return true;
}

static bool same_all(struct world *w)
{
    struct reading state = {.world = w, .same = true};
    uint32_t states = 0, dead = 0;
    bool same = same_ledger(w);
    for (uint32_t s = 0; s < SINKS; s++) {
        struct reading r = {w, s, 0, true};
        struct gw_store_backlog shown;
        uint64_t next;
        gw_store_log_backlog(w->rig.logs[0], s, &shown);
        same = same && !gw_store_read(w->rig.logs[0], s, 0, compare, &r, &next) && r.same;
        while (r.at < w->now.record_count && !(w->now.records[r.at].left >> s & 1))
            r.at++;
        same = same && r.at >= w->now.record_count && shown.count == backlog(&w->now, s) &&
               next == (uint64_t)w->now.record_count + 1 && shown.end == next;
    }
    gw_store_state_each(w->rig.store, (struct mg_bytes){"", 0}, compare_state, &state);
    for (size_t i = 0; i < KEYS; i++)
        states += w->now.state[i] != 0;
    gw_store_dead_each(w->rig.store, 0, count_dead, &dead);
    return same && state.same && state.at == states && dead == w->now.dead;
}

static void turn(struct world *w)
{
    gw_store_turn(w->rig.store);
    w->kept = w->now;
    for (; w->turned < w->append_count; w->turned++) {
        struct rig_append *append = w->appends[w->turned];
        CU_ASSERT(append->done && append->op.first_sequence == w->expected[w->turned]);
        CU_ASSERT_EQUAL(append->op.duplicate, !w->expected[w->turned]);
    }
}

static bool run(uint64_t seed)
{
    static struct world world;
    struct world *w = &world;
    static const char *const sinks[] = {"one", "two", "three"};
    bool same = true;
    *w = (struct world){.seed = seed};
    w->settings = (struct gw_store_log_settings){.route = "r",
                                                 .sinks = sinks,
                                                 .sink_count = SINKS,
                                                 .any = roll(w, 2),
                                                 .dedup_count = WINDOW,
                                                 .when_full = GW_FULL_DROP_NEWEST};
    w->settings.backlog_count = roll(w, 2) ? LIMIT : 0;
    rig_init(&w->rig);
    rig_open(&w->rig);
    rig_log(&w->rig, 0, &w->settings);
    for (int i = 0; i < STEPS && same; i++) {
        step(w);
        if (!roll(w, 3)) {
            turn(w);
            same = same_ledger(w);
        }
        if (!roll(w, 40)) { /* a kill: what was not turned is gone */
            rig_abandon(&w->rig);
            w->now = w->kept;
            w->turned = w->append_count;
            same = same && same_all(w);
        } else if (!roll(w, 40)) {
            rig_reopen(&w->rig);
            turn(w);
            same = same && same_all(w);
        }
    }
    turn(w);
    same = same && same_all(w);
    rig_remove(&w->rig);
    for (size_t i = 0; i < w->append_count; i++)
        rig_append_free(w->appends[i]);
    return same;
}

static void whatever_happens_the_store_is_as_the_model(void)
{
    const char *one = getenv("STORE_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (one ? 1 : SEEDS); seed++) {
        if (run(seed))
            continue;
        fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        CU_FAIL("the store differs from the model (STORE_SEED=N runs one)");
        break;
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(whatever_happens_the_store_is_as_the_model)},
        {NULL, NULL},
    };
    return kit_main("store_property", tests);
}
