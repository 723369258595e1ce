/* SPDX-License-Identifier: Apache-2.0 */
/* Collects diagnoses and prints them in the order in which a reader meets their places. */
#include "base/diag.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void gw_diag_add(struct gw_diags *diags, enum gw_diag_level level, const char *file, uint32_t line,
                 uint32_t column, const char *format, ...)
{
    if (level == GW_DIAG_ERROR)
        diags->errors++;
    if (diags->count == GW_DIAG_MAX)
        return;
    if (diags->count == diags->capacity) {
        size_t capacity = diags->capacity ? diags->capacity * 2 : 16;
        struct gw_diag *items = realloc(diags->items, capacity * sizeof *items);
        if (!items)
            return;
        diags->items = items;
        diags->capacity = capacity;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diags->items[diags->count++] = (struct gw_diag){
        .level = level,
        .file = file ? strdup(file) : NULL,
        .line = line,
        .column = column,
        .text = strdup(text),
    };
}

static int compare_places(const void *a, const void *b)
{
    const struct gw_diag *x = *(const struct gw_diag *const *)a,
                         *y = *(const struct gw_diag *const *)b;
    int order = strcmp(x->file ? x->file : "", y->file ? y->file : "");
    if (order)
        return order;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return x < y ? -1 : x > y; /* stable: both point into one array */
}

void gw_diags_print(struct gw_diags *diags, FILE *out)
{
    static const char *const names[] = {"error", "warning", "note"};
    const struct gw_diag **sorted = calloc(diags->count + 1, sizeof(*sorted));
    if (!sorted)
        return;
    for (size_t i = 0; i < diags->count; i++)
        sorted[i] = &diags->items[i];
    qsort(sorted, diags->count, sizeof(*sorted), compare_places);
    for (size_t i = 0; i < diags->count; i++) {
        const struct gw_diag *d = sorted[i];
        if (d->file && d->line)
            fprintf(out, "%s:%u:%u: ", d->file, d->line, d->column);
        else if (d->file)
            fprintf(out, "%s: ", d->file);
        fprintf(out, "%s: %s\n", names[d->level], d->text ? d->text : "out of memory");
    }
    if (diags->count == GW_DIAG_MAX)
        fprintf(out, "(only the first %d are shown)\n", GW_DIAG_MAX);
    free(sorted);
}

void gw_diags_fini(struct gw_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        free(diags->items[i].file);
        free(diags->items[i].text);
    }
    free(diags->items);
    *diags = (struct gw_diags){0};
}
