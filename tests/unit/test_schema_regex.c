/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions of ECMA-262: what they match, and what is none. */
#include "regex.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static bool matches(const char *pattern, const char *text)
{
    struct regex *regex = NULL;
    struct regex_room *room = regex_room_create();
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(regex_compile(str(pattern), &regex, &err), 0);
    bool found = regex_search(regex, room, str(text), REGEX_STEPS_MAX) == REGEX_YES;
    regex_free(regex);
    regex_room_destroy(room);
    return found;
}

static void patterns_are_those_of_ecma_262(void)
{
    CU_ASSERT(matches("b", "abc") && !matches("^b", "abc"));
    CU_ASSERT(matches("^a$", "a") && !matches("^a$", "a\n"));
    CU_ASSERT(matches("^\\d$", "7") && !matches("^\\d$", "\u0667"));
    CU_ASSERT(!matches("^\\w$", "é") && matches("^\\W$", "é"));
    CU_ASSERT(matches("^\\s$", "\u00a0") && matches("^[\\s]$", "\ufeff") &&
              !matches("\\S", "\u2028"));
    CU_ASSERT(matches("^[\\S]$", "x") && !matches("^[^\\S]$", "x"));
    CU_ASSERT(matches("^.$", "é") && matches("^.$", "\U0001f600") && !matches("^.$", "\u2028"));
    CU_ASSERT(matches("^\\p{Letter}+$", "aéß") && matches("^\\p{Script=Greek}$", "α"));
    CU_ASSERT(matches("^\\ud83d\\ude00$", "\U0001f600") && matches("^\\u{1f600}$", "\U0001f600"));
    CU_ASSERT(matches("^\\cJ\\x41\\0?$", "\nA") && matches("^[\\b]$", "\b"));
    CU_ASSERT(matches("^[[:a]+$", "[:a") && matches("^[^]$", "x") && !matches("[]", "x"));
    CU_ASSERT(matches("^(?<y>a)\\k<y>\\1$", "aaa") && matches("^(?:a|(b))\\1$", "a"));
    CU_ASSERT(matches("^\\d+\\-\\d+$", "1-2") && matches("a{,2}", "a{,2}") &&
              matches("^}{$", "}{"));
    CU_ASSERT(matches("", "") && matches("(?<=a)b(?!c)", "ab") && !matches("(?<=a)b(?!c)", "abc"));
}

static void patterns_of_other_kinds_are_refused(void)
{
    static const char *const patterns[] = {
        "(",       ")",       "[a",      "a**", "a++",     "*",     "(?i)a",         "(?P<a>b)",
        "(?>a)",   "(*UCP)a", "\\a",     "\\Z", "\\Qa\\E", "(?#x)", "\\p{Nonsense}", "\\u12",
        "\\x1",    "\\c1",    "\\ud800", "\\",  "a{2}{3}", "\\01",  "[b-a]",         "\\k",
        "(?<1>a)", "\\1"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct regex *regex = NULL;
        struct mg_err why = {.text = ""};
        int error = regex_compile(str(patterns[i]), &regex, &why);
        CU_ASSERT_EQUAL(error, -EINVAL);
        CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
        if (!error)
            fprintf(stderr, "taken: %s\n", patterns[i]);
        regex_free(regex);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(patterns_are_those_of_ecma_262)},
                                            {KIT_TEST(patterns_of_other_kinds_are_refused)},
                                            {0}};
    return kit_main("schema-regex", tests);
}
