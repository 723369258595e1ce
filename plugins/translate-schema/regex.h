/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions of ECMA-262 (with its flag u), run by PCRE2 with limits. */
#pragma once
#include "meshgate/plugin.h"

struct regex;
struct regex_room; /* what one thread needs to search */

enum { REGEX_BYTES_MAX = 65536 };
enum regex_found { REGEX_NO, REGEX_YES, REGEX_TOO_MUCH };

/* -EINVAL: reterr says what is wrong; -ENOMEM. */
int regex_compile(struct mg_str pattern, struct regex **ret_regex, struct mg_err *reterr);
bool regex_is_one(struct mg_str pattern);
void regex_free(struct regex *regex);       /* NULL is fine */
struct regex_room *regex_room_create(void); /* NULL: out of memory */
void regex_room_destroy(struct regex_room *room);
/* Anywhere in the text, which is well-formed UTF-8.  steps: how often it may try another way, up to
 * REGEX_STEPS_MAX.  TOO_MUCH: it went beyond that, or took too much memory. */
enum { REGEX_STEPS_MAX = 1000000 };
enum regex_found regex_search(const struct regex *regex, struct regex_room *room,
                              struct mg_str text, uint32_t steps);

/* ECMA-262 as PCRE2 writes it; ecma.c.  malloc'ed.  Errors as above. */
int ecma_translate(struct mg_str pattern, char **ret_text, size_t *ret_length,
                   struct mg_err *reterr);
