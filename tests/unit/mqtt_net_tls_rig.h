/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of every kind, and a TLS server in the same process, for the stream's tests. */
#pragma once
#include "mqtt_net_rig.h"

/* In a folder of their own, which goes at the end of the program.  good: localhost, broker.test,
 * 127.0.0.1 and ::1; other: other.example; expired, early: localhost; self: localhost, signed by
 * itself; stranger: by an authority that nobody trusts; client, and its key behind the password
 * "geheim" in client-locked.key. */
void rig_certificates(void);
/* folder/name; good until the end of the program. */
const char *rig_file(const char *name);

struct rig_tls {
    const char *certificate; /* good, other, … */
    bool wants_client;       /* a certificate, of the same authority */
    const char *alpn;        /* the only protocol that it selects; NULL: none */
    bool forces_alpn;        /* selects it although it was not offered */
    int most_version;        /* TLS1_2_VERSION; 0: any */
};
/* The server that rig_serve drives speaks TLS from now on. */
void rig_server_tls(struct rig_server *server, const struct rig_tls *tls);
