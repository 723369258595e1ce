/* SPDX-License-Identifier: Apache-2.0 */
/* The metaschemas that are built in. */
#pragma once
#include "meshgate/plugin.h"

struct metaschema {
    const char *name; /* of its file */
    struct mg_bytes text;
};
extern const struct metaschema metaschemas[]; /* ends with a name of NULL */
