/* SPDX-License-Identifier: Apache-2.0 */
/* Values in tests:, written in YAML, as JSON texts, typed properties and payloads. */
#include "base/base64.h"
#include "config/bind_value.h"
#include "route/model_tests_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 1000 };

/* ---- JSON ----------------------------------------------------------------------------------- */

static const char *skip_digits(const char *at)
{
    return at + strspn(at, "0123456789");
}

/* RFC 8259 §6 */
static bool is_number(const char *text, bool *ret_whole)
{
    const char *at = text + (*text == '-'), *begin = at;
    at = skip_digits(at);
    if (at == begin || (*begin == '0' && at > begin + 1))
        return false;
    *ret_whole = true;
    if (*at == '.') {
        *ret_whole = false;
        begin = ++at;
        at = skip_digits(at);
        if (at == begin)
            return false;
    }
    if (*at == 'e' || *at == 'E') {
        *ret_whole = false;
        at += 1 + (at[1] == '+' || at[1] == '-');
        begin = at;
        at = skip_digits(at);
        if (at == begin)
            return false;
    }
    return !*at;
}

static bool is_word(const struct mg_node *node)
{
    bool whole;
    return !node->quoted && (!strcmp(node->text, "true") || !strcmp(node->text, "false") ||
                             !strcmp(node->text, "null") || is_number(node->text, &whole));
}

static void put_text(FILE *out, const char *text, size_t length)
{
    fputc('"', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* The tree is no deeper than GW_TREE_DEPTH_MAX. */
static void put_json(FILE *out, const struct mg_node *node)
{
    bool map = node->type == MG_NODE_MAP;
    if (node->type == MG_NODE_NULL) {
        fputs("null", out);
    } else if (node->type == MG_NODE_SCALAR && is_word(node)) {
        fputs(node->text, out);
    } else if (node->type == MG_NODE_SCALAR) {
        put_text(out, node->text, node->length);
    } else {
        fputc(map ? '{' : '[', out);
        for (size_t i = 0; i < node->count; i++) {
            if (i)
                fputc(',', out);
            if (map) {
                put_text(out, node->items[i]->key, strlen(node->items[i]->key));
                fputc(':', out);
            }
            put_json(out, node->items[i]);
        }
        fputc(map ? '}' : ']', out);
    }
}

struct mg_str gw_model_json(struct gw_arena *arena, const struct mg_node *node)
{
    char *text = NULL;
    size_t length = 0;
    struct mg_str json = {NULL, 0};
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return json;
    put_json(out, node);
    if (!fclose(out))
        json = (struct mg_str){gw_arena_copy(arena, text, length), length};
    free(text);
    return json;
}

/* ---- properties ----------------------------------------------------------------------------- */

static struct mg_value value_of(const struct mg_node *node)
{
    bool whole = false;
    struct mg_value v = {.type = MG_TEXT, .as.text = {node->text, node->length}};
    if (node->type == MG_NODE_NULL || (!node->quoted && !strcmp(node->text, "null")))
        return (struct mg_value){.type = MG_NULL};
    if (!is_word(node))
        return v;
    if (!is_number(node->text, &whole))
        return (struct mg_value){.type = MG_BOOL, .as.b = *node->text == 't'};
    if (whole && !gw_value_int(node->text, &v.as.i)) {
        v.type = MG_INT;
        v.width = 64;
        return v;
    }
    return (struct mg_value){.type = MG_FLOAT, .width = 64, .as.d = strtod(node->text, NULL)};
}

static bool is_leaf(const struct mg_node *node)
{
    return node->type == MG_NODE_SCALAR || node->type == MG_NODE_NULL;
}

bool gw_model_properties(struct gw_loading *m, const struct mg_node *map,
                         const struct mg_property **ret_properties, size_t *ret_count)
{
    size_t count = 0;
    if (map->type != MG_NODE_MAP) {
        gw_bind_error(&m->bind, map, "properties must be a map of names to values");
        return false;
    }
    for (size_t i = 0; i < map->count; i++)
        count += map->items[i]->type == MG_NODE_LIST ? map->items[i]->count : 1;
    struct mg_property *list = gw_arena_alloc(m->arena, (count + 1) * sizeof *list);
    if (!list || count > PROPERTIES_MAX) {
        gw_bind_error(&m->bind, map, list ? "more than 1000 properties" : "out of memory");
        return false;
    }
    count = 0;
    for (size_t i = 0; i < map->count; i++) {
        const struct mg_node *entry = map->items[i];
        bool several = entry->type == MG_NODE_LIST;
        for (size_t k = 0; k < (several ? entry->count : 1); k++) {
            const struct mg_node *value = several ? entry->items[k] : entry;
            if (!is_leaf(value)) {
                gw_bind_error(&m->bind, value,
                              "the value of a property is a text, a number, true, "
                              "false or null, or a list of such");
                return false;
            }
            list[count++] = (struct mg_property){{entry->key, strlen(entry->key)}, value_of(value)};
        }
    }
    *ret_properties = list;
    *ret_count = count;
    return true;
}

/* ---- payloads ------------------------------------------------------------------------------- */

static bool decode(struct gw_loading *m, const struct mg_node *node, const char *text,
                   struct mg_bytes *ret)
{
    size_t length = strlen(text);
    void *bytes = gw_arena_alloc(m->arena, length / 4 * 3 + 1);
    if (bytes && !gw_base64_decode(text, length, bytes, &ret->len)) {
        ret->at = bytes;
        return true;
    }
    gw_bind_error(&m->bind, gw_tree_get(node, "base64"), "base64: %s",
                  bytes ? "this is none" : "out of memory");
    return false;
}

bool gw_model_payload(struct gw_loading *m, const struct mg_node *node,
                      const struct gw_test_event_settings *s, struct mg_bytes *ret)
{
    if ((s->json != NULL) + (s->text != NULL) + (s->base64 != NULL) > 1) {
        gw_bind_error(&m->bind, node, "there is one payload: write json, text or base64");
        return false;
    }
    *ret = (struct mg_bytes){NULL, 0};
    if (s->base64)
        return decode(m, node, s->base64, ret);
    if (s->text)
        *ret = (struct mg_bytes){s->text, strlen(s->text)};
    if (!s->json)
        return true;
    struct mg_str json = gw_model_json(m->arena, s->json);
    *ret = (struct mg_bytes){json.at, json.len};
    if (!json.at)
        gw_bind_error(&m->bind, node, "out of memory");
    return json.at;
}
