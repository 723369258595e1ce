/* SPDX-License-Identifier: Apache-2.0 */
/* Binding: every type of option, its bounds and its messages; nearest names; schema and Markdown.
 */
#include "../kit/unit.h"
#include "config/bind.h"
#include "config/schema.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inner {
    const char *ca;
    bool verify;
};
struct store {
    const char *path;
    uint32_t mode;
    int64_t size;
};
struct all {
    const char *text, *url, *secret, *file;
    int64_t whole, wait_ms, size;
    double real;
    bool flag;
    uint32_t mode;
    const mg_template *address;
    struct mg_list words, numbers, pairs, servers;
    struct inner tls;
    struct store store;
    const struct mg_node *tree;
};
static const char *const modes[] = {"keep", "set", "clear", NULL};
#define AT(field) .offset = offsetof(struct all, field)
static const struct mg_option inner_options[] = {
    {.name = "ca",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .doc = "CA.",
     .offset = offsetof(struct inner, ca)},
    {.name = "verify",
     .type = MG_OPT_BOOL,
     .value = "true",
     .doc = "V.",
     .offset = offsetof(struct inner, verify)},
    {0},
};
static const struct mg_option store_options[] = {
    {.name = "mode",
     .type = MG_OPT_ENUM,
     .value = "set",
     .choices = modes,
     .doc = "M.",
     .offset = offsetof(struct store, mode)},
    {.name = "path",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED | MG_OPT_PLAIN,
     .doc = "P.",
     .least = 1,
     .most = 8,
     .offset = offsetof(struct store, path)},
    {.name = "size",
     .type = MG_OPT_SIZE,
     .value = "1MiB",
     .least = 1024,
     .most = INT64_MAX,
     .doc = "S.",
     .offset = offsetof(struct store, size)},
    {0},
};
static const struct mg_option options[] = {
    {.name = "text", .type = MG_OPT_TEXT, .least = 1, .most = 5, .doc = "A | text.", AT(text)},
    {.name = "url", .type = MG_OPT_URL, .flags = MG_OPT_REQUIRED, .doc = "U.", AT(url)},
    {.name = "secret", .type = MG_OPT_SECRET, .most = 8, .doc = "S.", AT(secret)},
    {.name = "file", .type = MG_OPT_FILE, .doc = "F.", AT(file)},
    {.name = "whole",
     .type = MG_OPT_INT,
     .value = "7",
     .least = -3,
     .most = 300,
     .doc = "I.",
     AT(whole)},
    {.name = "wait",
     .type = MG_OPT_DURATION_MS,
     .value = "10s",
     .least = 1,
     .most = 60000,
     .doc = "W.",
     AT(wait_ms)},
    {.name = "size", .type = MG_OPT_SIZE, .value = "64KiB", .doc = "Z.", AT(size)},
    {.name = "real", .type = MG_OPT_DOUBLE, .doc = "R.", AT(real)},
    {.name = "flag", .type = MG_OPT_BOOL, .doc = "B.", AT(flag)},
    {.name = "mode", .type = MG_OPT_ENUM, .value = "set", .choices = modes, .doc = "M.", AT(mode)},
    {.name = "address", .type = MG_OPT_TEMPLATE, .doc = "T.", AT(address)},
    {.name = "words",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_LIST,
     .value = "[a, b]",
     .doc = "L.",
     AT(words)},
    {.name = "numbers", .type = MG_OPT_INT, .flags = MG_OPT_LIST, .doc = "N.", AT(numbers)},
    {.name = "pairs", .type = MG_OPT_PAIRS, .doc = "P.", AT(pairs)},
    {.name = "servers",
     .type = MG_OPT_MAP,
     .flags = MG_OPT_LIST,
     .inside = inner_options,
     .inside_size = sizeof(struct inner),
     .doc = "X.",
     AT(servers)},
    {.name = "tls",
     .type = MG_OPT_MAP,
     .inside = inner_options,
     .inside_size = sizeof(struct inner),
     .doc = "Y.",
     AT(tls)},
    {.name = "store",
     .type = MG_OPT_MAP,
     .inside = store_options,
     .inside_size = sizeof(struct store),
     .doc = "St.",
     AT(store)},
    {.name = "tree", .type = MG_OPT_TREE, .doc = "Q.", AT(tree)},
    {0},
};

static struct gw_arena *arena;
static struct gw_diags diags;
static struct gw_bind bind;
static struct all settings;

static int load(const char *text)
{
    gw_diags_fini(&diags);
    gw_bind_release(&bind);
    gw_arena_destroy(arena);
    arena = gw_arena_create();
    memset(&settings, 0, sizeof settings);
    const struct mg_node *root = gw_tree_parse(arena, "dir/c.yaml", text, strlen(text), &diags);
    bind = (struct gw_bind){.arena = arena, .diags = &diags, .what = "thing"};
    return root ? gw_bind_settings(&bind, options, root, root, &settings) : -EINVAL;
}

static bool loads(const char *text)
{
    bool right = !load(text) && !diags.count;
    if (!right)
        gw_diags_print(&diags, stderr);
    return right;
}

static bool refuses(const char *text, uint32_t line, uint32_t column, const char *message)
{
    bool right = load(text) == -EINVAL && diags.count == 1 && diags.items[0].line == line &&
                 diags.items[0].column == column && !strcmp(diags.items[0].text, message);
    if (!right) {
        fprintf(stderr, "expected %u:%u: %s, got:\n", line, column, message);
        gw_diags_print(&diags, stderr);
    }
    return right;
}

static void binds_every_type(void)
{
    CU_ASSERT_TRUE_FATAL(loads(
        "text: 12345\nurl: a+b://h\nsecret: \"s \"\nfile: x/y\nwhole: -3\nwait: 1.5s\nsize: 2MiB\n"
        "real: 1e3\nflag: Yes\nmode: clear\naddress: \"a/{x}\"\nwords: one\nnumbers: [1, 2]\n"
        "pairs: {n: \"{x}\", m: 2}\nservers: [{ca: /a}, {ca: b, verify: off}]\n"
        "tls: {ca: -}\ntree: {a: [1]}\n"));
    CU_ASSERT_STRING_EQUAL(settings.text, "12345");
    CU_ASSERT_STRING_EQUAL(settings.secret, "s ");
    CU_ASSERT_STRING_EQUAL(settings.file, "dir/x/y");
    CU_ASSERT_EQUAL(settings.whole, -3);
    CU_ASSERT_EQUAL(settings.wait_ms, 1500);
    CU_ASSERT_EQUAL(settings.size, 2 << 20);
    CU_ASSERT_EQUAL(settings.real, 1000);
    CU_ASSERT_TRUE(settings.flag);
    CU_ASSERT_EQUAL(settings.mode, 2);
    CU_ASSERT_STRING_EQUAL(gw_template_text(settings.address), "a/{x}");
    CU_ASSERT_EQUAL(settings.words.count, 1);
    CU_ASSERT_EQUAL(settings.numbers.count, 2);
    CU_ASSERT_EQUAL(((const int64_t *)settings.numbers.items)[1], 2);
    const struct mg_pair *pairs = settings.pairs.items;
    CU_ASSERT_STRING_EQUAL(pairs[1].name, "m");
    CU_ASSERT_STRING_EQUAL(gw_template_text(pairs[1].value), "2");
    const struct inner *servers = settings.servers.items;
    CU_ASSERT_EQUAL_FATAL(settings.servers.count, 2);
    CU_ASSERT_STRING_EQUAL(servers[0].ca, "/a");
    CU_ASSERT_TRUE(servers[0].verify);
    CU_ASSERT_STRING_EQUAL(servers[1].ca, "dir/b");
    CU_ASSERT_FALSE(servers[1].verify);
    CU_ASSERT_STRING_EQUAL(settings.tls.ca, "-");
    CU_ASSERT_EQUAL(settings.tree->type, MG_NODE_MAP);
    CU_ASSERT_EQUAL(bind.template_count, 3);
}

static void fills_defaults(void)
{
    CU_ASSERT_TRUE_FATAL(loads("url: a://h\n"));
    CU_ASSERT_PTR_NULL(settings.text);
    CU_ASSERT_EQUAL(settings.whole, 7);
    CU_ASSERT_EQUAL(settings.wait_ms, 10000);
    CU_ASSERT_EQUAL(settings.size, 65536);
    CU_ASSERT_EQUAL(settings.mode, 1);
    CU_ASSERT_EQUAL(settings.words.count, 2);
    CU_ASSERT_EQUAL(settings.numbers.count, 0);
    CU_ASSERT_TRUE(
        settings.tls.verify); /* a map left away has its defaults, and nothing is missing */
    CU_ASSERT_PTR_NULL(settings.tls.ca);
}

static void a_scalar_stands_for_a_map(void)
{
    CU_ASSERT_TRUE_FATAL(loads("url: a://h\nstore: data\n"));
    CU_ASSERT_STRING_EQUAL(settings.store.path, "dir/data");
    CU_ASSERT_EQUAL(settings.store.mode, 1);
    CU_ASSERT_EQUAL(settings.store.size, 1 << 20);
    CU_ASSERT_TRUE_FATAL(loads("url: a://h\nstore: { path: data, mode: keep, size: 4KiB }\n"));
    CU_ASSERT_STRING_EQUAL(settings.store.path, "dir/data");
    CU_ASSERT_EQUAL(settings.store.mode, 0);
    CU_ASSERT_EQUAL(settings.store.size, 4096);
    CU_ASSERT_TRUE_FATAL(loads("url: a://h\n"));
    CU_ASSERT_PTR_NULL(settings.store.path);
    CU_ASSERT_EQUAL(settings.store.size, 1 << 20);
}

static void says_what_does_not_fit(void)
{
    static const struct {
        const char *text;
        uint32_t line, column;
        const char *message;
    } cases[] = {
        {"text: x\n", 1, 1, "thing: url is missing"},
        {"url: localhost\n", 1, 6,
         "thing: url: \"localhost\" is not a URL; it is written like scheme://host:port"},
        {"url: user:pw@host\n", 1, 6,
         "thing: url: the value is not a URL; it is written like scheme://host:port"},
        {"url: a://h\nwhole: x\n", 2, 8, "thing: whole: \"x\" is not a whole number"},
        {"url: a://h\nwhole: 1.5\n", 2, 8, "thing: whole: \"1.5\" is not a whole number"},
        {"url: a://h\nwhole: 301\n", 2, 8, "thing: whole: \"301\" is out of bounds: -3 to 300"},
        {"url: a://h\nwhole: 99999999999999999999\n", 2, 8,
         "thing: whole: \"99999999999999999999\" is too large"},
        {"url: a://h\nwhole: \"5\"\n", 2, 8,
         "thing: whole: \"5\" is in quotes, which make it a text; leave the quotes away"},
        {"url: a://h\nwhole: [5]\n", 2, 8, "thing: whole must be one value, not a list"},
        {"url: a://h\nwhole:\n", 2, 1, "thing: whole has no value; leave the key away"},
        {"url: a://h\nwait: 10\n", 2, 7,
         "thing: wait: \"10\" is a duration without its unit: ms, s, m, h or d"},
        {"url: a://h\nwait: 10sec\n", 2, 7,
         "thing: wait: \"10sec\" is not a duration; it is written like 250ms, 10s, 5m, 2h or 1d"},
        {"url: a://h\nwait: 2m\n", 2, 7, "thing: wait: \"2m\" is out of bounds: 1ms to 1m"},
        {"url: a://h\nwait: 99999999999999999d\n", 2, 7,
         "thing: wait: \"99999999999999999d\" is too large"},
        {"url: a://h\nsize: 5 apples\n", 2, 7,
         "thing: size: \"5 apples\" is not a size; it is written like 4096, 64KiB or 1MB"},
        {"url: a://h\nreal: 0x10\n", 2, 7, "thing: real: \"0x10\" is not a number"},
        {"url: a://h\nreal: inf\n", 2, 7, "thing: real: \"inf\" is not a number"},
        {"url: a://h\nflag: 1\n", 2, 7, "thing: flag: \"1\" is neither true nor false"},
        {"url: a://h\nflag: 'true'\n", 2, 7,
         "thing: flag: \"true\" is in quotes, which make it a text; leave the quotes away"},
        {"url: a://h\nmode: kep\n", 2, 7,
         "thing: mode: \"kep\" is not one of: keep, set, clear; did you mean \"keep\"?"},
        {"url: a://h\ntext: abcdef\n", 2, 7,
         "thing: text: \"abcdef\" has 6 bytes; 1 to 5 are allowed"},
        {"url: a://h\nsecret: hunter2hunter2\n", 2, 9,
         "thing: secret: the value has 14 bytes; 0 to 8 are allowed"},
        {"url: a://h\ntext: \"a\\0b\"\n", 2, 7, "thing: text has a NUL byte in it; a text cannot"},
        {"url: a://h\naddress: \"{x\"\n", 2, 10,
         "thing: address: { without its }; a literal brace is written {{"},
        {"url: a://h\naddress: {x}\n", 2, 10,
         "thing: address must be one value, not a map; quote a text that begins with {"},
        {"url: a://h\npairs: [a]\n", 2, 8, "thing: pairs must be a map of names to texts"},
        {"url: a://h\ntls: on\n", 2, 6, "thing: tls must be a map: tls: { ca: ... }"},
        {"url: a://h\ntls: {}\n", 2, 1, "thing: ca is missing"},
        {"url: a://h\nstore: [a]\n", 2, 8,
         "thing: store must be a map, store: { mode: ... }, or the path alone, store: ..."},
        {"url: a://h\nstore: far/too/long\n", 2, 8,
         "thing: store: \"far/too/long\" has 12 bytes; 1 to 8 are allowed"},
        {"url: a://h\nstore: { mode: set }\n", 2, 1, "thing: path is missing"},
        {"url: a://h\nstore: { path: a, size: 1 }\n", 2, 25,
         "thing: size: \"1\" is out of bounds: at least 1KiB"},
        {"url: a://h\ntls: {ca: x, verfy: on}\n", 2, 14,
         "thing: unknown key \"verfy\"; did you mean \"verify\"?"},
        {"url: a://h\nnumbers: [1, x]\n", 2, 14, "thing: numbers: \"x\" is not a whole number"},
        {"url: a://h\nULR: x\n", 2, 1, "thing: unknown key \"ULR\"; did you mean \"url\"?"},
        {"- url\n", 1, 1, "thing: this must be a map of keys to values"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_TRUE(refuses(cases[i].text, cases[i].line, cases[i].column, cases[i].message));
}

static void lists_the_keys_where_none_is_near(void)
{
    CU_ASSERT_EQUAL(load("url: a://h\nzzzzzzzz: 1\n"), -EINVAL);
    CU_ASSERT_EQUAL(diags.count, 1);
    CU_ASSERT_STRING_EQUAL(diags.items[0].text,
                           "thing: unknown key \"zzzzzzzz\"; there are: text, url, secret, file, "
                           "whole, wait, size, real, "
                           "flag, mode, address, words, numbers, pairs, servers, tls, ...");
}

static void a_number_may_come_from_the_environment(void)
{
    setenv("MESHGATE_TEST", "5", 1);
    CU_ASSERT_TRUE_FATAL(loads(
        "url: a://h\nwhole: \"${env:MESHGATE_TEST}\"\nflag: \"${env:MESHGATE_NONE:-true}\"\n"));
    CU_ASSERT_EQUAL(settings.whole, 5);
    CU_ASSERT_TRUE(settings.flag);
    setenv("MESHGATE_TEST", "hunter2", 1);
    CU_ASSERT_TRUE(refuses("url: a://h\nwhole: ${env:MESHGATE_TEST}\n", 2, 8,
                           "thing: whole: \"${env:MESHGATE_TEST}\" is not a whole number"));
    unsetenv("MESHGATE_TEST");
    CU_ASSERT_EQUAL(load("url: a://h\nwhole: ${env:MESHGATE_TEST}\n"), -EINVAL);
    CU_ASSERT_EQUAL(diags.count, 1); /* the missing variable, and nothing that follows from it */
}

static void other_keys_are_left_alone(void)
{
    static const char *const others[] = {"type", "text", NULL};
    gw_diags_fini(&diags);
    const char yaml[] = "type: x\ntext: way too long\nurl: a://h\ntpye: y\n";
    const struct mg_node *root = gw_tree_parse(arena, "c", yaml, sizeof yaml - 1, &diags);
    bind.others = others;
    memset(&settings, 0, sizeof settings);
    CU_ASSERT_EQUAL(gw_bind_settings(&bind, options, root, root, &settings), -EINVAL);
    CU_ASSERT_EQUAL(diags.count, 1);
    CU_ASSERT_STRING_EQUAL(diags.items[0].text,
                           "thing: unknown key \"tpye\"; did you mean \"type\"?");
    CU_ASSERT_PTR_NULL(settings.text);
    bind.others = NULL;
}

static void finds_the_nearest_name(void)
{
    static const char *const names[] = {"url", "client_id", "keep_alive", "topic", "to"};
    static const char *const pairs[][2] = {
        {"ulr", "url"},
        {"client-id", "client_id"},
        {"clientid", "client_id"},
        {"keepalive", "keep_alive"},
        {"TOPIC", "topic"},
        {"topics", "topic"},
        {"tpoic", "topic"},
        {"t", "to"},
        {"password", NULL},
        {"x", NULL},
        {"", NULL},
        {"topography", NULL},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *found = gw_nearest(pairs[i][0], names, 5);
        if (pairs[i][1])
            CU_ASSERT_STRING_EQUAL(found ? found : "(none)", pairs[i][1]);
        if (!pairs[i][1])
            CU_ASSERT_PTR_NULL(found);
    }
}

static void generates_a_schema(void)
{
    json_t *schema = gw_schema_of_options(options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
    json_t *properties = json_object_get(schema, "properties");
    CU_ASSERT_EQUAL(json_object_size(properties), 18);
    CU_ASSERT_TRUE(json_is_false(json_object_get(schema, "additionalProperties")));
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_array_get(json_object_get(schema, "required"), 0)), "url");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(schema, "required")), 1);
    json_t *whole = json_object_get(properties, "whole");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(whole, "default")), 7);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(whole, "description")), "I.");
    json_t *number = json_array_get(json_object_get(whole, "anyOf"), 0);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(number, "maximum")), 300);
    json_t *tls = json_object_get(properties, "tls");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(tls, "type")), "object");
    json_t *store = json_object_get(properties, "store"), *ways = json_object_get(store, "anyOf");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(store, "description")), "St.");
    CU_ASSERT_PTR_NOT_NULL(json_object_get(json_array_get(ways, 0), "properties"));
    json_t *alone = json_object_get(json_array_get(ways, 1), "type");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(alone, 0)), "string");
    for (const struct mg_option *o = options; o->name; o++)
        CU_ASSERT_PTR_NOT_NULL(json_object_get(properties, o->name));
    json_decref(schema);
}

static void generates_markdown(void)
{
    char *text = gw_markdown_of_options(options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `text` | text, 1 to 5 bytes |  | A \\| text. |\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `url` | URL | **required** | U. |\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `wait` | duration, 1ms to 1m | `10s` | W. |\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `mode` | `keep`, `set`, `clear` | `set` | M. |\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `servers[].ca` | path | **required** | CA. |\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `store` | map, or its `path` alone |  | St. |\n"));
    free(text);
    text = gw_markdown_of_options(NULL);
    CU_ASSERT_STRING_EQUAL(text, "No options.\n");
    free(text);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"binds every type", binds_every_type},
        {"fills defaults", fills_defaults},
        {KIT_TEST(a_scalar_stands_for_a_map)},
        {"says what does not fit", says_what_does_not_fit},
        {"lists the keys where none is near", lists_the_keys_where_none_is_near},
        {"a number may come from the environment", a_number_may_come_from_the_environment},
        {"other keys are left alone", other_keys_are_left_alone},
        {"finds the nearest name", finds_the_nearest_name},
        {"generates a schema", generates_a_schema},
        {"generates markdown", generates_markdown},
        {NULL, NULL},
    };
    int status = kit_main("config bind", tests);
    gw_bind_release(&bind);
    gw_diags_fini(&diags);
    gw_arena_destroy(arena);
    return status;
}
