/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `meshgate dlq`. */
#pragma once
#include "cli/ask.h"

/* dlq_one.c: one letter.  Exit codes. */
int gw_cli_dlq_show(const struct gw_cli_options *options, int64_t id);
/* from: a file, "-" for the standard input, NULL: the editor. */
int gw_cli_dlq_edit(const struct gw_cli_options *options, int64_t id, const char *from);
