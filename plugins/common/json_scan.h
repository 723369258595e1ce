/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) by its bytes: finds where values begin and end, and changes none of them.
 *
 * The data of an event is carried as it was written: member order, white space, the spelling of
 * numbers and escapes.  A tree would lose these, and refuse or round numbers beyond 64 bits. */
#pragma once
#include "meshgate/plugin.h"

enum { SCAN_DEPTH_MAX = 2048 };
enum scan_kind {
    SCAN_OBJECT,
    SCAN_LIST,
    SCAN_TEXT,
    SCAN_NUMBER,
    SCAN_TRUE,
    SCAN_FALSE,
    SCAN_NULL,
};

struct scan {
    const char *begin, *at, *end;
    const char *wrong; /* what is wrong at `at`: static text */
};
struct scan_value {
    enum scan_kind kind;
    struct mg_str text; /* as written, a text with its quotes, no space around it */
};

void scan_begin(struct scan *scan, struct mg_bytes text);
/* To the next character that is no space, or the end. */
void scan_space(struct scan *scan);
/* The whole next value, valid to its end.  false: `wrong` says why. */
bool scan_value(struct scan *scan, struct scan_value *ret_value);
/* Takes the next character that is no space where it is that one. */
bool scan_take(struct scan *scan, char wanted);
/* The same, and wrong says `otherwise` where it is another. */
bool scan_expect(struct scan *scan, char wanted, const char *otherwise);
/* true: nothing follows but space. */
bool scan_end(struct scan *scan);
/* Is it one JSON value, with or without space around it? */
bool scan_is_json(struct mg_bytes text);
/* A text that scan_value found, without quotes and escapes, into out, which has room for text.len.
 * Returns its length, or -EINVAL: half of a surrogate pair. */
ptrdiff_t scan_unescape(struct mg_str text, char *out);
/* "WHAT: line 2, column 7: WRONG"; returns -EINVAL. */
int scan_refuse(const struct scan *scan, const char *what, struct mg_err *reterr);
/* The bytes of the well-formed UTF-8 character at `at`, 0: it is none. */
size_t scan_character(const char *at, const char *end, uint32_t *ret_point);
bool scan_is_utf8(const char *at, size_t length); /* at may be NULL where length is 0 */
