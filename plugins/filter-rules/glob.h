/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards: "plant-*-?" for the whole text; * is any characters, ? is one, \ takes the next one as
 * it is. */
#pragma once
#include "meshgate/plugin.h"

enum { GLOB_BYTES_MAX = 1024, GLOB_TEXT_MAX = 4096 };

struct glob {
    const uint16_t *parts; /* a byte each, or one of two that are none */
    size_t count;
};

/* Into parts, room for as many as text has bytes.  -EINVAL: reterr says why. */
int glob_compile(struct mg_str text, uint16_t *parts, struct glob *ret_glob, struct mg_err *reterr);
/* Steps grow with the lengths of both, multiplied: text has at most GLOB_TEXT_MAX bytes. */
bool glob_matches(const struct glob *g, struct mg_str text);
