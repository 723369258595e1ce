/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting, resolving and escaping of URI references. */
#include "uri.h"
#include "memory.h"
#include <ctype.h>
#include <string.h>

static struct mg_str until(struct mg_str *rest, const char *ends)
{
    size_t n = 0;
    while (n < rest->len && !(rest->at[n] && strchr(ends, rest->at[n])))
        n++;
    struct mg_str part = {rest->at, n};
    rest->at += n;
    rest->len -= n;
    return part;
}

static struct mg_str behind(struct mg_str *rest, size_t skip, const char *ends)
{
    rest->at += skip;
    rest->len -= skip;
    return until(rest, ends);
}

struct uri uri_split(struct mg_str text)
{
    struct uri u = {0};
    struct mg_str rest = text, scheme;
    if (!rest.at)
        rest = (struct mg_str){"", 0};
    struct mg_str ahead = rest;
    scheme = until(&ahead, ":/?#");
    if (scheme.len && ahead.len && *ahead.at == ':' && isalpha((unsigned char)*scheme.at)) {
        u.scheme = scheme;
        rest = (struct mg_str){ahead.at + 1, ahead.len - 1};
    }
    if (rest.len >= 2 && rest.at[0] == '/' && rest.at[1] == '/')
        u.authority = behind(&rest, 2, "/?#");
    u.path = until(&rest, "?#");
    if (rest.len && *rest.at == '?')
        u.query = behind(&rest, 1, "#");
    if (rest.len)
        u.fragment = behind(&rest, 1, "");
    return u;
}

/* RFC 3986 §5.2.4, in place: out and in may be the same memory. */
static size_t remove_dots(const char *in, size_t length, char *out)
{
    size_t n = 0, at = 0;
    while (at < length) {
        size_t end = at + 1;
        while (end < length && in[end] != '/')
            end++;
        size_t from = at + (in[at] == '/'), size = end - from;
        bool last = end == length;
        if (size == 1 && in[from] == '.') {
            if (last && in[at] == '/')
                out[n++] = '/';
        } else if (size == 2 && in[from] == '.' && in[from + 1] == '.') {
            while (n && out[--n] != '/')
                ;
            if (last)
                out[n++] = '/';
        } else {
            memmove(out + n, in + at, end - at);
            n += end - at;
        }
        at = end;
    }
    return n;
}

struct text {
    char *at;
    size_t length;
};

static void put(struct text *t, const char *before, struct mg_str part, bool lower)
{
    size_t n = strlen(before);
    memcpy(t->at + t->length, before, n);
    t->length += n;
    for (size_t i = 0; i < part.len; i++)
        t->at[t->length++] = lower ? (char)tolower((unsigned char)part.at[i]) : part.at[i];
}

/* The path of a relative reference (§5.2.3), not longer than both and a slash. */
static struct mg_str merged(struct text *room, const struct uri *base, struct mg_str path)
{
    size_t keep = base->path.len;
    while (keep && base->path.at[keep - 1] != '/')
        keep--;
    room->length = 0;
    if (base->authority.at && !base->path.len)
        put(room, "/", path, false);
    else {
        put(room, "", (struct mg_str){base->path.at, keep}, false);
        put(room, "", path, false);
    }
    return (struct mg_str){room->at, room->length};
}

bool uri_resolve(struct arena *arena, struct mg_str base_text, struct mg_str reference,
                 struct mg_str *ret)
{
    struct uri base = uri_split(base_text), r = uri_split(reference), u = r;
    size_t size = base_text.len + reference.len + 8;
    struct text out = {take(arena, size), 0}, path = {take(arena, size), 0};
    if (!out.at || !path.at)
        return false;
    if (!r.scheme.at) {
        u.scheme = base.scheme;
        if (!r.authority.at) {
            u.authority = base.authority;
            if (!r.path.len) {
                u.path = base.path;
                u.query = r.query.at ? r.query : base.query;
            } else if (*r.path.at != '/') {
                u.path = merged(&path, &base, r.path);
            }
        }
    }
    bool hierarchical = u.authority.at || (u.path.len && *u.path.at == '/');
    if (hierarchical)
        u.path = (struct mg_str){path.at, remove_dots(u.path.at, u.path.len, path.at)};
    if (u.scheme.at)
        put(&out, "", u.scheme, true);
    put(&out, u.scheme.at ? ":" : "", (struct mg_str){0}, false);
    if (u.authority.at)
        put(&out, "//", u.authority, true);
    put(&out, "", u.path, false);
    if (u.query.at)
        put(&out, "?", u.query, false);
    *ret = (struct mg_str){out.at, out.length};
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool uri_unescape(struct arena *arena, struct mg_str text, struct mg_str *ret)
{
    char *out = take(arena, text.len + 1);
    size_t n = 0;
    if (!out)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '%' && i + 2 < text.len && hex(text.at[i + 1]) >= 0 &&
            hex(text.at[i + 2]) >= 0) {
            out[n++] = (char)(hex(text.at[i + 1]) << 4 | hex(text.at[i + 2]));
            i += 2;
        } else {
            out[n++] = text.at[i];
        }
    }
    *ret = (struct mg_str){out, n};
    return true;
}

bool uri_of_path(struct arena *arena, const char *path, struct mg_str *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = strlen(path);
    struct text t = {take(arena, 3 * length + 16), 0};
    if (!t.at)
        return false;
    put(&t, *path == '/' ? "file://" : "file:///", (struct mg_str){0}, false);
    for (const char *c = path; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (isalnum(byte) || strchr("-._~/", byte)) {
            t.at[t.length++] = *c;
        } else {
            t.at[t.length++] = '%';
            t.at[t.length++] = digits[byte >> 4];
            t.at[t.length++] = digits[byte & 15];
        }
    }
    return uri_resolve(arena, (struct mg_str){0}, (struct mg_str){t.at, t.length}, ret);
}
