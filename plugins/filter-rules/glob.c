/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards are tried from the left, and only the last * is ever taken back. */
#include "glob.h"
#include <errno.h>
#include <stdio.h>

enum { ANY_RUN = 256, ANY_ONE };

int glob_compile(struct mg_str text, uint16_t *parts, struct glob *ret_glob, struct mg_err *reterr)
{
    size_t count = 0;
    if (text.len > GLOB_BYTES_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "it is longer than %d bytes", GLOB_BYTES_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint16_t part = (unsigned char)text.at[i];
        if (part == '*')
            part = ANY_RUN;
        else if (part == '?')
            part = ANY_ONE;
        else if (part == '\\' && ++i == text.len) {
            snprintf(reterr->text, sizeof reterr->text, "there is nothing behind the \\");
            return -EINVAL;
        } else if (part == '\\')
            part = (unsigned char)text.at[i];
        if (part != ANY_RUN || !count || parts[count - 1] != ANY_RUN)
            parts[count++] = part;
    }
    *ret_glob = (struct glob){parts, count};
    return 0;
}

/* Behind one character: the bytes 10xxxxxx that follow are of the same one. */
static const char *behind(const char *at, const char *end)
{
    do
        at++;
    while (at < end && (*at & 0xc0) == 0x80);
    return at;
}

bool glob_matches(const struct glob *g, struct mg_str text)
{
    const char *at = text.at, *end = text.at + text.len, *retry_at = NULL;
    size_t part = 0, retry_part = 0; /* where the last * goes on, once it has taken one more */
    while (at < end) {
        uint16_t is = part < g->count ? g->parts[part] : UINT16_MAX;
        if (is == ANY_RUN) {
            retry_part = ++part;
            retry_at = at;
        } else if (is == ANY_ONE) {
            part++;
            at = behind(at, end);
        } else if (is == (unsigned char)*at) {
            part++;
            at++;
        } else if (retry_at) {
            retry_at = at = behind(retry_at, end);
            part = retry_part;
        } else {
            return false;
        }
    }
    while (part < g->count && g->parts[part] == ANY_RUN)
        part++;
    return part == g->count;
}
