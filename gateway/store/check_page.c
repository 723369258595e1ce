/* SPDX-License-Identifier: Apache-2.0 */
/* Is one page of a tree what it must be? */
#include "store/check_page.h"
#include <inttypes.h>
#include <string.h>

uint16_t gw_page_slot(const char *page, uint32_t index)
{
    uint16_t offset;
    memcpy(&offset, page + GW_PAGE_HEAD + index * sizeof offset, sizeof offset);
    return offset;
}

struct gw_lmdb_node gw_page_node(const char *page, uint16_t offset)
{
    struct gw_lmdb_node node;
    memcpy(&node, page + offset, sizeof node);
    return node;
}

struct mg_bytes gw_page_key(const char *page, uint16_t offset)
{
    return (struct mg_bytes){page + offset + sizeof(struct gw_lmdb_node),
                             gw_page_node(page, offset).key_bytes};
}

static uint64_t unsigned_key(struct mg_bytes key)
{
    uint64_t number = 0;
    memcpy(&number, key.at, key.len); /* 4 or 8 bytes of a little-endian machine */
    return number;
}

static int compare(const struct gw_walk_tree *t, struct mg_bytes a, struct mg_bytes b)
{
    if (t->db.flags & GW_LMDB_INTEGERKEY) {
        uint64_t x = unsigned_key(a), y = unsigned_key(b);
        return x < y ? -1 : x > y;
    }
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool key_is_sound(struct gw_walk_state *s, struct gw_walk_tree *t, struct mg_bytes key,
                         uint64_t at)
{
    if (key.len == 0 || key.len > GW_LMDB_KEY_MAX) {
        gw_walk_damage(s, at, "a key of %zu bytes", key.len);
        return false;
    }
    if (!(t->db.flags & GW_LMDB_INTEGERKEY))
        return true;
    if (!t->key_bytes && (key.len == 4 || key.len == 8))
        t->key_bytes = (uint16_t)key.len;
    if (key.len != t->key_bytes)
        gw_walk_damage(s, at, "an integer key of %zu bytes", key.len);
    return key.len == t->key_bytes;
}

/* The node's head, key and value lie within the page. */
static bool node_is_sound(struct gw_walk_state *s, const char *page, uint64_t at, bool leaf,
                          uint16_t offset, size_t *ret_size)
{
    const struct gw_lmdb_page *head = (const void *)page;
    uint32_t page_bytes = s->walk->page_bytes;
    if (offset & 1 || offset < head->upper || offset + sizeof(struct gw_lmdb_node) > page_bytes) {
        gw_walk_damage(s, at, "a node at %u is outside of its page's nodes", offset);
        return false;
    }
    struct gw_lmdb_node node = gw_page_node(page, offset);
    size_t value = (size_t)node.low | (size_t)node.high << 16;
    if (!leaf)
        value = 0;
    else if (node.flags & GW_LMDB_BIG)
        value = sizeof(uint64_t);
    *ret_size = (sizeof node + node.key_bytes + value + 1) & ~(size_t)1;
    if (offset + sizeof node + node.key_bytes + value > page_bytes) {
        gw_walk_damage(s, at, "a node at %u is longer than its page", offset);
        return false;
    }
    return true;
}

bool gw_page_is_sound(struct gw_walk_state *s, struct gw_walk_tree *t, const char *page,
                      uint64_t number, bool leaf, struct mg_bytes low, struct mg_bytes high)
{
    const struct gw_lmdb_page *head = (const void *)page;
    uint64_t at = gw_walk_offset(s, number);
    uint32_t page_bytes = s->walk->page_bytes, count = (head->lower - GW_PAGE_HEAD) / 2u;
    if (head->number != number) {
        gw_walk_damage(s, at, "the page says that it is page %" PRIu64, head->number);
        return false;
    }
    if (head->flags != (leaf ? GW_LMDB_LEAF : GW_LMDB_BRANCH)) {
        gw_walk_damage(s, at, "a page of kind 0x%x where a %s is due", head->flags,
                       leaf ? "leaf" : "branch");
        return false;
    }
    /* LMDB aborts on a branch of one child, but for the free list's. */
    if (head->lower < GW_PAGE_HEAD || head->lower & 1 || head->upper < head->lower ||
        head->upper > page_bytes || count < (leaf || t->is_free_list ? 1 : 2)) {
        gw_walk_damage(s, at, "a page whose free space is %u to %u", head->lower, head->upper);
        return false;
    }
    size_t sum = 0, size = 0;
    struct mg_bytes previous = low;
    for (uint32_t i = 0; i < count; i++, sum += size) {
        if (!node_is_sound(s, page, at, leaf, gw_page_slot(page, i), &size))
            return false;
        if (!leaf && i == 0)
            continue; /* its key is never looked at */
        struct mg_bytes key = gw_page_key(page, gw_page_slot(page, i));
        if (!key_is_sound(s, t, key, at + gw_page_slot(page, i)))
            return false;
        int order = previous.at ? compare(t, previous, key) : -1;
        if (order > 0 || (order == 0 && i > 0) || (high.at && compare(t, key, high) >= 0)) {
            gw_walk_damage(s, at + gw_page_slot(page, i), "a key that is not in order");
            return false;
        }
        previous = key;
    }
    if (sum > page_bytes - head->upper)
        gw_walk_damage(s, at, "nodes that overlap");
    return sum <= page_bytes - head->upper;
}
