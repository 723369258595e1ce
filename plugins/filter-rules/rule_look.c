/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at an event: do the rules hold? */
#include "rule.h"
#include <string.h>

_Static_assert((int)GLOB_TEXT_MAX == (int)EXPRESSION_TEXT_MAX, "one limit of texts for both");

struct state {
    const struct look *look;
    struct expression_scratch *scratch;
    struct rules_result result;
};

/* ---- questions ------------------------------------------------------------------------------ */

static int compare(struct mg_str a, struct mg_str b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool among_texts(const struct choices *c, struct mg_str text)
{
    for (size_t low = 0, high = c->text_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = compare(text, c->texts[middle]);
        if (!order)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool among_numbers(const struct choices *c, const struct amount *number)
{
    for (size_t low = 0, high = c->number_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = amount_compare(number, &c->numbers[middle]);
        if (!order)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* A text that is spelled as a number is one to a rule that asks for a number: MQTT and captures
 * have nothing but texts. */
static bool as_number(const struct value *v, struct amount *ret)
{
    if (v->kind == VALUE_TEXT)
        return amount_of_text(v->text.at, v->text.len, ret);
    *ret = v->number;
    return v->kind == VALUE_NUMBER;
}

static bool is_word(struct mg_str text, const char *word)
{
    return text.len == strlen(word) && !memcmp(text.at, word, text.len);
}

static bool among(const struct choices *c, const struct value *v)
{
    struct amount number;
    if (v->kind == VALUE_BOOL)
        return v->truth ? c->yes : c->no;
    if (c->number_count && as_number(v, &number) && among_numbers(c, &number))
        return true;
    if (v->kind != VALUE_TEXT)
        return false;
    return among_texts(c, v->text) || (c->yes && is_word(v->text, "true")) ||
           (c->no && is_word(v->text, "false"));
}

static bool within(const struct bounds *b, const struct value *v)
{
    struct amount number;
    if (!as_number(v, &number))
        return false;
    if (b->has_low) {
        int order = amount_compare(&number, &b->low);
        if (order < 0 || (order == 0 && b->low_open))
            return false;
    }
    if (b->has_high) {
        int order = amount_compare(&number, &b->high);
        if (order > 0 || (order == 0 && b->high_open))
            return false;
    }
    return true;
}

/* MQTT 5 §4.7: # also is the level above; wildcards at the begin are not for topics with a $. */
static bool is_topic(struct mg_str filter, struct mg_str topic)
{
    const char *f = filter.at, *f_end = f + filter.len, *t = topic.at, *t_end = t + topic.len;
    if (topic.len && *t == '$' && filter.len && (*f == '+' || *f == '#'))
        return false;
    for (;;) {
        if (f < f_end && *f == '#')
            return true;
        const char *slash = memchr(t, '/', (size_t)(t_end - t));
        const char *level_end = slash ? slash : t_end;
        if (f < f_end && *f == '+') {
            f++;
        } else {
            size_t length = (size_t)(level_end - t);
            if ((size_t)(f_end - f) < length || memcmp(f, t, length) != 0)
                return false;
            f += length;
        }
        if (f < f_end && *f != '/')
            return false;
        if (!slash)
            return f == f_end || (f_end - f == 2 && f[1] == '#');
        if (f == f_end)
            return false;
        f++;
        t = slash + 1;
    }
}

static bool has_text(const struct question *q, struct mg_str text)
{
    for (size_t i = 0; i < q->choices.text_count; i++) {
        struct mg_str part = q->choices.texts[i];
        bool has = false;
        if (q->kind == ASKS_TOPIC)
            has = is_topic(part, text);
        else if (q->kind == ASKS_CONTAINS)
            has = memmem(text.at, text.len, part.at, part.len);
        else if (part.len <= text.len)
            has = !memcmp(q->kind == ASKS_PREFIX ? text.at : text.at + text.len - part.len, part.at,
                          part.len);
        if (has)
            return true;
    }
    return false;
}

static bool is_expressed(struct state *s, const struct question *q, struct mg_str text)
{
    if (text.len > EXPRESSION_TEXT_MAX) {
        s->result.too_long = true;
        return false;
    }
    if (q->kind == ASKS_GLOB) {
        for (size_t i = 0; i < q->glob_count; i++)
            if (glob_matches(&q->globs[i], text))
                return true;
        return false;
    }
    for (size_t i = 0; i < q->expression_count; i++)
        if (expression_matches(q->expressions[i], s->scratch, text))
            return true;
    return false;
}

static bool answers(struct state *s, const struct question *q, const struct value *v)
{
    if (q->kind == ASKS_CHOICES)
        return among(&q->choices, v);
    if (q->kind == ASKS_BOUNDS)
        return within(&q->bounds, v);
    if (v->kind != VALUE_TEXT)
        return false;
    return q->kind == ASKS_EXPRESSION || q->kind == ASKS_GLOB ? is_expressed(s, q, v->text)
                                                              : has_text(q, v->text);
}

/* ---- conditions ----------------------------------------------------------------------------- */

static bool answers_all(struct state *s, const struct condition *c, const struct value *v)
{
    for (size_t i = 0; i < c->question_count; i++)
        if (!answers(s, &c->questions[i], v))
            return false;
    return true;
}

/* As deep as the compiler let it be. */
static bool meets(struct state *s, const struct subject *subject, const struct condition *c)
{
    struct value value;
    bool exists = false, answered = !c->question_count, said;
    for (size_t at = 0; subject_next(subject, s->look, &at, &value, &said);) {
        exists |= said;
        answered = answered || answers_all(s, c, &value);
        if (answered && exists)
            break;
    }
    if (!answered || (c->exists == EXISTS_YES && !exists) || (c->exists == EXISTS_NO && exists))
        return false;
    for (size_t i = 0; i < c->not_count; i++)
        if (meets(s, subject, &c->nots[i]))
            return false;
    return true;
}

static bool tests(struct state *s, const struct rule *r)
{
    if (r->subject.kind == SUBJECT_CAPTURE && r->condition.exists == EXISTS_ANY &&
        !s->result.absent && !s->look->host->scope_capture(s->look->scope, r->subject.name).at)
        s->result.absent = r;
    return meets(s, &r->subject, &r->condition);
}

/* As deep as RULE_DEPTH_MAX.  top: its parts are those that a person is told of. */
static bool holds(struct state *s, const struct rule *r, bool top)
{
    if (r->kind == RULE_TEST)
        return tests(s, r);
    for (size_t i = 0; i < r->count; i++) {
        bool held = holds(s, &r->inside[i], false);
        if (r->kind == RULE_ANY && held)
            return true;
        if (r->kind == RULE_NONE && held)
            return false;
        if (r->kind == RULE_ALL && !held) {
            if (top)
                s->result.failed = &r->inside[i];
            return false;
        }
    }
    return r->kind != RULE_ANY;
}

struct rules_result rules_look(const struct rules *rules, const struct look *look,
                               struct expression_scratch *scratch)
{
    struct state s = {.look = look, .scratch = scratch};
    s.result.holds = holds(&s, rules->root, true);
    if (s.result.too_long) /* what a `not` made of it is no answer */
        s.result.holds = false;
    return s.result;
}
