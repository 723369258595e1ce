/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of a WebSocket, for the stream's tests. */
#pragma once
#include "mqtt_net_rig.h"

/* The server that rig_serve drives is a WebSocket from now on.  answer: instead of its own to the
 * upgrade, with "%s" for what Sec-WebSocket-Accept has to say; NULL: as it should be. */
void rig_server_ws(struct rig_server *server, const char *answer);
void rig_ws_free(struct rig_ws *ws);
/* The request as it came, when it is whole. */
const char *rig_ws_request(const struct rig_server *server);

/* For rig_serve: true once the answer is written. */
bool rig_ws_upgrade(struct rig_server *server);
/* Payload, as rig_server_read and rig_server_write; frames go out in all sizes, in parts, with
 * pings between them. */
ssize_t rig_ws_read(struct rig_server *server, void *at, size_t size);
ssize_t rig_ws_write(struct rig_server *server, const void *at, size_t size);

/* What came besides payload. */
size_t rig_ws_pongs(const struct rig_server *server); /* each with the payload of a ping */
int rig_ws_closed(const struct rig_server *server);   /* -1: not yet; status, 0: none */
