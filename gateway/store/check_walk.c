/* SPDX-License-Identifier: Apache-2.0 */
/* The pages are read with pread, not mapped: a sector that cannot be read is then an error, and not
 * the end of the process. */
#include "store/check_walk.h"
#include "store/check_disk.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_LEAST = 512,
    PAGE_USUAL = 4096,
    PAGE_MOST = 1 << 16,
    HEAD = sizeof(struct gw_lmdb_page)
};
#define PAGES_MOST ((uint64_t)1 << 32)

struct tree;

struct state {
    struct gw_walk *walk;
    uint64_t page_count; /* whole pages in the file */
    uint64_t last_page;
    uint8_t *seen;                      /* a bit for each page up to last_page */
    char *pages[GW_LMDB_DEPTH_MAX + 1]; /* one buffer for each level */
    char *idl;                          /* of the free list: an overflow run */
    size_t idl_size;
    struct tree *tree; /* at work on; NULL: none yet */
    int error;
    bool stop;
};

/* One tree. */
struct tree {
    struct mg_str name;
    struct gw_lmdb_database db;
    uint64_t entries, damages;
    uint16_t key_bytes; /* of integer keys: the first one's */
    bool is_free_list, is_main;
};

static void __attribute__((format(printf, 3, 4)))
damage(struct state *s, uint64_t offset, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->walk->damages++;
    if (s->tree)
        s->tree->damages++;
    if (!s->walk->damage(s->walk->arg, offset, text))
        s->stop = true;
}

static bool over(const struct state *s)
{
    return s->stop || s->error;
}

/* false: it could not be read (and is then damage, or the end). */
static bool read_at(struct state *s, void *to, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(s->walk->fd, (char *)to + done, length - done, (off_t)(offset + done));
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            damage(s, offset, "the file ends within what is to be read here");
            return false;
        } else if (errno == EIO) {
            damage(s, offset, "the disk cannot read this");
            return false;
        } else if (errno != EINTR) {
            s->error = -errno;
            return false;
        }
    }
    return true;
}

static uint64_t offset_of(const struct state *s, uint64_t page)
{
    return page * s->walk->page_bytes;
}

/* Marks a run of pages as used.  false: out of bounds, or used already (said as damage of what
 * refers to it). */
static bool use(struct state *s, uint64_t page, uint64_t count, uint64_t referrer, const char *what)
{
    if (page < 2 || page > s->last_page || count > s->last_page - page + 1) {
        damage(s, referrer, "page %" PRIu64 " (%s) is out of bounds", page, what);
        return false;
    }
    for (uint64_t i = page; i < page + count; i++) {
        if (s->seen[i / 8] & 1 << i % 8) {
            damage(s, referrer, "page %" PRIu64 " (%s) is in use twice", i, what);
            return false;
        }
        s->seen[i / 8] |= (uint8_t)(1 << i % 8);
    }
    return true;
}

static bool in_file(struct state *s, uint64_t page, uint64_t count, uint64_t referrer)
{
    if (page + count <= s->page_count)
        return true;
    damage(s, referrer, "page %" PRIu64 " lies behind the end of the file", page);
    return false;
}

static uint16_t slot(const char *page, uint32_t index)
{
    uint16_t offset;
    memcpy(&offset, page + HEAD + index * sizeof offset, sizeof offset);
    return offset;
}

static struct gw_lmdb_node node_at(const char *page, uint16_t offset)
{
    struct gw_lmdb_node node;
    memcpy(&node, page + offset, sizeof node);
    return node;
}

static struct mg_bytes key_at(const char *page, uint16_t offset)
{
    return (struct mg_bytes){page + offset + sizeof(struct gw_lmdb_node),
                             node_at(page, offset).key_bytes};
}

static uint64_t unsigned_key(struct mg_bytes key)
{
    uint64_t number = 0;
    memcpy(&number, key.at, key.len); /* 4 or 8 bytes of a little-endian machine */
    return number;
}

static int compare(const struct tree *t, struct mg_bytes a, struct mg_bytes b)
{
    if (t->db.flags & GW_LMDB_INTEGERKEY) {
        uint64_t x = unsigned_key(a), y = unsigned_key(b);
        return x < y ? -1 : x > y;
    }
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* ---- one page ------------------------------------------------------------------------------- */

static bool key_is_sound(struct state *s, struct tree *t, struct mg_bytes key, uint64_t at)
{
    if (key.len == 0 || key.len > GW_LMDB_KEY_MAX) {
        damage(s, at, "a key of %zu bytes", key.len);
        return false;
    }
    if (!(t->db.flags & GW_LMDB_INTEGERKEY))
        return true;
    if (!t->key_bytes && (key.len == 4 || key.len == 8))
        t->key_bytes = (uint16_t)key.len;
    if (key.len != t->key_bytes)
        damage(s, at, "an integer key of %zu bytes", key.len);
    return key.len == t->key_bytes;
}

/* The node's head, key and value lie within the page. */
static bool node_is_sound(struct state *s, const char *page, uint64_t at, bool leaf,
                          uint16_t offset, size_t *ret_size)
{
    const struct gw_lmdb_page *head = (const void *)page;
    uint32_t page_bytes = s->walk->page_bytes;
    if (offset & 1 || offset < head->upper || offset + sizeof(struct gw_lmdb_node) > page_bytes) {
        damage(s, at, "a node at %u is outside of its page's nodes", offset);
        return false;
    }
    struct gw_lmdb_node node = node_at(page, offset);
    size_t value = (size_t)node.low | (size_t)node.high << 16;
    if (!leaf)
        value = 0;
    else if (node.flags & GW_LMDB_BIG)
        value = sizeof(uint64_t);
    *ret_size = (sizeof node + node.key_bytes + value + 1) & ~(size_t)1;
    if (offset + sizeof node + node.key_bytes + value > page_bytes) {
        damage(s, at, "a node at %u is longer than its page", offset);
        return false;
    }
    return true;
}

/* Everything within one page: nodes, keys, order.  low and high bound its keys (at NULL: not). */
static bool page_is_sound(struct state *s, struct tree *t, const char *page, uint64_t number,
                          bool leaf, struct mg_bytes low, struct mg_bytes high)
{
    const struct gw_lmdb_page *head = (const void *)page;
    uint64_t at = offset_of(s, number);
    uint32_t page_bytes = s->walk->page_bytes, count = (head->lower - HEAD) / 2u;
    if (head->number != number) {
        damage(s, at, "the page says that it is page %" PRIu64, head->number);
        return false;
    }
    if (head->flags != (leaf ? GW_LMDB_LEAF : GW_LMDB_BRANCH)) {
        damage(s, at, "a page of kind 0x%x where a %s is due", head->flags,
               leaf ? "leaf" : "branch");
        return false;
    }
    /* LMDB aborts on a branch of one child, but for the free list's. */
    if (head->lower < HEAD || head->lower & 1 || head->upper < head->lower ||
        head->upper > page_bytes || count < (leaf || t->is_free_list ? 1 : 2)) {
        damage(s, at, "a page whose free space is %u to %u", head->lower, head->upper);
        return false;
    }
    size_t sum = 0, size = 0;
    struct mg_bytes previous = low;
    for (uint32_t i = 0; i < count; i++, sum += size) {
        if (!node_is_sound(s, page, at, leaf, slot(page, i), &size))
            return false;
        if (!leaf && i == 0)
            continue; /* its key is never looked at */
        struct mg_bytes key = key_at(page, slot(page, i));
        if (!key_is_sound(s, t, key, at + slot(page, i)))
            return false;
        int order = previous.at ? compare(t, previous, key) : -1;
        if (order > 0 || (order == 0 && i > 0) || (high.at && compare(t, key, high) >= 0)) {
            damage(s, at + slot(page, i), "a key that is not in order");
            return false;
        }
        previous = key;
    }
    if (sum > page_bytes - head->upper)
        damage(s, at, "nodes that overlap");
    return sum <= page_bytes - head->upper;
}

/* ---- values --------------------------------------------------------------------------------- */

static void walk_tree(struct state *s, struct tree *t, uint64_t referrer, uint32_t level);

/* The page numbers that one entry of the free list names: a count, then so many, descending. */
static void walk_idl(struct state *s, const char *idl, uint64_t length, uint64_t at)
{
    uint64_t count, previous = UINT64_MAX, page;
    if (length < sizeof count || length % sizeof count) {
        damage(s, at, "a list of free pages of %" PRIu64 " bytes", length);
        return;
    }
    memcpy(&count, idl, sizeof count);
    if (count > length / sizeof count - 1) {
        damage(s, at, "a list of %" PRIu64 " free pages in %" PRIu64 " bytes", count, length);
        return;
    }
    for (uint64_t i = 1; i <= count && !over(s); i++, previous = page) {
        memcpy(&page, idl + i * sizeof page, sizeof page);
        if (page >= previous) {
            damage(s, at + i * sizeof page, "a list of free pages that is not in order");
            return;
        }
        if (!use(s, page, 1, at + i * sizeof page, "free"))
            return;
    }
}

static void walk_big_idl(struct state *s, const struct gw_walk_entry *e)
{
    if (e->length > s->idl_size) {
        free(s->idl);
        s->idl_size = e->length;
        s->idl = malloc(s->idl_size);
        if (!s->idl) {
            s->error = -ENOMEM;
            return;
        }
    }
    if (read_at(s, s->idl, e->length, e->offset))
        walk_idl(s, s->idl, e->length, e->offset);
}

/* Where a big value lies.  false: its run is damaged. */
static bool find_run(struct state *s, uint64_t at, uint64_t page, struct gw_walk_entry *e)
{
    struct gw_lmdb_page head;
    uint64_t needs = (HEAD - 1 + e->length) / s->walk->page_bytes + 1;
    if (page < 2 || page > s->last_page) {
        damage(s, at, "page %" PRIu64 " (overflow) is out of bounds", page);
        return false;
    }
    if (!in_file(s, page, needs, at) || !read_at(s, &head, sizeof head, offset_of(s, page)))
        return false;
    if (head.number != page || head.flags != GW_LMDB_OVERFLOW || head.pages < needs) {
        damage(s, offset_of(s, page),
               "not an overflow run of %" PRIu64 " pages: number %" PRIu64 ", kind 0x%x, %" PRIu32
               " pages",
               needs, head.number, head.flags, head.pages);
        return false;
    }
    if (!use(s, page, head.pages, at, "overflow"))
        return false;
    s->walk->pages += head.pages;
    e->offset = offset_of(s, page) + HEAD;
    e->value = NULL;
    return true;
}

static void walk_database(struct state *s, const struct gw_walk_entry *e, uint32_t level)
{
    struct tree t = {.name = {e->key.at, e->key.len}};
    if (!e->value || e->length != sizeof t.db) {
        damage(s, e->offset, "a database described in %" PRIu64 " bytes", e->length);
        return;
    }
    memcpy(&t.db, e->value, sizeof t.db);
    walk_tree(s, &t, e->offset, level + 1);
}

static void walk_value(struct state *s, struct tree *t, const char *page, uint64_t at,
                       uint16_t offset, uint32_t level)
{
    struct gw_lmdb_node node = node_at(page, offset);
    uint16_t value = (uint16_t)(offset + sizeof node + node.key_bytes);
    struct gw_walk_entry e = {.database = t->name,
                              .key = key_at(page, offset),
                              .offset = at + value,
                              .length = (uint64_t)node.low | (uint64_t)node.high << 16,
                              .value = page + value};
    if (node.flags & ~(t->is_main ? GW_LMDB_BIG | GW_LMDB_SUB : GW_LMDB_BIG)) {
        damage(s, at + offset, "a node with flags 0x%x", node.flags);
        return;
    }
    uint64_t run;
    if (node.flags & GW_LMDB_BIG) {
        memcpy(&run, page + value, sizeof run);
        if (!find_run(s, at + value, run, &e))
            return;
    }
    t->entries++;
    if (t->is_free_list) {
        if (e.value)
            walk_idl(s, e.value, e.length, e.offset);
        else
            walk_big_idl(s, &e);
        return;
    }
    s->walk->entries++;
    if (node.flags & GW_LMDB_SUB)
        walk_database(s, &e, level);
    else if (s->walk->entry && !t->is_main && !s->walk->entry(s->walk->arg, &e))
        s->stop = true;
}

/* ---- trees ---------------------------------------------------------------------------------- */

static void walk_page(struct state *s, struct tree *t, uint64_t number, uint64_t referrer,
                      uint32_t depth, uint32_t level, struct mg_bytes low, struct mg_bytes high)
{
    bool leaf = depth == 1;
    if (!use(s, number, 1, referrer, leaf ? "leaf" : "branch") || !in_file(s, number, 1, referrer))
        return;
    if (!s->pages[level] && !(s->pages[level] = malloc(s->walk->page_bytes))) {
        s->error = -ENOMEM;
        return;
    }
    char *page = s->pages[level];
    if (!read_at(s, page, s->walk->page_bytes, offset_of(s, number)) ||
        !page_is_sound(s, t, page, number, leaf, low, high))
        return;
    s->walk->pages++;
    uint32_t count = (((const struct gw_lmdb_page *)(const void *)page)->lower - HEAD) / 2u;
    for (uint32_t i = 0; i < count && !over(s); i++) {
        uint16_t offset = slot(page, i);
        if (leaf) {
            walk_value(s, t, page, offset_of(s, number), offset, level);
            continue;
        }
        struct gw_lmdb_node node = node_at(page, offset);
        uint64_t child =
            (uint64_t)node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
        walk_page(s, t, child, offset_of(s, number) + offset, depth - 1, level + 1,
                  i ? key_at(page, offset) : low,
                  i + 1 < count ? key_at(page, slot(page, i + 1)) : high);
    }
}

/* level: buffers in use, so that a named database does not overwrite the leaf it stands in. */
static void walk_root(struct state *s, struct tree *t, uint64_t referrer, uint32_t level)
{
    int name_bytes = t->name.len > 60 ? 60 : (int)t->name.len;
    if (!t->is_free_list && t->db.flags & ~GW_LMDB_INTEGERKEY) {
        damage(s, referrer, "database %.*s has flags 0x%x", name_bytes, t->name.at, t->db.flags);
        return;
    }
    if (t->db.root == GW_LMDB_NONE) {
        if (t->db.entries || t->db.depth)
            damage(s, referrer, "database %.*s has entries and no page", name_bytes, t->name.at);
        return;
    }
    if (t->db.depth < 1 || t->db.depth + level > GW_LMDB_DEPTH_MAX) {
        damage(s, referrer, "database %.*s is %u pages deep", name_bytes, t->name.at, t->db.depth);
        return;
    }
    walk_page(s, t, t->db.root, referrer, t->db.depth, level, (struct mg_bytes){0},
              (struct mg_bytes){0});
    if (!over(s) && !t->damages && t->entries != t->db.entries)
        damage(s, referrer, "database %.*s has %" PRIu64 " entries and says %" PRIu64, name_bytes,
               t->name.at, t->entries, t->db.entries);
}

static void walk_tree(struct state *s, struct tree *t, uint64_t referrer, uint32_t level)
{
    struct tree *outer = s->tree;
    s->tree = t;
    walk_root(s, t, referrer, level);
    s->tree = outer;
    if (s->walk->done && !over(s))
        s->walk->done(s->walk->arg, t->name, !t->damages);
}

/* LMDB opens a file only where both meta pages are sound. */
static bool read_meta(struct state *s, uint64_t offset, uint32_t page_bytes,
                      struct gw_lmdb_meta *ret)
{
    struct {
        struct gw_lmdb_page page;
        struct gw_lmdb_meta meta;
    } at;
    if (!read_at(s, &at, sizeof at, offset))
        return false;
    const struct gw_lmdb_meta *m = &at.meta;
    uint32_t size = m->free_list.pad;
    if (at.page.flags != GW_LMDB_META || m->magic != GW_LMDB_MAGIC ||
        m->version != GW_LMDB_VERSION || size < PAGE_LEAST || size > PAGE_MOST ||
        size & (size - 1) || (page_bytes && size != page_bytes) ||
        !(m->free_list.flags & GW_LMDB_INTEGERKEY) || m->last_page < 1 ||
        m->last_page >= m->map_bytes / size) {
        damage(s, offset, "a meta page that is none");
        return false;
    }
    *ret = *m;
    return true;
}

static void walk_all(struct state *s)
{
    struct gw_walk *walk = s->walk;
    struct gw_lmdb_meta first, second;
    bool has_first = read_meta(s, 0, 0, &first);
    uint32_t page_bytes = has_first ? first.free_list.pad : PAGE_USUAL;
    bool has_second = !over(s) && read_meta(s, page_bytes, page_bytes, &second);
    if (over(s) || (!has_first && !has_second))
        return;
    bool later = !has_first || (has_second && second.transaction > first.transaction);
    const struct gw_lmdb_meta *meta = later ? &second : &first;
    uint64_t at = later ? page_bytes : 0;
    walk->page_bytes = page_bytes;
    walk->transaction = meta->transaction;
    s->page_count = walk->file_bytes / walk->page_bytes;
    s->last_page = meta->last_page;
    walk->pages = 2;
    if (s->last_page >= PAGES_MOST) {
        damage(s, at, "a meta page with %" PRIu64 " pages", s->last_page);
        return;
    }
    s->seen = calloc(s->last_page / 8 + 1, 1);
    if (!s->seen) {
        s->error = -ENOMEM;
        return;
    }
    struct tree free_list = {
        .name = {"(free list)", 11}, .db = meta->free_list, .is_free_list = true, .key_bytes = 8};
    free_list.db.flags = GW_LMDB_INTEGERKEY;
    struct tree main = {.name = {"(main)", 6}, .db = meta->main, .is_main = true};
    uint64_t databases = at + HEAD + offsetof(struct gw_lmdb_meta, free_list);
    if (!walk->without_free_list)
        walk_tree(s, &free_list, databases, 0);
    if (!over(s))
        walk_tree(s, &main, databases + sizeof(struct gw_lmdb_database), 0);
}

int gw_walk_file(struct gw_walk *walk)
{
    struct state s = {.walk = walk};
    struct stat stat;
    if (fstat(walk->fd, &stat) < 0)
        return -errno;
    if (stat.st_size == 0)
        return -ENOENT;
    walk->file_bytes = (uint64_t)stat.st_size;
    walk->transaction = walk->pages = walk->entries = walk->damages = 0;
    walk->page_bytes = 0;
    /* The order of trees is not that of the disk. */
    posix_fadvise(walk->fd, 0, 0, POSIX_FADV_WILLNEED);
    walk_all(&s);
    for (size_t i = 0; i <= GW_LMDB_DEPTH_MAX; i++)
        free(s.pages[i]);
    free(s.seen);
    free(s.idl);
    return s.error;
}
