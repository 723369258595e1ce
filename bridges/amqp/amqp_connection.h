/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one connection: connect, open, reconnect, close.  All SHARD. */
#pragma once
#include "amqp_bridge.h"

struct amqp_connection *amqp_connection_create(struct amqp_bridge *bridge, mg_connection *core,
                                               uint32_t index);
void amqp_connection_destroy(struct amqp_connection *c); /* NULL is fine */
int amqp_connection_begin(struct amqp_connection *c, struct mg_err *reterr);
void amqp_connection_flush(struct amqp_connection *c);
void amqp_connection_drain(struct amqp_connection *c);
void amqp_connection_close(struct amqp_connection *c);

/* Closing: goes on where the peer has ended every session. */
void amqp_connection_sessions_ended(struct amqp_connection *c);

/* One event of Proton; arg is the connection. */
void amqp_event(void *arg, pn_event_t *event);
