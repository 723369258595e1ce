/* SPDX-License-Identifier: Apache-2.0 */
/* A real RabbitMQ or a scripted AMQP peer on loopback, and the amqp bridge under the fake host. */
#pragma once
#include "../../bridges/amqp/amqp_bridge.h"
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <sys/types.h>

/* ---- RabbitMQ ------------------------------------------------------------------------------- */

struct rig_rabbitmq {
    char folder[64];
    int port, tls_port;
    pid_t pid, epmd;
};
/* With TLS, certificates in the folder (ca.pem, client.pem, client.key) and SASL EXTERNAL.  Ends
 * the test program with a message where it cannot be started. */
void rig_rabbitmq_start(struct rig_rabbitmq *broker);
void rig_rabbitmq_again(struct rig_rabbitmq *broker); /* on the same ports and folder */
void rig_rabbitmq_halt(struct rig_rabbitmq *broker, int signal);
void rig_rabbitmq_stop(struct rig_rabbitmq *broker); /* and removes the folder */

/* ---- a scripted peer ------------------------------------------------------------------------ */

struct rig_peer {
    pid_t pid;
    int port, out;
};
/* tests/tools/amqp_peer.py in one of its modes. */
void rig_peer_start(struct rig_peer *peer, const char *mode);
void rig_peer_stop(struct rig_peer *peer);

/* ---- the bridge ----------------------------------------------------------------------------- */

struct rig_end {
    mg_instance *instance;
    mg_connection *connection;
    mg_source *source;
    mg_sink *sink;
};
extern struct kit_host *rig_host;
void rig_host_open(void);
void rig_host_close(void); /* no faults */
/* bridge, source, sink: YAML of the settings.  from, to: addresses, NULL: no such end. */
void rig_open(struct rig_end *end, const char *bridge, const char *from, const char *source,
              const char *to, const char *sink);
void rig_begin(struct rig_end *end, uint32_t window);
bool rig_up(struct rig_end *end);
void rig_close(struct rig_end *end);

const char *rig_text(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* until the 8th next call */
bool rig_ingested(size_t least);
/* Sends, waiting for credit up to 10 s; the settlement, or NULL. */
const struct kit_sent *rig_send(struct rig_end *end, const mg_event *event, const char *address);
/* The outcome of one text event sent to address; 0: none within 10 s. */
uint32_t rig_outcome(struct rig_end *end, const char *address, const char *payload,
                     char *ret_reason);
