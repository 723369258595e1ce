/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's transfers on a shard's loop: nothing blocks, not even the resolution of names.
 *
 * All SHARD, but curl_loop_start.  A module that uses this is linked with -z nodelete: a thread
 * that resolves a name for a transfer that was given up goes on for a while in libcurl. */
#pragma once
#include "meshgate/plugin.h"
#include <curl/curl.h>

struct curl_loop;

/* How the peer of TLS is checked, and who we are; unset texts are NULL. */
struct curl_tls {
    const char *ca, *cert, *key, *key_password;
    bool verify;
};

int curl_loop_start(void); /* ANY; once for a process, again is fine.  -ENOMEM */

/* done is called once for each transfer that was added and has ended, with the argument that it was
 * added with; it may add, remove and clean up transfers, and not destroy the loop.  NULL: out of
 * memory. */
struct curl_loop *curl_loop_create(const struct mg_host *host, mg_shard *shard, long connections,
                                   void (*done)(void *arg, CURLcode result));
/* All transfers have been removed; NULL is fine. */
void curl_loop_destroy(struct curl_loop *loop);

/* A transfer over http and https alone, without signals, cookies, redirects, compression or a proxy
 * out of the environment.  NULL: out of memory. */
CURL *curl_loop_transfer(const char *url);
CURLcode curl_loop_secure(CURL *easy, const struct curl_tls *tls);
int curl_loop_add(struct curl_loop *loop, CURL *easy, void *arg); /* 0, or -ENOMEM */
void curl_loop_remove(struct curl_loop *loop, CURL *easy);        /* before its done; else not */
