/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnoses of settings. */
#include "wrong.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int wrong(const struct mg_node *node, struct mg_err *reterr, const char *format, ...)
{
    char what[190];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(reterr->text, sizeof reterr->text, "%.48s:%u:%u: %s", node->file ? node->file : "map",
             node->line, node->column, what);
    return -EINVAL;
}

int wrong_at(const struct mg_node *node, int error, struct mg_err *reterr)
{
    char what[190];
    if (error != -EINVAL)
        return error;
    snprintf(what, sizeof what, "%.189s", reterr->text);
    return wrong(node, reterr, "%s", what);
}

int out_of_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

const struct mg_node *entry_of(const struct mg_node *map, const char *key)
{
    for (size_t i = 0; map && map->type == MG_NODE_MAP && i < map->count; i++)
        if (!strcmp(map->items[i]->key, key))
            return map->items[i];
    return NULL;
}
