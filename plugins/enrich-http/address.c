/* SPDX-License-Identifier: Apache-2.0 */
/* URL templates: literal pieces as they are, values of fields percent-encoded. */
#include "address.h"
#include "text_template.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PIECES_MAX = 64 };
#define SERVER_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]"

struct piece {
    struct text_template *field; /* NULL: a literal */
    struct mg_str literal;
};
struct address {
    size_t count;
    struct piece pieces[PIECES_MAX];
    char text[]; /* the literals, one behind the other */
};

static int wrong(struct mg_err *err, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    return -EINVAL;
}

/* Where the server's name ends, or NULL. */
static const char *behind_server(const char *text, struct mg_err *err)
{
    size_t scheme = !strncasecmp(text, "https://", 8)  ? 8
                    : !strncasecmp(text, "http://", 7) ? 7
                                                       : 0;
    if (!scheme) {
        wrong(err, "must begin with http:// or https://");
        return NULL;
    }
    size_t length = strcspn(text + scheme, "/?");
    if (!length || text[scheme] == ':')
        wrong(err, "names no server");
    else if (memchr(text + scheme, '{', length))
        wrong(err, "the server is fixed: fields like {machine} stand behind it, in the path or the "
                   "query");
    else if (memchr(text + scheme, '@', length))
        wrong(err, "user and password have options of their own");
    else if (strspn(text + scheme, SERVER_CHARACTERS) < length)
        wrong(err, "the server's name or address has another character in it");
    else
        return text + scheme + length;
    return NULL;
}

static int add_field(struct address *a, const char *at, size_t length, struct mg_err *err)
{
    char name[300];
    if (at[length - 1] != '}' || length >= sizeof name)
        return wrong(err, "{ without its }, or a name too long; a literal brace is written {{");
    memcpy(name, at, length);
    name[length] = '\0';
    return text_template_compile(name, &a->pieces[a->count++].field, err);
}

/* Takes one piece from *at; *used: bytes of a->text that are taken. */
static int read_piece(struct address *a, const char **at, size_t *used, struct mg_err *err)
{
    const char *in = *at;
    if (a->count == PIECES_MAX)
        return wrong(err, "has more than 64 pieces");
    if (*in == '{' && in[1] != '{') {
        size_t length = 1 + strcspn(in + 1, "{}");
        length += in[length] == '}';
        *at = in + length;
        return add_field(a, in, length, err);
    }
    char *out = a->text + *used, *begin = out;
    for (; *in && !(*in == '{' && in[1] != '{'); in++) {
        if ((unsigned char)*in <= ' ' || (unsigned char)*in >= 127 || *in == '#')
            return wrong(err, "space, # and what is not ASCII are written percent-encoded");
        if (*in == '}' && in[1] != '}')
            return wrong(err, "} without its {; a literal brace is written }}");
        in += *in == '{' || *in == '}';
        *out++ = *in;
    }
    a->pieces[a->count++].literal = (struct mg_str){begin, (size_t)(out - begin)};
    *used += (size_t)(out - begin);
    *at = in;
    return 0;
}

int address_compile(const char *text, struct address **ret_address, struct mg_err *reterr)
{
    size_t used = 0, length = strlen(text);
    if (!behind_server(text, reterr))
        return -EINVAL;
    if (length >= ADDRESS_BYTES_MAX)
        return wrong(reterr, "is longer than 8191 bytes");
    struct address *a = calloc(1, sizeof *a + length + 1);
    if (!a) {
        wrong(reterr, "out of memory");
        return -ENOMEM;
    }
    int error = 0;
    while (*text && !error)
        error = read_piece(a, &text, &used, reterr);
    if (error) {
        address_free(a);
        return error;
    }
    *ret_address = a;
    return 0;
}

void address_free(struct address *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        text_template_free(a->pieces[i].field);
    free(a);
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

/* The length behind it, or -ENOSPC. */
static ptrdiff_t encode(char *out, size_t used, const char *value, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (used + 4 > ADDRESS_BYTES_MAX)
            return -ENOSPC;
        if (is_plain(c)) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    return (ptrdiff_t)used;
}

/* Bytes of a separator of a path there, as it is or encoded. */
static size_t separator(const char *at)
{
    return *at == '/' ? 1 : !strncasecmp(at, "%2F", 3) || !strncasecmp(at, "%5C", 3) ? 3 : 0;
}

/* Servers climb out of a path by these, some also over an encoded slash: no value may make one. */
static bool has_dots(const char *url)
{
    const char *at = strstr(url, "://") + 3;
    at += strcspn(at, "/?");
    while (*at && *at != '?') {
        size_t length = 0;
        at += separator(at);
        while (at[length] && at[length] != '?' && !separator(at + length))
            length++;
        if ((length == 1 && *at == '.') || (length == 2 && !strncmp(at, "..", 2)))
            return true;
        at += length;
    }
    return false;
}

/* A field without text that stands there is a whole part of the path. */
static bool is_empty_part(const char *url, size_t at)
{
    return url[at - 1] == '/' && (!url[at] || url[at] == '/' || url[at] == '?') &&
           !memchr(url, '?', at);
}

ptrdiff_t address_expand(const struct address *a, const struct mg_host *host,
                         const mg_instance *instance, const struct mg_step_call *call, char *out,
                         struct mg_err *reterr)
{
    ptrdiff_t used = 0;
    size_t empty[PIECES_MAX], empties = 0;
    for (size_t i = 0; i < a->count && used >= 0; i++) {
        const struct piece *p = &a->pieces[i];
        char *value;
        size_t length;
        if (!p->field) {
            if ((size_t)used + p->literal.len >= ADDRESS_BYTES_MAX) {
                used = -ENOSPC;
            } else {
                memcpy(out + used, p->literal.at, p->literal.len);
                used += (ptrdiff_t)p->literal.len;
            }
            continue;
        }
        int error = text_template_expand(p->field, host, instance, call, &value, &length, reterr);
        if (error)
            return error;
        if (!length)
            empty[empties++] = (size_t)used;
        used = encode(out, (size_t)used, value, length);
        free(value);
    }
    if (used < 0)
        return wrong(reterr, "the URL would be longer than 8191 bytes");
    out[used] = '\0';
    for (size_t i = 0; i < empties; i++) {
        if (is_empty_part(out, empty[i])) {
            wrong(reterr, "a part of the URL's path would be empty");
            return -ENOENT;
        }
    }
    if (has_dots(out))
        return wrong(reterr, "a part of the URL's path would be . or ..");
    return used;
}
