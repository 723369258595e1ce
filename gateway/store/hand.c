/* SPDX-License-Identifier: Apache-2.0 */
/* A head for the steps of shards, then a row for each sink: the highest sequence that was sent, and
 * two bits for each of the 65,536 up to it. */
#include "store/hand.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* No more can be in one sink's hand: a window has at most 65,535. */
enum { BITS = 65536, HEAD_BYTES = 4096, ROWS_MOST = 1 << 16 };

struct gw_hand_sink {
    atomic_uint_fast64_t end; /* behind the highest that was sent */
    uint32_t log, sink;
    atomic_uint_fast64_t in_hand[BITS / 64], sent[BITS / 64];
};

struct step {
    atomic_uint_fast64_t identity[2];
};

struct gw_hand {
    int fd;
    char *map; /* of all the rows that there could be; only those in use have room on the disk */
    size_t bytes;
    uint32_t rows;
    uint64_t left_steps[GW_HAND_SHARDS][2];
    struct gw_hand_sink *left; /* rows of the last life */
    uint32_t left_count;
};

static struct step *steps_of(const struct gw_hand *h)
{
    return (struct step *)(void *)h->map;
}

static struct gw_hand_sink *row_at(const struct gw_hand *h, uint32_t i)
{
    return (struct gw_hand_sink *)(void *)(h->map + HEAD_BYTES) + i;
}

/* A file of any length: what is not there, was not in hand. */
static int read_left(struct gw_hand *h)
{
    struct stat s;
    char head[HEAD_BYTES] = {0};
    if (fstat(h->fd, &s))
        return -errno;
    if (pread(h->fd, head, sizeof head, 0) < 0)
        return -errno;
    memcpy(h->left_steps, head, sizeof h->left_steps);
    size_t bytes = s.st_size > HEAD_BYTES ? (size_t)s.st_size - HEAD_BYTES : 0;
    uint32_t rows = (uint32_t)(bytes / sizeof *h->left);
    if (!rows || rows > ROWS_MOST)
        return 0;
    h->left = malloc(rows * sizeof *h->left);
    if (!h->left)
        return -ENOMEM;
    ssize_t n = pread(h->fd, h->left, rows * sizeof *h->left, HEAD_BYTES);
    h->left_count = n > 0 ? (uint32_t)((size_t)n / sizeof *h->left) : 0;
    return 0;
}

int gw_hand_open(int folder_fd, struct gw_hand **ret_hand)
{
    struct gw_hand *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->fd = openat(folder_fd, "hand", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int error = h->fd < 0 ? -errno : read_left(h);
    if (!error)
        error = -posix_fallocate(h->fd, 0, HEAD_BYTES);
    h->bytes = HEAD_BYTES + (size_t)ROWS_MOST * sizeof(struct gw_hand_sink);
    if (!error) {
        void *map =
            mmap(NULL, h->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, h->fd, 0);
        if (map == MAP_FAILED)
            error = -errno;
        else
            h->map = map;
    }
    if (error) {
        gw_hand_close(h, false);
        return error;
    }
    *ret_hand = h;
    return 0;
}

/* In place: on a full disk space that is given away does not come back. */
void gw_hand_begin(struct gw_hand *h)
{
    struct stat s;
    if (h && !fstat(h->fd, &s))
        memset(h->map, 0, (size_t)s.st_size < h->bytes ? (size_t)s.st_size : h->bytes);
}

static void empty(struct gw_hand *h)
{
    memset(h->map, 0, HEAD_BYTES);
    for (uint32_t i = 0; i < h->rows; i++)
        memset(row_at(h, i)->in_hand, 0, sizeof row_at(h, i)->in_hand);
}

void gw_hand_close(struct gw_hand *h, bool clean)
{
    if (!h)
        return;
    if (h->map && clean)
        empty(h);
    if (h->map)
        munmap(h->map, h->bytes);
    if (h->fd >= 0)
        close(h->fd);
    free(h->left);
    free(h);
}

struct gw_hand_sink *gw_hand_sink(struct gw_hand *h, uint32_t log, uint32_t sink)
{
    if (!h || h->rows == ROWS_MOST)
        return NULL;
    for (uint32_t i = 0; i < h->rows; i++)
        if (row_at(h, i)->log == log && row_at(h, i)->sink == sink)
            return row_at(h, i);
    off_t at = (off_t)(HEAD_BYTES + h->rows * sizeof(struct gw_hand_sink));
    if (posix_fallocate(h->fd, at, sizeof(struct gw_hand_sink)))
        return NULL; /* a write to a page without room on the disk would be a fault */
    struct gw_hand_sink *row = row_at(h, h->rows++);
    row->log = log;
    row->sink = sink;
    return row;
}

/* One thread writes each row, so loads and stores suffice. */
static void put_bit(atomic_uint_fast64_t *words, uint64_t sequence, bool set)
{
    atomic_uint_fast64_t *word = &words[sequence % BITS / 64];
    uint64_t bit = UINT64_C(1) << sequence % 64;
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, set ? bits | bit : bits & ~bit, memory_order_relaxed);
}

/* What had the places of the sequences up to this one is older than a row remembers. */
static void move_end(struct gw_hand_sink *row, uint64_t sequence)
{
    uint64_t end = atomic_load_explicit(&row->end, memory_order_relaxed);
    if (sequence < end)
        return;
    for (uint64_t s = sequence - end < BITS ? end : sequence - BITS + 1; s <= sequence; s++) {
        put_bit(row->in_hand, s, false);
        put_bit(row->sent, s, false);
    }
    atomic_store_explicit(&row->end, sequence + 1, memory_order_relaxed);
}

void gw_hand_take(struct gw_hand_sink *row, uint64_t sequence)
{
    if (!row)
        return;
    move_end(row, sequence);
    put_bit(row->sent, sequence, true);
    put_bit(row->in_hand, sequence, true);
}

void gw_hand_give(struct gw_hand_sink *row, uint64_t sequence)
{
    if (row)
        put_bit(row->in_hand, sequence, false);
}

void gw_hand_not_sent(struct gw_hand_sink *row, uint64_t sequence)
{
    if (!row)
        return;
    put_bit(row->in_hand, sequence, false);
    put_bit(row->sent, sequence, false);
}

void gw_hand_each_left(const struct gw_hand *h, uint32_t log, uint32_t sink,
                       void (*each)(void *arg, uint64_t sequence, bool in_hand), void *arg)
{
    for (uint32_t i = 0; h && i < h->left_count; i++) {
        const struct gw_hand_sink *row = &h->left[i];
        uint64_t end = row->end;
        if (row->log != log || row->sink != sink)
            continue;
        for (uint64_t s = end > BITS ? end - BITS : 0; s < end; s++)
            if (row->sent[s % BITS / 64] >> s % 64 & 1)
                each(arg, s, row->in_hand[s % BITS / 64] >> s % 64 & 1);
    }
}

void gw_hand_step(struct gw_hand *h, uint32_t shard, const uint64_t identity[2])
{
    if (!h)
        return;
    struct step *s = &steps_of(h)[shard];
    atomic_store_explicit(&s->identity[0], identity[0], memory_order_relaxed);
    atomic_store_explicit(&s->identity[1], identity[1], memory_order_relaxed);
}

void gw_hand_was_in_step(const struct gw_hand *h, uint32_t shard, uint64_t ret_identity[2])
{
    ret_identity[0] = h ? h->left_steps[shard][0] : 0;
    ret_identity[1] = h ? h->left_steps[shard][1] : 0;
}
