/* SPDX-License-Identifier: Apache-2.0 */
/* References to schemas, resolved as RFC 3986 §5 says. */
#pragma once
#include "arena.h"
#include "meshgate/plugin.h"

struct uri {
    struct mg_str scheme, authority, path, query, fragment; /* NULL: it has none; path never */
};

/* The parts of any text, without judging their characters (RFC 3986 appendix B). */
struct uri uri_split(struct mg_str text);
/* reference against base, which is absolute or empty, without its fragment.  Scheme and host in
 * lower case, dot segments resolved.  false: out of memory. */
bool uri_resolve(struct arena *arena, struct mg_str base, struct mg_str reference,
                 struct mg_str *ret_uri);
/* %XX decoded.  false: out of memory. */
bool uri_unescape(struct arena *arena, struct mg_str text, struct mg_str *ret_text);
/* file:///… of a path.  false: out of memory. */
bool uri_of_path(struct arena *arena, const char *path, struct mg_str *ret_uri);
