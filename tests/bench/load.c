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

/* Where JSON has no room: number and time in hexadecimal, the time in microseconds modulo 2^32. */
static size_t small_payload(char *buffer, size_t size, long number)
{
    snprintf(buffer, LOAD_BYTES_MIN + 1, "@%07lx%08x", (unsigned long)number & 0xfffffff,
             (unsigned)(uint32_t)(load_now_ns() / 1000));
    memset(buffer + LOAD_BYTES_MIN, 'x', size - LOAD_BYTES_MIN);
    return size;
}

static void read_small(const char *head, long long *ret_number, uint64_t *ret_latency_ns)
{
    char number[8], sent[9];
    memcpy(number, head + 1, 7);
    memcpy(sent, head + 8, 8);
    number[7] = sent[8] = '\0';
    *ret_number = strtoll(number, NULL, 16);
    uint32_t now_us = (uint32_t)(load_now_ns() / 1000);
    *ret_latency_ns = (uint64_t)(now_us - (uint32_t)strtoul(sent, NULL, 16)) * 1000;
}

static bool read_json(const char *payload, size_t length, long long *ret_number,
                      uint64_t *ret_latency_ns)
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
        return false;
    *ret_number = strtoll(number + 6, NULL, 10);
    *ret_latency_ns = load_now_ns() - strtoull(sent + 5, NULL, 10);
    return true;
}

size_t load_payload(char *buffer, size_t size, long number)
{
    if (size < LOAD_JSON_MIN)
        return small_payload(buffer, size, number);
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

void tally_note(struct tally *tally, const char *payload, size_t length, long way, long ways)
{
    long long number;
    uint64_t latency_ns;
    if (length >= LOAD_BYTES_MIN && length < LOAD_JSON_MIN && payload[0] == '@')
        read_small(payload, &number, &latency_ns);
    else if (!read_json(payload, length, &number, &latency_ns))
        return;
    if (number < 0 || way < 0 || way >= ways || number >= tally->count / ways)
        return;
    long at = (long)number * ways + way;
    tally->received++;
    if (tally->seen[at]) {
        tally->duplicates++;
    } else {
        tally->seen[at] = true;
        tally->latency_ns[tally->unique++] = latency_ns;
        long *last = &tally->last[at % tally->streams];
        if (at < *last)
            tally->out_of_order++;
        *last = at;
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

/* Of this process, so far. */
static double own_cpu_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

void tally_print(struct tally *tally, long sent, long done, bool receives, double seconds)
{
    qsort(tally->latency_ns, (size_t)tally->unique, sizeof *tally->latency_ns, by_value);
    printf("{\"sent\":%ld,\"received\":%ld,\"unique\":%ld,\"lost\":%ld,\"dup\":%ld,\"out_of_"
           "order\":%ld,"
           "\"seconds\":%.3f,\"rate\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,"
           "\"tool_cpu_s\":%.4f}\n",
           sent, tally->received, tally->unique, receives ? tally->count - tally->unique : 0,
           tally->duplicates, tally->out_of_order, seconds,
           seconds > 0 ? (double)done / seconds : 0, quantile_us(tally, .5),
           quantile_us(tally, .99), quantile_us(tally, .999), own_cpu_s());
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
