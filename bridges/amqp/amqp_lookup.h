/* SPDX-License-Identifier: Apache-2.0 */
/* What a connect needs from the thread pool: addresses, and certificates read anew each time. */
#pragma once
#include "amqp_io.h"
#include <netdb.h>
#include <proton/ssl.h>

struct amqp_lookup {
    struct amqp_io *io; /* NULL: nobody waits any more */
    char host[256], port[8];
    bool tls;
    char *ca, *cert, *key, *key_password;
    uint32_t verify;
    struct addrinfo *addresses;
    pn_ssl_domain_t *domain;
    char why[AMQP_WHY_MAX];
};

/* A copy of what the target says, so that the job may outlive it; NULL: out of memory. */
struct amqp_lookup *amqp_lookup_create(const struct amqp_target *target);
void amqp_lookup_free(struct amqp_lookup *lookup); /* NULL is fine */
/* On the thread pool.  Fills addresses and domain, or why. */
void amqp_lookup_job(void *lookup);
