/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the TLS layer: what a connection is made with, and errors in words. */
#pragma once
#include "mqtt_net_stream.h"
#include <openssl/ssl.h>

/* What the verification of the server's certificate found first. */
struct mqtt_tls_finding {
    int error; /* X509_V_ERR_*, 0: nothing */
    int depth;
    char subject[128]; /* of the certificate at fault */
    char names[256];   /* that the server's certificate is for */
    char until[64];    /* when it ends, or begins where it is not valid yet */
};

/* Notes what is wrong in the finding that is the SSL's application data. */
int mqtt_tls_verified(int ok, X509_STORE_CTX *store);
/* Says why an operation failed, from OpenSSL's error queue, which it empties. */
void mqtt_tls_explain(struct mqtt_why *why, const char *at, const char *name,
                      const struct mqtt_tls_finding *finding);
/* The root of what OpenSSL complains of, and empties its queue. */
const char *mqtt_tls_reason(char *buffer, size_t size);
