/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of hosts (RFC 2673, RFC 4291) and mailboxes (RFC 5321, RFC 6531). */
#include "format.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum { LOCAL_PART_MAX = 64, HOST_MAX = 253 };

bool is_ipv4(struct mg_str text)
{
    const char *at = text.at, *end = at + text.len;
    for (int part = 0; part < 4; part++) {
        const char *first = at;
        int number = 0;
        if (part && (at == end || *at++ != '.'))
            return false;
        first = at;
        for (; at < end && *at >= '0' && *at <= '9' && at - first < 3; at++)
            number = number * 10 + (*at - '0');
        if (at == first || number > 255 || (*first == '0' && at - first > 1))
            return false;
    }
    return at == end;
}

bool is_ipv6(struct mg_str text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[16];
    if (text.len >= sizeof copy || memchr(text.at, '\0', text.len))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET6, copy, address) == 1;
}

/* ---- mailboxes ------------------------------------------------------------------------------ */

static bool is_atom_character(char c, bool international)
{
    if ((unsigned char)c >= 0x80)
        return international;
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_dot_string(struct mg_str t, bool international)
{
    bool after_dot = true;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] == '.' ? after_dot : !is_atom_character(t.at[i], international))
            return false;
        after_dot = t.at[i] == '.';
    }
    return t.len && !after_dot;
}

static bool is_quoted_string(struct mg_str t, bool international)
{
    if (t.len < 2 || t.at[0] != '"' || t.at[t.len - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if (c == '\\') {
            if (++i + 1 == t.len)
                return false;
            c = (unsigned char)t.at[i];
        } else if (c == '"') {
            return false;
        }
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !international))
            return false;
    }
    return true;
}

static bool is_address_literal(struct mg_str t)
{
    if (t.len < 2 || t.at[0] != '[' || t.at[t.len - 1] != ']')
        return false;
    struct mg_str in = {t.at + 1, t.len - 2};
    if (in.len > 5 && !strncasecmp(in.at, "IPv6:", 5))
        return is_ipv6((struct mg_str){in.at + 5, in.len - 5});
    return is_ipv4(in);
}

/* What a mailbox may have behind its @ (RFC 6531 §3.3) need not be normalised. */
static bool is_international_host(struct mg_str t)
{
    bool after_dot = true;
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if (c == '.' ? after_dot : c < 0x80 && !isalnum(c) && c != '-')
            return false;
        after_dot = c == '.';
    }
    return t.len && !after_dot && t.len <= HOST_MAX;
}

static bool is_mailbox(struct mg_str text, bool international)
{
    const char *at = memrchr(text.at, '@', text.len);
    if (!at)
        return false;
    struct mg_str local = {text.at, (size_t)(at - text.at)};
    struct mg_str host = {at + 1, text.len - local.len - 1};
    if (local.len > LOCAL_PART_MAX)
        return false;
    return (is_dot_string(local, international) || is_quoted_string(local, international)) &&
           (is_hostname(host) || is_address_literal(host) ||
            (international && is_international_host(host)));
}

bool is_email(struct mg_str text)
{
    return is_mailbox(text, false);
}

bool is_idn_email(struct mg_str text)
{
    return is_mailbox(text, true);
}
