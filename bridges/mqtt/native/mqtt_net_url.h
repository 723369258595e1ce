/* SPDX-License-Identifier: Apache-2.0 */
/* The url of an MQTT server, taken apart.  Pure. */
#pragma once
#include "meshgate/plugin.h"

struct mqtt_where {
    bool tls, web_socket;
    bool literal;     /* host is an IP address */
    char host[254];   /* without brackets */
    char port[6];     /* 1 … 65535 */
    char at[264];     /* host:port as a url has it: an IPv6 host in brackets */
    const char *path; /* of the WebSocket, with its query; borrows from the url */
    size_t path_length;
};

/* 0, or -EINVAL with the reason.  A WebSocket's path is /mqtt where the url has none. */
int mqtt_where_parse(const char *url, struct mqtt_where *ret_where, struct mg_err *reterr);
