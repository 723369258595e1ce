/* SPDX-License-Identifier: Apache-2.0 */
/* An MQTT server in memory, and the native client's session on a link to it that a test moves
 * packet by packet, cuts and mends.  It stands where the native client stands, so the whole bridge
 * runs on it without a network.  The server's session survives the client. */
#pragma once
#include "../../bridges/mqtt/native/mqtt_session.h"

enum { MODEL_MOST = 4096, MODEL_TEXT = 24 };

extern struct model {
    bool says_again;  /* PUBREC for what it holds, when the client comes back */
    bool at_release;  /* passes a QoS 2 message on at PUBREL (method B of MQTT 5 §4.3.3) */
    uint32_t id_most; /* identifiers of its own messages: 1 … id_most */
    char published[MODEL_MOST][MODEL_TEXT]; /* what it has passed on, in order */
    size_t published_count;
    size_t repetitions; /* PUBLISH with DUP */
    size_t unknown;     /* PUBREL for what it does not have */
    size_t violations;  /* said on stderr */
    size_t connects;
    bool no_memory_of_us; /* the next CONNECT finds no session */
} model;

void model_reset(void);
bool model_linked(void);              /* the client has a connection */
bool model_up(void);                  /* one packet to the server; false: there is none */
bool model_down(void);                /* one packet to the client; false: there is none */
void model_cut(void);                 /* the link breaks; what is under way is lost */
void model_forget(void);              /* the server forgets the session */
void model_message(const char *text); /* to be sent to the client, QoS 2 */
size_t model_messages_left(void);     /* not completed yet */
uint32_t model_held(void);            /* messages of the client that wait for PUBREL */
