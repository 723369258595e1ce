/* SPDX-License-Identifier: Apache-2.0 */
/* YAML scalars by the core schema, and numbers in other spellings than JSON's. */
#include "constant.h"
#include "json_scan.h"
#include "wrong.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is_json_number(struct mg_str text)
{
    struct scan scan;
    struct scan_value found;
    if (!text.len || (text.at[0] != '-' && (text.at[0] < '0' || text.at[0] > '9')))
        return false;
    scan_begin(&scan, (struct mg_bytes){text.at, text.len});
    return scan_value(&scan, &found) && found.text.len == text.len;
}

bool spell_number(struct mg_str text, char *out, size_t size, struct mg_str *ret_spelling)
{
    static const char signs[] = "0123456789+-.eE";
    char copy[64], *end;
    bool digits = false;
    if (is_json_number(text)) {
        *ret_spelling = text;
        return true;
    }
    if (!text.len || text.len >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!text.at[i] || !strchr(signs, text.at[i]))
            return false;
        digits = digits || (text.at[i] >= '0' && text.at[i] <= '9');
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    errno = 0;
    long long whole = strtoll(copy, &end, 10);
    int n;
    if (digits && !*end && !errno) {
        n = snprintf(out, size, "%lld", whole);
    } else {
        double real = strtod(copy, &end);
        if (!digits || *end || !isfinite(real))
            return false;
        n = doc_format_double(real, out, size);
        if (!strpbrk(out, ".e"))
            n += snprintf(out + n, size - (size_t)n, ".0");
    }
    *ret_spelling = (struct mg_str){out, (size_t)n};
    return true;
}

int constant_plain(const struct mg_node *node, struct doc *doc, struct doc_value **ret_value)
{
    const char *s = node->text;
    char room[48];
    struct mg_str spelling;
    *ret_value = NULL;
    if (node->type != MG_NODE_SCALAR || node->quoted)
        return 0;
    if (!*s || !strcmp(s, "~") || !strcmp(s, "null"))
        *ret_value = doc_null(doc);
    else if (!strcmp(s, "true") || !strcmp(s, "false"))
        *ret_value = doc_bool(doc, *s == 't');
    else if (spell_number((struct mg_str){s, node->length}, room, sizeof room, &spelling))
        *ret_value = doc_number(doc, spelling);
    else
        return 0;
    return *ret_value ? 0 : -ENOMEM;
}

/* As deep as the reader of configurations lets YAML be. */
struct doc_value *constant_of(const struct mg_node *node, struct doc *doc)
{
    struct doc_value *value;
    if (node->type == MG_NODE_NULL)
        return doc_null(doc);
    if (node->type == MG_NODE_SCALAR) {
        if (constant_plain(node, doc, &value))
            return NULL;
        return value ? value : doc_text(doc, (struct mg_str){node->text, node->length});
    }
    bool list = node->type == MG_NODE_LIST;
    value = list ? doc_list(doc) : doc_object(doc);
    for (size_t i = 0; value && i < node->count; i++) {
        const struct mg_node *item = node->items[i];
        struct doc_value *part = constant_of(item, doc);
        int error = list ? doc_append(doc, value, part)
                         : doc_set(doc, value, (struct mg_str){item->key, strlen(item->key)}, part);
        if (error)
            return NULL;
    }
    return value;
}

static bool plain_number(const struct mg_node *node, double *ret_number)
{
    char room[48], *end;
    struct mg_str spelling;
    if (node->type != MG_NODE_SCALAR || node->quoted ||
        !spell_number((struct mg_str){node->text, node->length}, room, sizeof room, &spelling))
        return false;
    *ret_number = strtod(node->text, &end);
    return isfinite(*ret_number);
}

int constant_number(const struct mg_node *node, double *ret_number, struct mg_err *reterr)
{
    return plain_number(node, ret_number) ? 0
                                          : wrong(node, reterr, "%s must be a number", node->key);
}

int constant_whole(const struct mg_node *node, long least, long most, long *ret_number,
                   struct mg_err *reterr)
{
    double number;
    if (!plain_number(node, &number) || number != floor(number) || number < (double)least ||
        number > (double)most)
        return wrong(node, reterr, "%s must be a whole number from %ld to %ld", node->key, least,
                     most);
    *ret_number = (long)number;
    return 0;
}

int constant_truth(const struct mg_node *node, bool *ret_truth, struct mg_err *reterr)
{
    bool scalar = node->type == MG_NODE_SCALAR && !node->quoted;
    if (!scalar || (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
        return wrong(node, reterr, "%s must be true or false", node->key);
    *ret_truth = *node->text == 't';
    return 0;
}

int constant_text(const struct mg_node *node, const char **ret_text, struct mg_err *reterr)
{
    if (node->type != MG_NODE_SCALAR || !node->length)
        return wrong(node, reterr, "%s must be a text", node->key ? node->key : "this");
    if (strlen(node->text) != node->length)
        return wrong(node, reterr, "a NUL character is not allowed here");
    *ret_text = node->text;
    return 0;
}
