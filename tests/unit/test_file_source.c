/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of the file bridge: lines, records, following, positions, streams. */
#include "file_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool logged_end(void *unused)
{
    (void)unused;
    return kit_logged(host, MG_INFO, "read to its end");
}

static bool logged_missing(void *unused)
{
    (void)unused;
    return kit_logged(host, MG_WARN, "No such file");
}

static int fifo_fd;
static bool fifo_has_reader(void *unused)
{
    (void)unused;
    fifo_fd = open(in_folder("fifo"), O_WRONLY | O_NONBLOCK);
    return fifo_fd >= 0;
}

/* ---- sources -------------------------------------------------------------------------------- */

static void lines_become_events_of_the_sources_address(void)
{
    append("in.txt", "one\n\nthree\r\nlast");
    open_bridge();
    add_source("plant/a", "{path: in.txt, format: lines, content_type: text/plain}", NULL);
    kit_settle_when(host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    begin(2);
    CU_ASSERT_TRUE_FATAL(come(4));
    CU_ASSERT_TRUE(payload_at(0, "one"));
    CU_ASSERT_TRUE(payload_at(1, ""));
    CU_ASSERT_TRUE(payload_at(2, "three\r"));
    CU_ASSERT_TRUE(payload_at(3, "last"));
    CU_ASSERT_TRUE(address_at(3, "plant/a"));
    CU_ASSERT_TRUE(
        kit_str_is(table->event_head(kit_ingested(host, 0)->event)->content_type, "text/plain"));
    CU_ASSERT_TRUE(kit_run_until(host, logged_end, NULL, 5000));
    CU_ASSERT_EQUAL(kit_ingested_count(host), 4);
    close_bridge();
}

static void records_bring_their_addresses_and_must_match(void)
{
    append("in.ndjson", "{\"address\":\"plant/a/t\",\"payload\":{\"t\":1}}\n"
                        "\n"
                        "{\"address\":\"office/b\",\"payload\":\"x\"}\n"
                        "{\"payload\":\"no address\"}\n"
                        "not json\n"
                        "{\"address\":\"plant/b\",\"payload\":\"y\",\"qos\":1}\n");
    open_bridge();
    add_source("plant/#", "path: in.ndjson", NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(2));
    CU_ASSERT_TRUE(kit_run_until(host, logged_end, NULL, 5000));
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    CU_ASSERT_TRUE(payload_at(0, "{\"t\":1}"));
    CU_ASSERT_TRUE(address_at(1, "plant/b"));
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 2); /* bad records */
    CU_ASSERT_EQUAL(kit_counter(instance, 2), 1); /* another address */
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "skipped the line at byte"));
    close_bridge();
}

static void nothing_is_ingested_beyond_the_window(void)
{
    append("in.txt", "1\n2\n3\n4\n5\n");
    open_bridge();
    add_source("a", "{path: in.txt, format: lines}", NULL);
    begin(2);
    CU_ASSERT_TRUE_FATAL(come(2));
    kit_run_until(host, NULL, NULL, 30);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(come(3));
    CU_ASSERT_TRUE(payload_at(2, "3"));
    close_bridge();
}

static void long_lines_are_skipped_whole_counted_and_said(void)
{
    FILE *f = fopen(in_folder("in.txt"), "w");
    fputs("first\n", f);
    for (int i = 0; i < 200000; i++)
        fputc('x', f);
    fputs("\n123456789012345678901234567890\nlast", f);
    fclose(f);
    open_bridge();
    add_source("a", "{path: in.txt, format: lines, max_line: 16}", NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(2));
    CU_ASSERT_TRUE(payload_at(0, "first"));
    CU_ASSERT_TRUE(payload_at(1, "last"));
    CU_ASSERT_EQUAL(kit_counter(instance, 1), 2);
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "longer than max_line"));
    close_bridge();
}

static void following_survives_growth_rotation_and_truncation(void)
{
    append("log", "one\ntw");
    open_bridge();
    add_source("a", "{path: log, format: lines, follow: true, poll: 10ms}", NULL);
    kit_settle_when(host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(1));
    append("log", "o\nunfinished");
    CU_ASSERT_TRUE_FATAL(come(2));
    CU_ASSERT_TRUE(payload_at(1, "two"));
    rename(in_folder("log"), in_folder("log.1"));
    append("log", "new file\n");
    CU_ASSERT_TRUE_FATAL(come(4));
    CU_ASSERT_TRUE(payload_at(2, "unfinished"));
    CU_ASSERT_TRUE(payload_at(3, "new file"));
    CU_ASSERT_EQUAL(truncate(in_folder("log"), 0), 0);
    append("log", "short\n");
    CU_ASSERT_TRUE_FATAL(come(5));
    CU_ASSERT_TRUE(payload_at(4, "short"));
    close_bridge();
}

static void a_missing_file_is_waited_for(void)
{
    open_bridge();
    add_source("a", "{path: later, format: lines, start: end}", NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(kit_run_until(host, logged_missing, NULL, 5000));
    CU_ASSERT_FALSE(kit_connection_up(connection));
    append("later", "here\n");
    CU_ASSERT_TRUE_FATAL(come(1));
    CU_ASSERT_TRUE(kit_connection_up(connection));
    close_bridge();
}

static void what_was_released_comes_again(void)
{
    append("in.txt", "1\n2\n3\n");
    open_bridge();
    kit_clock_by_hand(host);
    add_source("a", "{path: in.txt, format: lines}", NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(3));
    kit_settle(host, 0, MG_RELEASED, NULL);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    kit_settle(host, 2, MG_MODIFIED, NULL);
    kit_turn(host);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 3);
    kit_clock_advance_ms(host, 1000);
    CU_ASSERT_TRUE_FATAL(come(5));
    CU_ASSERT_TRUE(payload_at(3, "1"));
    CU_ASSERT_TRUE(payload_at(4, "3"));
    CU_ASSERT_TRUE(table->event_head(kit_ingested(host, 4)->event)->duplicate);
    CU_ASSERT_FALSE(table->event_head(kit_ingested(host, 2)->event)->duplicate);
    kit_settle(host, 3, MG_ACCEPTED, NULL);
    kit_settle(host, 4, MG_REJECTED, NULL);
    kit_clock_advance_ms(host, 5000);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 5);
    close_bridge();
}

static void a_restart_goes_on_after_the_settled_ones(void)
{
    static const char yaml[] =
        "{path: in.txt, format: lines, position: in.pos, follow: true, poll: 10ms}";
    uint32_t abilities;
    append("in.txt", "1\n2\n3\n4\n");
    open_bridge();
    add_source("a", yaml, &abilities);
    CU_ASSERT_TRUE(abilities & MG_DEFERS_ACK);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(4));
    kit_settle(host, 1, MG_ACCEPTED, NULL); /* not the first: the position must wait for it */
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    kit_settle(host, 3, MG_ACCEPTED, NULL);
    close_bridge();
    append("in.txt", "5\n");
    open_bridge();
    add_source("a", yaml, NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(3));
    CU_ASSERT_TRUE(payload_at(0, "3"));
    CU_ASSERT_TRUE(payload_at(2, "5"));
    close_bridge();
    /* Another file of the same name begins at its start. */
    rename(in_folder("in.txt"), in_folder("old.txt"));
    append("in.txt", "a much longer first line\nnext\n");
    open_bridge();
    add_source("a", yaml, NULL);
    begin(10);
    CU_ASSERT_TRUE_FATAL(come(2));
    CU_ASSERT_TRUE(payload_at(1, "next"));
    close_bridge();
}

static void a_stream_is_read_until_its_writer_goes(void)
{
    CU_ASSERT_EQUAL_FATAL(mkfifo(in_folder("fifo"), 0600), 0);
    open_bridge();
    add_source("a", "{path: fifo, format: lines}", NULL);
    begin(1);
    CU_ASSERT_TRUE_FATAL(kit_run_until(host, fifo_has_reader, NULL, 5000));
    CU_ASSERT_EQUAL(write(fifo_fd, "one\ntwo\nthree", 13), 13);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_TRUE_FATAL(come(i + 1));
        kit_settle(host, i, MG_ACCEPTED, NULL);
    }
    close(fifo_fd);
    CU_ASSERT_TRUE_FATAL(come(3));
    CU_ASSERT_TRUE(payload_at(2, "three"));
    kit_settle(host, 2, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(kit_run_until(host, logged_end, NULL, 5000));
    close_bridge();
}

static void an_empty_device_is_an_empty_file(void)
{
    open_bridge();
    add_source("a", "{path: /dev/null, format: lines}", NULL);
    begin(1);
    CU_ASSERT_TRUE(kit_run_until(host, logged_end, NULL, 5000));
    CU_ASSERT_EQUAL(kit_ingested_count(host), 0);
    close_bridge();
}

static void promises_depend_on_what_can_be_read_again(void)
{
    static const struct {
        const char *address, *yaml;
        bool fits, defers;
    } cases[] = {
        {"a", "path: x", true, true},
        {"a", "path: '-'", true, false},
        {"a", "{path: x, start: end}", true, false},
        {"a", "{path: x, start: end, position: p}", true, true},
        {"a", "{path: '-', follow: true}", false, false},
        {"a", "{path: '-', position: p}", false, false},
        {"a", "{path: x, position: x}", false, false},
        {"a/+", "{path: x, format: lines}", false, false},
        {"a/+", "{path: x}", true, true},
        {"$share/g/a", "{path: x}", false, false},
        {"a", "{path: x, content_type: b}", false, false},
    };
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const void *settings =
            kit_settings(host, module->source_options, module->source_settings_size, cases[i].yaml);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        struct mg_end end = {0};
        int error = ops()->end(NULL, MG_SOURCE, cases[i].address, settings, &end, &err);
        CU_ASSERT_EQUAL(error, cases[i].fits ? 0 : -EINVAL);
        CU_ASSERT_EQUAL(!!(end.abilities & MG_DEFERS_ACK), cases[i].defers);
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        in_a_folder_of_its_own(name);                                                              \
    }
TEST(lines_become_events_of_the_sources_address)
TEST(records_bring_their_addresses_and_must_match)
TEST(nothing_is_ingested_beyond_the_window)
TEST(long_lines_are_skipped_whole_counted_and_said)
TEST(following_survives_growth_rotation_and_truncation)
TEST(a_missing_file_is_waited_for)
TEST(what_was_released_comes_again)
TEST(a_restart_goes_on_after_the_settled_ones)
TEST(a_stream_is_read_until_its_writer_goes)
TEST(an_empty_device_is_an_empty_file)

int main(void)
{
    static const struct kit_test tests[] = {
        {"lines become events of the source's address",
         run_lines_become_events_of_the_sources_address},
        {"records bring their addresses and must match",
         run_records_bring_their_addresses_and_must_match},
        {"nothing is ingested beyond the window", run_nothing_is_ingested_beyond_the_window},
        {"long lines are skipped whole, counted and said",
         run_long_lines_are_skipped_whole_counted_and_said},
        {"following survives growth, rotation, truncation",
         run_following_survives_growth_rotation_and_truncation},
        {"a missing file is waited for", run_a_missing_file_is_waited_for},
        {"what was released comes again", run_what_was_released_comes_again},
        {"a restart goes on after the settled ones", run_a_restart_goes_on_after_the_settled_ones},
        {"a stream is read until its writer goes", run_a_stream_is_read_until_its_writer_goes},
        {"an empty device is an empty file", run_an_empty_device_is_an_empty_file},
        {"promises depend on what can be read again", promises_depend_on_what_can_be_read_again},
        {0}};
    return kit_main("file-source", tests);
}
