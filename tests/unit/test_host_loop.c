/* SPDX-License-Identifier: Apache-2.0 */
/* The loop services that modules get from the running core. */
#include "flow/internal.h"
#include "unit.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct reader {
    struct mg_host host;
    mg_io *io;
    int fd, error;
    char got[16];
    size_t length;
};

/* One byte at a time, as a module does that takes what it has room for. */
static void read_one(void *arg, uint32_t events)
{
    struct reader *r = arg;
    CU_ASSERT(events & MG_IO_READ);
    ssize_t n = recv(r->fd, r->got + r->length, 1, MSG_DONTWAIT);
    if (n > 0) {
        r->length++;
        return;
    }
    r->error = n < 0 ? errno : 0;
    r->host.io_stop(r->io);
    r->io = NULL;
}

static void connected_pair(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fds[0], (struct sockaddr *)&at, sizeof at), 0);
    fds[1] = accept(listener, NULL, NULL);
    close(listener);
}

static void what_came_before_a_reset_is_read_and_the_reset_noticed(void)
{
    struct gw_model model = {.gateway = {.shards = 1}};
    struct gw_gateway gateway = {.model = &model};
    struct mg_shard shard;
    struct reader r = {.fd = -1};
    struct linger at_once = {.l_onoff = 1};
    int fds[2];
    gateway.shards = &shard;
    CU_ASSERT_EQUAL_FATAL(gw_shard_init(&shard, 0, &gateway), 0);
    gw_shard_adopt(&shard);
    gw_host_fill(&r.host);
    connected_pair(fds);
    r.fd = fds[0];
    CU_ASSERT_EQUAL(send(fds[1], "bye", 3, 0), 3);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fds[1]);
    r.io = r.host.io_watch(&shard, r.fd, MG_IO_READ, read_one, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.io);
    for (int i = 0; i < 1000 && r.io; i++) {
        uv_run(&shard.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    CU_ASSERT_PTR_NULL(r.io);
    CU_ASSERT_EQUAL(r.error, ECONNRESET);
    CU_ASSERT(r.length == 3 && !memcmp(r.got, "bye", 3));
    close(r.fd);
    gw_shard_fini(&shard);
    gw_shard_adopt(NULL);
}

static void note_owner(void *arg)
{
    *(struct mg_instance **)arg = gw_call_owner();
}

static void a_timer_is_of_who_starts_it(void)
{
    struct gw_model model = {.gateway = {.shards = 1}};
    struct gw_gateway gateway = {.model = &model};
    struct mg_shard shard;
    struct mg_host host;
    struct mg_instance module = {.name = NULL}, none = {.name = NULL};
    struct mg_instance *theirs = &none, *ours = &none;
    gateway.shards = &shard;
    CU_ASSERT_EQUAL_FATAL(gw_shard_init(&shard, 0, &gateway), 0);
    gw_shard_adopt(&shard);
    gw_host_fill(&host);
    struct gw_call outer = gw_call_begin(&module, "process");
    CU_ASSERT_PTR_NOT_NULL_FATAL(host.timer_start(&shard, 0, 0, note_owner, &theirs));
    CU_ASSERT_PTR_NOT_NULL_FATAL(gw_core_timer_start(&host, &shard, 0, note_owner, &ours));
    CU_ASSERT_PTR_EQUAL(gw_call_owner(), &module);
    gw_call_end(outer);
    for (int i = 0; i < 1000 && (theirs == &none || ours == &none); i++)
        uv_run(&shard.loop, UV_RUN_NOWAIT);
    CU_ASSERT_PTR_EQUAL(theirs, &module);
    CU_ASSERT_PTR_NULL(ours);
    gw_shard_fini(&shard);
    gw_shard_adopt(NULL);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(what_came_before_a_reset_is_read_and_the_reset_noticed)},
        {KIT_TEST(a_timer_is_of_who_starts_it)},
        {NULL, NULL},
    };
    return kit_main("host_loop", tests);
}
