/* SPDX-License-Identifier: Apache-2.0 */
/* A small file as a whole: the program of a step. */
#pragma once
#include "meshgate/plugin.h"

/* malloc'ed, with a NUL behind it that length does not count.  -EINVAL: it cannot be read, or has
 * more than `most` bytes (reterr says which); -ENOMEM. */
int text_file_read(const char *path, size_t most, char **ret_text, size_t *ret_length,
                   struct mg_err *reterr);
