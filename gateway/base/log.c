/* SPDX-License-Identifier: Apache-2.0 */
/* Renders log lines into a stack buffer; a line that is too long is cut, never split. */
#include "base/log.h"
#include "meshgate/plugin.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

static enum gw_log_format format = GW_LOG_LOGFMT;
static atomic_uint least = MG_INFO;

struct line {
    char at[LINE_BYTES];
    size_t used;
};

void gw_log_configure(enum gw_log_format new_format, uint32_t least_level)
{
    format = new_format;
    atomic_store(&least, least_level);
}

bool gw_log_wanted(uint32_t level)
{
    return level >= atomic_load_explicit(&least, memory_order_relaxed);
}

static void put(struct line *l, const char *text, size_t length)
{
    size_t room = sizeof l->at - 2 - l->used; /* keeps room for a closing brace and the newline */
    if (length > room)
        length = room;
    memcpy(l->at + l->used, text, length);
    l->used += length;
}

static void put_quoted(struct line *l, const char *text)
{
    put(l, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        char escaped[8];
        if (sizeof l->at - l->used < 16)
            break; /* cut between characters, so that the quote still closes */
        if (*p == '"' || *p == '\\')
            put(l, (char[]){'\\', (char)*p}, 2);
        else if (*p == '\n')
            put(l, "\\n", 2);
        else if (*p < 0x20 || *p == 0x7f)
            put(l, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *p));
        else
            put(l, (const char *)p, 1);
    }
    put(l, "\"", 1);
}

static void put_field(struct line *l, const char *key, const char *value)
{
    if (format == GW_LOG_JSON) {
        if (l->used > 1)
            put(l, ",", 1);
        put_quoted(l, key);
        put(l, ":", 1);
        put_quoted(l, value);
        return;
    }
    if (l->used)
        put(l, " ", 1);
    put(l, key, strlen(key));
    put(l, "=", 1);
    bool plain = *value != '\0';
    for (const char *p = value; *p && plain; p++)
        plain = (unsigned char)*p > 0x20 && *p != '"' && *p != '=' && *p != 0x7f && *p != '\\';
    if (plain)
        put(l, value, strlen(value));
    else
        put_quoted(l, value);
}

void gw_log(uint32_t level, const char *message, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (!gw_log_wanted(level))
        return;
    struct timespec now;
    struct tm utc;
    char stamp[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + n, sizeof stamp - n, ".%03dZ", (int)(now.tv_nsec / 1000000));

    struct line l;
    l.used = 0;
    if (format == GW_LOG_JSON)
        put(&l, "{", 1);
    put_field(&l, "time", stamp);
    put_field(&l, "level", names[level <= MG_ERROR ? level : MG_ERROR]);
    put_field(&l, "msg", message);
    va_list args;
    va_start(args, message);
    for (const char *key; (key = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (value)
            put_field(&l, key, value);
    }
    va_end(args);
    if (format == GW_LOG_JSON)
        l.at[l.used++] = '}';
    l.at[l.used++] = '\n';
    ssize_t written = write(STDERR_FILENO, l.at, l.used);
    (void)written; /* nowhere to report it */
}
