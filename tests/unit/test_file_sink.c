/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks of the file bridge: writing, folders, rotation, failures, back-pressure. */
#include "file_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sinks ---------------------------------------------------------------------------------- */

static void events_are_accepted_when_they_are_written(void)
{
    open_bridge();
    mg_sink *sink = add_sink("out/{line}.ndjson", "sync: true"),
            *lines = add_sink("out/lines", "format: lines");
    begin(10);
    const struct kit_sent *sent[3];
    CU_ASSERT_EQUAL(send_to(sink, "{\"t\": 1}", "out/a.ndjson", &sent[0]), 0);
    CU_ASSERT_EQUAL(send_to(sink, "two", "out/a.ndjson", &sent[1]), 0);
    CU_ASSERT_EQUAL(send_to(lines, "three", "out/lines", &sent[2]), 0);
    CU_ASSERT_EQUAL(sent[0]->outcome, 0);
    CU_ASSERT_TRUE(all_settled());
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_ACCEPTED);
    CU_ASSERT_TRUE(file_is("out/a.ndjson",
                           "{\"address\":\"some/address\",\"payload\":\"{\\\"t\\\": 1}\"}\n"
                           "{\"address\":\"some/address\",\"payload\":\"two\"}\n"));
    CU_ASSERT_TRUE(file_is("out/lines", "three\n"));
    close_bridge();
}

static void no_address_leads_out_of_the_folder(void)
{
    static const char *const wrong[] = {"../x", "a/../../x", "/etc/x", "a//b",
                                        "",     "a/",        "./x",    "a/.."};
    open_bridge();
    mg_sink *sink = add_sink("{any...}", "");
    begin(10);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(send_to(sink, "x", wrong[i], NULL), -EINVAL);
    /* Nor do links, of folders or of files. */
    CU_ASSERT_EQUAL(symlink("/tmp", in_folder("link")), 0);
    CU_ASSERT_EQUAL(symlink("/tmp/meshgate-must-not-appear", in_folder("file")), 0);
    const struct kit_sent *one, *two;
    CU_ASSERT_EQUAL(send_to(sink, "x", "link/meshgate-must-not-appear", &one), 0);
    CU_ASSERT_EQUAL(send_to(sink, "x", "file", &two), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(one->outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(two->outcome, MG_RELEASED);
    CU_ASSERT_NOT_EQUAL(access("/tmp/meshgate-must-not-appear", F_OK), 0);
    struct mg_end end;
    const void *settings =
        kit_settings(host, mg_module(NULL)->sink_options, mg_module(NULL)->sink_settings_size, "");
    CU_ASSERT_EQUAL(ops()->end(NULL, MG_SINK, "../{line}", settings, &end, &err), -EINVAL);
    CU_ASSERT_EQUAL(ops()->end(NULL, MG_SINK, "{line}/x", settings, &end, &err), 0);
    close_bridge();
}

static void a_line_feed_never_splits_an_event(void)
{
    open_bridge();
    mg_sink *sink = add_sink("out", "format: lines");
    begin(10);
    CU_ASSERT_EQUAL(send_to(sink, "two\nlines", "out", NULL), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "ndjson"));
    close_bridge();
}

static void files_rotate_before_they_grow_too_large(void)
{
    open_bridge();
    mg_sink *sink = add_sink("log", "{format: lines, rotate_size: 10, keep: 2}");
    begin(10);
    static const char *const payloads[] = {"aaaa", "bbbb", "cccc", "dddd",
                                           "eeee", "ffff", "gggg", "longer than ten"};
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(send_to(sink, payloads[i], "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_TRUE(file_is("log", "longer than ten\n"));
    CU_ASSERT_TRUE(file_is("log.1", "gggg\n"));
    CU_ASSERT_TRUE(file_is("log.2", "eeee\nffff\n"));
    CU_ASSERT_NOT_EQUAL(access(in_folder("log.3"), F_OK), 0);
    close_bridge();
}

static void a_file_that_was_moved_away_is_begun_anew(void)
{
    open_bridge();
    mg_sink *sink = add_sink("log", "format: lines");
    begin(10);
    CU_ASSERT_EQUAL(send_to(sink, "one", "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    rename(in_folder("log"), in_folder("log.old"));
    CU_ASSERT_EQUAL(send_to(sink, "two", "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_TRUE(file_is("log", "two\n"));
    close_bridge();
}

static void a_torn_line_is_ended_before_the_next(void)
{
    append("log", "whole\ntorn");
    open_bridge();
    mg_sink *sink = add_sink("log", "format: lines");
    begin(10);
    CU_ASSERT_EQUAL(send_to(sink, "next", "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_TRUE(file_is("log", "whole\ntorn\nnext\n"));
    close_bridge();
}

static void a_file_that_cannot_be_written_releases_and_recovers(void)
{
    CU_ASSERT_EQUAL(mkdir(in_folder("log"), 0700), 0);
    open_bridge();
    kit_clock_by_hand(host);
    mg_sink *sink = add_sink("log", "format: lines");
    begin(10);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL(send_to(sink, "one", "log", &sent), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(sent->outcome, MG_RELEASED);
    CU_ASSERT_FALSE(kit_connection_up(connection));
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(connection), "log"));
    CU_ASSERT_EQUAL(send_to(sink, "one", "log", &sent), -EAGAIN);
    CU_ASSERT_EQUAL(rmdir(in_folder("log")), 0);
    kit_clock_advance_ms(host, 1000);
    CU_ASSERT_TRUE(kit_is_sendable(sink));
    CU_ASSERT_EQUAL(send_to(sink, "one", "log", &sent), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
    CU_ASSERT_TRUE(kit_connection_up(connection));
    CU_ASSERT_TRUE(file_is("log", "one\n"));
    close_bridge();
}

static void a_full_device_releases(void)
{
    if (access("/dev/full", W_OK))
        return;
    int saved = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    open_bridge();
    mg_sink *sink = add_sink("-", "format: lines");
    begin(10);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL(send_to(sink, "one", "-", &sent), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(sent->outcome, MG_RELEASED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sent->reason, "No space"));
    close_bridge();
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(full);
}

static void a_full_buffer_holds_back(void)
{
    open_bridge();
    mg_sink *sink = add_sink("log", "{format: lines, buffer: 4096}");
    begin(10);
    char payload[1025];
    memset(payload, 'x', 1024);
    payload[1024] = '\0';
    int taken = 0;
    while (taken < 100 && !send_to(sink, payload, "log", NULL))
        taken++;
    CU_ASSERT_EQUAL(taken, 4);
    CU_ASSERT_TRUE(kit_run_until(host, kit_is_sendable, sink, 5000));
    CU_ASSERT_EQUAL(send_to(sink, payload, "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    close_bridge();
}

static void many_files_do_not_exhaust_descriptors(void)
{
    open_bridge();
    mg_sink *sink = add_sink("{x}", "format: lines");
    begin(10);
    for (int i = 0; i < 400; i++) {
        char path[32];
        snprintf(path, sizeof path, "d/%d", i);
        while (send_to(sink, "x", path, NULL) == -EAGAIN)
            CU_ASSERT_TRUE_FATAL(kit_run_until(host, kit_is_sendable, sink, 5000));
    }
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_TRUE(file_is("d/0", "x\n"));
    CU_ASSERT_TRUE(file_is("d/399", "x\n"));
    close_bridge();
}

static void closing_writes_what_was_taken(void)
{
    open_bridge();
    mg_sink *sink = add_sink("log", "format: lines");
    begin(10);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL(send_to(sink, "one", "log", &sent), 0);
    close_bridge();
    CU_ASSERT_TRUE(file_is("log", "one\n"));
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        in_a_folder_of_its_own(name);                                                              \
    }
TEST(events_are_accepted_when_they_are_written)
TEST(no_address_leads_out_of_the_folder)
TEST(a_line_feed_never_splits_an_event)
TEST(files_rotate_before_they_grow_too_large)
TEST(a_file_that_was_moved_away_is_begun_anew)
TEST(a_torn_line_is_ended_before_the_next)
TEST(a_file_that_cannot_be_written_releases_and_recovers)
TEST(a_full_device_releases)
TEST(a_full_buffer_holds_back)
TEST(many_files_do_not_exhaust_descriptors)
TEST(closing_writes_what_was_taken)

int main(void)
{
    static const struct kit_test tests[] = {
        {"events are accepted when they are written",
         run_events_are_accepted_when_they_are_written},
        {"no address leads out of the folder", run_no_address_leads_out_of_the_folder},
        {"a line feed never splits an event", run_a_line_feed_never_splits_an_event},
        {"files rotate before they grow too large", run_files_rotate_before_they_grow_too_large},
        {"a file that was moved away is begun anew", run_a_file_that_was_moved_away_is_begun_anew},
        {"a torn line is ended before the next", run_a_torn_line_is_ended_before_the_next},
        {"a file that cannot be written releases, recovers",
         run_a_file_that_cannot_be_written_releases_and_recovers},
        {"a full device releases", run_a_full_device_releases},
        {"a full buffer holds back", run_a_full_buffer_holds_back},
        {"many files do not exhaust descriptors", run_many_files_do_not_exhaust_descriptors},
        {"closing writes what was taken", run_closing_writes_what_was_taken},
        {0}};
    return kit_main("file-sink", tests);
}
