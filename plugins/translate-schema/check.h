/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas are validated, too. */
#pragma once
#include "library.h"

/* document (NULL: none), or all, and what they refer to, by the metaschemas that they name.  The
 * metaschemas are needed for this alone, hence it is done in a library of its own. */
int check_schemas(const struct library *library, const struct document *document, bool all,
                  struct mg_err *reterr);
