/* SPDX-License-Identifier: Apache-2.0 */
/* Characters and classes of them, as an expression has them. */
#include "expression_compile.h"
#include <string.h>

/* \d \w \s; false: it is none of them. */
static bool class_ranges(struct expression_compiler *c, char letter, bool *ret_well)
{
    switch (letter | 32) {
    case 'd':
        *ret_well = expression_add_range(c, '0', '9');
        return true;
    case 'w':
        *ret_well = expression_add_range(c, '0', '9') && expression_add_range(c, 'A', 'Z') &&
                    expression_add_range(c, '_', '_') && expression_add_range(c, 'a', 'z');
        return true;
    case 's':
        *ret_well = expression_add_range(c, '\t', '\r') && expression_add_range(c, ' ', ' ');
        return true;
    default:
        return false;
    }
}

static bool is_letter_or_digit(char c)
{
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9');
}

/* Behind a backslash, what stands for one character. */
static bool escaped(struct expression_compiler *c, uint32_t *ret)
{
    if (c->at == c->end)
        return expression_refuse(c, "there is nothing behind the \\");
    switch (*c->at) {
    case 'n':
        *ret = '\n';
        break;
    case 'r':
        *ret = '\r';
        break;
    case 't':
        *ret = '\t';
        break;
    default:
        if (is_letter_or_digit(*c->at))
            return expression_refuse(
                c, "this is not known behind a \\ (d, w, s, D, W, S, n, r, t are)");
        *ret = expression_character(&c->at, c->end);
        return true;
    }
    c->at++;
    return true;
}

/* One character of a [class], or the ranges of \d \w \s (*ret_range: false). */
static bool class_item(struct expression_compiler *c, uint32_t *ret, bool *ret_single)
{
    bool well;
    *ret_single = true;
    if (*c->at == '[' && c->end - c->at > 1 && strchr(":.=", c->at[1]))
        return expression_refuse(
            c, "classes with a name ([:alpha:]) are not known; write \\[ for a bracket");
    if (*c->at != '\\') {
        *ret = expression_character(&c->at, c->end);
        return true;
    }
    c->at++;
    if (c->at < c->end && strchr("dws", *c->at) && class_ranges(c, *c->at, &well)) {
        c->at++;
        *ret_single = false;
        return well;
    }
    return escaped(c, ret);
}

/* Behind the bracket. */
bool expression_class(struct expression_compiler *c, struct expression_piece *ret)
{
    bool negative = c->at < c->end && *c->at == '^', first = true, is_single, is_last;
    c->at += negative;
    if (!expression_single(c, negative ? STATE_NOT : STATE_RANGES, ret))
        return false;
    for (; c->at < c->end && (first || *c->at != ']'); first = false) {
        uint32_t low = 0, high;
        if (!class_item(c, &low, &is_single))
            return false;
        if (!is_single)
            continue;
        high = low;
        if (c->end - c->at > 1 && *c->at == '-' && c->at[1] != ']') {
            c->at++;
            if (!class_item(c, &high, &is_last))
                return false;
            if (!is_last || high < low)
                return expression_refuse(c, "this range has no characters");
        }
        if (!expression_add_range(c, low, high))
            return false;
    }
    if (c->at == c->end)
        return expression_refuse(c, "the [ has no ]");
    c->at++;
    return true;
}

bool expression_literal(struct expression_compiler *c, uint32_t code, struct expression_piece *ret)
{
    return expression_single(c, STATE_RANGES, ret) && expression_add_range(c, code, code);
}

bool expression_escape(struct expression_compiler *c, struct expression_piece *ret)
{
    uint32_t code = 0;
    bool well;
    if (c->at < c->end && strchr("dwsDWS", *c->at)) {
        char letter = *c->at++;
        return expression_single(c, letter & 32 ? STATE_RANGES : STATE_NOT, ret) &&
               class_ranges(c, letter, &well) && well;
    }
    return escaped(c, &code) && expression_literal(c, code, ret);
}
