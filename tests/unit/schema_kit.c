/* SPDX-License-Identifier: Apache-2.0 */
/* One schema at a time, for tests of validation. */
#include "schema_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct validator *v;
struct run schema_run;
struct mg_err schema_err;
struct report_entry schema_entries[REPORT_ENTRIES_MAX];
size_t schema_said;

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

void schema_begin(bool formats)
{
    const struct validator_options options = {DRAFT_2020_12, formats};
    schema_err.text[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(validator_create(&options, &v, &schema_err), 0);
    CU_ASSERT_EQUAL_FATAL(run_init(&schema_run), 0);
}

void schema_end(void)
{
    validator_destroy(v);
    v = NULL;
    run_fini(&schema_run);
}

void schema_add(const char *name, const char *uri, const char *text)
{
    struct document *document;
    CU_ASSERT_EQUAL(
        library_add_text(validator_library(v), name, str(uri), bytes(text), &document, &schema_err),
        0);
}

int schema_finish(const char *text)
{
    struct document *document = NULL;
    int error = library_add_text(validator_library(v), "order.json", str("file:///s/order.json"),
                                 bytes(text), &document, &schema_err);
    return error ? error : validator_compile(v, document, false, &schema_err);
}

void schema_open(const char *text)
{
    schema_begin(false);
    int error = schema_finish(text);
    if (error)
        fprintf(stderr, "%s\n", schema_err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

int schema_validate_up_to(size_t limit, const char *json)
{
    struct report report = {"data", 0, limit, schema_entries, NULL};
    struct doc *doc = doc_create();
    struct doc_value *value = NULL;
    schema_entries[0].text[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(doc_parse(doc, bytes(json), &value, &schema_err), 0);
    int error = run_validate(&schema_run, validator_schema(v), value, &report);
    schema_said = report.count;
    doc_destroy(doc);
    return error;
}

int schema_validate(const char *json)
{
    return schema_validate_up_to(1, json);
}

/* The one thing that is wrong with it, in words. */
void schema_wrong(const char *json, const char *words)
{
    CU_ASSERT_EQUAL(schema_validate(json), -EINVAL);
    CU_ASSERT_STRING_EQUAL(schema_entries[0].text, words);
    if (strcmp(schema_entries[0].text, words) != 0)
        fprintf(stderr, "said: %s\n", schema_entries[0].text);
}

void schema_refused(const char *schema, const char *words)
{
    schema_begin(false);
    CU_ASSERT_EQUAL(schema_finish(schema), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_err.text, words));
    if (!strstr(schema_err.text, words))
        fprintf(stderr, "said: %s\n", schema_err.text);
    schema_end();
}

const struct schema *schema_now(void)
{
    return validator_schema(v);
}
