/* SPDX-License-Identifier: Apache-2.0 */
/* Results for other programs: JUnit's XML and JSON. */
#include "base/utf8.h"
#include "cli/trial.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct gw_trial_report {
    json_t *tests; /* in the order in which they ran */
};

struct gw_trial_report *gw_report_create(void)
{
    struct gw_trial_report *r = calloc(1, sizeof *r);
    if (r && !(r->tests = json_array())) {
        free(r);
        return NULL;
    }
    return r;
}

void gw_report_destroy(struct gw_trial_report *r)
{
    if (!r)
        return;
    json_decref(r->tests);
    free(r);
}

const char *gw_trial_name(const struct gw_trial *t, size_t number, char buffer[GW_TRIAL_NAME_BYTES])
{
    if (t->test->name && *t->test->name)
        snprintf(buffer, GW_TRIAL_NAME_BYTES, "%s", t->test->name);
    else
        snprintf(buffer, GW_TRIAL_NAME_BYTES, "test %zu", number + 1);
    return buffer;
}

/* What a payload has put into a problem may be no text; it is shown all the same. */
static json_t *text_of(const char *text)
{
    json_t *j = json_string(text);
    return j ? j : json_string("(not UTF-8; run it by hand)");
}

int gw_report_add(struct gw_trial_report *r, const struct gw_trial *t, size_t number)
{
    char name[GW_TRIAL_NAME_BYTES];
    return json_array_append_new(
               r->tests, json_pack("{s:s, s:o, s:s, s:i, s:b, s:f, s:o}", "route", t->route->name,
                                   "name", text_of(gw_trial_name(t, number, name)), "file",
                                   t->test->node->file, "line", (int)t->test->node->line, "passed",
                                   t->problem_count == 0, "seconds", (double)t->took_us / 1e6,
                                   "problems", text_of(t->problems ? t->problems : "")))
               ? -ENOMEM
               : 0;
}

int gw_report_write_json(const struct gw_trial_report *r, FILE *out)
{
    int error = json_dumpf(r->tests, out, JSON_INDENT(2));
    fputc('\n', out);
    return error ? -EIO : 0;
}

/* ---- JUnit ---------------------------------------------------------------------------------- */

static void put_xml(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '&')
            fputs("&amp;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c >= 0x20 || c == '\n' || c == '\t')
            fputc(c, out); /* XML 1.0 has no other control characters */
    }
}

static const char *text_at(const json_t *test, const char *key)
{
    const char *text = json_string_value(json_object_get(test, key));
    return text ? text : "";
}

static void put_case(FILE *out, const json_t *test)
{
    fputs("    <testcase classname=\"", out);
    put_xml(out, text_at(test, "route"));
    fputs("\" name=\"", out);
    put_xml(out, text_at(test, "name"));
    fputs("\" file=\"", out);
    put_xml(out, text_at(test, "file"));
    fprintf(out, "\" line=\"%d\" time=\"%.3f\"",
            (int)json_integer_value(json_object_get(test, "line")),
            json_real_value(json_object_get(test, "seconds")));
    if (json_is_true(json_object_get(test, "passed"))) {
        fputs("/>\n", out);
        return;
    }
    const char *problems = text_at(test, "problems");
    char first[200];
    problems += strspn(problems, " ");
    size_t length = gw_utf8_cut(problems, strcspn(problems, "\n"), sizeof first - 1);
    snprintf(first, sizeof first, "%.*s", (int)length, problems);
    fputs(">\n      <failure message=\"", out);
    put_xml(out, first);
    fputs("\">", out);
    put_xml(out, problems);
    fputs("</failure>\n    </testcase>\n", out);
}

/* One suite for each run of tests of one route: they are in order. */
static void put_suites(FILE *out, const json_t *tests)
{
    for (size_t i = 0, end; i < json_array_size(tests); i = end) {
        const char *route = text_at(json_array_get(tests, i), "route");
        size_t failed = 0;
        double seconds = 0;
        for (end = i; end < json_array_size(tests); end++) {
            const json_t *test = json_array_get(tests, end);
            if (strcmp(route, text_at(test, "route")))
                break;
            failed += !json_is_true(json_object_get(test, "passed"));
            seconds += json_real_value(json_object_get(test, "seconds"));
        }
        fputs("  <testsuite name=\"", out);
        put_xml(out, route);
        fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.3f\">\n", end - i,
                failed, seconds);
        for (size_t k = i; k < end; k++)
            put_case(out, json_array_get(tests, k));
        fputs("  </testsuite>\n", out);
    }
}

int gw_report_write_junit(const struct gw_trial_report *r, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return -errno;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
    put_suites(out, r->tests);
    fputs("</testsuites>\n", out);
    bool failed = ferror(out);
    return fclose(out) || failed ? -EIO : 0;
}
