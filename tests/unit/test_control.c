/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, from the client's end: lists that are longer than memory, clients that are
 * slow, garble, talk too much or go away. */
#include "admin/control.h"
#include "dead_kit.h"
#include "unit.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 40000, PATIENCE_MS = 20000 };

/* A gateway's control thread with a store and no gateway. */
static struct server {
    struct dead_kit kit;
    uv_loop_t loop;
    uv_async_t stop;
    pthread_t thread;
    struct gw_operation_target target;
    struct gw_control *control;
    char path[96];
} server;

static void stop_now(uv_async_t *async)
{
    gw_control_close(server.control);
    uv_close((uv_handle_t *)async, NULL);
}

static void *serve(void *arg)
{
    uv_run(arg, UV_RUN_DEFAULT);
    return NULL;
}

static void server_open(size_t letters)
{
    struct mg_err err = {{0}, NULL};
    dead_kit_open(&server.kit, false);
    dead_kit_bury_steps(&server.kit, server.kit.cold, letters, "filter:pattern",
                        "it does not look like anything that this route would want to carry");
    snprintf(server.path, sizeof server.path, "%s/control", server.kit.folder);
    server.target = (struct gw_operation_target){.store = server.kit.store};
    uv_loop_init(&server.loop);
    uv_async_init(&server.loop, &server.stop, stop_now);
    CU_ASSERT_EQUAL_FATAL(
        gw_control_open(&server.loop, &server.target, server.path, &server.control, &err), 0);
    pthread_create(&server.thread, NULL, serve, &server.loop);
}

/* Also proves that nothing of a client is left: the loop would not end, or not close. */
static void server_close(void)
{
    uv_async_send(&server.stop);
    pthread_join(server.thread, NULL);
    CU_ASSERT_EQUAL(uv_loop_close(&server.loop), 0);
    CU_ASSERT_FALSE(server.target.sole_at_work);
    CU_ASSERT_NOT_EQUAL(access(server.path, F_OK), 0);
    dead_kit_close(&server.kit);
}

/* ---- a client by hand ----------------------------------------------------------------------- */

static int dial(void)
{
    struct mg_err err = {{0}, NULL};
    int fd = gw_control_dial(server.path, PATIENCE_MS / 1000, &err);
    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

static int dial_and_say(const char *text)
{
    int fd = dial();
    CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    return fd;
}

/* All up to the end, with a NUL; or up to the first newline. */
static char *read_on(int fd, bool one_line)
{
    char *text = NULL;
    size_t used = 0, capacity = 0;
    ssize_t n;
    do {
        if (capacity - used < 4096) {
            capacity = capacity ? capacity * 2 : 8192;
            text = realloc(text, capacity);
            CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        }
        n = read(fd, text + used, one_line ? 1 : capacity - used - 1);
        CU_ASSERT_FATAL(n >= 0 || errno == ECONNRESET);
        used += n > 0 ? (size_t)n : 0;
    } while (n > 0 && !(one_line && text[used - 1] == '\n'));
    text[used] = '\0';
    return text;
}

static void expect_answer(int fd, const char *part)
{
    char *text = read_on(fd, false);
    if (!strstr(text, part)) {
        fprintf(stderr, "%s: not in: %.300s\n", part, text);
        CU_FAIL("another answer");
    }
    free(text);
    close(fd);
}

/* ---- a client as the CLI has it ------------------------------------------------------------- */

struct seen {
    size_t entries, most;
    long matched, done;
    char error[200];
};

static bool see(void *arg, const json_t *line)
{
    struct seen *s = arg;
    const json_t *end = json_object_get(line, "end"), *error = json_object_get(line, "error");
    if (error)
        snprintf(s->error, sizeof s->error, "%s", json_string_value(error));
    else if (end) {
        s->matched = (long)json_integer_value(json_object_get(end, "matched"));
        s->done = (long)json_integer_value(json_object_get(end, "done"));
    } else if (!json_object_get(line, "progress"))
        s->entries++;
    return !s->most || s->entries < s->most;
}

static struct seen ask(const char *text, size_t most)
{
    struct seen s = {.most = most, .matched = -1, .done = -1};
    struct mg_err err = {{0}, NULL};
    json_t *request = json_loads(text, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL(gw_control_ask(server.path, PATIENCE_MS / 1000, request, see, &s, &err), 0);
    json_decref(request);
    return s;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void an_answer_is_lines_and_an_end(void)
{
    server_open(3);
    struct seen s = ask("{\"op\":\"dlq.ls\"}", 0);
    CU_ASSERT_EQUAL(s.entries, 3);
    CU_ASSERT_EQUAL(s.matched, 3);
    s = ask("{\"op\":\"dlq.show\",\"id\":9}", 0);
    CU_ASSERT_STRING_EQUAL(s.error, "there is no dead letter 9");
    s = ask("{\"op\":\"report\"}", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.error, "needs the running gateway"));
    server_close();
}

static void a_client_that_does_not_read_costs_no_memory_and_holds_nobody_up(void)
{
    server_open(MANY);
    size_t before = mallinfo2().uordblks;
    int idle = dial_and_say("{\"op\":\"dlq.ls\"}\n");
    char *first = read_on(idle, true);
    CU_ASSERT_EQUAL(ask("{\"op\":\"dlq.ls\"}", 0).entries, MANY);
    CU_ASSERT_EQUAL(ask("{\"op\":\"dlq.ls\",\"route\":\"hot\"}", 0).matched, 0);
    /* The whole answer has some ten megabytes. */
    CU_ASSERT(mallinfo2().uordblks < before + (1 << 20));
    char *rest = read_on(idle, false);
    CU_ASSERT(strlen(rest) > (size_t)MANY * 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(rest, "{\"end\":{\"matched\":40000}}\n"));
    free(first);
    free(rest);
    close(idle);
    server_close();
}

static void a_client_that_goes_away_leaves_its_place(void)
{
    server_open(MANY);
    for (int i = 0; i < 64; i++) {
        int fd = dial_and_say("{\"op\":\"dlq.ls\"}\n");
        if (i % 2)
            free(read_on(fd, true));
        close(fd);
    }
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(ask("{\"op\":\"dlq.ls\"}", 2).entries, 2);
    server_close();
}

static void what_nobody_waits_for_any_more_is_given_up(void)
{
    server_open(200);
    int fd = dial_and_say("{\"op\":\"dlq.drop\",\"all\":true,\"rate\":2}\n");
    char *progress = read_on(fd, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(progress, "{\"progress\":{\"matched\":200"));
    struct seen s = ask("{\"op\":\"dlq.retry\",\"all\":true}", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.error, "already"));
    close(fd);
    uint64_t limit = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
    do
        s = ask("{\"op\":\"dlq.drop\",\"all\":true,\"dry_run\":true}", 0);
    while (strlen(s.error) && uv_hrtime() < limit);
    CU_ASSERT(s.matched > 190);
    free(progress);
    server_close();
}

static void the_gateway_stops_in_the_middle_of_it_all(void)
{
    server_open(MANY);
    int list = dial_and_say("{\"op\":\"dlq.ls\"}\n"),
        drop = dial_and_say("{\"op\":\"dlq.drop\",\"all\":true}\n"), mute = dial();
    free(read_on(list, true));
    server_close();
    close(list);
    close(drop);
    close(mute);
}

static void garbage_is_refused(void)
{
    server_open(0);
    static const char *const requests[] = {"report\n", "{\n", "\n", "\xff\xfe\n",
                                           "{\"op\":\"dlq.ls\"\n"};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        expect_answer(dial_and_say(requests[i]), "{\"error\":\"the request is no JSON");
    expect_answer(dial_and_say("[]\n"), "{\"error\":\"a request is a JSON object");
    expect_answer(dial_and_say("{\"op\":\"dlq.ls\"}\nand more"), "{\"end\":{\"matched\":0}}");
    server_close();
}

static void a_request_may_come_in_pieces(void)
{
    server_open(1);
    int fd = dial();
    for (const char *c = "{\"op\":\"dlq.ls\"}\n"; *c; c++)
        CU_ASSERT_EQUAL(send(fd, c, 1, MSG_NOSIGNAL), 1);
    shutdown(fd, SHUT_WR); /* a list is answered all the same */
    expect_answer(fd, "{\"end\":{\"matched\":1}}");
    server_close();
}

static void a_request_that_is_too_long_is_refused(void)
{
    server_open(0);
    int fd = dial();
    static char chunk[1 << 20];
    memset(chunk, 'x', sizeof chunk);
    for (size_t sent = 0; sent <= GW_CONTROL_REQUEST_BYTES_MAX;) {
        ssize_t n = send(fd, chunk, sizeof chunk, MSG_NOSIGNAL);
        CU_ASSERT_FATAL(n > 0);
        sent += (size_t)n;
    }
    CU_ASSERT_EQUAL(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
    expect_answer(fd, "{\"error\":\"the request is longer than 24 MiB\"}");
    server_close();
}

static void an_event_of_sixteen_mebibytes_can_be_edited(void)
{
    server_open(1);
    json_t *request =
        json_pack("{s:s, s:i, s:{s:I, s:s, s:{s:s}}}", "op", "dlq.edit", "id", 1, "record",
                  "arrived_us", (json_int_t)1, "origin", "in/1", "message", "address", "in/1");
    size_t length = (16 << 20) / 3 * 4;
    char *payload = malloc(length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(payload);
    memset(payload, 'A', length);
    json_object_set_new(json_object_get(json_object_get(request, "record"), "message"),
                        "payload_base64", json_stringn_nocheck(payload, length));
    struct seen s = {.matched = -1};
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL(gw_control_ask(server.path, PATIENCE_MS / 1000, request, see, &s, &err), 0);
    CU_ASSERT_STRING_EQUAL(s.error, "");
    CU_ASSERT_EQUAL(s.entries, 1);
    free(payload);
    json_decref(request);
    server_close();
}

static void a_request_that_does_not_come_ends_the_connection(void)
{
    server_open(0);
    int fd = dial_and_say("{\"op\":");
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&wait, 1, PATIENCE_MS), 1);
    char c;
    CU_ASSERT(read(fd, &c, 1) <= 0);
    close(fd);
    server_close();
}

static void a_second_gateway_does_not_take_the_socket(void)
{
    server_open(0);
    struct gw_control *second = NULL;
    struct mg_err err = {{0}, NULL};
    uv_loop_t loop;
    uv_loop_init(&loop);
    CU_ASSERT_EQUAL(gw_control_open(&loop, &server.target, server.path, &second, &err),
                    -EADDRINUSE);
    uv_run(&loop, UV_RUN_DEFAULT);
    CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
    CU_ASSERT_EQUAL(ask("{\"op\":\"dlq.ls\"}", 0).matched, 0);
    server_close();
}

static void nobody_listens(void)
{
    struct mg_err err = {{0}, NULL};
    struct seen s = {0};
    json_t *request = json_object();
    CU_ASSERT_EQUAL(gw_control_ask("/tmp/there/is/no/such/socket", 1, request, see, &s, &err),
                    -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/tmp/there/is/no/such/socket"));
    json_decref(request);
}

static const struct kit_test tests[] = {
    {KIT_TEST(an_answer_is_lines_and_an_end)},
    {KIT_TEST(a_client_that_does_not_read_costs_no_memory_and_holds_nobody_up)},
    {KIT_TEST(a_client_that_goes_away_leaves_its_place)},
    {KIT_TEST(what_nobody_waits_for_any_more_is_given_up)},
    {KIT_TEST(the_gateway_stops_in_the_middle_of_it_all)},
    {KIT_TEST(garbage_is_refused)},
    {KIT_TEST(a_request_may_come_in_pieces)},
    {KIT_TEST(a_request_that_is_too_long_is_refused)},
    {KIT_TEST(an_event_of_sixteen_mebibytes_can_be_edited)},
    {KIT_TEST(a_request_that_does_not_come_ends_the_connection)},
    {KIT_TEST(a_second_gateway_does_not_take_the_socket)},
    {KIT_TEST(nobody_listens)},
    {NULL, NULL},
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the gateway */
    return kit_main("control", tests);
}
