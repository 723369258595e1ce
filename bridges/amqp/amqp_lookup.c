/* SPDX-License-Identifier: Apache-2.0 */
/* Looks up a host name and loads certificates, away from the loop. */
#include "amqp_lookup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void amqp_lookup_free(struct amqp_lookup *l)
{
    if (!l)
        return;
    if (l->addresses)
        freeaddrinfo(l->addresses);
    if (l->domain)
        pn_ssl_domain_free(l->domain);
    if (l->key_password)
        explicit_bzero(l->key_password, strlen(l->key_password));
    free(l->ca);
    free(l->cert);
    free(l->key);
    free(l->key_password);
    free(l);
}

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

struct amqp_lookup *amqp_lookup_create(const struct amqp_target *target)
{
    struct amqp_lookup *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->tls = target->tls;
    l->verify = target->verify;
    memcpy(l->host, target->host, sizeof l->host);
    memcpy(l->port, target->port, sizeof l->port);
    if (copy(&l->ca, target->ca) && copy(&l->cert, target->cert) && copy(&l->key, target->key) &&
        copy(&l->key_password, target->key_password))
        return l;
    amqp_lookup_free(l);
    return NULL;
}

static bool load_tls(struct amqp_lookup *l)
{
    static const pn_ssl_verify_mode_t modes[] = {
        [AMQP_VERIFY_NAME] = PN_SSL_VERIFY_PEER_NAME,
        [AMQP_VERIFY_PEER] = PN_SSL_VERIFY_PEER,
        [AMQP_VERIFY_NONE] = PN_SSL_ANONYMOUS_PEER,
    };
    const char *ca = l->ca ? l->ca : "/etc/ssl/certs/ca-certificates.crt";
    l->domain = pn_ssl_domain(PN_SSL_MODE_CLIENT);
    if (!l->domain) {
        snprintf(l->why, sizeof l->why, "TLS is not available");
        return false;
    }
    if (l->cert && pn_ssl_domain_set_credentials(l->domain, l->cert, l->key ? l->key : l->cert,
                                                 l->key_password)) {
        snprintf(l->why, sizeof l->why, "cannot use the certificate %.100s with its key", l->cert);
        return false;
    }
    if (l->verify != AMQP_VERIFY_NONE && pn_ssl_domain_set_trusted_ca_db(l->domain, ca)) {
        snprintf(l->why, sizeof l->why, "cannot read the CA certificates %.160s", ca);
        return false;
    }
    if (pn_ssl_domain_set_peer_authentication(l->domain, modes[l->verify],
                                              l->verify == AMQP_VERIFY_NONE ? NULL : ca)) {
        snprintf(l->why, sizeof l->why, "cannot set up the verification of the peer");
        return false;
    }
    return true;
}

void amqp_lookup_job(void *arg)
{
    struct amqp_lookup *l = arg;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (strcmp(l->host, "localhost") == 0 || strchr(l->host, ':'))
        hints.ai_flags = 0; /* AI_ADDRCONFIG looks past loopback addresses */
    int r = getaddrinfo(l->host, l->port, &hints, &l->addresses);
    if (r != 0)
        snprintf(l->why, sizeof l->why, "cannot resolve %.120s: %s", l->host, gai_strerror(r));
    else if (l->tls)
        load_tls(l);
}
