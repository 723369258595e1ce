/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas out of files. */
#pragma once
#include "library.h"

/* One file.  -EINVAL: reterr says what is wrong; -ENOMEM. */
int library_add_file(struct library *library, const char *path, struct document **ret_document,
                     struct mg_err *reterr);
/* A file, or all *.json in a folder and those in it.  Errors as above. */
int library_add_path(struct library *library, const char *path, struct mg_err *reterr);
