/* SPDX-License-Identifier: Apache-2.0 */
/* The escapes of ECMA-262 regular expressions. */
#include "ecma.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ECMA-262 WhiteSpace and LineTerminator, and all else, as ranges of a class. */
#define SPACES                                                                                     \
    "\\x09-\\x0d\\x20\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"        \
    "\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"       \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{d7ff}"                 \
    "\\x{e000}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

static void put_point(struct ecma *e, unsigned long point)
{
    char text[24];
    snprintf(text, sizeof text, "\\x{%lx}", point);
    ecma_put_text(e, text);
}

static bool take_hex(struct ecma *e, size_t digits, unsigned long *ret)
{
    unsigned long value = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = ecma_peek(e, i);
        if (!isxdigit((unsigned char)c))
            return false;
        value =
            value * 16 + (unsigned long)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    e->at += digits;
    *ret = value;
    return true;
}

/* Behind \u. */
static bool take_unicode(struct ecma *e)
{
    unsigned long point = 0, low;
    if (ecma_peek(e, 0) == '{') {
        const char *close = memchr(e->at, '}', (size_t)(e->end - e->at));
        size_t digits = close ? (size_t)(close - e->at) - 1 : 0;
        e->at++;
        if (!digits || digits > 6 || !take_hex(e, digits, &point) || point > 0x10ffff)
            return ecma_wrong(e, "\\u{…} needs the number of a character");
        e->at++;
    } else if (!take_hex(e, 4, &point)) {
        return ecma_wrong(e, "\\u needs four hexadecimal digits");
    }
    if (point >= 0xd800 && point <= 0xdbff && ecma_peek(e, 0) == '\\' && ecma_peek(e, 1) == 'u') {
        const char *at = e->at;
        e->at += 2;
        if (take_hex(e, 4, &low) && low >= 0xdc00 && low <= 0xdfff)
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        else
            e->at = at;
    }
    if (point >= 0xd800 && point <= 0xdfff)
        return ecma_wrong(e, "half of a surrogate pair is no character");
    put_point(e, point);
    return true;
}

/* The long names of general categories, which PCRE2 does not know. */
static const struct {
    const char *name, *category;
} categories[] = {
    {"Any", "Any"},
    {"Cased_Letter", "L&"},
    {"LC", "L&"},
    {"Close_Punctuation", "Pe"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Surrogate", "Cs"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Unassigned", "Cn"},
    {"Uppercase_Letter", "Lu"},
};

/* Behind \p or \P. */
static bool take_property(struct ecma *e, char sign)
{
    static const struct {
        const char *ecma, *pcre;
    } prefixes[] = {
        {"Script_Extensions=", "scx:"}, {"scx=", "scx:"}, {"Script=", "sc:"}, {"sc=", "sc:"},
        {"General_Category=", ""},      {"gc=", ""}};
    char name[64], text[80];
    const char *prefix = "", *close = ecma_peek(e, 0) == '{'
                                          ? memchr(e->at, '}', (size_t)(e->end - e->at))
                                          : NULL;
    size_t length = close ? (size_t)(close - e->at) - 1 : 0;
    if (!length || length >= sizeof name)
        return ecma_wrong(e, "\\p needs the name of a property in braces");
    memcpy(name, e->at + 1, length);
    name[length] = '\0';
    if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=")])
        return ecma_wrong(e, "this is not the name of a property");
    char *rest = name;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i].ecma);
        if (!strncmp(name, prefixes[i].ecma, n)) {
            rest = name + n;
            prefix = prefixes[i].pcre;
            break;
        }
    }
    const char *meant = rest;
    for (size_t i = 0; !*prefix && i < sizeof categories / sizeof *categories; i++)
        if (!strcmp(rest, categories[i].name))
            meant = categories[i].category;
    snprintf(text, sizeof text, "\\%c{%s%s}", sign, prefix, meant);
    ecma_put_text(e, text);
    e->at = close + 1;
    return true;
}

bool ecma_take_group_name(struct ecma *e, char close)
{
    const char *end = memchr(e->at, close, (size_t)(e->end - e->at));
    if (!end || end == e->at || isdigit((unsigned char)*e->at))
        return ecma_wrong(e, "a group's name belongs here");
    for (const char *c = e->at; c < end; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return ecma_wrong(e, "a group's name is of letters, digits and _");
    ecma_put(e, e->at, (size_t)(end + 1 - e->at));
    e->at = end + 1;
    return true;
}

/* Escapes that stand for one character. */
static bool take_character_escape(struct ecma *e, char c)
{
    static const char controls[] = "tnvfr", meant[] = "\t\n\v\f\r";
    const char *control = c ? strchr(controls, c) : NULL;
    unsigned long point;
    if (control) {
        put_point(e, (unsigned char)meant[control - controls]);
        return true;
    }
    switch (c) {
    case 'c':
        if (!isalpha((unsigned char)ecma_peek(e, 0)))
            return ecma_wrong(e, "\\c needs a letter");
        put_point(e, (unsigned long)*e->at++ & 31);
        return true;
    case '0':
        if (isdigit((unsigned char)ecma_peek(e, 0)))
            return ecma_wrong(e, "there are no octal escapes");
        ecma_put_text(e, "\\x00");
        return true;
    case 'x':
        if (!take_hex(e, 2, &point))
            return ecma_wrong(e, "\\x needs two hexadecimal digits");
        put_point(e, point);
        return true;
    case 'u':
        return take_unicode(e);
    default:
        if (isalnum((unsigned char)c) || !c)
            return ecma_wrong(e, c ? "there is no such escape" : "it ends behind a backslash");
        /* ECMA-262 with u allows the syntax characters alone; "\-" is everywhere. */
        if ((unsigned char)c < 0x80)
            ecma_put(e, "\\", 1);
        ecma_put(e, &c, 1);
        return true;
    }
}

bool ecma_take_escape(struct ecma *e)
{
    char c = ecma_peek(e, 1);
    e->at += e->end - e->at > 1 ? 2 : 1;
    e->repeatable = true;
    switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W': /* ASCII in both, without PCRE2_UCP */
        ecma_put(e, e->at - 2, 2);
        return true;
    case 's':
        ecma_put_text(e, e->in_class ? SPACES : "[" SPACES "]");
        return true;
    case 'S':
        ecma_put_text(e, e->in_class ? NO_SPACES : "[^" SPACES "]");
        return true;
    case 'p':
    case 'P':
        return take_property(e, c);
    case 'b':
        e->repeatable = e->in_class;
        ecma_put_text(e, e->in_class ? "\\x08" : "\\b");
        return true;
    case 'B':
        if (e->in_class)
            return ecma_wrong(e, "\\B does not stand in a class");
        e->repeatable = false;
        ecma_put_text(e, "\\B");
        return true;
    case 'k':
        if (e->in_class || ecma_peek(e, 0) != '<')
            return ecma_wrong(e, "\\k needs a group's name: \\k<name>");
        e->at++;
        ecma_put_text(e, "\\k<");
        return ecma_take_group_name(e, '>');
    default:
        break;
    }
    if (c >= '1' && c <= '9' && !e->in_class) {
        ecma_put_text(e, "(?:\\g{"); /* so that a digit behind it is none of its own */
        ecma_put(e, e->at - 1, 1);
        for (; isdigit((unsigned char)ecma_peek(e, 0)); e->at++)
            ecma_put(e, e->at, 1);
        ecma_put_text(e, "})");
        return true;
    }
    return take_character_escape(e, c);
}
