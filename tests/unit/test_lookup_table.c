/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the enricher "lookup" out of CSV and JSON. */
#include "table.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct mg_err err;

static struct table *parse(const struct table_options *options, const char *text, const char *fault)
{
    struct table *t = NULL;
    err.text[0] = '\0';
    int error = table_parse(options, text, strlen(text), &t, &err);
    if (!fault) {
        if (error)
            fprintf(stderr, "%s\n%s\n", text, err.text);
        CU_ASSERT_EQUAL_FATAL(error, 0);
        return t;
    }
    CU_ASSERT_EQUAL(error, -EINVAL);
    if (!strstr(err.text, fault))
        fprintf(stderr, "%s\n%s\n", text, err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, fault));
    return NULL;
}

static bool rows_are(const struct table *t, const char *key, const char *expected)
{
    char text[1024];
    size_t used = 0;
    for (const struct table_row *row = table_find(t, (struct mg_str){key, strlen(key)}); row;
         row = row->next)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", used ? " " : "",
                                 (int)row->json.len, (const char *)row->json.at);
    bool same = used && !strcmp(text, expected);
    if (!same)
        fprintf(stderr, "%s: %s\n", key, used ? text : "none");
    return same;
}

static void csv_is_read_as_rfc_4180_says(void)
{
    struct table_options o = {.most_bytes = 1 << 20, .format = TABLE_CSV, .delimiter = ','};
    struct table *t = parse(&o,
                            "\xef\xbb\xbf"
                            "id,a,b\r\n"
                            "\r\n"
                            "1,\"x, \"\"y\"\"\r\nz\",\n"
                            "\"2\",,\" \"\n"
                            "3,7,true",
                            NULL);
    CU_ASSERT_EQUAL(table_count(t), 3);
    CU_ASSERT_TRUE(rows_are(t, "1", "{\"a\":\"x, \\\"y\\\"\\r\\nz\",\"b\":\"\"}"));
    CU_ASSERT_TRUE(rows_are(t, "2", "{\"a\":\"\",\"b\":\" \"}"));
    CU_ASSERT_TRUE(rows_are(t, "3", "{\"a\":\"7\",\"b\":\"true\"}"));
    table_unref(t);
    o.typed = true;
    o.delimiter = ';';
    o.key_column = "b";
    t = parse(&o, "a;b;c\n7;k;\"7\"\n-1.5;l;x\n;m;null\n", NULL);
    CU_ASSERT_TRUE(rows_are(t, "k", "{\"a\":7,\"c\":\"7\"}"));
    CU_ASSERT_TRUE(rows_are(t, "l", "{\"a\":-1.5,\"c\":\"x\"}"));
    CU_ASSERT_TRUE(rows_are(t, "m", "{\"a\":\"\",\"c\":null}"));
    table_unref(t);
}

static void columns_are_chosen(void)
{
    static const char *const two[] = {"c", "id"};
    struct table_options o = {.most_bytes = 1 << 20,
                              .format = TABLE_CSV,
                              .delimiter = ',',
                              .columns = two,
                              .column_count = 2};
    struct table *t = parse(&o, "id,b,c\nx,1,2\n", NULL);
    CU_ASSERT_TRUE(rows_are(t, "x", "{\"id\":\"x\",\"c\":\"2\"}"));
    table_unref(t);
    o.column_count = 0;
    o.column = "b";
    t = parse(&o, "id,b,c\nx,1,2\n", NULL);
    CU_ASSERT_TRUE(rows_are(t, "x", "\"1\""));
    table_unref(t);
    o.format = TABLE_JSON;
    t = parse(&o, "{\"x\":{\"b\":[1]},\"y\":{\"c\":2}}", NULL);
    CU_ASSERT_TRUE(rows_are(t, "x", "[1]"));
    CU_ASSERT_PTR_NULL(table_find(t, (struct mg_str){"y", 1}));
    table_unref(t);
}

static void json_tables_are_objects_or_lists(void)
{
    struct table_options o = {.most_bytes = 1 << 20, .format = TABLE_JSON};
    struct table *t = parse(&o, "{\"m1\":{\"hall\":\"north\"},\"m2\":7}", NULL);
    CU_ASSERT_TRUE(rows_are(t, "m1", "{\"hall\":\"north\"}"));
    CU_ASSERT_TRUE(rows_are(t, "m2", "7"));
    table_unref(t);
    o.key_column = "id";
    t = parse(&o, "[{\"id\":1,\"a\":2},{\"id\":\"x\",\"a\":null}]", NULL);
    CU_ASSERT_TRUE(rows_are(t, "1", "{\"a\":2}"));
    CU_ASSERT_TRUE(rows_are(t, "x", "{\"a\":null}"));
    table_unref(t);
}

static void faults_of_tables_name_their_place(void)
{
    struct table_options csv = {.most_bytes = 1 << 20, .format = TABLE_CSV, .delimiter = ','},
                         json = {.most_bytes = 1 << 20, .format = TABLE_JSON};
    parse(&csv, "", "line 1");
    parse(&csv, "a,a\n", "two columns \"a\"");
    parse(&csv, "a,\n", "column 2 has no name");
    parse(&csv, "a,b\n1,2\n3\n", "line 3: 1 cells where there are 2");
    parse(&csv, "a,b\n1,2\n\n1,3\n", "line 4: the key \"1\" is there twice");
    parse(&csv, "a,b\n1,\"2\n\n", "line 2: a quoted cell without");
    parse(&csv, "a,b\n1,\"2\"x\n", "line 2: text behind");
    parse(&csv, "a,b\n1,\xff\n", "line 2: column 2 is not UTF-8");
    csv.key_column = "id";
    parse(&csv, "a,b\n", "no column \"id\"; there are a, b");
    parse(&json, "{\"a\":1,\n\"a\":2}", "line 2");
    parse(&json, "[]", "needs key_column");
    json.key_column = "id";
    parse(&json, "{}", "key_column is for a list");
    parse(&json, "[{\"id\":1},{\"x\":1}]", "row 2: \"id\" must be there");
    parse(&json, "[{\"id\":1},{\"id\":\"1\"}]", "there twice");
}

static void numbers_are_as_they_were_written(void)
{
    struct table_options o = {.format = TABLE_JSON, .most_bytes = 1 << 20};
    struct table *t = parse(
        &o, "{\"a\":{\"n\":[1.0, 1e2, 123456789012345678901234567890], \"t\":\"\\u0041\"}}", NULL);
    CU_ASSERT_TRUE(
        rows_are(t, "a", "{\"n\":[1.0,1e2,123456789012345678901234567890],\"t\":\"\\u0041\"}"));
    table_unref(t);
    o.format = TABLE_CSV;
    o.delimiter = ',';
    o.typed = true;
    t = parse(&o, "id,n\na,20.50\nb,98765432109876543210\nc,007\n", NULL);
    CU_ASSERT_TRUE(rows_are(t, "a", "{\"n\":20.50}"));
    CU_ASSERT_TRUE(rows_are(t, "b", "{\"n\":98765432109876543210}"));
    CU_ASSERT_TRUE(rows_are(t, "c", "{\"n\":\"007\"}"));
    table_unref(t);
}

static void several_rows_of_a_key_are_kept_in_order(void)
{
    struct table_options o = {.format = TABLE_CSV,
                              .delimiter = ',',
                              .column = "b",
                              .multiple = MULTIPLE_EVENTS,
                              .most_bytes = 1 << 20};
    struct table *t = parse(&o, "id,b\nx,1\ny,2\nx,3\nx,4\n", NULL);
    CU_ASSERT_TRUE(rows_are(t, "x", "\"1\" \"3\" \"4\""));
    CU_ASSERT_TRUE(rows_are(t, "y", "\"2\""));
    CU_ASSERT_EQUAL(table_count(t), 4);
    table_unref(t);
    char text[8192] = "id,b\n";
    size_t used = 5;
    for (int i = 0; i <= TABLE_ROWS_OF_KEY_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "x,1\n");
    parse(&o, text, "line 1026: more than 1024 rows of the key \"x\"");
}

static void many_keys_are_found(void)
{
    static char text[400000];
    size_t used = (size_t)snprintf(text, sizeof text, "id,b\n");
    for (int i = 0; i < 20000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "k%d,%d\n", i, i);
    struct table_options o = {
        .format = TABLE_CSV, .delimiter = ',', .column = "b", .typed = true, .most_bytes = 1 << 20};
    struct table *t = parse(&o, text, NULL);
    int found = 0;
    for (int i = 0; i < 20000; i++) {
        char key[16], value[16];
        size_t length = (size_t)snprintf(key, sizeof key, "k%d", i);
        int n = snprintf(value, sizeof value, "%d", i);
        const struct table_row *row = table_find(t, (struct mg_str){key, length});
        found += row && !row->next && row->json.len == (size_t)n &&
                 !memcmp(row->json.at, value, (size_t)n);
    }
    CU_ASSERT_EQUAL(found, 20000);
    CU_ASSERT_PTR_NULL(table_find(t, (struct mg_str){"k20000", 6}));
    CU_ASSERT_PTR_NULL(table_find(t, (struct mg_str){"", 0}));
    table_unref(t);
}

/* A small file may not make a large table: names of columns are repeated in each row. */
static void a_table_is_bounded(void)
{
    static char text[70000];
    memset(text, 'n', 60000);
    size_t used = 60000;
    used += (size_t)snprintf(text + used, sizeof text - used, ",id\n");
    for (int i = 0; i < 20; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, ",%d\n", i);
    struct table_options o = {
        .format = TABLE_CSV, .delimiter = ',', .key_column = "id", .most_bytes = 100000};
    struct table *t = NULL;
    CU_ASSERT_EQUAL(table_parse(&o, text, used, &t, &err), -EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "max_size"));
}

static void damaged_csv_never_crashes(void)
{
    static const char good[] = "id,a,b\r\n1,\"x, \"\"y\"\"\n\",2\n\"2\",,3\n";
    struct table_options o = {.most_bytes = 1 << 20, .format = TABLE_CSV, .delimiter = ','};
    uint32_t state = 99;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        size_t n = sizeof good - 1;
        for (int k = 0; k < 3; k++) {
            state = state * 1664525u + 1013904223u;
            static const char bytes[] = "\",\r\n\0x1";
            text[(state >> 8) % n] = bytes[(state >> 20) % 7];
        }
        struct table *t = NULL;
        if (!table_parse(&o, text, n - (state >> 28), &t, &err))
            table_unref(t);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"CSV is read as RFC 4180 says", csv_is_read_as_rfc_4180_says},
        {"columns are chosen", columns_are_chosen},
        {"JSON tables are objects or lists", json_tables_are_objects_or_lists},
        {"faults of tables name their place", faults_of_tables_name_their_place},
        {"damaged CSV never crashes", damaged_csv_never_crashes},
        {KIT_TEST(numbers_are_as_they_were_written)},
        {KIT_TEST(several_rows_of_a_key_are_kept_in_order)},
        {KIT_TEST(many_keys_are_found)},
        {KIT_TEST(a_table_is_bounded)},
        {0}};
    return kit_main("lookup-table", tests);
}
