/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "http" under the fake host, and the server that it asks. */
#pragma once
#include "fake_host.h"
#include "http_peer.h"

/* Its counters. */
enum { REQUESTS, CACHE_HITS, NEGATIVE_HITS, COALESCED, NOT_FOUND, FAILURES, TIMEOUTS, IN_FLIGHT };

extern struct kit_host *host;
extern const struct mg_host *table;
extern mg_instance *instance;
extern struct http_peer *peer;
extern struct mg_err err; /* of the last verdict */

/* The settings with that url and the rest of a YAML map. */
const void *bind_settings(const char *url, const char *more);
/* An instance, without a server; and what ends it. */
void open_url(const char *url, const char *more);
/* A server and an instance that asks it for that path; and what ends both. */
void open_http(const char *path, const char *more);
void close_host(void);
void close_http(void);
/* An event with the capture m; and its verdict. */
struct kit_pending *begin_event(const char *machine, const char *payload);
struct kit_verdict end_event(struct kit_pending *pending);
/* Checks a verdict, and the payload where it is MG_REPLACE; frees it. */
void verdict_is(struct kit_verdict v, uint32_t verdict, const char *expected);
/* All three. */
void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected);
bool err_says(const char *part);
/* Is this a part of that request? */
bool peer_got(size_t index, const char *part);
