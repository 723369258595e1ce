/* SPDX-License-Identifier: Apache-2.0 */
/* The pages are read with pread, not mapped: a sector that cannot be read is then an error, and not
 * the end of the process. */
#include "store/check_page.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_LEAST = 512, PAGE_USUAL = 4096, PAGE_MOST = 1 << 16 };
#define PAGES_MOST ((uint64_t)1 << 32)

void gw_walk_damage(struct gw_walk_state *s, uint64_t offset, const char *format, ...)
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

static bool over(const struct gw_walk_state *s)
{
    return s->stop || s->error;
}

/* false: it could not be read (and is then damage, or the end). */
static bool read_at(struct gw_walk_state *s, void *to, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(s->walk->fd, (char *)to + done, length - done, (off_t)(offset + done));
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            gw_walk_damage(s, offset, "the file ends within what is to be read here");
            return false;
        } else if (errno == EIO) {
            gw_walk_damage(s, offset, "the disk cannot read this");
            return false;
        } else if (errno != EINTR) {
            s->error = -errno;
            return false;
        }
    }
    return true;
}

uint64_t gw_walk_offset(const struct gw_walk_state *s, uint64_t page)
{
    return page * s->walk->page_bytes;
}

/* Marks a run of pages as used.  false: out of bounds, or used already (said as damage of what
 * refers to it). */
static bool use(struct gw_walk_state *s, uint64_t page, uint64_t count, uint64_t referrer,
                const char *what)
{
    if (page < 2 || page > s->last_page || count > s->last_page - page + 1) {
        gw_walk_damage(s, referrer, "page %" PRIu64 " (%s) is out of bounds", page, what);
        return false;
    }
    for (uint64_t i = page; i < page + count; i++) {
        if (s->seen[i / 8] & 1 << i % 8) {
            gw_walk_damage(s, referrer, "page %" PRIu64 " (%s) is in use twice", i, what);
            return false;
        }
        s->seen[i / 8] |= (uint8_t)(1 << i % 8);
    }
    return true;
}

static bool in_file(struct gw_walk_state *s, uint64_t page, uint64_t count, uint64_t referrer)
{
    if (page + count <= s->page_count)
        return true;
    gw_walk_damage(s, referrer, "page %" PRIu64 " lies behind the end of the file", page);
    return false;
}

/* ---- values --------------------------------------------------------------------------------- */

static void walk_tree(struct gw_walk_state *s, struct gw_walk_tree *t, uint64_t referrer,
                      uint32_t level);

/* The page numbers that one entry of the free list names: a count, then so many, descending. */
static void walk_idl(struct gw_walk_state *s, const char *idl, uint64_t length, uint64_t at)
{
    uint64_t count, previous = UINT64_MAX, page;
    if (length < sizeof count || length % sizeof count) {
        gw_walk_damage(s, at, "a list of free pages of %" PRIu64 " bytes", length);
        return;
    }
    memcpy(&count, idl, sizeof count);
    if (count > length / sizeof count - 1) {
        gw_walk_damage(s, at, "a list of %" PRIu64 " free pages in %" PRIu64 " bytes", count,
                       length);
        return;
    }
    for (uint64_t i = 1; i <= count && !over(s); i++, previous = page) {
        memcpy(&page, idl + i * sizeof page, sizeof page);
        if (page >= previous) {
            gw_walk_damage(s, at + i * sizeof page, "a list of free pages that is not in order");
            return;
        }
        if (!use(s, page, 1, at + i * sizeof page, "free"))
            return;
    }
}

static void walk_big_idl(struct gw_walk_state *s, const struct gw_walk_entry *e)
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
static bool find_run(struct gw_walk_state *s, uint64_t at, uint64_t page, struct gw_walk_entry *e)
{
    struct gw_lmdb_page head;
    uint64_t needs = (GW_PAGE_HEAD - 1 + e->length) / s->walk->page_bytes + 1;
    if (page < 2 || page > s->last_page) {
        gw_walk_damage(s, at, "page %" PRIu64 " (overflow) is out of bounds", page);
        return false;
    }
    if (!in_file(s, page, needs, at) || !read_at(s, &head, sizeof head, gw_walk_offset(s, page)))
        return false;
    if (head.number != page || head.flags != GW_LMDB_OVERFLOW || head.pages < needs) {
        gw_walk_damage(s, gw_walk_offset(s, page),
                       "not an overflow run of %" PRIu64 " pages: number %" PRIu64
                       ", kind 0x%x, %" PRIu32 " pages",
                       needs, head.number, head.flags, head.pages);
        return false;
    }
    if (!use(s, page, head.pages, at, "overflow"))
        return false;
    s->walk->pages += head.pages;
    e->offset = gw_walk_offset(s, page) + GW_PAGE_HEAD;
    e->value = NULL;
    return true;
}

static void walk_database(struct gw_walk_state *s, const struct gw_walk_entry *e, uint32_t level)
{
    struct gw_walk_tree t = {.name = {e->key.at, e->key.len}};
    if (!e->value || e->length != sizeof t.db) {
        gw_walk_damage(s, e->offset, "a database described in %" PRIu64 " bytes", e->length);
        return;
    }
    memcpy(&t.db, e->value, sizeof t.db);
    walk_tree(s, &t, e->offset, level + 1);
}

static void walk_value(struct gw_walk_state *s, struct gw_walk_tree *t, const char *page,
                       uint64_t at, uint16_t offset, uint32_t level)
{
    struct gw_lmdb_node node = gw_page_node(page, offset);
    uint16_t value = (uint16_t)(offset + sizeof node + node.key_bytes);
    struct gw_walk_entry e = {.database = t->name,
                              .key = gw_page_key(page, offset),
                              .offset = at + value,
                              .length = (uint64_t)node.low | (uint64_t)node.high << 16,
                              .value = page + value};
    if (node.flags & ~(t->is_main ? GW_LMDB_BIG | GW_LMDB_SUB : GW_LMDB_BIG)) {
        gw_walk_damage(s, at + offset, "a node with flags 0x%x", node.flags);
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

static void walk_page(struct gw_walk_state *s, struct gw_walk_tree *t, uint64_t number,
                      uint64_t referrer, uint32_t depth, uint32_t level, struct mg_bytes low,
                      struct mg_bytes high)
{
    bool leaf = depth == 1;
    if (!use(s, number, 1, referrer, leaf ? "leaf" : "branch") || !in_file(s, number, 1, referrer))
        return;
    if (!s->pages[level] && !(s->pages[level] = malloc(s->walk->page_bytes))) {
        s->error = -ENOMEM;
        return;
    }
    char *page = s->pages[level];
    if (!read_at(s, page, s->walk->page_bytes, gw_walk_offset(s, number)) ||
        !gw_page_is_sound(s, t, page, number, leaf, low, high))
        return;
    s->walk->pages++;
    uint32_t count = (((const struct gw_lmdb_page *)(const void *)page)->lower - GW_PAGE_HEAD) / 2u;
    for (uint32_t i = 0; i < count && !over(s); i++) {
        uint16_t offset = gw_page_slot(page, i);
        if (leaf) {
            walk_value(s, t, page, gw_walk_offset(s, number), offset, level);
            continue;
        }
        struct gw_lmdb_node node = gw_page_node(page, offset);
        uint64_t child =
            (uint64_t)node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
        walk_page(s, t, child, gw_walk_offset(s, number) + offset, depth - 1, level + 1,
                  i ? gw_page_key(page, offset) : low,
                  i + 1 < count ? gw_page_key(page, gw_page_slot(page, i + 1)) : high);
    }
}

/* level: buffers in use, so that a named database does not overwrite the leaf it stands in. */
static void walk_root(struct gw_walk_state *s, struct gw_walk_tree *t, uint64_t referrer,
                      uint32_t level)
{
    int name_bytes = t->name.len > 60 ? 60 : (int)t->name.len;
    if (!t->is_free_list && t->db.flags & ~GW_LMDB_INTEGERKEY) {
        gw_walk_damage(s, referrer, "database %.*s has flags 0x%x", name_bytes, t->name.at,
                       t->db.flags);
        return;
    }
    if (t->db.root == GW_LMDB_NONE) {
        if (t->db.entries || t->db.depth)
            gw_walk_damage(s, referrer, "database %.*s has entries and no page", name_bytes,
                           t->name.at);
        return;
    }
    if (t->db.depth < 1 || t->db.depth + level > GW_LMDB_DEPTH_MAX) {
        gw_walk_damage(s, referrer, "database %.*s is %u pages deep", name_bytes, t->name.at,
                       t->db.depth);
        return;
    }
    walk_page(s, t, t->db.root, referrer, t->db.depth, level, (struct mg_bytes){0},
              (struct mg_bytes){0});
    if (!over(s) && !t->damages && t->entries != t->db.entries)
        gw_walk_damage(s, referrer, "database %.*s has %" PRIu64 " entries and says %" PRIu64,
                       name_bytes, t->name.at, t->entries, t->db.entries);
}

static void walk_tree(struct gw_walk_state *s, struct gw_walk_tree *t, uint64_t referrer,
                      uint32_t level)
{
    struct gw_walk_tree *outer = s->tree;
    s->tree = t;
    walk_root(s, t, referrer, level);
    s->tree = outer;
    if (s->walk->done && !over(s))
        s->walk->done(s->walk->arg, t->name, !t->damages);
}

/* LMDB opens a file only where both meta pages are sound. */
static bool read_meta(struct gw_walk_state *s, uint64_t offset, uint32_t page_bytes,
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
        gw_walk_damage(s, offset, "a meta page that is none");
        return false;
    }
    *ret = *m;
    return true;
}

static void walk_all(struct gw_walk_state *s)
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
        gw_walk_damage(s, at, "a meta page with %" PRIu64 " pages", s->last_page);
        return;
    }
    s->seen = calloc(s->last_page / 8 + 1, 1);
    if (!s->seen) {
        s->error = -ENOMEM;
        return;
    }
    struct gw_walk_tree free_list = {
        .name = {"(free list)", 11}, .db = meta->free_list, .is_free_list = true, .key_bytes = 8};
    free_list.db.flags = GW_LMDB_INTEGERKEY;
    struct gw_walk_tree main = {.name = {"(main)", 6}, .db = meta->main, .is_main = true};
    uint64_t databases = at + GW_PAGE_HEAD + offsetof(struct gw_lmdb_meta, free_list);
    if (!walk->without_free_list)
        walk_tree(s, &free_list, databases, 0);
    if (!over(s))
        walk_tree(s, &main, databases + sizeof(struct gw_lmdb_database), 0);
}

int gw_walk_file(struct gw_walk *walk)
{
    struct gw_walk_state s = {.walk = walk};
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
