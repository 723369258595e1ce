/* SPDX-License-Identifier: Apache-2.0 */
/* The native client, inside. */
#pragma once
#include "mqtt_net.h"
#include "mqtt_session.h"

struct mqtt_client {
    const struct mg_host *host;
    mg_shard *shard;
    const struct mqtt_client_events *events;
    void *arg;
    struct mqtt_session session;
    struct mqtt_net *net;
    mg_wake *wake;
    mg_timer *keep_alive, *linger;
    bool woken, blocked; /* blocked: the stream takes no more for now */
    bool broken;         /* a write failed, which flush may not say itself */
    bool resumed;        /* the message at the front is to be offered again */
    /* What was read and not taken yet. */
    uint8_t *rest;
    size_t rest_length, rest_capacity;
    /* Keep-alive: ticks without a byte, and since PINGREQ. */
    uint8_t quiet_out, quiet_in, unanswered;
};

/* mqtt_native.c */
int mqtt_native_write(struct mqtt_client *client); /* as much as the stream takes; 0 or the error */
/* The connection is over by what came from outside: lost or refused, and ended. */
void mqtt_native_lost(struct mqtt_client *client, uint32_t reason, const char *why);
void mqtt_native_linger_over(void *client);      /* the stream is closed, and that is the end */
void mqtt_native_up(struct mqtt_client *client); /* the keep-alive begins */
void mqtt_native_tell_writable(struct mqtt_client *client);

/* mqtt_native_read.c */
void mqtt_native_readable(void *client);
/* Offers what is left over again. */
void mqtt_native_read_again(struct mqtt_client *client);
