/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, line by line: the last lines are kept for who has to find out why, and all of them
 * go into one hash, which is the same where everything happened in the same way. */
#include "sim.h"
#include <stdio.h>
#include <string.h>

enum { LINES = 400, LINE_BYTES = 200 };

static char lines[LINES][LINE_BYTES];
static uint64_t line_count;
static bool aloud;

void sim_trace_begin(bool print)
{
    line_count = 0;
    aloud = print;
    sim.hash = 0xcbf29ce484222325u; /* FNV-1a */
}

static void add_line(const char *format, va_list args)
{
    char *line = lines[line_count++ % LINES];
    int n = snprintf(line, LINE_BYTES, "%3u %11.6f ", sim.life, (double)sim.now_us / 1e6);
    vsnprintf(line + n, LINE_BYTES - (size_t)n, format, args);
    for (const char *p = line; *p; p++)
        sim.hash = (sim.hash ^ (unsigned char)*p) * 0x100000001b3u;
    if (aloud)
        puts(line);
}

void sim_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_line(format, args);
    va_end(args);
}

void sim_fail(const char *format, ...)
{
    va_list args, again;
    if (sim.over)
        return; /* what follows the first failure says nothing */
    va_start(args, format);
    va_copy(again, args);
    vsnprintf(sim.failure, sizeof sim.failure, format, again);
    add_line(format, args);
    va_end(again);
    va_end(args);
    sim.over = true;
}

void sim_trace_print(void)
{
    for (uint64_t i = line_count > LINES ? line_count - LINES : 0; i < line_count; i++)
        puts(lines[i % LINES]);
}

/* The core's own log lines belong to the story. */
bool __wrap_gw_log_wanted(uint32_t level);
void __wrap_gw_log(uint32_t level, const char *message, ...) __attribute__((sentinel));

bool __wrap_gw_log_wanted(uint32_t level)
{
    (void)level;
    return true;
}

void __wrap_gw_log(uint32_t level, const char *message, ...)
{
    char text[LINE_BYTES];
    va_list args;
    size_t used = (size_t)snprintf(text, sizeof text, "log %s", message);
    va_start(args, message);
    for (const char *key; (key = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (value && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s=%s", key, value);
    }
    va_end(args);
    (void)level;
    sim_note("%s", text);
}
