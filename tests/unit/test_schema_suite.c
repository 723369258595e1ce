/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON Schema Test Suite, all of draft2020-12 and draft7: what is required must agree case by
 * case, what is optional is counted file by file and must not get worse.
 *
 * It comes from MESHGATE_VECTORS, or from ../shared/vectors beside the source tree; where neither
 * is there, the test is skipped and says so. */
#include "unit.h"
#include "validator.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_MAX_BYTES = 1024, LEVELS_MAX = 4 };

struct counts {
    size_t right, all;
};
static char suite[PATH_MAX_BYTES];
static bool verbose;

/* What of the optional files is known not to agree, and why. */
static const struct {
    const char *file;
    size_t wrong;
} known[] = {
    {"draft2020-12/optional/cross-draft.json", 1}, /* 2019-09 is not known here */
    {"draft7/optional/cross-draft.json", 2},
    {"draft7/optional/content.json", 4},                       /* content… are annotations */
    {"draft2020-12/optional/format/ecmascript-regex.json", 1}, /* lookbehind of any length */
    {"draft7/optional/format/ecmascript-regex.json", 1},
    {"draft2020-12/optional/format/idn-hostname.json", 2}, /* directions (RFC 5893) */
    {"draft7/optional/format/idn-hostname.json", 2},
    {NULL, 0}};

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    if (!in)
        return NULL;
    fseek(in, 0, SEEK_END);
    long length = ftell(in);
    rewind(in);
    if (length >= 0 && (text = malloc((size_t)length + 1)))
        *ret_length = fread(text, 1, (size_t)length, in);
    fclose(in);
    return text;
}

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

/* All *.json below a folder, under http://localhost:1234/. */
static void add_remotes(struct library *l, const char *skip, const char *below, int level)
{
    char path[PATH_MAX_BYTES * 3], name[PATH_MAX_BYTES], uri[PATH_MAX_BYTES * 2];
    struct mg_err err;
    struct stat st;
    snprintf(path, sizeof path, "%s/remotes/%s", suite, below);
    DIR *folder = level < LEVELS_MAX ? opendir(path) : NULL;
    for (struct dirent *e; folder && (e = readdir(folder));) {
        struct document *document;
        size_t length = 0;
        if (*e->d_name == '.' || !strcmp(e->d_name, skip))
            continue;
        snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", e->d_name);
        snprintf(path, sizeof path, "%s/remotes/%s", suite, name);
        if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
            add_remotes(l, skip, name, level + 1);
            continue;
        }
        char *text = read_file(path, &length);
        snprintf(uri, sizeof uri, "http://localhost:1234/%s", name);
        CU_ASSERT_FALSE(
            library_add_text(l, name, str(uri), (struct mg_bytes){text, length}, &document, &err));
        free(text);
    }
    if (folder)
        closedir(folder);
}

static struct validator *compile(const struct doc_value *schema, enum draft draft, bool formats,
                                 struct mg_err *err)
{
    const struct validator_options options = {draft, formats};
    struct validator *v = NULL;
    struct document *document;
    size_t length;
    char *text = doc_write(schema, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_FALSE_FATAL(validator_create(&options, &v, err));
    add_remotes(validator_library(v), draft == DRAFT_07 ? "draft2020-12" : "draft7", "", 0);
    int error = library_add_text(validator_library(v), "schema", str("meshgate:test"),
                                 (struct mg_bytes){text, length}, &document, err);
    if (!error)
        error = validator_compile(v, document, false, err);
    free(text);
    if (error) {
        validator_destroy(v);
        return NULL;
    }
    return v;
}

static const char *text_in(const struct doc_value *object, const char *name, char out[200])
{
    const struct doc_value *v = doc_get(object, str(name));
    snprintf(out, 200, "%.*s", v ? (int)v->text.len : 0, v ? v->text.at : "");
    return out;
}

static void one_schema(struct run *run, const struct doc_value *group, const char *file,
                       enum draft draft, bool formats, struct counts *counts)
{
    struct mg_err err = {.text = ""};
    char title[200], name[200];
    const struct doc_value *tests = doc_get(group, str("tests"));
    struct validator *v = compile(doc_get(group, str("schema")), draft, formats, &err);
    for (size_t i = 0; i < tests->count; i++) {
        const struct doc_value *test = tests->items[i];
        bool wanted = doc_get(test, str("valid"))->truth;
        struct report_entry entry = {.text = ""};
        struct report report = {"data", 0, 1, &entry, NULL};
        int got =
            v ? run_validate(run, validator_schema(v), doc_get(test, str("data")), &report) : -EIO;
        bool right = v && got == (wanted ? 0 : -EINVAL) && (wanted || entry.text[0]);
        counts->all++;
        counts->right += right;
        if (!right && verbose)
            fprintf(stderr, "%s: %s: %s: wanted %s, got %d: %s\n", file,
                    text_in(group, "description", title), text_in(test, "description", name),
                    wanted ? "valid" : "invalid", got,
                    !v             ? err.text
                    : run->gave_up ? run->gave_up
                                   : entry.text);
    }
    validator_destroy(v);
}

static struct counts one_file(const char *below, const char *file, enum draft draft, bool formats)
{
    char path[PATH_MAX_BYTES * 3];
    struct counts counts = {0, 0};
    struct doc *doc = doc_create();
    struct doc_value *groups = NULL;
    struct mg_err err;
    struct run run;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/%s/%s", suite, below, file);
    char *text = read_file(path, &length);
    CU_ASSERT_FALSE_FATAL(doc_parse(doc, (struct mg_bytes){text, length}, &groups, &err));
    CU_ASSERT_FALSE_FATAL(run_init(&run));
    for (size_t i = 0; i < groups->count; i++)
        one_schema(&run, groups->items[i], file, draft, formats, &counts);
    run_fini(&run);
    doc_destroy(doc);
    free(text);
    return counts;
}

static int is_json(const struct dirent *e)
{
    size_t length = strlen(e->d_name);
    return length > 5 && !strcmp(e->d_name + length - 5, ".json");
}

static size_t known_wrong(const char *below, const char *file)
{
    char name[PATH_MAX_BYTES];
    snprintf(name, sizeof name, "%s/%s", below, file);
    for (size_t i = 0; known[i].file; i++)
        if (!strcmp(known[i].file, name))
            return known[i].wrong;
    return 0;
}

/* Every file of a folder; the sum. */
static void folder(const char *below, enum draft draft, bool formats, bool each)
{
    char path[PATH_MAX_BYTES * 2];
    struct dirent **files;
    struct counts sum = {0, 0};
    snprintf(path, sizeof path, "%s/%s", suite, below);
    int count = scandir(path, &files, is_json, alphasort);
    CU_ASSERT_TRUE_FATAL(count > 0);
    for (int i = 0; i < count; i++) {
        struct counts c = one_file(below, files[i]->d_name, draft, formats);
        CU_ASSERT_EQUAL(c.all - c.right, known_wrong(below, files[i]->d_name));
        if (each || c.all != c.right)
            printf("  %s/%s: %zu of %zu\n", below, files[i]->d_name, c.right, c.all);
        sum.all += c.all;
        sum.right += c.right;
        free(files[i]);
    }
    free(files);
    printf("%s: %zu of %zu agree\n", below, sum.right, sum.all);
}

static void required_2020(void)
{
    folder("draft2020-12", DRAFT_2020_12, false, false);
}

static void required_07(void)
{
    folder("draft7", DRAFT_07, false, false);
}

static void optional_2020(void)
{
    folder("draft2020-12/optional", DRAFT_2020_12, false, true);
}

static void optional_07(void)
{
    folder("draft7/optional", DRAFT_07, false, true);
}

static void formats_2020(void)
{
    folder("draft2020-12/optional/format", DRAFT_2020_12, true, true);
}

static void formats_07(void)
{
    folder("draft7/optional/format", DRAFT_07, true, true);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"what 2020-12 requires", required_2020},
        {"what draft-07 requires", required_07},
        {"what is optional in 2020-12", optional_2020},
        {"what is optional in draft-07", optional_07},
        {"formats of 2020-12 where they are asserted", formats_2020},
        {"formats of draft-07 where they are asserted", formats_07},
        {0}};
    const char *vectors = getenv("MESHGATE_VECTORS");
    snprintf(suite, sizeof suite, "%s/json-schema-test-suite",
             vectors ? vectors : VECTORS_BESIDE_SOURCE);
    verbose = getenv("KIT_VERBOSE") != NULL;
    DIR *there = opendir(suite);
    if (!there) {
        puts("schema-suite: 0 passed, 0 failed\n(skipped: the suite is not beside the source tree; "
             "MESHGATE_VECTORS names the folder that it is in)");
        return 0;
    }
    closedir(there);
    return kit_main("schema-suite", tests);
}
