/* SPDX-License-Identifier: Apache-2.0 */
/* A real Mosquitto on loopback, and the mqtt bridge under the fake host, for the broker tests. */
#pragma once
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <sys/types.h>

struct rig_broker {
    char folder[64];
    int port, other_port;
    pid_t pid;
};
/* extra: lines of mosquitto.conf behind "listener PORT 127.0.0.1", %s in it is the folder,
 * %p the other port, which urls of ws use; NULL:
 * "". Ends the test program with a message where no mosquitto can be started. */
void rig_broker_start(struct rig_broker *broker, const char *extra);
void rig_broker_again(struct rig_broker *broker); /* on the same port and folder */
void rig_broker_kill(struct rig_broker *broker);  /* SIGKILL; it can start again */
void rig_broker_end(struct rig_broker *broker);   /* SIGTERM: it saves what it keeps */
void rig_broker_stop(struct rig_broker *broker);  /* and removes the folder */
int rig_free_port(void);
/* Runs a command line with sh, in the folder; its exit status. */
int rig_shell(const struct rig_broker *broker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A server that misbehaves, in a process of its own. */
enum rig_fake {
    RIG_SILENT,   /* accepts TCP and never answers */
    RIG_DEAF,     /* answers CONNECT and pings, acknowledges nothing */
    RIG_MOVED,    /* answers CONNECT, then says DISCONNECT 0x9c with a server reference */
    RIG_NOT_HERE, /* refuses CONNECT with 0x9d, and refers to rig_refer_to where that is set */
    RIG_PICKY,    /* acknowledges publishes with 0x97, 0x99, 0x10, 0x00, again and again */
    RIG_NARROW,   /* grants Maximum QoS 1, no retain, packets of 100 bytes, no subscription ids */
};
extern int rig_refer_to; /* a port on loopback */
pid_t rig_fake_start(enum rig_fake mode, int *ret_port);
void rig_fake_stop(pid_t pid);

/* One bridge with at most one source and one sink. */
struct rig_end {
    mg_instance *instance;
    mg_connection *connection;
    mg_source *source;
    mg_sink *sink;
};
extern struct kit_host *rig_host;
extern bool rig_native;                 /* which client the bridges use; else Paho */
void rig_choose(int argc, char **argv); /* "paho" or "native", the default */
/* What is ingested is accepted at the next turn, until kit_settle_when says otherwise. */
void rig_host_open(void);
void rig_host_close(void); /* no faults */
/* bridge: YAML of the settings, a map in braces without `client`; source, sink: YAML of the end's
 * settings, NULL: none. */
void rig_end_open(struct rig_end *end, const char *name, const char *bridge, const char *filter,
                  const char *source, const char *sink);
void rig_end_begin(struct rig_end *end, uint32_t window);
void rig_end_up(struct rig_end *end); /* fails the test where it does not come up within 10 s */
void rig_end_close(struct rig_end *end);
const char *rig_url(const struct rig_broker *broker, const char *scheme, const char *more);
bool rig_wait_ingested(size_t least, int timeout_ms);
