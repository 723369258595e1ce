/* SPDX-License-Identifier: Apache-2.0 */
/* URIs (RFC 3986), IRIs (RFC 3987) and URI templates (RFC 6570), by their characters. */
#include "format.h"
#include "uri.h"
#include <ctype.h>
#include <string.h>

static bool is_hex(char c)
{
    return isxdigit((unsigned char)c) != 0;
}

/* pct-encoded, unreserved, sub-delims and what also allows; international: beyond ASCII, too. */
static bool all_of(struct mg_str part, const char *also, bool international)
{
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.at[i];
        if (c == '%') {
            if (part.len - i < 3 || !is_hex(part.at[i + 1]) || !is_hex(part.at[i + 2]))
                return false;
            i += 2;
        } else if (c >= 0x80) {
            if (!international)
                return false;
        } else if (!isalnum(c) && !(c && (strchr("-._~!$&'()*+,;=", c) || strchr(also, c)))) {
            return false;
        }
    }
    return true;
}

static bool is_scheme(struct mg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.at[i]) && !(s.at[i] && strchr("+-.", s.at[i])))
            return false;
    return s.len && isalpha((unsigned char)*s.at);
}

/* Within brackets. */
static bool is_ip_literal(struct mg_str in)
{
    if (in.len > 3 && (*in.at == 'v' || *in.at == 'V')) {
        const char *dot = memchr(in.at, '.', in.len);
        size_t n = dot ? (size_t)(dot - in.at) : 0;
        for (size_t i = 1; i < n; i++)
            if (!is_hex(in.at[i]))
                return false;
        struct mg_str rest = {in.at + n + 1, in.len - n - 1};
        return n > 1 && rest.len && !memchr(rest.at, '%', rest.len) && all_of(rest, ":", false);
    }
    return is_ipv6(in);
}

static bool is_authority(struct mg_str a, bool international)
{
    const char *at = memchr(a.at, '@', a.len);
    if (at) {
        size_t n = (size_t)(at - a.at);
        if (!all_of((struct mg_str){a.at, n}, ":", international))
            return false;
        a = (struct mg_str){at + 1, a.len - n - 1};
    }
    struct mg_str host = a, port = {a.at + a.len, 0};
    const char *close = a.len && *a.at == '[' ? memchr(a.at, ']', a.len) : NULL;
    const char *colon = close ? close + 1 : memchr(a.at, ':', a.len);
    if (colon && colon < a.at + a.len) {
        if (*colon != ':')
            return false;
        host.len = (size_t)(colon - a.at);
        port = (struct mg_str){colon + 1, a.len - host.len - 1};
    }
    for (size_t i = 0; i < port.len; i++)
        if (!isdigit((unsigned char)port.at[i]))
            return false;
    if (close)
        return is_ip_literal((struct mg_str){a.at + 1, (size_t)(close - a.at) - 1});
    return all_of(host, "", international);
}

static bool is_reference(struct mg_str text, bool absolute, bool international)
{
    struct uri u = uri_split(text);
    const char *colon = memchr(text.at, ':', text.len);
    if (u.scheme.at ? !is_scheme(u.scheme) : absolute)
        return false;
    /* Without a scheme, no colon stands in the first segment (§4.2). */
    if (!u.scheme.at && !u.authority.at && colon && u.path.len &&
        !memchr(text.at, '/', (size_t)(colon - text.at)) && colon < u.path.at + u.path.len)
        return false;
    return (!u.authority.at || is_authority(u.authority, international)) &&
           all_of(u.path, ":@/", international) &&
           (!u.query.at || all_of(u.query, ":@/?", international)) &&
           (!u.fragment.at || all_of(u.fragment, ":@/?", international));
}

bool is_uri(struct mg_str text)
{
    return is_reference(text, true, false);
}

bool is_uri_reference(struct mg_str text)
{
    return is_reference(text, false, false);
}

bool is_iri(struct mg_str text)
{
    return is_reference(text, true, true);
}

bool is_iri_reference(struct mg_str text)
{
    return is_reference(text, false, true);
}

/* ---- templates ------------------------------------------------------------------------------ */

/* name, name:3 or name* */
static bool is_variable(const char *at, const char *end)
{
    const char *first = at;
    for (; at < end && *at != ':' && *at != '*'; at++) {
        if (*at == '%') {
            if (end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]))
                return false;
            at += 2;
        } else if (!isalnum((unsigned char)*at) && *at != '_' &&
                   !(*at == '.' && at > first && at[-1] != '.')) {
            return false;
        }
    }
    if (at == first || at[-1] == '.')
        return false;
    if (at < end && *at == '*')
        return at + 1 == end;
    if (at == end)
        return true;
    const char *digits = ++at;
    for (; at < end; at++)
        if (!isdigit((unsigned char)*at) || at - digits > 3)
            return false;
    return at > digits && *digits != '0';
}

static bool is_expression(const char *at, const char *end)
{
    if (at < end && strchr("+#./;?&=,!@|", *at) && *at)
        at++;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (!is_variable(at, comma ? comma : end))
            return false;
        if (!comma)
            return true;
        at = comma + 1;
    }
}

bool is_uri_template(struct mg_str text)
{
    const char *at = text.at, *end = at + text.len;
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '{') {
            const char *close = memchr(at, '}', (size_t)(end - at));
            if (!close || !is_expression(at + 1, close))
                return false;
            at = close;
        } else if (c <= 0x20 || c == 0x7f || strchr("\"<>\\^`|}", c)) {
            return false;
        } else if (c == '%' && (end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]))) {
            return false;
        }
    }
    return true;
}
