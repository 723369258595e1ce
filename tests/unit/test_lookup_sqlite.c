/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "lookup" over SQLite: what comes out of a database, and that its changes are seen,
 * also those in its write-ahead log. */
#include "lookup_kit.h"
#include "table.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sqlite3 *db;

static void run_sql(const char *sql)
{
    char *said = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &said))
        fprintf(stderr, "%s: %s\n", sql, said);
    CU_ASSERT_PTR_NULL(said);
    sqlite3_free(said);
}

static void open_database(const char *sql)
{
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(in_folder("t.db"), &db), SQLITE_OK);
    run_sql(sql);
}

static void close_database(void)
{
    CU_ASSERT_EQUAL(sqlite3_close(db), SQLITE_OK);
}

static int load(struct table_options *o, struct table **ret)
{
    o->path = in_folder("t.db");
    o->most_bytes = o->most_bytes ? o->most_bytes : 1 << 20;
    err.text[0] = '\0';
    *ret = NULL;
    return table_load(o, ret, &err);
}

static bool row_is(const struct table *t, const char *key, const char *expected)
{
    const struct table_row *row = table_find(t, kit_str(key));
    bool same =
        row && row->json.len == strlen(expected) && !memcmp(row->json.at, expected, row->json.len);
    if (!same)
        fprintf(stderr, "%s: %.*s\n", key, row ? (int)row->json.len : 4,
                row ? (const char *)row->json.at : "none");
    return same;
}

static void types_become_those_of_json(void)
{
    open_database("CREATE TABLE m(id, i, r, t, b, n);"
                  "INSERT INTO m VALUES('a', -9223372036854775808, 0.1, 'x\"\ny', x'00ff10', NULL);"
                  "INSERT INTO m VALUES(7, 1, 3.0, '', x'', 9e999);"
                  "INSERT INTO m VALUES(2.5, 'text in any column', 1, 1, 1, 1)");
    close_database();
    struct table_options o = {.from_table = "m"};
    struct table *t;
    CU_ASSERT_EQUAL_FATAL(load(&o, &t), 0);
    CU_ASSERT_EQUAL(table_count(t), 3);
    CU_ASSERT_TRUE(
        row_is(t, "a",
               "{\"i\":-9223372036854775808,\"r\":0.1,\"t\":\"x\\\"\\ny\",\"b\":\"AP8Q\","
               "\"n\":null}"));
    CU_ASSERT_TRUE(row_is(t, "7", "{\"i\":1,\"r\":3.0,\"t\":\"\",\"b\":\"\",\"n\":null}"));
    CU_ASSERT_TRUE(
        row_is(t, "2.5", "{\"i\":\"text in any column\",\"r\":1,\"t\":1,\"b\":1,\"n\":1}"));
    table_unref(t);
}

static void a_query_chooses_and_joins(void)
{
    open_database("CREATE TABLE m(id TEXT, hall INT); CREATE TABLE h(id INT, name TEXT);"
                  "INSERT INTO m VALUES('m1', 1), ('m2', 2); INSERT INTO h VALUES(1, 'north'),"
                  "(2, 'south')");
    close_database();
    struct table_options o = {
        .query = "SELECT h.name AS hall, m.id AS machine FROM m JOIN h ON m.hall = h.id; ",
        .key_column = "machine",
        .column = "hall"};
    struct table *t;
    CU_ASSERT_EQUAL_FATAL(load(&o, &t), 0);
    CU_ASSERT_TRUE(row_is(t, "m2", "\"south\""));
    table_unref(t);
    o.column = NULL;
    CU_ASSERT_EQUAL_FATAL(load(&o, &t), 0);
    CU_ASSERT_TRUE(row_is(t, "m1", "{\"hall\":\"north\"}"));
    table_unref(t);
}

static void a_quoted_name_is_no_sql(void)
{
    open_database(
        "CREATE TABLE \"a\"\" b; DROP\"(id, v); INSERT INTO \"a\"\" b; DROP\" VALUES(1, 2)");
    close_database();
    struct table_options o = {.from_table = "a\" b; DROP"};
    struct table *t;
    CU_ASSERT_EQUAL_FATAL(load(&o, &t), 0);
    CU_ASSERT_TRUE(row_is(t, "1", "{\"v\":2}"));
    table_unref(t);
}

static void faults_name_their_place(void)
{
    static const struct {
        struct table_options options;
        const char *fault;
    } cases[] = {
        {{.from_table = "none"}, "from_table: no such table: none"},
        {{.query = "SELEC 1"}, "query: near \"SELEC\": syntax error"},
        {{.query = ""}, "a SELECT is needed"},
        {{.query = "DELETE FROM m"}, "a SELECT is needed"},
        {{.query = "BEGIN"}, "a SELECT is needed"},
        {{.query = "SELECT * FROM m; DELETE FROM m"}, "one statement"},
        {{.query = "SELECT id, v, v FROM m"}, "query: two columns \"v\""},
        {{.query = "SELECT v, id FROM m"}, "row 3: the key in \"v\" is NULL"},
        {{.query = "SELECT b, id FROM m"}, "row 1: the key in \"b\" is a BLOB"},
        {{.from_table = "m"}, "row 3: the key \"1\" is there twice"},
        {{.from_table = "m", .key_column = "x"}, "from_table: no column \"x\"; there are id, v, b"},
        {{.query = "SELECT 1 AS id, CAST(x'ff' AS TEXT) AS t"}, "row 1: column \"t\" is not UTF-8"},
        {{.query = "SELECT id, load_extension('x') FROM m"}, "not authorized"},
        {{.from_table = "m", .most_bytes = 512}, "max_size allows 512"},
    };
    open_database("CREATE TABLE m(id, v, b); INSERT INTO m VALUES(1, 'a', x'00'), (2, 'b', x'00'),"
                  "(1, NULL, x'00')");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct table_options o = cases[i].options;
        struct table *t;
        int error = load(&o, &t);
        CU_ASSERT_TRUE(error == -EINVAL || error == -EFBIG);
        CU_ASSERT_PTR_NULL(t);
        if (!strstr(err.text, cases[i].fault))
            fprintf(stderr, "%zu: %s\n", i, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].fault));
    }
    close_database();
    write_table(
        "t.db",
        "this is no database, though its name says so: no header, no pages at all, nothing");
    struct table_options o = {.from_table = "m"};
    struct table *t;
    CU_ASSERT_EQUAL(load(&o, &t), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "file is not a database"));
}

/* An endless query ends when nobody waits for it any more. */
static void a_query_can_be_given_up(void)
{
    open_database("CREATE TABLE m(id)");
    close_database();
    atomic_bool given_up;
    atomic_init(&given_up, true);
    struct table_options o = {.query =
                                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                  "SELECT max(i) FROM n",
                              .given_up = &given_up};
    struct table *t;
    CU_ASSERT_EQUAL(load(&o, &t), -ECANCELED);
    CU_ASSERT_PTR_NULL(t);
}

static void what_it_was_is_seen_until_a_commit(void)
{
    open_database("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 1)");
    open_lookup("t.db", "into: v, column: v, from_table: m");
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    run_sql("BEGIN; UPDATE m SET v = 2");
    int64_t loads = kit_counter(instance, COUNTED_LOADS);
    kit_run_until(host, NULL, NULL, 30);
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    run_sql("COMMIT");
    CU_ASSERT_TRUE(counts(COUNTED_LOADS, loads + 1));
    close_database();
    close_lookup();
}

static bool is_two(void *unused)
{
    (void)unused;
    struct kit_verdict v = enrich("m1", "{}");
    bool two = v.count == 1 && kit_payload_is(v.events[0], "{\"v\":2}");
    kit_verdict_fini(&v);
    return two;
}

static void changes(const char *journal)
{
    open_database(journal);
    run_sql("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 1)");
    open_lookup("t.db", "into: v, column: v, from_table: m");
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    run_sql("UPDATE m SET v = 2"); /* perhaps within the tick in which it was loaded */
    CU_ASSERT_TRUE(kit_run_until(host, is_two, NULL, 5000));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNTED_FAILED), 0);
    close_database();
    close_lookup();
}

static void a_change_is_seen(void)
{
    changes("PRAGMA journal_mode = delete");
}

static void a_change_in_the_write_ahead_log_is_seen(void)
{
    changes("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0");
    struct stat st;
    CU_ASSERT_EQUAL(stat(in_folder("t.db"), &st), 0);
}

/* Our own reading makes the files beside a database with a log: this is no change. */
static void what_rests_is_not_loaded_again(void)
{
    open_database(
        "PRAGMA journal_mode = wal; CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 1)");
    close_database();
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, in_folder("t.db"), old, 0), 0);
    open_lookup("t.db", "into: v, column: v, from_table: m");
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    kit_run_until(host, NULL, NULL, 100); /* about ten looks */
    CU_ASSERT_EQUAL(kit_counter(instance, COUNTED_LOADS), 1);
    close_lookup();
}

static void a_new_file_takes_its_place(void)
{
    open_database("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 1)");
    close_database();
    open_lookup("t.db", "into: v, column: v, from_table: m");
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    char final[128];
    snprintf(final, sizeof final, "%s", in_folder("t.db"));
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(in_folder("new.db"), &db), SQLITE_OK);
    run_sql("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 2)");
    close_database();
    CU_ASSERT_EQUAL(rename(in_folder("new.db"), final), 0);
    CU_ASSERT_TRUE(kit_run_until(host, is_two, NULL, 5000));
    close_lookup();
}

static void one_that_no_descriptor_was_left_for_is_read_later(void)
{
    open_database("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 1)");
    close_database();
    open_lookup("t.db", "into: v, column: v, from_table: m");
    expect("m1", "{}", MG_REPLACE, "{\"v\":1}");
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(in_folder("new.db"), &db), SQLITE_OK);
    run_sql("CREATE TABLE m(id, v); INSERT INTO m VALUES('m1', 2)");
    close_database();
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, in_folder("new.db"), old, 0), 0); /* a settled one */
    comes_without_descriptors("new.db", "t.db");
    CU_ASSERT_TRUE(kit_run_until(host, is_two, NULL, 5000));
    close_lookup();
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        in_a_folder_of_its_own(name);                                                              \
    }
TEST(types_become_those_of_json)
TEST(a_query_chooses_and_joins)
TEST(a_quoted_name_is_no_sql)
TEST(faults_name_their_place)
TEST(a_query_can_be_given_up)
TEST(what_it_was_is_seen_until_a_commit)
TEST(a_change_is_seen)
TEST(a_change_in_the_write_ahead_log_is_seen)
TEST(what_rests_is_not_loaded_again)
TEST(a_new_file_takes_its_place)
TEST(one_that_no_descriptor_was_left_for_is_read_later)

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(run_types_become_those_of_json)},
        {KIT_TEST(run_a_query_chooses_and_joins)},
        {KIT_TEST(run_a_quoted_name_is_no_sql)},
        {KIT_TEST(run_faults_name_their_place)},
        {KIT_TEST(run_a_query_can_be_given_up)},
        {KIT_TEST(run_what_it_was_is_seen_until_a_commit)},
        {KIT_TEST(run_a_change_is_seen)},
        {KIT_TEST(run_a_change_in_the_write_ahead_log_is_seen)},
        {KIT_TEST(run_what_rests_is_not_loaded_again)},
        {KIT_TEST(run_a_new_file_takes_its_place)},
        {KIT_TEST(run_one_that_no_descriptor_was_left_for_is_read_later)},
        {0}};
    return kit_main("lookup-sqlite", tests);
}
