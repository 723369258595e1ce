/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as the JSON that it means. */
#include "json_scan.h"
#include "library.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A plain scalar is what JSON takes it for; all else is text. */
static struct doc_value *scalar(struct doc *doc, const struct mg_node *node)
{
    struct mg_str text = {node->text, node->length};
    if (!node->quoted) {
        if (!text.len || !strcmp(node->text, "null") || !strcmp(node->text, "~"))
            return doc_null(doc);
        if (!strcmp(node->text, "true") || !strcmp(node->text, "false"))
            return doc_bool(doc, *node->text == 't');
        if (strchr("-0123456789", *node->text) &&
            scan_is_json((struct mg_bytes){text.at, text.len}))
            return doc_number(doc, text);
    }
    return doc_text(doc, text);
}

/* No deeper than TREE_DEPTH_MAX. */
static int value_of(struct doc *doc, const struct mg_node *node, size_t depth,
                    struct doc_value **ret, struct mg_err *reterr)
{
    if (depth > TREE_DEPTH_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "%.60s:%u:%u: nested deeper than %d levels",
                 node->file ? node->file : "schema", node->line, node->column, TREE_DEPTH_MAX);
        return -EINVAL;
    }
    struct doc_value *value = node->type == MG_NODE_SCALAR ? scalar(doc, node)
                              : node->type == MG_NODE_LIST ? doc_list(doc)
                              : node->type == MG_NODE_MAP  ? doc_object(doc)
                                                           : doc_null(doc);
    if (!value)
        return out_of_memory(reterr);
    *ret = value;
    if (node->type != MG_NODE_LIST && node->type != MG_NODE_MAP)
        return 0;
    for (size_t i = 0; i < node->count; i++) {
        struct doc_value *part = NULL;
        const struct mg_node *item = node->items[i];
        int error = value_of(doc, item, depth + 1, &part, reterr);
        if (error)
            return error;
        if (node->type == MG_NODE_LIST)
            error = doc_append(doc, value, part);
        else
            error = doc_set(doc, value, (struct mg_str){item->key, strlen(item->key)}, part);
        if (error)
            return out_of_memory(reterr);
    }
    return 0;
}

int doc_of_tree(struct doc *doc, const struct mg_node *node, struct doc_value **ret,
                struct mg_err *reterr)
{
    return value_of(doc, node, 1, ret, reterr);
}
