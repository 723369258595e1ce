/* SPDX-License-Identifier: Apache-2.0 */
/* A trie over levels whose literal edges live in one open-addressing hash table keyed by
 * (node, level); '+' has an edge of its own and '#' a list of ids at the node it hangs on. */
#include "route/index.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX, ROOT = 0, FIRST_EDGES = 64 };

struct ids {
    uint32_t *at;
    uint32_t count, capacity;
};

struct node {
    uint32_t one;          /* child by '+', or NONE */
    uint32_t literals;     /* how many literal edges leave it: 0 saves the hash look-up */
    struct ids here, rest; /* patterns that end here; patterns whose '#' hangs here */
};

struct edge {
    uint32_t from, to; /* to NONE: a free place */
    uint32_t hash, length;
    char *text;
};

struct gw_index {
    struct node *nodes;
    uint32_t node_count, node_capacity;
    struct edge *edges; /* a power of two places, at most half full */
    uint32_t edge_count, edge_capacity;
};

/* FNV-1a over the level, mixed with the node. */
static uint32_t hash_level(uint32_t node, const char *at, size_t length)
{
    uint64_t h = 0xcbf29ce484222325u ^ ((uint64_t)node * 0x9e3779b97f4a7c15u);
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)at[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

static struct edge *find_place(const struct gw_index *x, uint32_t node, uint32_t hash,
                               const char *at, size_t length)
{
    for (uint32_t i = hash & (x->edge_capacity - 1);; i = (i + 1) & (x->edge_capacity - 1)) {
        struct edge *e = &x->edges[i];
        if (e->to == NONE || (e->hash == hash && e->from == node && e->length == length &&
                              (length == 0 || !memcmp(e->text, at, length))))
            return e;
    }
}

static int new_node(struct gw_index *x, uint32_t *ret_node)
{
    if (x->node_count == x->node_capacity) {
        uint32_t capacity = x->node_capacity ? x->node_capacity * 2 : 64;
        struct node *nodes = realloc(x->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return -ENOMEM;
        x->nodes = nodes;
        x->node_capacity = capacity;
    }
    x->nodes[x->node_count] = (struct node){.one = NONE};
    *ret_node = x->node_count++;
    return 0;
}

static struct edge *new_edges(uint32_t capacity)
{
    struct edge *edges = malloc(capacity * sizeof *edges);
    for (uint32_t i = 0; edges && i < capacity; i++)
        edges[i].to = NONE;
    return edges;
}

static int grow_edges(struct gw_index *x)
{
    struct edge *old = x->edges;
    uint32_t old_capacity = x->edge_capacity;
    struct edge *edges = new_edges(old_capacity * 2);
    if (!edges)
        return -ENOMEM;
    x->edges = edges;
    x->edge_capacity = old_capacity * 2;
    for (uint32_t i = 0; i < old_capacity; i++)
        if (old[i].to != NONE)
            *find_place(x, old[i].from, old[i].hash, old[i].text, old[i].length) = old[i];
    free(old);
    return 0;
}

static int literal_child(struct gw_index *x, uint32_t node, struct mg_str text, uint32_t *ret_child)
{
    uint32_t hash = hash_level(node, text.at, text.len);
    struct edge *e = find_place(x, node, hash, text.at, text.len);
    if (e->to != NONE) {
        *ret_child = e->to;
        return 0;
    }
    if ((x->edge_count + 1) * 2 > x->edge_capacity) {
        int error = grow_edges(x);
        if (error)
            return error;
    }
    char *copy = malloc(text.len + 1);
    if (!copy)
        return -ENOMEM;
    if (text.len)
        memcpy(copy, text.at, text.len);
    int error = new_node(x, ret_child);
    if (error) {
        free(copy);
        return error;
    }
    *find_place(x, node, hash, text.at, text.len) = (struct edge){
        .from = node, .to = *ret_child, .hash = hash, .length = (uint32_t)text.len, .text = copy};
    x->edge_count++;
    x->nodes[node].literals++;
    return 0;
}

static int add_id(struct ids *ids, uint32_t id)
{
    if (ids->count == ids->capacity) {
        uint32_t capacity = ids->capacity ? ids->capacity * 2 : 2;
        uint32_t *at = realloc(ids->at, capacity * sizeof *at);
        if (!at)
            return -ENOMEM;
        ids->at = at;
        ids->capacity = capacity;
    }
    ids->at[ids->count++] = id;
    return 0;
}

struct gw_index *gw_index_create(void)
{
    struct gw_index *x = calloc(1, sizeof *x);
    uint32_t root;
    if (!x)
        return NULL;
    x->edge_capacity = FIRST_EDGES;
    x->edges = new_edges(FIRST_EDGES);
    if (!x->edges || new_node(x, &root)) {
        gw_index_destroy(x);
        return NULL;
    }
    return x;
}

void gw_index_destroy(struct gw_index *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; i < x->node_count; i++) {
        free(x->nodes[i].here.at);
        free(x->nodes[i].rest.at);
    }
    for (uint32_t i = 0; x->edges && i < x->edge_capacity; i++)
        if (x->edges[i].to != NONE)
            free(x->edges[i].text);
    free(x->nodes);
    free(x->edges);
    free(x);
}

int gw_index_add(struct gw_index *x, const struct gw_pattern *pattern, uint32_t id)
{
    uint32_t node = ROOT;
    for (size_t i = 0; i < pattern->level_count; i++) {
        const struct gw_level *l = &pattern->levels[i];
        uint32_t child = NONE;
        int error = 0;
        if (l->kind == GW_LEVEL_REST)
            return add_id(&x->nodes[node].rest, id);
        if (l->kind == GW_LEVEL_LITERAL) {
            error = literal_child(x, node, l->text, &child);
        } else if (x->nodes[node].one != NONE) {
            child = x->nodes[node].one;
        } else {
            error = new_node(x, &child);
            if (!error)
                x->nodes[node].one = child;
        }
        if (error)
            return error;
        node = child;
    }
    return add_id(&x->nodes[node].here, id);
}

void gw_matches_fini(struct gw_matches *matches)
{
    free(matches->ids);
    *matches = (struct gw_matches){0};
}

static int take(struct gw_matches *m, const struct ids *ids)
{
    if (!ids->count)
        return 0;
    if (m->count + ids->count > m->capacity) {
        size_t capacity = (m->count + ids->count) * 2;
        uint32_t *at = realloc(m->ids, capacity * sizeof *at);
        if (!at)
            return -ENOMEM;
        m->ids = at;
        m->capacity = capacity;
    }
    memcpy(m->ids + m->count, ids->at, ids->count * sizeof *ids->at);
    m->count += ids->count;
    return 0;
}

/* at NULL: the address is used up.  Depth is bounded by GW_LEVELS_MAX, which patterns keep. */
static int walk(const struct gw_index *x, uint32_t node, const char *at, const char *end,
                bool first, struct gw_matches *m)
{
    const struct node *n = &x->nodes[node];
    bool system = first && at != end && *at == '$'; /* MQTT 5 §4.7.2 */
    int error = system ? 0 : take(m, &n->rest);
    if (error)
        return error;
    if (!at)
        return take(m, &n->here);
    if (!n->literals && (n->one == NONE || system))
        return 0;
    const char *slash = memchr(at, '/', (size_t)(end - at));
    size_t length = (size_t)((slash ? slash : end) - at);
    const char *next = slash ? slash + 1 : NULL;
    if (n->literals) {
        const struct edge *e = find_place(x, node, hash_level(node, at, length), at, length);
        if (e->to != NONE)
            error = walk(x, e->to, next, end, false, m);
    }
    if (!error && n->one != NONE && !system)
        error = walk(x, n->one, next, end, false, m);
    return error;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int gw_index_match(const struct gw_index *index, struct mg_str address, struct gw_matches *matches)
{
    static const char empty[1] = "";
    const char *at = address.at ? address.at : empty;
    matches->count = 0;
    int error = walk(index, ROOT, at, at + address.len, true, matches);
    if (!error && matches->count > 1)
        qsort(matches->ids, matches->count, sizeof *matches->ids, compare_ids);
    return error;
}
