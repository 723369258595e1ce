/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host's store, and a bridge with state in it: every event gets a number, and no number
 * comes twice, also after a crash. */
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;
static const struct mg_host *table;

/* ---- the bridge ----------------------------------------------------------------------------- */

enum { WAITING = 64 };

struct numbers {
    mg_connection *connection;
    mg_source *source;
    bool keeps; /* the gateway has a store */
    uint64_t last;
    mg_token waiting[WAITING]; /* deliveries whose numbers are on their way into the store */
    uint32_t first, count;
    uint32_t settled; /* outcome of the last ingest, 0: none */
    size_t flushed;
};

static const struct mg_bytes last_key = {"last", 4};

static void found(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct numbers *n = arg;
    if (key.len == last_key.len && value.len == sizeof n->last)
        memcpy(&n->last, value.at, sizeof n->last);
}

static int open_numbers(void *self, mg_connection *connection, uint32_t index, void **ret_context,
                        struct mg_err *reterr)
{
    struct numbers *n = calloc(1, sizeof *n);
    (void)self, (void)index, (void)reterr;
    if (!n)
        return -ENOMEM;
    n->connection = connection;
    n->keeps = table->state_each(connection, (struct mg_bytes){"", 0}, found, n) != -ENOTSUP;
    *ret_context = n;
    return 0;
}

/* The number is kept: the peer may see it. */
static void kept(void *arg)
{
    struct numbers *n = arg;
    table->settle(n->waiting[n->first], MG_ACCEPTED, NULL);
    n->first = (n->first + 1) % WAITING;
    if (n->count-- == WAITING)
        table->sendable(n->connection, NULL);
}

static int send_numbered(void *context, void *sink, const struct mg_delivery *delivery,
                         struct mg_err *reterr)
{
    struct numbers *n = context;
    uint64_t number = n->last + 1;
    struct mg_bytes value = {&number, sizeof number};
    (void)sink, (void)reterr;
    if (n->count == WAITING || table->state_put(n->connection, last_key, value, kept, n))
        return -EAGAIN;
    n->waiting[(n->first + n->count++) % WAITING] = delivery->token;
    n->last = number;
    return 0;
}

static int open_source(void *context, mg_source *source, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    (void)address, (void)settings, (void)reterr;
    ((struct numbers *)context)->source = source;
    *ret_source = context;
    return 0;
}

static int open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *reterr)
{
    (void)sink, (void)address, (void)settings, (void)reterr;
    *ret_sink = context;
    return 0;
}

static void on_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                       const char *reason)
{
    (void)source, (void)cookie, (void)reason;
    ((struct numbers *)context)->settled = outcome;
}

static void on_flush(void *context)
{
    ((struct numbers *)context)->flushed++;
}

static void on_close(void *context)
{
    table->closed(((struct numbers *)context)->connection);
}

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)h, (void)settings, (void)reterr;
    *ret_self = instance;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops ops = {.size = sizeof ops,
                                         .abilities = MG_SOURCE | MG_SINK,
                                         .open = open_numbers,
                                         .open_source = open_source,
                                         .open_sink = open_sink,
                                         .settled = on_settled,
                                         .send = send_numbered,
                                         .flush = on_flush,
                                         .close = on_close,
                                         .destroy = free};
static const struct mg_module module = {.abi = MG_ABI_HERE,
                                        .kind = MG_BRIDGE,
                                        .name = "numbers",
                                        .version = "1",
                                        .life = &life,
                                        .ops = &ops};

/* ---- tests ---------------------------------------------------------------------------------- */

static mg_instance *instance;
static mg_connection *connection;
static mg_source *source;
static mg_sink *sink;
static struct numbers *numbers;
static mg_event *event;

static void start(void)
{
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, &module, "n", "", &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, "in", NULL, &source, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_sink_open(connection, "out", NULL, &sink, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, 10, &err), 0);
    numbers = kit_connection_context(connection);
}

static void end(void)
{
    kit_connection_destroy(connection);
    kit_instance_destroy(instance);
}

static void open_all(bool with_store)
{
    host = kit_host_create();
    table = kit_host_table(host);
    event = kit_event("a", "x");
    if (with_store)
        kit_store_open(host);
    start();
}

static void close_all(void)
{
    end();
    table->event_unref(event);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void an_entry_is_there_after_a_crash_once_it_was_kept(void)
{
    const struct kit_sent *first, *second;
    struct mg_err err;
    open_all(true);
    CU_ASSERT(numbers->keeps);
    CU_ASSERT_EQUAL(kit_send_stored(sink, event, "out", 1, &first, &err), 0);
    kit_store_next_turn(host);
    CU_ASSERT_EQUAL(kit_send_stored(sink, event, "out", 2, &second, &err), 0);
    CU_ASSERT_EQUAL(first->outcome, 0);
    CU_ASSERT(kit_store_commit(host, 1));
    CU_ASSERT_EQUAL(first->outcome, MG_ACCEPTED);
    CU_ASSERT_FALSE(first->kept); /* the settlement comes later than the entry */
    CU_ASSERT_EQUAL(second->outcome, 0);
    kit_turn(host);
    CU_ASSERT_EQUAL(numbers->flushed, 1);
    kit_store_crash(host);
    end();
    start();
    CU_ASSERT_EQUAL(numbers->last, 1);
    CU_ASSERT_EQUAL(kit_send_stored(sink, event, "out", 1, &first, &err), 0);
    kit_store_commit(host, 0);
    kit_store_commit(host, 0);
    CU_ASSERT(first->kept);
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    end();
    start();
    CU_ASSERT_EQUAL(numbers->last, 2);
    close_all();
}

static void a_value_of_null_removes_an_entry(void)
{
    struct mg_bytes none = {NULL, 0}, one = {"1", 1};
    open_all(true);
    CU_ASSERT_EQUAL(table->state_put(connection, (struct mg_bytes){"b", 1}, one, NULL, NULL), 0);
    CU_ASSERT_EQUAL(table->state_put(connection, (struct mg_bytes){"a", 1}, one, NULL, NULL), 0);
    kit_store_commit(host, 0);
    CU_ASSERT_EQUAL(kit_store_count(host), 2);
    CU_ASSERT_EQUAL(table->state_put(connection, (struct mg_bytes){"a", 1}, none, NULL, NULL), 0);
    CU_ASSERT_EQUAL(kit_store_waiting(host), 1);
    kit_store_commit(host, 0);
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    CU_ASSERT_FALSE(kit_store_commit(host, 0));
    close_all();
}

static void an_event_and_its_entry_are_kept_together(void)
{
    struct mg_message message = kit_message("in", "x");
    struct mg_bytes key = {"k", 1}, value = {"v", 1};
    open_all(true);
    CU_ASSERT_EQUAL(table->ingest_state(connection, source, &message, 1, key, value), 0);
    CU_ASSERT_FALSE(kit_ingested(host, 0)->kept);
    kit_settle(host, 0, MG_ACCEPTED, NULL); /* says so no earlier than it is kept */
    CU_ASSERT(kit_ingested(host, 0)->kept);
    CU_ASSERT_EQUAL(numbers->settled, MG_ACCEPTED);
    CU_ASSERT_EQUAL(kit_store_count(host), 1);
    CU_ASSERT_EQUAL(table->ingest_state(connection, source, &message, 2, key, value), 0);
    kit_store_crash(host);
    CU_ASSERT_FALSE(kit_ingested(host, 1)->kept);
    close_all();
}

static void without_a_store_its_services_say_so(void)
{
    struct mg_message message = kit_message("in", "x");
    struct mg_bytes key = {"k", 1};
    open_all(false);
    CU_ASSERT_FALSE(numbers->keeps);
    CU_ASSERT_EQUAL(table->state_put(connection, key, key, NULL, NULL), -ENOTSUP);
    CU_ASSERT_EQUAL(table->ingest_state(connection, source, &message, 1, key, key), 0);
    CU_ASSERT_FALSE(kit_ingested(host, 0)->kept);
    CU_ASSERT_FALSE(table->source_stored(source));
    kit_source_stored(source);
    CU_ASSERT(table->source_stored(source));
    close_all();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(an_entry_is_there_after_a_crash_once_it_was_kept)},
        {KIT_TEST(a_value_of_null_removes_an_entry)},
        {KIT_TEST(an_event_and_its_entry_are_kept_together)},
        {KIT_TEST(without_a_store_its_services_say_so)},
        {NULL, NULL},
    };
    return kit_main("kit-store", tests);
}
