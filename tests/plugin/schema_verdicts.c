/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a schema, a tab and a value on stdin; for each, true, false, or why there is no verdict.
 */
#include "validator.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum draft draft;

static void verdict(struct run *run, const struct validator *v, const char *json)
{
    struct report_entry entry;
    struct report report = {"data", 0, 1, &entry, NULL};
    struct mg_err err = {.text = ""};
    struct doc *doc = doc_create();
    struct doc_value *value;
    int error = doc_parse(doc, (struct mg_bytes){json, strlen(json)}, &value, &err);
    if (error)
        puts(err.text);
    else if ((error = run_validate(run, validator_schema(v), value, &report)) == -EOVERFLOW)
        puts(run->gave_up);
    else
        puts(error ? "false" : "true");
    doc_destroy(doc);
}

static void one(struct run *run, const char *schema, const char *json)
{
    const struct validator_options options = {draft, false};
    struct mg_err err = {.text = ""};
    struct validator *v = NULL;
    struct document *document;
    int error = validator_create(&options, &v, &err);
    if (!error)
        error = library_add_text(validator_library(v), "line", (struct mg_str){"file:///line", 12},
                                 (struct mg_bytes){schema, strlen(schema)}, &document, &err);
    if (!error)
        error = validator_compile(v, document, false, &err);
    if (error)
        puts(err.text);
    else
        verdict(run, v, json);
    validator_destroy(v);
}

int main(int argc, char **argv)
{
    static char line[1 << 16];
    struct run run;
    draft = argc > 1 && !strcmp(argv[1], "draft-07") ? DRAFT_07 : DRAFT_2020_12;
    if (run_init(&run))
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (!tab)
            return 1;
        *tab = '\0';
        one(&run, line, tab + 1);
    }
    run_fini(&run);
    return 0;
}
