/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent and tracestate as W3C Trace Context, Level 1, has them. */
#include "trace.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALID "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static bool parses(const char *text, size_t length, struct trace *ret)
{
    /* In memory of its own, so that a sanitizer sees a read behind its end. */
    char *copy = malloc(length + 1);
    memcpy(copy, text, length);
    char *exact = realloc(copy, length ? length : 1);
    bool valid = trace_parse((struct mg_str){exact, length}, ret);
    free(exact);
    return valid;
}

static void the_example_of_the_specification_is_read(void)
{
    static const uint8_t trace_id[] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                       0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
    static const uint8_t parent_id[] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
    struct trace t;
    char text[TRACE_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(parses(VALID, strlen(VALID), &t));
    CU_ASSERT_EQUAL(memcmp(t.trace_id, trace_id, sizeof trace_id), 0);
    CU_ASSERT_EQUAL(memcmp(t.parent_id, parent_id, sizeof parent_id), 0);
    CU_ASSERT_EQUAL(t.flags, TRACE_SAMPLED);
    trace_format(&t, text);
    CU_ASSERT_STRING_EQUAL(text, VALID);
}

static void what_is_valid_and_what_is_not(void)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", true}, /* unknown flags */
        {"", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false},
        {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true}, /* later versions */
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what the future brings", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what", false},
        {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-B7ad6b7169203331-01", false},
        {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c.b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false},
        {" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", false},
    };
    struct trace t;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parses(cases[i].text, strlen(cases[i].text), &t) != cases[i].valid)
            fprintf(stderr, "%s\n", cases[i].text);
        CU_ASSERT_EQUAL(parses(cases[i].text, strlen(cases[i].text), &t), cases[i].valid);
    }
}

static uint32_t state = 20211123;

static uint32_t chance(uint32_t bound)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * bound >> 32);
}

/* Whatever ids there are, they are read as they were written. */
static void what_is_written_is_read_again(void)
{
    for (int i = 0; i < 20000; i++) {
        struct trace t = {.flags = (uint8_t)chance(2)}, again;
        char text[TRACE_TEXT_SIZE], twice[TRACE_TEXT_SIZE];
        for (size_t k = 0; k < sizeof t.trace_id; k++)
            t.trace_id[k] = (uint8_t)chance(256);
        for (size_t k = 0; k < sizeof t.parent_id; k++)
            t.parent_id[k] = (uint8_t)chance(256);
        t.trace_id[chance(16)] |= 1;
        t.parent_id[chance(8)] |= 1;
        trace_format(&t, text);
        CU_ASSERT_TRUE_FATAL(parses(text, strlen(text), &again));
        trace_format(&again, twice);
        CU_ASSERT_STRING_EQUAL_FATAL(twice, text);
    }
}

/* One wrong character and the whole is none, unless it is another digit, or a later version. */
static void a_changed_character_is_noticed(void)
{
    for (int i = 0; i < 50000; i++) {
        char text[] = VALID;
        size_t at = chance(sizeof text - 1);
        char c = (char)chance(256);
        bool was_dash = text[at] == '-';
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        text[at] = c;
        struct trace t;
        CU_ASSERT_EQUAL(parses(text, sizeof text - 1, &t), was_dash ? c == '-' : is_digit);
        CU_ASSERT_FALSE(parses(text, at, &t)); /* nor is what stands before it */
    }
}

static void states_are_lists_of_keys_and_values(void)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true},
        {" rojo=1 ,\t congo=2 ", true},
        {"rojo=1,,congo=2,", true},
        {"fw529a3039@dt=FfffffF", true},
        {"0tenant@system=1", true},
        {"a*/_-9=1", true},
        {"a=b c", true},
        {"a= b", true},
        {"0a=1", false},
        {"A=1", false},
        {"a", false},
        {"=1", false},
        {"a=", false},
        {"a=1=2", false},
        {"a=1,a=2", false},
        {"a@=1", false},
        {"@a=1", false},
        {"a@b@c=1", false},
        {"a@0=1", false},
        {"a=\xc3\xa4", false},
        {"a=1\n", false},
        {"a =1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mg_str text = {cases[i].text, strlen(cases[i].text)};
        if (trace_state_is_valid(text) != cases[i].valid)
            fprintf(stderr, "\"%s\"\n", cases[i].text);
        CU_ASSERT_EQUAL(trace_state_is_valid(text), cases[i].valid);
    }
}

static void a_state_has_its_limits(void)
{
    char text[2048];
    size_t used = 0;
    for (int i = 0; i < 32; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%sk%d=v", i ? "," : "", i);
    CU_ASSERT_TRUE(trace_state_is_valid((struct mg_str){text, used}));
    used += (size_t)snprintf(text + used, sizeof text - used, ",last=v");
    CU_ASSERT_FALSE(trace_state_is_valid((struct mg_str){text, used}));
    for (size_t key = 255; key <= 257; key++) {
        memset(text, 'k', key);
        memcpy(text + key, "=v", 2);
        CU_ASSERT_EQUAL(trace_state_is_valid((struct mg_str){text, key + 2}), key <= 256);
    }
    memcpy(text, "k=", 2);
    for (size_t value = 255; value <= 257; value++) {
        memset(text + 2, 'v', value);
        CU_ASSERT_EQUAL(trace_state_is_valid((struct mg_str){text, value + 2}), value <= 256);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(the_example_of_the_specification_is_read)},
                                            {KIT_TEST(what_is_valid_and_what_is_not)},
                                            {KIT_TEST(what_is_written_is_read_again)},
                                            {KIT_TEST(a_changed_character_is_noticed)},
                                            {KIT_TEST(states_are_lists_of_keys_and_values)},
                                            {KIT_TEST(a_state_has_its_limits)},
                                            {0}};
    return kit_main("trace-context", tests);
}
