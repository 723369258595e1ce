/* SPDX-License-Identifier: Apache-2.0 */
/* One AMQP transport: name look-up, socket, TLS, SASL and Proton's connection driver, on the
 * shard's loop.  All SHARD. */
#pragma once
#include "meshgate/plugin.h"
#include <proton/connection_driver.h>

enum { AMQP_WHY_MAX = 256 };

enum amqp_verify { AMQP_VERIFY_NAME, AMQP_VERIFY_PEER, AMQP_VERIFY_NONE };
enum amqp_sasl { AMQP_SASL_AUTO, AMQP_SASL_ANONYMOUS, AMQP_SASL_PLAIN, AMQP_SASL_EXTERNAL };

/* Where and how to connect.  Borrowed until the transport has ended. */
struct amqp_target {
    char host[256], port[8];
    bool tls;
    const char *user, *password; /* NULL: none */
    uint32_t sasl;               /* enum amqp_sasl */
    const char *ca, *cert, *key, *key_password, *server_name;
    uint32_t verify;                  /* enum amqp_verify */
    const char *container, *hostname; /* of AMQP's open */
    uint32_t idle_ms, max_frame;
    uint64_t connect_timeout_ms;
};

struct amqp_io_events {
    /* A Proton event; the driver is the transport's. */
    void (*event)(void *arg, pn_event_t *event);
    /* Everything that was queued has been handed to the socket. */
    void (*written)(void *arg);
    /* Over, or never began: why, for a person.  The transport is idle again and may be started
     * again.  Never called from within amqp_io_start. */
    void (*ended)(void *arg, const char *why);
};

struct amqp_io;
struct amqp_io *amqp_io_create(const struct mg_host *host, mg_shard *shard,
                               const struct amqp_io_events *events, void *arg);
void amqp_io_destroy(struct amqp_io *io); /* at once, without `ended`; NULL is fine */

/* Connects.  -EBUSY where it is not idle, -ENOMEM. */
int amqp_io_start(struct amqp_io *io, const struct amqp_target *target);
/* NULL until the transport exists. */
pn_connection_t *amqp_io_connection(const struct amqp_io *io);
/* Writes what Proton has queued, and lets it see its clock.  Does nothing inside an event. */
void amqp_io_flush(struct amqp_io *io);
/* Drops the socket; `ended` follows at the end of this loop turn.  A look-up is waited for, unless
 * this is called a second time. */
void amqp_io_abort(struct amqp_io *io, const char *why);
