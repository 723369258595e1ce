/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */
#pragma once
#include "meshgate/plugin.h"

#define MQTT_SCRAM_METHOD "SCRAM-SHA-256"
enum { MQTT_SCRAM_BYTES = 32 };

enum mqtt_scram_stage { SCRAM_IDLE, SCRAM_FIRST_SENT, SCRAM_FINAL_SENT, SCRAM_VERIFIED };

struct mqtt_scram {
    const char *user, *password; /* borrowed */
    enum mqtt_scram_stage stage;
    char *first;    /* client-first-message-bare */
    char *answer;   /* what was given away last */
    char nonce[48]; /* the client's */
    unsigned char server_signature[MQTT_SCRAM_BYTES];
    /* Of the last exchange: the expensive part is the same as long as the server's salt is. */
    char *salt; /* with the iterations, as the server wrote both */
    unsigned char salted_password[MQTT_SCRAM_BYTES];
};

/* user and password live as long as scram. */
void mqtt_scram_init(struct mqtt_scram *scram, const char *user, const char *password);
void mqtt_scram_fini(struct mqtt_scram *scram);
/* Begins an exchange with this nonce; *ret_first lives until the next call.  0 or -ENOMEM. */
int mqtt_scram_begin(struct mqtt_scram *scram, const char *nonce, struct mg_bytes *ret_first);
/* As struct mqtt_auth (mqtt_client.h) has them; arg is the struct mqtt_scram. */
int mqtt_scram_answer(void *arg, struct mg_bytes challenge, struct mg_bytes *ret_answer,
                      struct mg_err *reterr);
int mqtt_scram_accepted(void *arg, struct mg_bytes last, struct mg_err *reterr);
