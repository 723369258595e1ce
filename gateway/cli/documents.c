/* SPDX-License-Identifier: Apache-2.0 */
/* Finds where documents begin and end; reading them is left to whoever wants them. */
#include "cli/documents.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *space(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at;
}

static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        at += *at == '\\';
    }
    return NULL;
}

const char *gw_json_end(const char *at, const char *end)
{
    size_t depth = 0;
    if (at < end && *at == '"')
        return string_end(at, end);
    if (at == end || (*at != '{' && *at != '[')) {
        while (at < end && !strchr(" \t\r\n,]}", *at))
            at++;
        return at;
    }
    while (at < end) {
        if (*at == '"') {
            at = string_end(at, end);
            if (!at)
                return NULL;
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (!depth)
            return at;
    }
    return NULL;
}

struct gw_text gw_json_member(struct gw_text object, const char *name)
{
    struct gw_text found = {0};
    const char *end = object.at + object.length;
    const char *at = space(object.at, end);
    if (at == end || *at++ != '{')
        return found;
    for (;;) {
        at = space(at, end);
        const char *key = at, *behind = at < end && *at == '"' ? string_end(at, end) : NULL;
        at = behind ? space(behind, end) : end;
        if (at == end || *at != ':')
            return found;
        const char *value = space(at + 1, end);
        at = gw_json_end(value, end);
        if (!at || at == value)
            return found;
        size_t length = strlen(name);
        if ((size_t)(behind - key) == length + 2 && !memcmp(key + 1, name, length))
            found = (struct gw_text){value, (size_t)(at - value)};
        at = space(at, end);
        if (at == end || *at++ != ',')
            return found;
    }
}

/* ---- files ---------------------------------------------------------------------------------- */

int gw_documents_open(struct gw_documents *d, const char *path)
{
    bool standard = !strcmp(path, "-");
    *d = (struct gw_documents){.path = standard ? "stdin" : path, .open = !standard, .line = 0};
    d->file = standard ? stdin : fopen(path, "re");
    if (d->file)
        return 0;
    int error = -errno;
    fprintf(stderr, "meshgate match: %s: %s\n", path, strerror(errno));
    return error;
}

void gw_documents_close(struct gw_documents *d)
{
    if (d->file && d->open)
        fclose(d->file);
    free(d->buffer);
    *d = (struct gw_documents){0};
}

static int too_large(const struct gw_documents *d)
{
    fprintf(stderr, "meshgate match: %s: a document of more than %d MiB\n", d->path,
            GW_DOCUMENT_BYTES_MAX >> 20);
    return -EFBIG;
}

/* Appends up to the end of the line, or of the file.  0 at the end of the file, 1 otherwise. */
static int read_line(struct gw_documents *d)
{
    size_t before = d->length;
    int c = EOF;
    flockfile(d->file);
    while ((c = getc_unlocked(d->file)) != EOF) {
        if (d->length + 1 >= d->size) {
            size_t size = d->size ? d->size * 2 : 4096;
            char *more = size > (size_t)GW_DOCUMENT_BYTES_MAX * 2 ? NULL : realloc(d->buffer, size);
            if (!more)
                break;
            d->buffer = more;
            d->size = size;
        }
        d->buffer[d->length++] = (char)c;
        if (c == '\n')
            break;
    }
    funlockfile(d->file);
    if (c != EOF && c != '\n')
        return too_large(d);
    if (ferror(d->file)) {
        fprintf(stderr, "meshgate match: %s: cannot be read\n", d->path);
        return -EIO;
    }
    return d->length > before;
}

static int next_line(struct gw_documents *d)
{
    do {
        d->length = 0;
        d->line++;
        int more = read_line(d);
        if (more <= 0)
            return more;
        d->at = space(d->buffer, d->buffer + d->length);
        d->end = d->buffer + d->length;
    } while (d->at == d->end);
    return 1;
}

/* The first line that has anything says how the documents are laid out. */
static int begin(struct gw_documents *d)
{
    int more = next_line(d);
    if (more <= 0)
        return more;
    const char *behind = gw_json_end(d->at, d->end);
    d->lines = behind && behind > d->at && space(behind, d->end) == d->end;
    size_t start = (size_t)(d->at - d->buffer);
    while (!d->lines && (more = read_line(d)) > 0)
        ;
    d->at = d->buffer + start;
    d->end = d->buffer + d->length;
    d->list = d->at < d->end && *d->at == '[';
    d->at += d->list;
    return more < 0 ? more : 1;
}

static void go_to(struct gw_documents *d, const char *at)
{
    for (; d->at < at; d->at++)
        d->line += *d->at == '\n' && !d->lines;
}

int gw_documents_next(struct gw_documents *d, struct gw_text *ret_text)
{
    int more = d->buffer ? 1 : begin(d);
    for (;;) {
        if (more <= 0)
            return more;
        go_to(d, space(d->at, d->end));
        if (d->at < d->end && (d->list ? *d->at == ',' : false))
            go_to(d, space(d->at + 1, d->end));
        if (d->at < d->end && d->list && *d->at == ']') {
            d->list = false;
            go_to(d, space(d->at + 1, d->end));
        }
        if (d->at < d->end)
            break;
        if (!d->lines)
            return 0;
        more = next_line(d);
        d->list = more > 0 && *d->at == '[';
        d->at += d->list;
    }
    const char *behind = gw_json_end(d->at, d->end);
    if (!behind || behind == d->at ||
        (d->lines && !d->list)) /* whoever reads it says what is wrong */
        behind = d->end;
    while (!d->list && d->lines && behind > d->at && strchr(" \t\r\n", behind[-1]))
        behind--;
    *ret_text = (struct gw_text){d->at, (size_t)(behind - d->at)};
    d->at = behind;
    return 1;
}
