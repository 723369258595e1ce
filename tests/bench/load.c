/* SPDX-License-Identifier: Apache-2.0 */
/* What the load tools share: numbered payloads, and the tally of those that arrive. */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

uint64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

size_t load_payload(char *buffer, size_t size, long number)
{
    int head = snprintf(buffer, size + LOAD_PAYLOAD_SLACK,
                        "{\"seq\":%ld,\"ts\":%llu,\"device\":\"d%ld\",\"temp\":%ld.5,\"pad\":\"",
                        number, (unsigned long long)load_now_ns(), number % 1000, number % 60);
    size_t at = (size_t)head;
    if (at + 2 < size) {
        memset(buffer + at, 'x', size - 2 - at);
        at = size - 2;
    }
    memcpy(buffer + at, "\"}", 2);
    return at + 2;
}

bool tally_init(struct tally *tally, long count, long streams)
{
    *tally = (struct tally){.count = count, .streams = streams};
    tally->seen = calloc((size_t)count, sizeof *tally->seen);
    tally->latency_ns = calloc((size_t)count, sizeof *tally->latency_ns);
    tally->last = calloc((size_t)streams, sizeof *tally->last);
    return tally->seen && tally->latency_ns && tally->last;
}

void tally_fini(struct tally *tally)
{
    free(tally->seen);
    free(tally->latency_ns);
    free(tally->last);
}

void tally_note(struct tally *tally, const char *payload, size_t length)
{
    /* A copy ends in NUL, so that strtoll stops in it; what stands before the payload may hold
     * NULs. */
    char head[513];
    size_t size = length < sizeof head - 1 ? length : sizeof head - 1;
    memcpy(head, payload, size);
    head[size] = '\0';
    const char *number = memmem(head, size, "\"seq\":", 6),
               *sent = memmem(head, size, "\"ts\":", 5);
    if (!number || !sent)
        return;
    long long at = strtoll(number + 6, NULL, 10);
    if (at < 0 || at >= tally->count)
        return;
    tally->received++;
    if (tally->seen[at]) {
        tally->duplicates++;
    } else {
        tally->seen[at] = true;
        tally->latency_ns[tally->unique++] = load_now_ns() - strtoull(sent + 5, NULL, 10);
        long *last = &tally->last[at % tally->streams];
        if (at < *last)
            tally->out_of_order++;
        *last = (long)at;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile_us(const struct tally *tally, double part)
{
    if (tally->unique == 0)
        return 0;
    return (double)tally->latency_ns[(long)((double)(tally->unique - 1) * part)] / 1000.0;
}

void tally_print(struct tally *tally, long sent, long done, bool receives, double seconds)
{
    qsort(tally->latency_ns, (size_t)tally->unique, sizeof *tally->latency_ns, by_value);
    printf("{\"sent\":%ld,\"received\":%ld,\"unique\":%ld,\"lost\":%ld,\"dup\":%ld,\"out_of_"
           "order\":%ld,"
           "\"seconds\":%.3f,\"rate\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f}\n",
           sent, tally->received, tally->unique, receives ? tally->count - tally->unique : 0,
           tally->duplicates, tally->out_of_order, seconds,
           seconds > 0 ? (double)done / seconds : 0, quantile_us(tally, .5),
           quantile_us(tally, .99), quantile_us(tally, .999));
}

_Atomic long *load_shared_counter(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(_Atomic long))) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    void *at = mmap(NULL, sizeof(_Atomic long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

long load_number(const char *text, long least, long most, const char *what)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        fprintf(stderr, "%s: \"%s\" is not a number between %ld and %ld\n", what, text, least,
                most);
        exit(2);
    }
    return value;
}
