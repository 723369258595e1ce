/* SPDX-License-Identifier: Apache-2.0 */
/* match, for routes that begin with a filter: those of one source whose first filters can be a set
 * are asked in one pass, and a route whose filter drops the event costs nothing for it. */
#include "flow/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct member {
    uint32_t entry;  /* its place in the connection's */
    uint64_t seen;   /* of the events that came, as many are in the route's ledger */
    uint64_t passed; /* of those since then, they have a passage */
    uint64_t named;  /* the last question that had it in its answer */
};

struct gw_shared_filter {
    const struct mg_step_ops *ops;
    struct mg_instance *instance; /* the first of them, to say whose code runs */
    void *set, *context;
    struct member *members; /* in the order of the set */
    size_t count;
    uint64_t asked;
    uint64_t seen; /* events, each of which came to every member */
    uint32_t *passes;
    bool stored;          /* some of the routes are */
    int64_t poison_after; /* the most that any of those says */
};

/* ---- which routes share --------------------------------------------------------------------- */

static const struct mg_step_ops *set_ops(const struct gw_entry *e)
{
    const struct gw_route *route = e->route;
    /* One that has several sources may meet an event twice, and takes it once. */
    if (route->config->source_count != 1 || !route->config->step_count)
        return NULL;
    const struct mg_module *module = route->steps[0].config->module;
    const struct mg_step_ops *ops = module->ops;
    bool has = module->kind == MG_FILTER &&
               ops->size >= offsetof(struct mg_step_ops, set_match) + sizeof ops->set_match &&
               ops->set_create && ops->set_destroy && ops->set_open && ops->set_close &&
               ops->set_match;
    return has ? ops : NULL;
}

static int compare_pointers(const void *a, const void *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

/* 0: they match the same addresses. */
static int compare_patterns(const struct gw_pattern *a, const struct gw_pattern *b)
{
    if (!a || !b)
        return !!a - !!b;
    if (a->level_count != b->level_count)
        return a->level_count < b->level_count ? -1 : 1;
    for (size_t i = 0; i < a->level_count; i++) {
        const struct gw_level *x = &a->levels[i], *y = &b->levels[i];
        if (x->kind != y->kind)
            return x->kind < y->kind ? -1 : 1;
        if (x->kind != GW_LEVEL_LITERAL)
            continue;
        if (x->text.len != y->text.len)
            return x->text.len < y->text.len ? -1 : 1;
        int order = x->text.len ? memcmp(x->text.at, y->text.at, x->text.len) : 0;
        if (order)
            return order;
    }
    return 0;
}

static int compare_company(const struct gw_entry *a, const struct gw_entry *b)
{
    int order = compare_pointers(set_ops(a), set_ops(b));
    if (!order)
        order = compare_pointers(a->source, b->source);
    return order ? order : compare_patterns(a->match, b->match);
}

static int by_company(const void *a, const void *b, void *entries)
{
    const struct gw_entry *all = entries;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int order = compare_company(&all[i], &all[j]);
    return order ? order : (i > j) - (i < j);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static void destroy(struct gw_shared_filter *f)
{
    if (!f)
        return;
    struct gw_call outer = gw_call_begin(f->instance, "set_destroy");
    if (f->context)
        f->ops->set_close(f->set, f->context);
    if (f->set)
        f->ops->set_destroy(f->set);
    gw_call_end(outer);
    free(f->members);
    free(f->passes);
    free(f);
}

static int compile(struct mg_connection *c, struct gw_shared_filter *f, struct mg_err *reterr)
{
    const void **settings = calloc(f->count, sizeof *settings);
    if (!settings)
        return -ENOMEM;
    for (size_t i = 0; i < f->count; i++)
        settings[i] = c->entries[f->members[i].entry].route->steps[0].config->settings;
    struct gw_call outer = gw_call_begin(f->instance, "set_create");
    int error = f->ops->set_create(&c->gateway->host, settings, f->count, &f->set, reterr);
    if (!error)
        error = f->ops->set_open(f->set, &f->context);
    gw_call_end(outer);
    free(settings);
    return error;
}

static int share(struct mg_connection *c, const uint32_t *ids, size_t count, struct mg_err *reterr)
{
    struct gw_shared_filter *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->ops = set_ops(&c->entries[ids[0]]);
    f->instance = c->entries[ids[0]].route->steps[0].instance;
    f->count = count;
    f->members = calloc(count, sizeof *f->members);
    f->passes = calloc(count, sizeof *f->passes);
    int error = f->members && f->passes ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        const struct gw_route *route = c->entries[ids[i]].route;
        bool stored = route->config->delivery.guarantee == GW_STORED;
        f->members[i].entry = ids[i];
        f->stored = f->stored || stored;
        if (stored && route->config->delivery.poison_after > f->poison_after)
            f->poison_after = route->config->delivery.poison_after;
    }
    if (!error)
        error = compile(c, f, reterr);
    if (error) {
        destroy(f);
        return error;
    }
    for (size_t i = 1; i < count; i++)
        c->entries[ids[i]].in_company = true;
    c->entries[ids[0]].shared = f;
    c->shares = true;
    return 0;
}

int gw_shared_filters_create(struct mg_connection *c, struct mg_err *reterr)
{
    uint32_t *ids = malloc((c->entry_count + 1) * sizeof *ids);
    size_t count = 0;
    int error = ids ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < c->entry_count && !error; i++)
        if (set_ops(&c->entries[i]))
            ids[count++] = i;
    if (count)
        qsort_r(ids, count, sizeof *ids, by_company, c->entries);
    for (size_t first = 0, end; first < count && !error; first = end) {
        for (end = first + 1; end < count; end++)
            if (compare_company(&c->entries[ids[first]], &c->entries[ids[end]]))
                break;
        if (end - first > 1)
            error = share(c, ids + first, end - first, reterr);
    }
    for (size_t i = 0; i < c->entry_count; i++)
        if (!c->entries[i].shared && !c->entries[i].in_company)
            c->entries[i].route->alone = true;
    free(ids);
    return error;
}

void gw_shared_filters_destroy(struct mg_connection *c)
{
    for (size_t i = 0; c->entries && i < c->entry_count; i++)
        destroy(c->entries[i].shared);
}

/* ---- events --------------------------------------------------------------------------------- */

static int room_for(struct gw_matches *m, size_t count)
{
    if (count <= m->capacity)
        return 0;
    uint32_t *ids = realloc(m->ids, count * 2 * sizeof *ids);
    if (!ids)
        return -ENOMEM;
    m->ids = ids;
    m->capacity = count * 2;
    return 0;
}

/* All of them, as if they did not share. */
static ptrdiff_t everybody(const struct gw_shared_filter *f, uint32_t *ids, uint32_t mark)
{
    for (size_t i = 0; i < f->count; i++)
        ids[i] = f->members[i].entry | mark;
    return (ptrdiff_t)f->count;
}

/* Each of them is a member, and is there once. */
static bool is_answer(struct gw_shared_filter *f, ptrdiff_t count)
{
    f->asked++;
    for (ptrdiff_t i = 0; i < count; i++) {
        if (f->passes[i] >= f->count || f->members[f->passes[i]].named == f->asked)
            return false;
        f->members[f->passes[i]].named = f->asked;
    }
    return true;
}

static ptrdiff_t ask(struct mg_connection *c, struct gw_shared_filter *f, const mg_event *event,
                     uint32_t *ids)
{
    struct gw_call outer = gw_call_begin(f->instance, "set_match");
    ptrdiff_t count = f->ops->set_match(f->set, f->context, event, f->passes, NULL);
    gw_call_end(outer);
    if (count > (ptrdiff_t)f->count || !is_answer(f, count)) {
        gw_instance_error(f->instance, gw_now_us(c->shard),
                          "names filters that are not in its set, or one twice");
        return everybody(f, ids, 0);
    }
    f->seen += count >= 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        struct member *m = &f->members[f->passes[i]];
        m->passed++;
        ids[i] = m->entry | GW_MATCH_PASSED;
    }
    return count;
}

/* The same where a route is stored: the event is noted while the filter has it.  One that has
 * killed the process in there too often is refused by all its routes. */
static ptrdiff_t ask_noted(struct mg_connection *c, struct gw_shared_filter *f,
                           const mg_event *event, uint32_t *ids)
{
    struct gw_gateway *g = c->gateway;
    uint64_t identity[2];
    gw_poison_identity(event, UINT64_MAX, identity); /* no log has that number */
    uint32_t deaths = gw_poison_deaths(g, identity);
    if (f->poison_after && deaths >= (uint64_t)f->poison_after) {
        gw_poison_forget(g, identity);
        c->company_deaths = deaths;
        return everybody(f, ids, GW_MATCH_POISON);
    }
    gw_store_step(g->store, c->shard->index, identity);
    ptrdiff_t count = ask(c, f, event, ids);
    gw_store_step(g->store, c->shard->index, (const uint64_t[2]){0, 0});
    if (deaths)
        gw_poison_forget(g, identity);
    return count;
}

int gw_shared_filters_match_shard(struct mg_connection *c, const mg_event *event)
{
    struct gw_matches *m = &c->matches;
    size_t alone = 0, found = 0;
    for (size_t i = 0; i < m->count; i++) {
        struct gw_shared_filter *f = c->entries[m->ids[i]].shared;
        if (!f) {
            m->ids[alone++] = m->ids[i];
            continue;
        }
        if (room_for(m, m->count + found + f->count))
            return -ENOMEM;
        uint32_t *ids = m->ids + m->count + found;
        bool noted = f->stored && c->gateway->store && !c->shard->store_closed;
        ptrdiff_t count = c->gateway->trace ? everybody(f, ids, 0)
                          : noted           ? ask_noted(c, f, event, ids)
                                            : ask(c, f, event, ids);
        if (count < 0)
            return -ENOMEM;
        found += (size_t)count;
        c->in_company = true;
    }
    if (found)
        memmove(m->ids + alone, m->ids + m->count, found * sizeof *m->ids);
    m->count = alone + found;
    return 0;
}

/* ---- the ledger ----------------------------------------------------------------------------- */

static void count(const struct mg_connection *c, struct gw_shared_filter *f, uint32_t shard)
{
    for (size_t i = 0; i < f->count; i++) {
        struct member *m = &f->members[i];
        struct gw_ledger *ledger = &c->entries[m->entry].route->parts[shard].ledger;
        uint64_t dropped = f->seen - m->seen - m->passed;
        ledger->received += dropped;
        ledger->ended[GW_DROPPED] += dropped;
        m->seen = f->seen;
        m->passed = 0;
    }
}

void gw_shared_filters_count_shard(mg_shard *shard)
{
    struct gw_gateway *g = shard->gateway;
    for (size_t i = 0; i < g->connection_count; i++) {
        const struct mg_connection *c = g->connections[i];
        for (size_t e = 0; c->shares && c->shard == shard && e < c->entry_count; e++)
            if (c->entries[e].shared)
                count(c, c->entries[e].shared, shard->index);
    }
}
