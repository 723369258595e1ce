/* SPDX-License-Identifier: Apache-2.0 */
/* A second book of the dead letters, and somebody who drops some and sends others again. */
#include "sim.h"
#include "store/dead.h"
#include <stdlib.h>
#include <string.h>

#define U64(n) ((unsigned long long)(n))

struct letter {
    uint32_t route, sink /* UINT32_MAX: a step's */, message, part;
    uint64_t sequence;
    bool carries; /* the count of its event */
    bool gone;
};

static struct letter *letters; /* the first has id 1 */
static size_t count, capacity;

void sim_dead_begin(void)
{
    count = 0;
}

void sim_dead_end(void)
{
    free(letters);
    letters = NULL;
    capacity = 0;
}

/* Which letters there are is not known where the store drops what it likes. */
static bool known(void)
{
    bool drops = false;
    for (uint32_t r = 0; r < sim.plan.route_count; r++)
        drops = drops || sim_route_drops(r);
    return !drops;
}

void sim_saw_letter(uint32_t route, uint32_t sink, uint64_t sequence, uint32_t message,
                    uint32_t part, bool carries)
{
    if (count == capacity) {
        capacity = capacity ? capacity * 2 : 64;
        letters = realloc(letters, capacity * sizeof *letters);
        if (!letters)
            abort();
    }
    letters[count++] = (struct letter){.route = route,
                                       .sink = sink,
                                       .message = message,
                                       .part = part,
                                       .sequence = sequence,
                                       .carries = carries};
}

/* ---- at rest ----------------------------------------------------------------------------------
 */

struct walk {
    size_t next;
};

static bool compare(void *arg, const struct gw_dead *dead)
{
    struct walk *w = arg;
    uint32_t message, part;
    while (w->next < count && letters[w->next].gone)
        w->next++;
    const struct letter *l = &letters[w->next];
    if (w->next == count || dead->id != w->next + 1)
        sim_fail("dead letter %llu is there, and the next should be %llu", U64(dead->id),
                 U64(w->next + 1));
    else if (!sim_parse(dead->record.message.payload, &message, &part) || message != l->message ||
             part != l->part || dead->route.len != 2 || dead->route.at[1] - '0' != (int)l->route ||
             (dead->sink.len == 0) != (l->sink == UINT32_MAX))
        sim_fail("dead letter %llu is not that of m%u/%u on r%u", U64(dead->id), l->message,
                 l->part, l->route);
    w->next++;
    return !sim.over;
}

void sim_dead_check(void)
{
    struct walk w = {0};
    if (!known())
        return;
    int error = gw_store_dead_each(sim.store, 0, compare, &w);
    while (w.next < count && letters[w.next].gone)
        w.next++;
    if (error)
        sim_fail("the dead letters cannot be read: %d", error);
    else if (w.next < count)
        sim_fail("dead letter %llu, m%u on r%u, is lost", U64(w.next + 1), letters[w.next].message,
                 letters[w.next].route);
}

/* ---- the operator -----------------------------------------------------------------------------
 */

static void acted(struct gw_store_op *op)
{
    free(op);
}

void sim_saw_act(const struct gw_store_op *op)
{
    const struct gw_store_dead_op *act = (const struct gw_store_dead_op *)(const void *)op;
    struct letter *l = &letters[act->id - 1];
    if ((act->result == 0) == l->gone)
        sim_fail("dead letter %llu: the answer is %d", U64(act->id), act->result);
    if (act->result)
        return;
    l->gone = true;
    sim_note("dead letter %llu (m%u): %s", U64(act->id), l->message,
             act->action == GW_DEAD_DROP ? "dropped" : "sent again");
    sim_books_act(l->route, l->sink, l->sequence, act->action == GW_DEAD_DROP, l->carries);
}

void sim_dead_act(void)
{
    if (!count || !known() || !sim.store)
        return;
    uint64_t id = 1 + sim_below(&sim.chance, (uint32_t)count);
    bool again = letters[id - 1].sink != UINT32_MAX && sim_chance(&sim.chance, 50);
    struct gw_store_dead_op *op = malloc(sizeof *op);
    if (!op)
        abort();
    gw_store_dead_op_init(op, id, again ? GW_DEAD_RETRY : GW_DEAD_DROP);
    op->op.done = acted;
    gw_store_submit(sim.store, &op->op, &op->op);
}
