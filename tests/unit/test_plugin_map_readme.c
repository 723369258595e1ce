/* SPDX-License-Identifier: Apache-2.0 */
/* The examples in the README of the translator "map": what they say comes out does.
 *
 * An example is a block of YAML that begins with `type: map`; the block of text behind it has lines
 * "in:  PAYLOAD", and behind each what comes of it: "out: PAYLOAD" once or more, "rejected:
 * REASON", or "dropped".  Events come from plant/a/m1 with the captures line and machine. */
#include "map_kit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { README_BYTES_MAX = 65536, YAML_BYTES_MAX = 4096 };

static const char *const begin_yaml = "```yaml\ntype: map\n", *const begin_text = "```text\n";

static bool starts(const char *at, const char *with)
{
    return !strncmp(at, with, strlen(with));
}

static const char *next_line(const char *at)
{
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

static void copy_line(const char *at, const char *behind, char *out, size_t size)
{
    at += strlen(behind);
    while (*at == ' ')
        at++;
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

/* The lines behind an `in:`; returns what follows them. */
static const char *run_case(const char *yaml, const char *at)
{
    static char payload[4096], line[4096], expected[8192];
    copy_line(at, "in:", payload, sizeof payload);
    expected[0] = '\0';
    bool out = false;
    for (at = next_line(at); !starts(at, "in:") && !starts(at, "```"); at = next_line(at)) {
        if (starts(at, "rejected:")) {
            copy_line(at, "rejected:", line, sizeof line);
            map_rejects(yaml, payload, line);
            return next_line(at);
        }
        if (starts(at, "dropped")) {
            map_expect(yaml, payload, "");
            return next_line(at);
        }
        CU_ASSERT_TRUE(starts(at, "out:"));
        copy_line(at, "out:", line, sizeof line);
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s%s", out ? "\n" : "", line);
        out = true;
    }
    CU_ASSERT_TRUE(out);
    map_expect(yaml, payload, expected);
    return at;
}

static void examples(void)
{
    static char text[README_BYTES_MAX], yaml[YAML_BYTES_MAX];
    FILE *file = fopen(MAP_README, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(text, 1, sizeof text - 1, file), found = 0;
    fclose(file);
    CU_ASSERT_TRUE_FATAL(length > 0 && length < sizeof text - 1);
    for (const char *at = text; (at = strstr(at, begin_yaml)) != NULL; found++) {
        at += strlen(begin_yaml);
        const char *end = strstr(at, "\n```\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        CU_ASSERT_TRUE_FATAL(end + 1 - at < YAML_BYTES_MAX);
        snprintf(yaml, sizeof yaml, "%.*s", (int)(end + 1 - at), at);
        at = end + strlen("\n```\n");
        at += *at == '\n';
        CU_ASSERT_TRUE_FATAL(starts(at, begin_text));
        for (at += strlen(begin_text); starts(at, "in:");)
            at = run_case(yaml, at);
        CU_ASSERT_TRUE(starts(at, "```"));
    }
    CU_ASSERT_TRUE(found >= 8);
}
MAP_TEST(examples)

int main(void)
{
    static const struct kit_test tests[] = {
        {"every example of the README does what it says", run_examples}, {0}};
    return kit_main("plugin-map-readme", tests);
}
