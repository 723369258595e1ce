/* SPDX-License-Identifier: Apache-2.0 */
/* The file is sparse: a page for the steps, then a number for each sink that there could be. */
#include "store/hand.h"
#include "store/record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOGS = 65536, HEAD_BYTES = 4096 };

struct step {
    atomic_uint_fast64_t identity[2];
};
struct gw_hand {
    struct step *steps;               /* GW_HAND_SHARDS */
    atomic_uint_fast64_t *sent;       /* LOGS * GW_RECORD_SINKS_MAX */
    uint64_t left[GW_HAND_SHARDS][2]; /* by the life before */
    uint64_t prepared[LOGS / 64];     /* a bit for each log */
    void *map;
    size_t bytes;
    int fd;
};

int gw_hand_open(int folder_fd, struct gw_hand **ret_hand)
{
    struct gw_hand *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->bytes = HEAD_BYTES + (size_t)LOGS * GW_RECORD_SINKS_MAX * sizeof *h->sent;
    h->fd = openat(folder_fd, "hand", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int error = h->fd < 0 || ftruncate(h->fd, (off_t)h->bytes)
                    ? -errno
                    : -posix_fallocate(h->fd, 0, HEAD_BYTES);
    if (!error) {
        h->map = mmap(NULL, h->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
        error = h->map == MAP_FAILED ? -errno : 0;
    }
    if (error) {
        if (h->fd >= 0)
            close(h->fd);
        free(h);
        return error;
    }
    h->steps = h->map;
    h->sent = (atomic_uint_fast64_t *)(void *)((char *)h->map + HEAD_BYTES);
    for (uint32_t i = 0; i < GW_HAND_SHARDS; i++) {
        h->left[i][0] = atomic_load(&h->steps[i].identity[0]);
        h->left[i][1] = atomic_load(&h->steps[i].identity[1]);
        gw_hand_step(h, i, (const uint64_t[2]){0, 0});
    }
    *ret_hand = h;
    return 0;
}

void gw_hand_close(struct gw_hand *h, int clean)
{
    if (!h)
        return;
    munmap(h->map, h->bytes);
    if (clean && ftruncate(h->fd, 0))
        clean = 0; /* it says what was in hand, and the store says that the end was clean */
    close(h->fd);
    free(h);
}

int gw_hand_prepare(struct gw_hand *h, uint32_t log)
{
    const size_t row = GW_RECORD_SINKS_MAX * sizeof *h->sent;
    int error = posix_fallocate(h->fd, (off_t)(HEAD_BYTES + log * row), (off_t)row);
    if (!error)
        h->prepared[log / 64] |= UINT64_C(1) << log % 64;
    return -error;
}

static atomic_uint_fast64_t *sent_at(const struct gw_hand *h, uint32_t log, uint32_t sink)
{
    return &h->sent[(size_t)log * GW_RECORD_SINKS_MAX + sink];
}

void gw_hand_sent(struct gw_hand *h, uint32_t log, uint32_t sink, uint64_t end)
{
    if (h->prepared[log / 64] >> log % 64 & 1)
        atomic_store_explicit(sent_at(h, log, sink), end, memory_order_relaxed);
}

uint64_t gw_hand_was_sent(const struct gw_hand *h, uint32_t log, uint32_t sink)
{
    /* A page that nobody wrote stays a hole: reading it does not fill it. */
    return atomic_load_explicit(sent_at(h, log, sink), memory_order_relaxed);
}

void gw_hand_forget_sent(struct gw_hand *h, uint32_t log, uint32_t sink)
{
    if (gw_hand_was_sent(h, log, sink))
        gw_hand_sent(h, log, sink, 0);
}

void gw_hand_step(struct gw_hand *h, uint32_t shard, const uint64_t identity[2])
{
    struct step *s = &h->steps[shard];
    atomic_store_explicit(&s->identity[0], identity[0], memory_order_relaxed);
    atomic_store_explicit(&s->identity[1], identity[1], memory_order_relaxed);
}

void gw_hand_was_in_step(const struct gw_hand *h, uint32_t shard, uint64_t ret_identity[2])
{
    ret_identity[0] = h->left[shard][0];
    ret_identity[1] = h->left[shard][1];
}
