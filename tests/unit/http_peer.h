/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server for tests, on a free port of 127.0.0.1: answers as told, also wrongly, or not at
 * all.  Every function may be called from the test's thread only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct http_peer;

struct http_peer *http_peer_start(int port); /* 0: a free one; aborts where it cannot */
/* Hangs up on everybody; what was asked stays to be read until http_peer_free. */
void http_peer_stop(struct http_peer *peer);
void http_peer_free(struct http_peer *peer);
int http_peer_port(const struct http_peer *peer);

/* Who asks for that path (with its query) is sent these bytes, as they are; the connection is then
 * closed where `close_after`, else kept.  Of a path without an answer: 404.  Later calls replace.
 */
void http_peer_answer(struct http_peer *peer, const char *path, const char *bytes, size_t length,
                      bool close_after);
/* The same with head and Content-Length: "200 OK", "Retry-After: 1\r\n" or "", a body. */
void http_peer_says(struct http_peer *peer, const char *path, const char *status,
                    const char *headers, const char *body);
/* While silent, nobody is answered; questions wait, and are answered when it ends. */
void http_peer_silent(struct http_peer *peer, bool silent);

size_t http_peer_count(struct http_peer *peer); /* requests so far */
bool http_peer_got(struct http_peer *peer, size_t index, char *text, size_t size); /* head, body */
size_t http_peer_connections(struct http_peer *peer); /* that were made so far */
