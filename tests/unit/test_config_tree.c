/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration tree: positions, aliases, limits, replacement, folders, syntax errors. */
#include "config/tree.h"
#include "../kit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gw_arena *arena;
static struct gw_diags diags;

static const struct mg_node *parse(const char *text)
{
    gw_diags_fini(&diags);
    return gw_tree_parse(arena, "a.yaml", text, strlen(text), &diags);
}

/* Is there this one diagnosis, and no other? */
static bool only(uint32_t line, uint32_t column, const char *part)
{
    bool right = diags.count == 1 && diags.items[0].line == line &&
                 diags.items[0].column == column && strstr(diags.items[0].text, part);
    if (!right)
        gw_diags_print(&diags, stderr);
    return right;
}

static const char *text_at(const struct mg_node *map, const char *key)
{
    const struct mg_node *n = gw_tree_get(map, key);
    return n && n->text ? n->text : "(none)";
}

static void keeps_positions_keys_and_types(void)
{
    const struct mg_node *root = parse("a: 1\nb:\n  - x\n  - \"5\"\nc: {d: ~, e: }\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(root->type, MG_NODE_MAP);
    CU_ASSERT_EQUAL(root->count, 3);
    const struct mg_node *list = gw_tree_get(root, "b");
    CU_ASSERT_EQUAL(list->type, MG_NODE_LIST);
    CU_ASSERT_EQUAL(list->items[1]->line, 4);
    CU_ASSERT_EQUAL(list->items[1]->column, 5);
    CU_ASSERT_TRUE(list->items[1]->quoted);
    CU_ASSERT_FALSE(list->items[0]->quoted);
    CU_ASSERT_EQUAL(gw_tree_get(gw_tree_get(root, "c"), "d")->type, MG_NODE_NULL);
    CU_ASSERT_EQUAL(gw_tree_get(gw_tree_get(root, "c"), "e")->type, MG_NODE_NULL);
    uint32_t line, column;
    gw_tree_key_place(list, &line, &column);
    CU_ASSERT_EQUAL(line, 2);
    CU_ASSERT_EQUAL(column, 1);
    CU_ASSERT_PTR_NULL(gw_tree_get(root, "z"));
}

static void names_both_places_of_a_duplicate(void)
{
    const struct mg_node *root = parse("a: 1\nb: 2\na: 3\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_TRUE(only(3, 1, "a is here twice; the first is in line 1"));
    CU_ASSERT_STRING_EQUAL(text_at(root, "a"), "1");
}

static void expands_aliases_and_merges(void)
{
    const struct mg_node *root = parse("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_STRING_EQUAL(text_at(gw_tree_get(root, "one"), "x"), "1");
    CU_ASSERT_STRING_EQUAL(text_at(gw_tree_get(root, "one"), "y"), "3");
    CU_ASSERT_EQUAL(gw_tree_get(root, "one")->count, 2);
    CU_ASSERT_STRING_EQUAL(text_at(gw_tree_get(root, "two"), "y"), "2");
    CU_ASSERT_EQUAL(gw_tree_get(root, "two")->line, 3);
    CU_ASSERT_STRING_EQUAL(gw_tree_get(root, "two")->key, "two");
}

static void refuses_a_billion_laughs(void)
{
    char text[4096] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 12; i++) {
        char line[128];
        snprintf(line, sizeof line,
                 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        strncat(text, line, sizeof text - strlen(text) - 1);
    }
    CU_ASSERT_PTR_NULL(parse(text));
    CU_ASSERT_EQUAL(diags.errors, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "more than 2000000 values"));
}

static void refuses_depth_and_endless_aliases(void)
{
    char deep[400] = "";
    memset(deep, '[', 200);
    CU_ASSERT_PTR_NULL(parse(deep));
    CU_ASSERT_TRUE(only(1, 65, "more than 64 levels deep"));
    CU_ASSERT_PTR_NULL(parse("a: &a [1, *a]\n"));
    CU_ASSERT_TRUE(only(1, 11, "*a stands inside its own anchor"));
    CU_ASSERT_PTR_NULL(parse("a: *b\n"));
    CU_ASSERT_TRUE(only(1, 4, "there is no anchor &b"));
}

static void explains_syntax_errors(void)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *part;
    } cases[] = {
        {"a:\n\tb: 1\n", 2, 1, "a tab cannot indent"},
        {"a:\n  b: 1\n \tc: 2\n", 3, 2, "a tab cannot indent"},
        {"a: 1\n  b: 2\n", 2, 4, "a : where none can stand"},
        {"a:\n    b: 1\n  c: 2\n", 3, 3, "wrong indentation"},
        {"a: {b: plant/{x}/y}\n", 1, 14, "must be quoted there"},
        {"a: [1, 2\nb: 3\n", 2, 2, "inside [ ]"},
        {"a: \"x\nb: 1\n", 3, 1, "the closing quote is missing"},
        {"a: @x\n", 1, 4, "must be quoted"},
        {"a: \"\\d\"\n", 1, 5, "unknown escape"},
        {"a: !env X\n", 1, 4, "a tag means nothing here"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document"},
        {"{x: 1}: 2\n", 1, 1, "a key must be a plain text"},
        {"a: \xff\n", 1, 4, "not valid UTF-8"},
        {"\xc3\xa4: \xc3(\n", 1, 4, "not valid UTF-8"},
        {"a: \x01\n", 1, 4, "control characters are not allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_PTR_NULL(parse(cases[i].text));
        CU_ASSERT_TRUE(only(cases[i].line, cases[i].column, cases[i].part));
    }
}

static void replaces_environment_and_files(void)
{
    char path[] = "/tmp/test-config-XXXXXX", text[256];
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "from file\n\n", 11), 11);
    close(fd);
    setenv("MESHGATE_TEST", "s3cret", 1);
    setenv("MESHGATE_EMPTY", "", 1);
    unsetenv("MESHGATE_UNSET");
    snprintf(text, sizeof text,
             "a: \"x${env:MESHGATE_TEST}y\"\nb: ${file:%s}\nc: $${env:X}\nd: "
             "${env:MESHGATE_UNSET:-dflt}\n"
             "e: ${env:MESHGATE_EMPTY}\nf: $5 {x}\n",
             path);
    const struct mg_node *root = parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_STRING_EQUAL(text_at(root, "a"), "xs3crety");
    CU_ASSERT_STRING_EQUAL(text_at(root, "b"), "from file\n");
    CU_ASSERT_STRING_EQUAL(text_at(root, "c"), "${env:X}");
    CU_ASSERT_STRING_EQUAL(text_at(root, "d"), "dflt");
    CU_ASSERT_STRING_EQUAL(text_at(root, "e"), "");
    CU_ASSERT_STRING_EQUAL(text_at(root, "f"), "$5 {x}");
    CU_ASSERT_STRING_EQUAL(gw_tree_origin(gw_tree_get(root, "a")), "x${env:MESHGATE_TEST}y");
    CU_ASSERT_PTR_NULL(gw_tree_origin(gw_tree_get(root, "c")));
    char message[64] = "cannot use xs3crety here";
    gw_tree_redact(root, message, sizeof message);
    CU_ASSERT_STRING_EQUAL(message, "cannot use x${env:MESHGATE_TEST}y here");
    char small[20] = "no xs3crety";
    gw_tree_redact(root, small, sizeof small);
    CU_ASSERT_PTR_NULL(strstr(small, "s3cret"));
    unlink(path);
}

static void says_what_cannot_be_replaced_and_goes_on(void)
{
    unsetenv("MESHGATE_UNSET");
    const struct mg_node *root =
        parse("a: ${env:MESHGATE_UNSET}\nb: ${file:/nonexistent/x}\nc: ${vault:x}\n"
              "d: \"${env:X\"\ne: ${file:/dev/null}\nf: ${file:/tmp}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(diags.errors, 6);
    static const char *const parts[] = {
        "${env:MESHGATE_UNSET}: the environment has no such variable",
        "${file:/nonexistent/x}: No such file or directory",
        "${vault:x}: not known",
        "${env:X}: the closing } is missing",
        "${file:/dev/null}: not a regular file",
        "${file:/tmp}: Is a directory",
    };
    for (size_t i = 0; i < 6 && i < diags.count; i++) {
        CU_ASSERT_EQUAL(diags.items[i].line, i + 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[i].text, parts[i]));
    }
    CU_ASSERT_TRUE(gw_tree_broken(gw_tree_get(root, "a")));
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void drop(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void merges_a_folder_and_names_both_files(void)
{
    char folder[] = "/tmp/test-config-XXXXXX", expected[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    put(folder, "10-a.yaml", "gateway: {name: x}\nbridges:\n  a: {type: t}\n  b: {type: t}\n");
    put(folder, "20-b.yml", "bridges:\n  c: {type: t}\n  a: {type: u}\nroutes:\n  r: 1\n");
    put(folder, "30-empty.yaml", "# nothing\n");
    put(folder, ".hidden.yaml", "{{{\n");
    put(folder, "notes.txt", "{{{\n");
    gw_diags_fini(&diags);
    const struct mg_node *root = gw_tree_load(arena, folder, &diags);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_EQUAL(gw_tree_get(root, "bridges")->count, 3);
    CU_ASSERT_STRING_EQUAL(text_at(gw_tree_get(gw_tree_get(root, "bridges"), "a"), "type"), "t");
    snprintf(expected, sizeof expected, "bridges.a is here twice; the first is at %s/10-a.yaml:3:3",
             folder);
    CU_ASSERT_EQUAL(diags.count, 1);
    CU_ASSERT_STRING_EQUAL(diags.items[0].text, expected);
    CU_ASSERT_EQUAL(diags.items[0].line, 3);

    put(folder, "20-b.yml", "bridges: [\n");
    gw_diags_fini(&diags);
    CU_ASSERT_PTR_NULL(gw_tree_load(arena, folder, &diags));
    CU_ASSERT_EQUAL(diags.errors, 1);
    drop(folder, "10-a.yaml");
    drop(folder, "20-b.yml");
    drop(folder, "30-empty.yaml");
    gw_diags_fini(&diags);
    drop(folder, ".hidden.yaml");
    CU_ASSERT_PTR_NULL(gw_tree_load(arena, folder, &diags));
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "no *.yaml or *.yml file"));
    drop(folder, "notes.txt");
    rmdir(folder);
    gw_diags_fini(&diags);
    CU_ASSERT_PTR_NULL(gw_tree_load(arena, folder, &diags));
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "No such file"));
}

static void shows_texts_cut_and_clean(void)
{
    char buffer[GW_SHOWN_BYTES], lengthy[200];
    CU_ASSERT_STRING_EQUAL(gw_tree_shown(buffer, "a\nb\x1b"), "a?b?");
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    CU_ASSERT_EQUAL(strlen(gw_tree_shown(buffer, lengthy)), 67);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"keeps positions keys and types", keeps_positions_keys_and_types},
        {"names both places of a duplicate", names_both_places_of_a_duplicate},
        {"expands aliases and merges", expands_aliases_and_merges},
        {"refuses a billion laughs", refuses_a_billion_laughs},
        {"refuses depth and endless aliases", refuses_depth_and_endless_aliases},
        {"explains syntax errors", explains_syntax_errors},
        {"replaces environment and files", replaces_environment_and_files},
        {"says what cannot be replaced and goes on", says_what_cannot_be_replaced_and_goes_on},
        {"merges a folder and names both files", merges_a_folder_and_names_both_files},
        {"shows texts cut and clean", shows_texts_cut_and_clean},
        {NULL, NULL},
    };
    arena = gw_arena_create();
    int status = arena ? kit_main("config tree", tests) : 1;
    gw_arena_destroy(arena);
    gw_diags_fini(&diags);
    return status;
}
