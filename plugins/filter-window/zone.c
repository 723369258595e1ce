/* SPDX-License-Identifier: Apache-2.0 */
/* Reads TZif files (RFC 8536). */
#include "zone.h"
#include "zone_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_BYTES = 44, OFFSET_MAX = 26 * 3600, TYPES_MAX = 256, TRANSITIONS_MAX = 1 << 16 };
/* Later than that no clock is right; so no sum here overflows. */
#define INSTANT_MAX (INT64_C(1) << 55)

static int wrong(struct mg_err *reterr, const char *why)
{
    snprintf(reterr->text, sizeof reterr->text, "%s", why);
    return -EINVAL;
}

static int no_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

/* ---- the file ------------------------------------------------------------------------------- */

static uint32_t number32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t number64(const unsigned char *at)
{
    return (int64_t)((uint64_t)number32(at) << 32 | number32(at + 4));
}

/* One of the two blocks of a file: the numbers of its header, and where its data are. */
struct block {
    char version;
    uint32_t isut, isstd, leaps, times, types, chars;
    const unsigned char *data;
    size_t size; /* of data */
};

static bool read_block(const unsigned char *at, size_t left, size_t time_size, struct block *b)
{
    if (left < HEADER_BYTES || memcmp(at, "TZif", 4) != 0)
        return false;
    *b = (struct block){
        .version = (char)at[4],
        .isut = number32(at + 20),
        .isstd = number32(at + 24),
        .leaps = number32(at + 28),
        .times = number32(at + 32),
        .types = number32(at + 36),
        .chars = number32(at + 40),
        .data = at + HEADER_BYTES,
    };
    if (b->times > TRANSITIONS_MAX || !b->types || b->types > TYPES_MAX || b->leaps > 4096 ||
        b->chars > 65536 || b->isut > TYPES_MAX || b->isstd > TYPES_MAX)
        return false;
    b->size = b->times * (time_size + 1) + b->types * 6 + b->chars + b->leaps * (time_size + 4) +
              b->isstd + b->isut;
    return left - HEADER_BYTES >= b->size;
}

/* Of a zone with that block; times are of time_size bytes. */
static bool fill(struct zone *z, const struct block *b, size_t time_size)
{
    const unsigned char *index = b->data + b->times * time_size, *types = index + b->times;
    int32_t offsets[TYPES_MAX];
    for (uint32_t i = 0; i < b->types; i++) {
        offsets[i] = (int32_t)number32(types + (size_t)i * 6);
        if (offsets[i] < -OFFSET_MAX || offsets[i] > OFFSET_MAX)
            return false;
    }
    z->first = offsets[0]; /* RFC 8536 §3.2: of the times before the first transition */
    z->count = b->times;
    for (uint32_t i = 0; i < b->times; i++) {
        const unsigned char *at = b->data + i * time_size;
        int64_t time = time_size == 8 ? number64(at) : (int32_t)number32(at);
        if (index[i] >= b->types || (i && time <= z->transitions[i - 1].at))
            return false;
        z->transitions[i] = (struct transition){time, offsets[index[i]]};
    }
    return true;
}

/* The line behind the second block; an empty one says nothing. */
static bool read_footer(struct zone *z, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *close;
    if (at == end || *at != '\n' || !(close = memchr(at + 1, '\n', (size_t)(end - at - 1))))
        return false;
    z->has_rule = close > at + 1;
    return !z->has_rule || rule_parse((const char *)at + 1, (size_t)(close - at - 1), &z->rule);
}

int zone_parse(const void *bytes, size_t length, struct zone **ret_zone, struct mg_err *reterr)
{
    static const char bad[] = "it is no valid TZif file";
    const unsigned char *at = bytes, *end = at + length;
    struct block b;
    size_t time_size = 4;
    if (!read_block(at, length, 4, &b))
        return wrong(reterr, bad);
    if (b.version >= '2') { /* the same again, with times of 64 bits */
        at = b.data + b.size;
        time_size = 8;
        if (!read_block(at, (size_t)(end - at), 8, &b))
            return wrong(reterr, bad);
    }
    if (b.leaps)
        return wrong(reterr, "it counts leap seconds, which the clock does not");
    struct zone *z = calloc(1, sizeof *z + b.times * sizeof z->transitions[0]);
    if (!z)
        return no_memory(reterr);
    if (!fill(z, &b, time_size) || (time_size == 8 && !read_footer(z, b.data + b.size, end))) {
        free(z);
        return wrong(reterr, bad);
    }
    *ret_zone = z;
    return 0;
}

static int read_all(int fd, char **ret_bytes, size_t *ret_length)
{
    struct stat st;
    if (fstat(fd, &st))
        return -EIO;
    if (!S_ISREG(st.st_mode) || st.st_size > ZONE_FILE_BYTES_MAX)
        return -EINVAL;
    size_t length = 0, size = (size_t)st.st_size;
    char *bytes = malloc(size + 1);
    if (!bytes)
        return -ENOMEM;
    for (ssize_t n = 1; length < size && n; length += (size_t)n) {
        n = read(fd, bytes + length, size - length);
        if (n < 0) {
            free(bytes);
            return -EIO;
        }
    }
    *ret_bytes = bytes;
    *ret_length = length;
    return 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* "+02:00", "-0330", "+2" */
static bool fixed_offset(const char *name, int32_t *ret)
{
    int hours = 0, minutes = 0, digits = 0;
    const char *at = name + 1;
    if (*name != '+' && *name != '-')
        return false;
    for (; *at >= '0' && *at <= '9' && digits < 2; digits++)
        hours = hours * 10 + (*at++ - '0');
    if (digits == 2 && *at == ':')
        at++;
    if (digits == 2 && at[0] >= '0' && at[0] <= '5' && at[1] >= '0' && at[1] <= '9') {
        minutes = (at[0] - '0') * 10 + (at[1] - '0');
        at += 2;
    }
    if (!digits || *at || at[-1] == ':' || hours > 15)
        return false;
    *ret = (hours * 3600 + minutes * 60) * (*name == '-' ? -1 : 1);
    return true;
}

/* Names that stay inside of the folder: "America/Argentina/Ushuaia", "Etc/GMT+5". */
static bool valid_name(const char *name)
{
    static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-";
    size_t length = strlen(name);
    if (!length || length > ZONE_NAME_BYTES_MAX)
        return false;
    for (const char *at = name;;) {
        size_t part = strspn(at, known);
        if (!part)
            return false;
        at += part;
        if (!*at)
            return true;
        if (*at++ != '/')
            return false;
    }
}

static int zone_of_file(const char *name, struct zone **ret_zone, struct mg_err *reterr)
{
    const char *folder = getenv("TZDIR");
    char path[PATH_MAX], *bytes;
    size_t length;
    folder = folder && *folder ? folder : "/usr/share/zoneinfo";
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = n < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) {
        snprintf(reterr->text, sizeof reterr->text, "there is no time zone \"%.64s\" in %.96s%s",
                 name, folder, access(folder, F_OK) ? ", which is not there: install tzdata" : "");
        return -EINVAL;
    }
    int error = read_all(fd, &bytes, &length);
    close(fd);
    if (error) {
        snprintf(reterr->text, sizeof reterr->text, "time zone \"%.64s\": it cannot be read", name);
        return error == -ENOMEM ? error : -EINVAL;
    }
    struct mg_err why = {.text = ""};
    error = zone_parse(bytes, length, ret_zone, &why);
    free(bytes);
    if (error)
        snprintf(reterr->text, sizeof reterr->text, "time zone \"%.64s\": %.128s", name, why.text);
    return error;
}

int zone_create(const char *name, struct zone **ret_zone, struct mg_err *reterr)
{
    int32_t offset = 0;
    if (strcmp(name, "UTC") != 0 && strcmp(name, "Z") != 0 && !fixed_offset(name, &offset)) {
        if (valid_name(name))
            return zone_of_file(name, ret_zone, reterr);
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.64s\" is no time zone: UTC, an offset like +02:00, or a name like "
                 "Europe/Berlin",
                 name);
        return -EINVAL;
    }
    struct zone *z = calloc(1, sizeof *z);
    if (!z)
        return no_memory(reterr);
    z->first = offset;
    *ret_zone = z;
    return 0;
}

void zone_destroy(struct zone *zone)
{
    free(zone);
}

/* ---- instants ------------------------------------------------------------------------------- */

int32_t zone_offset(const struct zone *z, int64_t utc)
{
    if (utc > INSTANT_MAX || utc < -INSTANT_MAX)
        return z->first;
    size_t low = 0, high = z->count; /* transitions before low are not later than utc */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->transitions[middle].at <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->count && z->has_rule)
        return rule_offset(&z->rule, utc);
    return low ? z->transitions[low - 1].offset : z->first;
}
