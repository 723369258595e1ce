/* SPDX-License-Identifier: Apache-2.0 */
/* The file bridge under the fake host: reading, following, positions, writing, rotation, failures. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kit_host *host;
static const struct mg_host *table;
static mg_instance *instance;
static mg_connection *connection;
static char folder[64];
static struct mg_err err;

/* ---- files ---------------------------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void append(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static bool file_is(const char *name, const char *expected)
{
    char text[8192];
    FILE *f = fopen(in_folder(name), "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    if (strcmp(text, expected))
        fprintf(stderr, "%s is: %s\n", name, text);
    return !strcmp(text, expected);
}

/* ---- the bridge ----------------------------------------------------------------------------- */

static void open_bridge(void)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    table = kit_host_table(host);
    char yaml[128];
    snprintf(yaml, sizeof yaml, "folder: %s", folder);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "files", settings, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
}

static const struct mg_bridge_ops *ops(void)
{
    return mg_module(NULL)->ops;
}

static mg_source *add_source(const char *address, const char *yaml, uint32_t *ret_abilities)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->source_options, module->source_settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    struct mg_end end;
    CU_ASSERT_EQUAL_FATAL(ops()->end(NULL, MG_SOURCE, address, settings, &end, &err), 0);
    if (ret_abilities)
        *ret_abilities = end.abilities;
    mg_source *source;
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, address, settings, &source, &err), 0);
    return source;
}

static mg_sink *add_sink(const char *address, const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->sink_options, module->sink_settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    mg_sink *sink;
    CU_ASSERT_EQUAL_FATAL(kit_sink_open(connection, address, settings, &sink, &err), 0);
    return sink;
}

static void begin(uint32_t window)
{
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
}

static void close_bridge(void)
{
    kit_connection_drain(connection);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 5000), 0);
    CU_ASSERT_EQUAL(kit_unsettled_count(host), 0);
    kit_connection_destroy(connection);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static bool come(size_t least)
{
    struct kit_count count = {host, least};
    return kit_run_until(host, kit_has_ingested, &count, 5000);
}

static bool payload_at(size_t index, const char *expected)
{
    return index < kit_ingested_count(host) && kit_payload_is(kit_ingested(host, index)->event, expected);
}

static bool address_at(size_t index, const char *expected)
{
    return kit_str_is(table->event_head(kit_ingested(host, index)->event)->address, expected);
}

static int send(mg_sink *sink, const char *payload, const char *path, const struct kit_sent **ret_sent)
{
    mg_event *event = kit_event("some/address", payload);
    int error = kit_send(sink, event, path, true, ret_sent, &err);
    table->event_unref(event);
    return error;
}

static bool all_settled(void)
{
    return kit_run_until(host, kit_all_settled, host, 5000);
}

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
    CU_ASSERT_TRUE(kit_str_is(table->event_head(kit_ingested(host, 0)->event)->content_type, "text/plain"));
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
    static const char yaml[] = "{path: in.txt, format: lines, position: in.pos, follow: true, poll: 10ms}";
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

/* ---- sinks ---------------------------------------------------------------------------------- */

static void events_are_accepted_when_they_are_written(void)
{
    open_bridge();
    mg_sink *sink = add_sink("out/{line}.ndjson", "sync: true"), *lines = add_sink("out/lines", "format: lines");
    begin(10);
    const struct kit_sent *sent[3];
    CU_ASSERT_EQUAL(send(sink, "{\"t\": 1}", "out/a.ndjson", &sent[0]), 0);
    CU_ASSERT_EQUAL(send(sink, "two", "out/a.ndjson", &sent[1]), 0);
    CU_ASSERT_EQUAL(send(lines, "three", "out/lines", &sent[2]), 0);
    CU_ASSERT_EQUAL(sent[0]->outcome, 0);
    CU_ASSERT_TRUE(all_settled());
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_ACCEPTED);
    CU_ASSERT_TRUE(file_is("out/a.ndjson", "{\"address\":\"some/address\",\"payload\":\"{\\\"t\\\": 1}\"}\n"
                                           "{\"address\":\"some/address\",\"payload\":\"two\"}\n"));
    CU_ASSERT_TRUE(file_is("out/lines", "three\n"));
    close_bridge();
}

static void no_address_leads_out_of_the_folder(void)
{
    static const char *const wrong[] = {"../x", "a/../../x", "/etc/x", "a//b", "", "a/", "./x", "a/.."};
    open_bridge();
    mg_sink *sink = add_sink("{any...}", "");
    begin(10);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(send(sink, "x", wrong[i], NULL), -EINVAL);
    /* Nor do links, of folders or of files. */
    CU_ASSERT_EQUAL(symlink("/tmp", in_folder("link")), 0);
    CU_ASSERT_EQUAL(symlink("/tmp/meshgate-must-not-appear", in_folder("file")), 0);
    const struct kit_sent *one, *two;
    CU_ASSERT_EQUAL(send(sink, "x", "link/meshgate-must-not-appear", &one), 0);
    CU_ASSERT_EQUAL(send(sink, "x", "file", &two), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(one->outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(two->outcome, MG_RELEASED);
    CU_ASSERT_NOT_EQUAL(access("/tmp/meshgate-must-not-appear", F_OK), 0);
    struct mg_end end;
    const void *settings = kit_settings(host, mg_module(NULL)->sink_options,
                                        mg_module(NULL)->sink_settings_size, "");
    CU_ASSERT_EQUAL(ops()->end(NULL, MG_SINK, "../{line}", settings, &end, &err), -EINVAL);
    CU_ASSERT_EQUAL(ops()->end(NULL, MG_SINK, "{line}/x", settings, &end, &err), 0);
    close_bridge();
}

static void a_line_feed_never_splits_an_event(void)
{
    open_bridge();
    mg_sink *sink = add_sink("out", "format: lines");
    begin(10);
    CU_ASSERT_EQUAL(send(sink, "two\nlines", "out", NULL), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "ndjson"));
    close_bridge();
}

static void files_rotate_before_they_grow_too_large(void)
{
    open_bridge();
    mg_sink *sink = add_sink("log", "{format: lines, rotate_size: 10, keep: 2}");
    begin(10);
    static const char *const payloads[] = {"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggg", "longer than ten"};
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(send(sink, payloads[i], "log", NULL), 0);
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
    CU_ASSERT_EQUAL(send(sink, "one", "log", NULL), 0);
    CU_ASSERT_TRUE(all_settled());
    rename(in_folder("log"), in_folder("log.old"));
    CU_ASSERT_EQUAL(send(sink, "two", "log", NULL), 0);
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
    CU_ASSERT_EQUAL(send(sink, "next", "log", NULL), 0);
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
    CU_ASSERT_EQUAL(send(sink, "one", "log", &sent), 0);
    CU_ASSERT_TRUE(all_settled());
    CU_ASSERT_EQUAL(sent->outcome, MG_RELEASED);
    CU_ASSERT_FALSE(kit_connection_up(connection));
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(connection), "log"));
    CU_ASSERT_EQUAL(send(sink, "one", "log", &sent), -EAGAIN);
    CU_ASSERT_EQUAL(rmdir(in_folder("log")), 0);
    kit_clock_advance_ms(host, 1000);
    CU_ASSERT_TRUE(kit_is_sendable(sink));
    CU_ASSERT_EQUAL(send(sink, "one", "log", &sent), 0);
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
    CU_ASSERT_EQUAL(send(sink, "one", "-", &sent), 0);
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
    while (taken < 100 && !send(sink, payload, "log", NULL))
        taken++;
    CU_ASSERT_EQUAL(taken, 4);
    CU_ASSERT_TRUE(kit_run_until(host, kit_is_sendable, sink, 5000));
    CU_ASSERT_EQUAL(send(sink, payload, "log", NULL), 0);
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
        while (send(sink, "x", path, NULL) == -EAGAIN)
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
    CU_ASSERT_EQUAL(send(sink, "one", "log", &sent), 0);
    close_bridge();
    CU_ASSERT_TRUE(file_is("log", "one\n"));
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

static void in_a_folder_of_its_own(void (*run)(void))
{
    snprintf(folder, sizeof folder, "/tmp/meshgate-file-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    run();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
}

#define TEST(name)                     \
    static void run_##name(void)       \
    {                                  \
        in_a_folder_of_its_own(name);  \
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
        {"lines become events of the source's address", run_lines_become_events_of_the_sources_address},
        {"records bring their addresses and must match", run_records_bring_their_addresses_and_must_match},
        {"nothing is ingested beyond the window", run_nothing_is_ingested_beyond_the_window},
        {"long lines are skipped whole, counted and said", run_long_lines_are_skipped_whole_counted_and_said},
        {"following survives growth, rotation, truncation", run_following_survives_growth_rotation_and_truncation},
        {"a missing file is waited for", run_a_missing_file_is_waited_for},
        {"what was released comes again", run_what_was_released_comes_again},
        {"a restart goes on after the settled ones", run_a_restart_goes_on_after_the_settled_ones},
        {"a stream is read until its writer goes", run_a_stream_is_read_until_its_writer_goes},
        {"an empty device is an empty file", run_an_empty_device_is_an_empty_file},
        {"events are accepted when they are written", run_events_are_accepted_when_they_are_written},
        {"no address leads out of the folder", run_no_address_leads_out_of_the_folder},
        {"a line feed never splits an event", run_a_line_feed_never_splits_an_event},
        {"files rotate before they grow too large", run_files_rotate_before_they_grow_too_large},
        {"a file that was moved away is begun anew", run_a_file_that_was_moved_away_is_begun_anew},
        {"a torn line is ended before the next", run_a_torn_line_is_ended_before_the_next},
        {"a file that cannot be written releases, recovers", run_a_file_that_cannot_be_written_releases_and_recovers},
        {"a full device releases", run_a_full_device_releases},
        {"a full buffer holds back", run_a_full_buffer_holds_back},
        {"many files do not exhaust descriptors", run_many_files_do_not_exhaust_descriptors},
        {"closing writes what was taken", run_closing_writes_what_was_taken},
        {"promises depend on what can be read again", promises_depend_on_what_can_be_read_again},
        {0}};
    return kit_main("file", tests);
}
