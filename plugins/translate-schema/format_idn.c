/* SPDX-License-Identifier: Apache-2.0 */
/* Names of hosts: RFC 1123, and with other scripts IDNA 2008 (RFC 5890 to 5893), by libidn2. */
#include "format.h"
#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, INPUT_MAX = 1024 };

static bool is_plain_label(struct mg_str l)
{
    if (l.len > LABEL_MAX_BYTES || l.at[0] == '-' || l.at[l.len - 1] == '-')
        return false;
    for (size_t i = 0; i < l.len; i++)
        if (!isalnum((unsigned char)l.at[i]) && l.at[i] != '-')
            return false;
    /* "--" there is reserved (RFC 5891 §4.2.3.1) */
    return l.len < 4 || l.at[2] != '-' || l.at[3] != '-';
}

/* The bytes that the label takes in the DNS, 0: it is none. */
static size_t label_length(struct mg_str l, bool international)
{
    char label[INPUT_MAX];
    bool ascii = true;
    if (!l.len || l.len >= sizeof label || memchr(l.at, '\0', l.len))
        return 0;
    for (size_t i = 0; i < l.len; i++)
        ascii &= (unsigned char)l.at[i] < 0x80;
    bool encoded = ascii && l.len >= 4 && !strncasecmp(l.at, "xn--", 4);
    if (ascii && !encoded)
        return is_plain_label(l) ? l.len : 0;
    if (!ascii && !international)
        return 0;
    memcpy(label, l.at, l.len);
    label[l.len] = '\0';
    uint8_t *in = (uint8_t *)label, *out = NULL;
    /* To register is stricter than to look up: the rules about context (CONTEXTO) count. */
    int error = idn2_register_u8(encoded ? NULL : in, encoded ? in : NULL, &out, 0);
    size_t length = !error && out ? strlen((const char *)out) : 0;
    idn2_free(out);
    return length;
}

/* The bytes of the dot that stands there, 0: none does. */
static size_t dot(struct mg_str text, size_t at, bool international)
{
    static const char *const dots[] = {"\u3002", "\uff0e", "\uff61"};
    if (text.at[at] == '.')
        return 1;
    for (size_t i = 0; international && i < sizeof dots / sizeof *dots; i++)
        if (text.len - at >= 3 && !memcmp(text.at + at, dots[i], 3))
            return 3;
    return 0;
}

static bool is_name(struct mg_str text, bool international)
{
    size_t total = 0, from = 0;
    if (text.len > INPUT_MAX)
        return false;
    for (size_t at = 0; at <= text.len;) {
        size_t step = at < text.len ? dot(text, at, international) : 1;
        if (!step) {
            at++;
            continue;
        }
        size_t length = label_length((struct mg_str){text.at + from, at - from}, international);
        if (!length)
            return false;
        total += length + 1;
        at += step;
        from = at;
    }
    return total - 1 <= NAME_MAX_BYTES;
}

bool is_hostname(struct mg_str text)
{
    return is_name(text, false);
}

bool is_idn_hostname(struct mg_str text)
{
    return is_name(text, true);
}
