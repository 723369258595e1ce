/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin under a host that plays the gateway, with a peer that is a socket of the test's own. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/my-plugin-XXXXXX";
static struct sockaddr_un in = {.sun_family = AF_UNIX}, out = {.sun_family = AF_UNIX};
static struct kit_host *host;
static mg_instance *instance;
static mg_connection *connection;
static mg_source *source;
static mg_sink *sink;

static const void *settings_of(const struct mg_option *options, size_t size, const char *yaml)
{
    const void *settings = kit_settings(host, options, size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static const void *path_of(const struct sockaddr_un *at, const struct mg_option *options,
                           size_t size)
{
    char yaml[160];
    snprintf(yaml, sizeof yaml, "path: %s", at->sun_path);
    return settings_of(options, size, yaml);
}

/* A source that reads `in`, a sink that sends to `out`, and a clock that the test moves. */
static void start(uint32_t window)
{
    const struct mg_module *m = mg_module(NULL);
    struct mg_err err = {0};
    host = kit_host_create();
    kit_clock_by_hand(host);
    const void *settings = settings_of(m->options, m->settings_size, "retry: 1s");
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, m, "test", settings, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    settings = path_of(&in, m->source_options, m->source_settings_size);
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, "lab/in", settings, &source, &err), 0);
    settings = path_of(&out, m->sink_options, m->sink_settings_size);
    CU_ASSERT_EQUAL_FATAL(kit_sink_open(connection, "out", settings, &sink, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
    CU_ASSERT(kit_connection_up(connection));
}

static void stop(void)
{
    CU_ASSERT_EQUAL(kit_connection_close(connection, 1000), 0);
    kit_connection_destroy(connection);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0); /* nothing of the contract was broken */
    CU_ASSERT(access(in.sun_path, F_OK) != 0);
}

static int peer_open(const struct sockaddr_un *bound)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0);
    if (bound)
        CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)bound, sizeof *bound), 0);
    return fd;
}

static void peer_send(const char *text)
{
    int fd = peer_open(NULL);
    ssize_t sent = sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&in, sizeof in);
    CU_ASSERT_EQUAL(sent, (ssize_t)strlen(text));
    close(fd);
}

static void a_datagram_becomes_an_event(void)
{
    start(10);
    peer_send("21.5");
    CU_ASSERT_FATAL(kit_run_until(host, kit_has_ingested, &(struct kit_count){host, 1}, 5000));
    const mg_event *event = kit_ingested(host, 0)->event;
    CU_ASSERT(kit_payload_is(event, "21.5"));
    CU_ASSERT(kit_str_is(kit_host_table(host)->event_head(event)->address, "lab/in"));
    stop();
}

static void no_more_is_read_than_there_is_credit_for(void)
{
    start(2);
    for (int i = 0; i < 3; i++)
        peer_send("21.5");
    CU_ASSERT(kit_run_until(host, kit_has_ingested, &(struct kit_count){host, 2}, 5000));
    kit_turn(host);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    CU_ASSERT_EQUAL(kit_refused_count(host), 0);
    kit_settle(host, 0, MG_ACCEPTED, NULL); /* room for one more */
    CU_ASSERT(kit_run_until(host, kit_has_ingested, &(struct kit_count){host, 3}, 5000));
    stop();
}

static void an_event_becomes_a_datagram(void)
{
    char got[16] = "";
    struct mg_err err = {0};
    int peer = peer_open(&out);
    start(1);
    mg_event *event = kit_event("lab/out", "22");
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", false, NULL, &err), 0);
    CU_ASSERT_EQUAL(recv(peer, got, sizeof got - 1, MSG_DONTWAIT), 2);
    CU_ASSERT_STRING_EQUAL(got, "22");
    kit_host_table(host)->event_unref(event);
    stop();
    close(peer);
    unlink(out.sun_path);
}

static void a_peer_that_is_away_is_tried_again(void)
{
    struct mg_err err = {0};
    start(1);
    mg_event *event = kit_event("lab/out", "22");
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", false, NULL, &err), -EAGAIN);
    CU_ASSERT(!kit_connection_up(connection));
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(connection), out.sun_path));
    kit_clock_advance_ms(host, 499); /* retry, 1s, is 0.5 to 1.5 seconds */
    CU_ASSERT(!kit_is_sendable(sink));
    kit_clock_advance_ms(host, 1002);
    CU_ASSERT(kit_is_sendable(sink));
    int peer = peer_open(&out);
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", false, NULL, &err), 0);
    CU_ASSERT(kit_connection_up(connection));
    kit_host_table(host)->event_unref(event);
    stop();
    close(peer);
    unlink(out.sun_path);
}

static void a_gateway_takes_the_module(void)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(kit_module_check(mg_module(NULL), &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
}

static void a_source_takes_no_wildcards(void)
{
    const struct mg_module *m = mg_module(NULL);
    const struct mg_bridge_ops *ops = m->ops;
    struct mg_end end = {0};
    struct mg_err err = {0};
    host = kit_host_create();
    const void *settings = path_of(&in, m->source_options, m->source_settings_size);
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "lab/#", settings, &end, &err), -EINVAL);
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "lab/in", settings, &end, &err), 0);
    CU_ASSERT_EQUAL(end.abilities, MG_SOURCE | MG_ORDERED);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_datagram_becomes_an_event)},
        {KIT_TEST(no_more_is_read_than_there_is_credit_for)},
        {KIT_TEST(an_event_becomes_a_datagram)},
        {KIT_TEST(a_peer_that_is_away_is_tried_again)},
        {KIT_TEST(a_source_takes_no_wildcards)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {NULL, NULL},
    };
    if (!mkdtemp(folder))
        return 1;
    snprintf(in.sun_path, sizeof in.sun_path, "%s/in", folder);
    snprintf(out.sun_path, sizeof out.sun_path, "%s/out", folder);
    int result = kit_main("my-plugin", tests);
    rmdir(folder);
    return result;
}
