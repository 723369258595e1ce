/* SPDX-License-Identifier: Apache-2.0 */
/* curl_multi_socket_action, told by the host's watches and one timer. */
#include "curl_loop.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct watch {
    struct curl_loop *loop;
    mg_io *io;
    curl_socket_t fd;
};

struct curl_loop {
    const struct mg_host *host;
    mg_shard *shard;
    CURLM *multi;
    mg_timer *timer; /* NULL: curl waits for no time */
    void (*done)(void *arg, CURLcode result);
    bool broken; /* a callback has failed */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started = CURLE_FAILED_INIT;

static void start_once(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int curl_loop_start(void)
{
    pthread_once(&once, start_once);
    return started ? -ENOMEM : 0;
}

/* Outside of curl's own callbacks, where transfers may be added and removed. */
static void reap(struct curl_loop *loop)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(loop->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        void *arg = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &arg);
        curl_multi_remove_handle(loop->multi, easy); /* message is no more */
        loop->done(arg, result);
    }
}

/* Where a watch or a timer could not be had curl gives all transfers up, but tells only those that
 * something happens to, and asks for no timer any more: so each of them is looked at here. */
static void act(struct curl_loop *loop, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(loop->multi, fd, events, &running);
    if (loop->broken)
        curl_multi_perform(loop->multi, &running);
    loop->broken = false; /* with no transfer left curl begins anew */
    reap(loop);
}

static void ready(void *arg, uint32_t events)
{
    const struct watch *w = arg;
    act(w->loop, w->fd,
        (events & MG_IO_READ ? CURL_CSELECT_IN : 0) |
            (events & MG_IO_WRITE ? CURL_CSELECT_OUT : 0));
}

static uint32_t wanted(int what)
{
    return (what & CURL_POLL_IN ? MG_IO_READ : 0u) | (what & CURL_POLL_OUT ? MG_IO_WRITE : 0u);
}

static int watch_new(struct curl_loop *loop, curl_socket_t fd, int what)
{
    struct watch *w = malloc(sizeof *w);
    if (!w)
        return -1;
    *w = (struct watch){.loop = loop, .fd = fd};
    w->io = loop->host->io_watch(loop->shard, fd, wanted(what), ready, w);
    if (w->io && !curl_multi_assign(loop->multi, fd, w))
        return 0;
    loop->host->io_stop(w->io);
    free(w);
    return -ENOMEM;
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
    struct curl_loop *loop = arg;
    struct watch *w = watch;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            loop->host->io_stop(w->io);
        free(w);
        return 0;
    }
    int error = w ? loop->host->io_events(w->io, wanted(what)) : watch_new(loop, fd, what);
    loop->broken |= error != 0;
    return error ? -1 : 0; /* ends all transfers, see act */
}

static void fired(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_changed(CURLM *multi, long after_ms, void *arg)
{
    struct curl_loop *loop = arg;
    (void)multi;
    if (after_ms < 0) {
        loop->host->timer_stop(loop->timer);
        loop->timer = NULL;
        return 0;
    }
    if (loop->timer)
        loop->host->timer_again(loop->timer, (uint64_t)after_ms, 0);
    else
        loop->timer = loop->host->timer_start(loop->shard, (uint64_t)after_ms, 0, fired, loop);
    loop->broken |= !loop->timer;
    return loop->timer ? 0 : -1;
}

struct curl_loop *curl_loop_create(const struct mg_host *host, mg_shard *shard, long connections,
                                   void (*done)(void *arg, CURLcode result))
{
    struct curl_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    *loop =
        (struct curl_loop){.host = host, .shard = shard, .multi = curl_multi_init(), .done = done};
    if (!loop->multi) {
        free(loop);
        return NULL;
    }
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, connections);
    curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return loop;
}

void curl_loop_destroy(struct curl_loop *loop)
{
    if (!loop)
        return;
    curl_multi_cleanup(loop->multi); /* ends the watches */
    if (loop->timer)
        loop->host->timer_stop(loop->timer);
    free(loop);
}

CURL *curl_loop_transfer(const char *url)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    CURLcode wrong = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (!wrong)
        wrong = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (!wrong)
        wrong = curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* or http_proxy would count */
    if (wrong) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    /* Or a transfer that ends while its name is resolved would wait for the thread that does it. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return easy;
}

CURLcode curl_loop_secure(CURL *easy, const struct curl_tls *tls)
{
    CURLcode wrong = CURLE_OK;
    if (tls->ca)
        wrong = curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca);
    if (!wrong && tls->cert)
        wrong = curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert);
    if (!wrong && tls->key)
        wrong = curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key);
    if (!wrong && tls->key_password)
        wrong = curl_easy_setopt(easy, CURLOPT_KEYPASSWD, tls->key_password);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->verify ? 2L : 0L);
    return wrong;
}

int curl_loop_add(struct curl_loop *loop, CURL *easy, void *arg)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, arg);
    return curl_multi_add_handle(loop->multi, easy) ? -ENOMEM : 0;
}

void curl_loop_remove(struct curl_loop *loop, CURL *easy)
{
    curl_multi_remove_handle(loop->multi, easy);
}
