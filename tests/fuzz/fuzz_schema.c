/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a schema and a value, parted by a line feed; the first byte chooses the draft and
 * whether formats are asserted.  What is refused has a reason; the verdict is the same twice, and
 * the contrary of that of `not`. */
#include "validator.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL: refused. */
static struct validator *compile(const struct validator_options *options, struct mg_bytes text)
{
    struct validator *v;
    struct document *document;
    struct mg_err err = {.text = ""};
    if (validator_create(options, &v, &err))
        abort();
    int error = library_add_text(validator_library(v), "fuzz", (struct mg_str){"file:///fuzz", 12},
                                 text, &document, &err);
    if (!error)
        error = validator_compile(v, document, false, &err);
    if (!error)
        return v;
    if (error == -EINVAL && !err.text[0])
        abort(); /* nobody is told why */
    validator_destroy(v);
    return NULL;
}

static int validate(struct run *run, const struct validator *v, const struct doc_value *value)
{
    struct report_entry entries[2];
    char pointer[REPORT_BYTES];
    struct report report = {"data", 0, 2, entries, pointer};
    int error = run_validate(run, validator_schema(v), value, &report);
    if (error == -EINVAL && (!report.count || !entries[0].text[0]))
        abort();
    if (error == -EOVERFLOW && !run->gave_up)
        abort();
    return error;
}

/* A schema that refers to its own root would refer to another one. */
static void contradict(struct run *run, const struct validator_options *options,
                       struct mg_bytes schema, const struct doc_value *value, int verdict)
{
    if (memchr(schema.at, '$', schema.len) || memchr(schema.at, '\\', schema.len))
        return;
    char *text = malloc(schema.len + 16);
    if (!text)
        return;
    int length =
        snprintf(text, schema.len + 16, "{\"not\":%.*s}", (int)schema.len, (const char *)schema.at);
    struct validator *v = compile(options, (struct mg_bytes){text, (size_t)length});
    int contrary = v ? validate(run, v, value) : -EOVERFLOW;
    if (verdict != -EOVERFLOW && contrary != -EOVERFLOW && (verdict == 0) == (contrary == 0))
        abort();
    validator_destroy(v);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct validator_options options = {data[0] & 1 ? DRAFT_07 : DRAFT_2020_12,
                                              data[0] >> 1 & 1};
    const char *text = (const char *)data + 1, *feed = memchr(text, '\n', size - 1);
    if (!feed)
        return 0;
    struct mg_bytes schema = {text, (size_t)(feed - text)};
    struct mg_bytes json = {feed + 1, size - 2 - schema.len};
    struct doc_value *value;
    struct mg_err err;
    struct run run;
    struct doc *doc = doc_create();
    struct validator *v = compile(&options, schema);
    if (!doc || run_init(&run))
        abort();
    if (v && !doc_parse(doc, json, &value, &err)) {
        int verdict = validate(&run, v, value);
        if (validate(&run, v, value) != verdict)
            abort();
        contradict(&run, &options, schema, value, verdict);
    }
    run_fini(&run);
    validator_destroy(v);
    doc_destroy(doc);
    return 0;
}
