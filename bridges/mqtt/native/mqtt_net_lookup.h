/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, in the order in which they are to be tried. */
#pragma once
#include "mqtt_net_url.h"
#include <sys/socket.h>

enum { MQTT_ADDRESSES_MOST = 16 };

struct mqtt_lookup {
    char host[254], port[6];
    int error; /* of getaddrinfo, 0: fine */
    int system_error;
    size_t count;
    struct mqtt_socket_address {
        struct sockaddr_storage at;
        socklen_t length;
    } addresses[MQTT_ADDRESSES_MOST];
};

/* Looks lookup->host and port up, perhaps for a long time; flags: AI_*. */
void mqtt_lookup_run(struct mqtt_lookup *lookup, int flags);
const char *mqtt_lookup_error(const struct mqtt_lookup *lookup);
