/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to match events against many patterns: bench_patterns EVENTS PATTERNS SECONDS.
 *
 * One thread, by the set operations of the filter "pattern" (found through MESHGATE_MODULES), each
 * event from its JSON text.  Prints one JSON line: patterns, events, hits in one pass, events per
 * second over the passes of that time, by the wall clock and by the thread's, milliseconds to
 * compile, memory that stayed allocated after that, and the bytes that matching added to it. */
#include "cli/match_set.h"
#include "load.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct events {
    struct gw_text *at;
    size_t count, capacity, bytes;
};

static bool keep(struct events *e, struct gw_text text)
{
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : 1024;
        struct gw_text *more = realloc(e->at, capacity * sizeof *more);
        if (!more)
            return false;
        e->at = more;
        e->capacity = capacity;
    }
    char *copy = malloc(text.length);
    if (!copy)
        return false;
    memcpy(copy, text.at, text.length);
    e->at[e->count++] = (struct gw_text){copy, text.length};
    e->bytes += text.length;
    return true;
}

static bool read_events(struct events *e, const char *path)
{
    struct gw_documents d;
    struct gw_text text;
    int more = gw_documents_open(&d, path);
    if (more)
        return false;
    while ((more = gw_documents_next(&d, &text)) > 0 && keep(e, text))
        ;
    gw_documents_close(&d);
    return !more && e->count;
}

static bool read_patterns(struct gw_match_set *m, const char *path)
{
    struct gw_documents d;
    struct gw_text text;
    struct mg_err err = {.text = ""};
    int more = gw_documents_open(&d, path), error = 0;
    if (more)
        return false;
    while (!error && (more = gw_documents_next(&d, &text)) > 0)
        error = gw_match_add_text(m, text, d.path, d.line, &err);
    if (error)
        fprintf(stderr, "bench_patterns: %s:%u: %s\n", path, d.line, err.text);
    gw_documents_close(&d);
    return !more && !error;
}

/* One pass; the number of hits, or -1. */
static ptrdiff_t pass(struct gw_match_set *m, const struct events *e)
{
    ptrdiff_t hits = 0;
    struct mg_err err;
    for (size_t i = 0; i < e->count; i++) {
        ptrdiff_t count = gw_match_document(m, e->at[i], &err);
        if (count < 0) {
            fprintf(stderr, "bench_patterns: event %zu: %s\n", i + 1, err.text);
            return -1;
        }
        hits += count;
    }
    return hits;
}

static size_t allocated(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

static double cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int measure(struct gw_match_set *m, const struct events *e, double seconds)
{
    struct mg_err err = {.text = ""};
    size_t before = allocated();
    uint64_t start_ns = load_now_ns();
    if (gw_match_compile(m, &err)) {
        fprintf(stderr, "bench_patterns: %s\n", err.text);
        return 1;
    }
    double compile_ms = (double)(load_now_ns() - start_ns) / 1e6;
    size_t compiled = allocated();
    ptrdiff_t hits = pass(m, e);
    size_t matched = allocated();
    size_t passes = 0;
    double elapsed = 0, cpu = cpu_now();
    start_ns = load_now_ns();
    for (; elapsed < seconds && hits >= 0; passes++) {
        if (pass(m, e) != hits)
            return 1;
        elapsed = (double)(load_now_ns() - start_ns) / 1e9;
    }
    cpu = cpu_now() - cpu;
    printf("{\"patterns\":%zu,\"events\":%zu,\"event_bytes\":%zu,\"hits\":%td,"
           "\"events_per_second\":%.0f,\"events_per_cpu_second\":%.0f,\"compile_ms\":%.1f,\"set_"
           "bytes\":%zu,"
           "\"matching_bytes\":%zu,\"later_bytes\":%td}\n",
           m->count, e->count, e->bytes / e->count, hits, (double)(e->count * passes) / elapsed,
           (double)(e->count * passes) / cpu, compile_ms, compiled - before, matched - compiled,
           (ptrdiff_t)(allocated() - matched));
    return hits < 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_patterns EVENTS PATTERNS SECONDS\n");
        return 2;
    }
    struct gw_cli cli;
    struct gw_cli_options options = {0};
    struct gw_match_set m = {0};
    struct events events = {0};
    int code = 1;
    int error = gw_cli_open_modules(&cli, &options);
    gw_diags_print(&cli.diags, stderr);
    if (!error && !gw_match_init(&m, cli.registry) && read_events(&events, argv[1]) &&
        read_patterns(&m, argv[2]))
        code = measure(&m, &events, strtod(argv[3], NULL));
    gw_match_fini(&m);
    gw_cli_close(&cli);
    for (size_t i = 0; i < events.count; i++)
        free((void *)(uintptr_t)events.at[i].at);
    free(events.at);
    return code;
}
