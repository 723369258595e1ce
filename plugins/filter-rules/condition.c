/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of one subject: operators and their operands. */
#include "rule_internal.h"
#include "units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 10000, QUESTIONS_MAX = 16, TEXT_BYTES_MAX = 65535 };

/* ---- operands ------------------------------------------------------------------------------- */

static bool is_time(const struct subject *s)
{
    return s->kind == SUBJECT_AGE || s->kind == SUBJECT_EXPIRES_IN;
}

/* A number in the subject's unit; false: it is none. */
static bool read_number(const struct subject *s, const struct mg_node *node, struct amount *ret)
{
    const char *at = node->text;
    uint64_t u;
    if (node->type != MG_NODE_SCALAR || node->quoted)
        return false;
    if (is_time(s)) {
        bool negative = *at == '-';
        at += negative;
        if (!units_time_us(&at, INT64_MAX, &u) || *at)
            return !strcmp(node->text, "0") && amount_of_text("0", 1, ret);
        *ret = amount_of_int(negative ? -(int64_t)u : (int64_t)u);
        return true;
    }
    if (s->kind == SUBJECT_SIZE) {
        bool well = units_bytes(&at, INT64_MAX, &u) && !*at;
        *ret = amount_of_uint(well ? u : 0);
        return well;
    }
    return amount_of_text(node->text, node->length, ret);
}

static int number(struct rule_compiler *c, const struct subject *s, const struct mg_node *node,
                  struct amount *ret)
{
    if (read_number(s, node, ret))
        return 0;
    return rule_wrong(c, node, "%s is wanted here, without quotes",
                      is_time(s)                ? "a duration, as 10s or 5m,"
                      : s->kind == SUBJECT_SIZE ? "a size, as 64KiB,"
                                                : "a number");
}

static int text(struct rule_compiler *c, const struct mg_node *node, struct mg_str *ret)
{
    if (node->type != MG_NODE_SCALAR || !node->length || node->length > TEXT_BYTES_MAX)
        return rule_wrong(c, node, "a text is wanted here, 1 to %d bytes long", TEXT_BYTES_MAX);
    *ret = (struct mg_str){node->text, node->length};
    return 0;
}

static size_t operand_count(const struct mg_node *node)
{
    return node->type == MG_NODE_LIST ? node->count : 1;
}

static const struct mg_node *operand(const struct mg_node *node, size_t index)
{
    return node->type == MG_NODE_LIST ? node->items[index] : node;
}

static int some_operands(struct rule_compiler *c, const struct mg_node *node)
{
    size_t count = operand_count(node);
    if (!count || count > CHOICES_MAX)
        return rule_wrong(c, node, "1 to %d values are wanted here", CHOICES_MAX);
    return 0;
}

/* ---- equal to one of ------------------------------------------------------------------------ */

static int compare_texts(const void *a, const void *b)
{
    const struct mg_str *x = a, *y = b;
    int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_numbers(const void *a, const void *b)
{
    return amount_compare(a, b);
}

/* A plain true, a plain number, else a text. */
static int choice(struct rule_compiler *c, const struct subject *s, const struct mg_node *node,
                  struct choices *ret, struct mg_str *texts, struct amount *numbers)
{
    if (node->type == MG_NODE_NULL)
        return rule_wrong(c, node, "there is no value here; what is absent is exists: false");
    if (node->type != MG_NODE_SCALAR)
        return rule_wrong(c, node, "a value is wanted here, not a %s",
                          node->type == MG_NODE_LIST ? "list" : "map");
    if (!node->quoted && (!strcmp(node->text, "true") || !strcmp(node->text, "false"))) {
        *(node->text[0] == 't' ? &ret->yes : &ret->no) = true;
        return 0;
    }
    if (!node->quoted && (!strcmp(node->text, "null") || !strcmp(node->text, "~")))
        return rule_wrong(c, node, "what is absent is exists: false");
    if (is_time(s) || s->kind == SUBJECT_SIZE)
        return number(c, s, node, &numbers[ret->number_count++]);
    if (read_number(s, node, &numbers[ret->number_count])) {
        ret->number_count++;
        return 0;
    }
    if (node->length > TEXT_BYTES_MAX)
        return rule_wrong(c, node, "this text is longer than %d bytes", TEXT_BYTES_MAX);
    texts[ret->text_count++] = (struct mg_str){node->text, node->length};
    return 0;
}

static int compile_choices(struct rule_compiler *c, const struct subject *s,
                           const struct mg_node *node, struct question *q)
{
    int error = some_operands(c, node);
    if (error)
        return error;
    size_t count = operand_count(node);
    struct mg_str *texts = rule_alloc(c, count, sizeof *texts);
    struct amount *numbers = rule_alloc(c, count, sizeof *numbers);
    if (!texts || !numbers)
        return -ENOMEM;
    q->kind = ASKS_CHOICES;
    for (size_t i = 0; i < count && !error; i++)
        error = choice(c, s, operand(node, i), &q->choices, texts, numbers);
    qsort(texts, q->choices.text_count, sizeof *texts, compare_texts);
    qsort(numbers, q->choices.number_count, sizeof *numbers, compare_numbers);
    q->choices.texts = texts;
    q->choices.numbers = numbers;
    return error;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool is_topic_filter(const char *at)
{
    for (;;) {
        size_t length = strcspn(at, "/");
        bool more = at[length] == '/';
        if (memchr(at, '#', length) && (length != 1 || more))
            return false;
        if (memchr(at, '+', length) && length != 1)
            return false;
        if (!more)
            return true;
        at += length + 1;
    }
}

static int compile_texts(struct rule_compiler *c, const struct mg_node *node,
                         enum question_kind kind, struct question *q)
{
    int error = some_operands(c, node);
    size_t count = operand_count(node);
    struct mg_str *texts = error ? NULL : rule_alloc(c, count, sizeof *texts);
    if (!texts)
        return error ? error : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        const struct mg_node *item = operand(node, i);
        error = text(c, item, &texts[i]);
        if (!error && kind == ASKS_TOPIC && !is_topic_filter(item->text))
            error = rule_wrong(c, item,
                               "\"%.60s\" is no topic filter: + and # are whole levels, "
                               "and # is the last one",
                               item->text);
    }
    q->kind = kind;
    q->choices = (struct choices){.texts = texts, .text_count = count};
    return error;
}

static bool keep(struct rules *r, struct expression *e)
{
    if (r->expression_count == r->expression_room) {
        size_t room = r->expression_room ? 2 * r->expression_room : 16;
        struct expression **more = realloc(r->expressions, room * sizeof *more);
        if (!more)
            return false;
        r->expressions = more;
        r->expression_room = room;
    }
    r->expressions[r->expression_count++] = e;
    return true;
}

static int compile_expressions(struct rule_compiler *c, const struct mg_node *node,
                               struct question *q)
{
    int error = some_operands(c, node);
    size_t count = operand_count(node);
    q->kind = ASKS_EXPRESSION;
    q->expressions = error ? NULL : rule_alloc(c, count, sizeof *q->expressions);
    if (!q->expressions)
        return error ? error : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        const struct mg_node *item = operand(node, i);
        struct expression **e = &q->expressions[q->expression_count++];
        struct mg_str source = {0};
        if ((error = text(c, item, &source)))
            break;
        error = expression_compile(source.at, source.len, e, c->err);
        if (error == -EINVAL)
            error = rule_wrong_as_said(c, item);
        if (!error && !keep(c->rules, *e)) {
            expression_free(*e);
            error = -ENOMEM;
        }
    }
    return error;
}

static int compile_globs(struct rule_compiler *c, const struct mg_node *node, struct question *q)
{
    int error = some_operands(c, node);
    size_t count = operand_count(node);
    q->kind = ASKS_GLOB;
    q->globs = error ? NULL : rule_alloc(c, count, sizeof *q->globs);
    if (!q->globs)
        return error ? error : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        const struct mg_node *item = operand(node, i);
        struct mg_str source = {0};
        if ((error = text(c, item, &source)))
            break;
        uint16_t *parts = rule_alloc(c, source.len, sizeof *parts);
        if (!parts)
            return -ENOMEM;
        if (glob_compile(source, parts, &q->globs[q->glob_count++], c->err))
            error = rule_wrong_as_said(c, item);
    }
    return error;
}

/* ---- operators ------------------------------------------------------------------------------ */

static int compile_exists(struct rule_compiler *c, const struct mg_node *node,
                          struct condition *ret)
{
    bool yes = node->type == MG_NODE_SCALAR && !strcmp(node->text, "true");
    if (!yes && (node->type != MG_NODE_SCALAR || strcmp(node->text, "false") != 0))
        return rule_wrong(c, node, "exists is true or false");
    ret->exists = yes ? EXISTS_YES : EXISTS_NO;
    return 0;
}

/* All bounds of one condition are one question.  *ret_known: it is a bound. */
static int compile_bound(struct rule_compiler *c, const struct subject *s,
                         const struct mg_node *node, struct bounds *b, bool *ret_known)
{
    const char *name = node->key;
    bool between = !strcmp(name, "between");
    bool low = !strcmp(name, "above") || !strcmp(name, "at_least");
    bool high = !strcmp(name, "below") || !strcmp(name, "at_most");
    *ret_known = low || high || between;
    if (!*ret_known)
        return 0;
    if (between && (node->type != MG_NODE_LIST || node->count != 2))
        return rule_wrong(c, node, "between takes the least and the most: [5, 10]");
    if (((low || between) && b->has_low) || ((high || between) && b->has_high))
        return rule_wrong(c, node, "there is a bound on this side already");
    int error = 0;
    if (low || between) {
        b->has_low = true;
        b->low_open = !strcmp(name, "above");
        error = number(c, s, between ? node->items[0] : node, &b->low);
    }
    if (!error && (high || between)) {
        b->has_high = true;
        b->high_open = !strcmp(name, "below");
        error = number(c, s, between ? node->items[1] : node, &b->high);
    }
    if (error || !b->has_low || !b->has_high)
        return error;
    int order = amount_compare(&b->low, &b->high);
    if (order > 0 || (order == 0 && (b->low_open || b->high_open)))
        return rule_wrong(c, node, "nothing lies between these bounds");
    return 0;
}

static int compile_not(struct rule_compiler *c, const struct subject *s, const struct mg_node *node,
                       struct condition *ret)
{
    ret->nots = rule_alloc(c, 1, sizeof *ret->nots);
    if (!ret->nots)
        return -ENOMEM;
    ret->not_count = 1;
    return condition_compile(c, s, node, ret->nots);
}

static int compile_operator(struct rule_compiler *c, const struct subject *s,
                            const struct mg_node *node, struct question *q)
{
    static const struct {
        const char *name;
        enum question_kind kind;
    } of_texts[] = {{"prefix", ASKS_PREFIX},
                    {"suffix", ASKS_SUFFIX},
                    {"contains", ASKS_CONTAINS},
                    {"topic", ASKS_TOPIC}};
    const char *name = node->key;
    if (!strcmp(name, "is") || !strcmp(name, "in"))
        return compile_choices(c, s, node, q);
    if (!strcmp(name, "regex"))
        return compile_expressions(c, node, q);
    if (!strcmp(name, "glob"))
        return compile_globs(c, node, q);
    for (size_t i = 0; i < sizeof of_texts / sizeof of_texts[0]; i++)
        if (!strcmp(name, of_texts[i].name))
            return compile_texts(c, node, of_texts[i].kind, q);
    return rule_wrong(
        c, node,
        "unknown operator \"%.32s\"; there are: is, in, not, exists, above, at_least, "
        "below, at_most, between, prefix, suffix, contains, glob, regex, topic",
        name);
}

static int compile_operators(struct rule_compiler *c, const struct subject *s,
                             const struct mg_node *node, struct condition *ret)
{
    struct bounds bounds = {0};
    bool is_bound = false, bounded = false;
    if (!node->count || node->count > QUESTIONS_MAX)
        return rule_wrong(c, node, "there is nothing to compare with, as { at_least: 5 }");
    ret->questions = rule_alloc(c, node->count + 1, sizeof *ret->questions);
    if (!ret->questions)
        return -ENOMEM;
    for (size_t i = 0; i < node->count; i++) {
        const struct mg_node *item = node->items[i];
        int error;
        if (!strcmp(item->key, "exists"))
            error = compile_exists(c, item, ret);
        else if (!strcmp(item->key, "not"))
            error = compile_not(c, s, item, ret);
        else if (!(error = compile_bound(c, s, item, &bounds, &is_bound)) && !is_bound)
            error = compile_operator(c, s, item, &ret->questions[ret->question_count++]);
        if (error)
            return error;
        bounded |= is_bound;
        is_bound = false;
    }
    if (bounded)
        ret->questions[ret->question_count++] =
            (struct question){.kind = ASKS_BOUNDS, .bounds = bounds};
    if (ret->exists == EXISTS_NO && (ret->question_count || ret->not_count))
        return rule_wrong(c, node, "what does not exist cannot be asked anything else");
    return 0;
}

/* As deep as RULE_DEPTH_MAX, by `not` in `not`. */
int condition_compile(struct rule_compiler *c, const struct subject *subject,
                      const struct mg_node *node, struct condition *ret)
{
    int error;
    if (++c->depth > RULE_DEPTH_MAX)
        return rule_wrong(c, node, "rules are nested deeper than %d levels", RULE_DEPTH_MAX);
    if (++c->count > RULES_MAX)
        return rule_wrong(c, node, "there are more than %d rules", RULES_MAX);
    if (node->type == MG_NODE_MAP) {
        error = compile_operators(c, subject, node, ret);
    } else {
        ret->questions = rule_alloc(c, 1, sizeof *ret->questions);
        ret->question_count = 1;
        error = ret->questions ? compile_choices(c, subject, node, ret->questions) : -ENOMEM;
    }
    c->depth--;
    return error;
}
