/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of scalars as values; for the files of this folder only. */
#pragma once
#include "meshgate/plugin.h"

/* Each: the whole text, or -EINVAL (does not look like one) or -ERANGE. */
int gw_value_int(const char *text, int64_t *ret);
int gw_value_double(const char *text, double *ret);
int gw_value_bool(const char *text, bool *ret);
int gw_value_duration(const char *text, int64_t *ret_ms); /* "250ms", "1.5s", "0" */
int gw_value_size(const char *text, int64_t *ret_bytes);  /* "64KiB", "1MB", "4096" */
