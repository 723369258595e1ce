/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions say what libc's say, and take no longer where those do. */
#include "expression.h"
#include "fake_host.h"
#include "glob.h"
#include "unit.h"
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mg_err err;

static int compile(const char *source, struct expression **ret)
{
    err.text[0] = '\0';
    return expression_compile(source, strlen(source), ret, &err);
}

static bool matches_as(const char *source, struct mg_str text)
{
    struct expression *e = NULL;
    struct expression_scratch *s = expression_scratch_create();
    int error = compile(source, &e);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    bool matches = expression_matches(e, s, text);
    CU_ASSERT_EQUAL(expression_matches(e, s, text), matches); /* nothing is left behind */
    expression_free(e);
    expression_scratch_destroy(s);
    return matches;
}

static bool globs_as(const char *source, struct mg_str text)
{
    uint16_t parts[GLOB_BYTES_MAX];
    struct glob glob;
    CU_ASSERT_EQUAL_FATAL(glob_compile(kit_str(source), parts, &glob, &err), 0);
    return glob_matches(&glob, text);
}

struct example {
    const char *source, *text;
    bool matches;
};

static void try_all(const struct example *list, bool (*as)(const char *source, struct mg_str text))
{
    for (; list->source; list++) {
        bool matches = as(list->source, kit_str(list->text));
        if (matches != list->matches)
            fprintf(stderr, "\"%s\" and \"%s\": %d\n", list->source, list->text, matches);
        CU_ASSERT_EQUAL(matches, list->matches);
    }
}

static void expressions_are_found_anywhere_unless_held(void)
{
    static const struct example list[] = {
        {"b", "abc", true},
        {"^b", "abc", false},
        {"c$", "abc", true},
        {"^abc$", "abc", true},
        {"^abc$", "abcd", false},
        {"^$", "", true},
        {"^$", "x", false},
        {"", "x", true},
        {"a|b$", "xb", true},
        {"^(a|b)+$", "abab", true},
        {"^(a|b)+$", "abac", false},
        {"^(?:ab){2,3}$", "abab", true},
        {"^(?:ab){2,3}$", "ab", false},
        {"^(?:ab){2,3}$", "abababab", false},
        {"^a{2,}$", "aaaaa", true},
        {"^a{2,}$", "a", false},
        {"^a{0}b$", "b", true},
        {"^a{0}b$", "ab", false},
        {"^a{3}$", "aa", false},
        {"^a{3}$", "aaa", true},
        {"^(a*)*$", "aaaa", true},
        {"^(a*)*b$", "aaaa", false},
        {"^a+?$", "aa", true},
        {"a.c",
         "a\xc3\xa4"
         "c",
         true}, /* one character of two bytes */
        {"^a.c$", "abbc", false},
        {"^[a-c]+$", "abcabc", true},
        {"^[^a-c]+$", "xyz", true},
        {"^[^a-c]+$", "xaz", false},
        {"^[]a]+$", "]a", true},
        {"^[a-]+$", "a-a", true},
        {"^[\xc3\xa4-\xc3\xbc]$", "\xc3\xb6", true}, /* ö lies between ä and ü */
        {"^[\\d.]+$", "10.5", true},
        {"^\\d+\\.\\d{2}$", "10.50", true},
        {"^\\d+\\.\\d{2}$", "10,50", false},
        {"^\\w+\\s\\W\\S$", "ab_1 !x", true},
        {"^\\D+$", "ab1", false},
        {"\\(\\)", "a()b", true},
        {"\\t\\n", "a\t\nb", true},
        {"(?i)^straße$", "STRAße", true},
        {"(?i)^[a-c]x[^q]$", "BXr", true},
        {"(?i)^[a-c]x[^q]$", "BXQ", false},
        {"^.$", "\xff", true}, /* a byte that is no UTF-8 */
        {"^..$", "\xc3", false},
        {0}};
    try_all(list, matches_as);
}

static void wildcards_are_for_the_whole_text(void)
{
    static const struct example list[] = {{"a*c", "abbbc", true},
                                          {"a*c", "ac", true},
                                          {"a*c", "acd", false},
                                          {"*", "", true},
                                          {"?", "", false},
                                          {"?", "\xc3\xa4", true},
                                          {"a?c", "abc", true},
                                          {"a?c", "ac", false},
                                          {"a\\*", "a*", true},
                                          {"a\\*", "ab", false},
                                          {"*.b.*", "a.b.c", true},
                                          {"*.b.*", "a.c", false},
                                          {"**a**", "xay", true},
                                          {"*ab", "aab", true},
                                          {"*a?b", "aaxab", false},
                                          {"*\xc3\xa4?", "\xc3\xa4\xc3\xa4x", true},
                                          {"(a|b)+", "(a|b)+", true},
                                          {"", "", true},
                                          {0}};
    try_all(list, globs_as);
}

static void wrong_expressions_are_refused_with_their_place(void)
{
    static const char *const wrong[][2] = {
        {"a(b", "character 4: the ( has no )"},
        {"a)b", "character 2: the ) has no ("},
        {"a[b", "character 4: the [ has no ]"},
        {"*a", "character 1: there is nothing to repeat"},
        {"a|*", "character 3: there is nothing to repeat"},
        {"a**", "character 3: this is repeated already"},
        {"a{3,2}", "a count is"},
        {"a{", "a count is"},
        {"a{256}", "a count is"},
        {"a{x}", "a count is"},
        {"a\\", "nothing behind the \\"},
        {"\\b", "character 2: this is not known"},
        {"(?=a)", "of (?, (?: is known alone"},
        {"(\\1)", "this is not known"},
        {"[b-a]", "this range has no characters"},
        {"[a-\\d]", "this range has no characters"},
        {"[[:alpha:]]", "classes with a name"},
        {"(a{200}){200}", "it is too large"},
        {"((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))",
         "it is nested too deep"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct expression *e = NULL;
        CU_ASSERT_EQUAL(compile(wrong[i][0], &e), -EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
    }
    struct expression *e = NULL;
    CU_ASSERT_EQUAL(expression_compile("a\0b", 3, &e, &err), -EINVAL);
}

static uint32_t state = 1;

static uint32_t random_below(uint32_t bound)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % bound;
}

enum { DEPTH = 2 };

/* An expression of both dialects; as deep as `depth`.  Anchors stand at the top alone: of those in
 * a repeated group libc loses some. */
static void write_expression(char *out, size_t size, int depth)
{
    static const char *const atoms[] = {"a", "b", "c", ".", "[ab]", "[^a]", "^", "$"};
    static const char *const repeats[] = {"", "", "*", "+", "?", "{2}", "{1,2}", "{2,}"};
    size_t used = strlen(out);
    for (uint32_t n = 1 + random_below(4); n; n--) {
        if (used + 64 > size)
            return;
        if (depth && !random_below(3)) {
            used += (size_t)snprintf(out + used, size - used, "(");
            write_expression(out, size - 1, depth - 1);
            used = strlen(out);
            used += (size_t)snprintf(out + used, size - used, ")%s", repeats[random_below(8)]);
        } else {
            uint32_t atom = random_below(depth == DEPTH ? 8 : 6);
            used += (size_t)snprintf(out + used, size - used, "%s%s", atoms[atom],
                                     atom < 6 ? repeats[random_below(8)] : "");
        }
        if (n > 1 && !random_below(4))
            used += (size_t)snprintf(out + used, size - used, "|");
    }
}

static void random_expressions_match_as_those_of_libc(void)
{
    struct expression_scratch *s = expression_scratch_create();
    size_t compared = 0, matched = 0;
    for (int i = 0; i < 3000; i++) {
        char source[512] = "", text[12];
        struct expression *e = NULL;
        regex_t libc;
        write_expression(source, sizeof source, DEPTH);
        int error = compile(source, &e);
        if (error && strstr(err.text, "too large"))
            continue;
        if (error)
            fprintf(stderr, "%s\n", err.text);
        CU_ASSERT_EQUAL_FATAL(error, 0);
        if (regcomp(&libc, source, REG_EXTENDED | REG_NOSUB)) {
            expression_free(e);
            continue;
        }
        for (int k = 0; k < 20; k++) {
            size_t length = random_below(sizeof text);
            for (size_t n = 0; n < length; n++)
                text[n] = "abcd"[random_below(4)];
            text[length] = '\0';
            bool expected = !regexec(&libc, text, 0, NULL, 0);
            bool matches = expression_matches(e, s, kit_str(text));
            if (matches != expected)
                fprintf(stderr, "\"%s\" and \"%s\": %d\n", source, text, matches);
            CU_ASSERT_EQUAL(matches, expected);
            compared++;
            matched += matches;
        }
        regfree(&libc);
        expression_free(e);
    }
    CU_ASSERT(compared > 20000 && matched > compared / 10 && matched < compared);
    expression_scratch_destroy(s);
}

/* As libc's, with which it shares the meaning of * and ? and \. */
static void random_wildcards_match_as_those_of_libc(void)
{
    size_t matched = 0;
    for (int i = 0; i < 50000; i++) {
        char source[12], text[12];
        size_t length = random_below(sizeof source), text_length = random_below(sizeof text);
        for (size_t n = 0; n < length; n++)
            source[n] = "aabb**?\\"[random_below(8)];
        for (size_t n = 0; n < text_length; n++)
            text[n] = "ab"[random_below(2)];
        source[length] = text[text_length] = '\0';
        uint16_t parts[sizeof source];
        struct glob glob;
        if (glob_compile(kit_str(source), parts, &glob, &err))
            continue; /* ends with \ */
        bool matches = glob_matches(&glob, kit_str(text));
        if (matches != !fnmatch(source, text, 0))
            fprintf(stderr, "\"%s\" and \"%s\": %d\n", source, text, matches);
        CU_ASSERT_EQUAL(matches, !fnmatch(source, text, 0));
        matched += matches;
    }
    CU_ASSERT(matched > 2000);
}

/* Exponential where ways are tried one after the other; here it ends at once. */
static void what_others_do_not_survive_is_answered(void)
{
    char *text = malloc(EXPRESSION_TEXT_MAX);
    memset(text, 'a', EXPRESSION_TEXT_MAX);
    struct mg_str all = {text, EXPRESSION_TEXT_MAX};
    CU_ASSERT_FALSE(matches_as("^(a+)+$|(a|aa)+$b", (struct mg_str){"aaab", 4}));
    CU_ASSERT_FALSE(matches_as("^(a|a|aa)*b$", all));
    CU_ASSERT_FALSE(matches_as("(.*a){20}x", all));
    CU_ASSERT_TRUE(matches_as("(a?){100}a{100}$", all));
    CU_ASSERT_FALSE(globs_as("*a*a*a*a*a*a*a*a*a*a*a*b", all));
    free(text);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(expressions_are_found_anywhere_unless_held)},
        {KIT_TEST(wildcards_are_for_the_whole_text)},
        {KIT_TEST(wrong_expressions_are_refused_with_their_place)},
        {KIT_TEST(random_expressions_match_as_those_of_libc)},
        {KIT_TEST(random_wildcards_match_as_those_of_libc)},
        {KIT_TEST(what_others_do_not_survive_is_answered)},
        {0}};
    return kit_main("rules-expression", tests);
}
