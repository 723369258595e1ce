/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers rounded as they are spelled, so that 2.675 with two places is 2.68. */
#pragma once
#include "meshgate/plugin.h"

enum { PLACES_MOST = 12, DECIMAL_BYTES = 512 };

/* A number of JSON, at most so many digits behind the point, a half away from zero; zeros that say
 * nothing go, but for one behind a point.  out has room for DECIMAL_BYTES.  Unset: it is too
 * long, or too large to have any; it stays as it is. */
struct mg_str decimal_round(struct mg_str number, long places, char *out);
