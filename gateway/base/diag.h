/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnoses for the person who wrote a configuration: where, what, and what to do; all at once. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum gw_diag_level { GW_DIAG_ERROR, GW_DIAG_WARNING, GW_DIAG_NOTE };

struct gw_diag {
    enum gw_diag_level level;
    char *file;            /* NULL: no place in a file */
    uint32_t line, column; /* 1-based, 0: unknown */
    char *text;
};

struct gw_diags {
    struct gw_diag *items;
    size_t count, capacity;
    size_t errors;
};

/* Copies file and text.  Past GW_DIAG_MAX only errors are counted. */
enum { GW_DIAG_MAX = 200 };
void gw_diag_add(struct gw_diags *diags, enum gw_diag_level level, const char *file, uint32_t line,
                 uint32_t column, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* file:line:column: error: text, a line each, in order of file and position. */
void gw_diags_print(struct gw_diags *diags, FILE *out);
void gw_diags_fini(struct gw_diags *diags);
