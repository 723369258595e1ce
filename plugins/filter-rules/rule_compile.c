/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of rules. */
#include "rule.h"
#include "rule_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *rule_alloc(struct rule_compiler *c, size_t count, size_t size)
{
    size_t bytes = (count * size + 15) & ~(size_t)15; /* so all that follows is aligned, too */
    char *at = arena_take(&c->rules->arena, bytes);
    if (at)
        memset(at, 0, bytes);
    else
        snprintf(c->err->text, sizeof c->err->text, "out of memory");
    return at;
}

int rule_wrong(struct rule_compiler *c, const struct mg_node *node, const char *format, ...)
{
    char what[180];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    int used =
        snprintf(c->err->text, sizeof c->err->text,
                 "%.60s:%u:%u: ", node->file ? node->file : "match", node->line, node->column);
    snprintf(c->err->text + used, sizeof c->err->text - (size_t)used, "%s", what);
    return -EINVAL;
}

int rule_wrong_as_said(struct rule_compiler *c, const struct mg_node *node)
{
    char what[180];
    snprintf(what, sizeof what, "%.179s", c->err->text);
    return rule_wrong(c, node, "%s", what);
}

static int compile_map(struct rule_compiler *c, const struct mg_node *node, struct rule *ret);

/* all, any, none: a list of rules, or one. */
static int compile_list(struct rule_compiler *c, const struct mg_node *node, struct rule *ret)
{
    size_t count = node->type == MG_NODE_LIST ? node->count : 1;
    if (!count)
        return rule_wrong(c, node, "there are no rules in it");
    ret->inside = rule_alloc(c, count, sizeof *ret->inside);
    if (!ret->inside)
        return -ENOMEM;
    for (; ret->count < count; ret->count++) {
        const struct mg_node *item = node->type == MG_NODE_LIST ? node->items[ret->count] : node;
        int error = compile_map(c, item, &ret->inside[ret->count]);
        if (error)
            return error;
    }
    return 0;
}

static int compile_entry(struct rule_compiler *c, const struct mg_node *node, struct rule *ret)
{
    ret->name = node->key;
    ret->line = node->line;
    if (!strcmp(node->key, "all")) {
        ret->kind = RULE_ALL;
        return compile_list(c, node, ret);
    }
    if (!strcmp(node->key, "any")) {
        ret->kind = RULE_ANY;
        return compile_list(c, node, ret);
    }
    if (!strcmp(node->key, "none")) {
        ret->kind = RULE_NONE;
        return compile_list(c, node, ret);
    }
    if (!strcmp(node->key, "not")) {
        if (node->type == MG_NODE_LIST)
            return rule_wrong(c, node, "not takes one map of rules; of a list, write none: [...]");
        ret->kind = RULE_NONE;
        return compile_list(c, node, ret);
    }
    ret->kind = RULE_TEST;
    if (subject_parse(node->key, &ret->subject, c->err))
        return rule_wrong_as_said(c, node);
    c->rules->needs_clock |=
        ret->subject.kind == SUBJECT_AGE || ret->subject.kind == SUBJECT_EXPIRES_IN;
    return condition_compile(c, &ret->subject, node, &ret->condition);
}

/* All entries must hold.  As deep as RULE_DEPTH_MAX. */
static int compile_map(struct rule_compiler *c, const struct mg_node *node, struct rule *ret)
{
    if (node->type != MG_NODE_MAP || !node->count)
        return rule_wrong(c, node, "rules are a map of what to look at, as { event.qos: [1, 2] }%s",
                          node->type == MG_NODE_LIST ? "; of a list, say all: [...] or any: [...]"
                                                     : "");
    if (++c->depth > RULE_DEPTH_MAX)
        return rule_wrong(c, node, "rules are nested deeper than %d levels", RULE_DEPTH_MAX);
    if ((c->count += node->count) > RULES_MAX)
        return rule_wrong(c, node, "there are more than %d rules", RULES_MAX);
    *ret = (struct rule){.kind = RULE_ALL, .name = "all", .line = node->line};
    ret->inside = rule_alloc(c, node->count, sizeof *ret->inside);
    if (!ret->inside)
        return -ENOMEM;
    for (; ret->count < node->count; ret->count++) {
        int error = compile_entry(c, node->items[ret->count], &ret->inside[ret->count]);
        if (error)
            return error;
    }
    c->depth--;
    return 0;
}

int rules_compile(const struct mg_node *match, struct rules **ret_rules, struct mg_err *reterr)
{
    struct rule_compiler c = {.rules = calloc(1, sizeof(struct rules)), .err = reterr};
    if (!c.rules) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    c.rules->root = rule_alloc(&c, 1, sizeof *c.rules->root);
    int error = c.rules->root ? compile_map(&c, match, c.rules->root) : -ENOMEM;
    if (error) {
        rules_free(c.rules);
        return error;
    }
    *ret_rules = c.rules;
    return 0;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->expression_count; i++)
        expression_free(rules->expressions[i]);
    free(rules->expressions);
    arena_fini(&rules->arena);
    free(rules);
}
