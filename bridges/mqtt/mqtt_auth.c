/* SPDX-License-Identifier: Apache-2.0 */
/* Enhanced authentication as configured: SCRAM-SHA-256, or any method of one fixed answer. */
#include "mqtt_bridge.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int answer_fixed(void *arg, struct mg_bytes challenge, struct mg_bytes *ret_answer,
                        struct mg_err *reterr)
{
    const struct mqtt_link *link = arg;
    const char *data = link->bridge->settings->auth.data;
    if (challenge.at) {
        snprintf(
            reterr->text, sizeof(reterr->text),
            "the server asks for a further step of '%.60s', and only its first (auth: data) is "
            "known here",
            link->bridge->settings->auth.method);
        return -EACCES;
    }
    *ret_answer = (struct mg_bytes){data, data ? strlen(data) : 0};
    return 0;
}

static int accepted_fixed(void *arg, struct mg_bytes last, struct mg_err *reterr)
{
    (void)arg;
    (void)last;
    (void)reterr;
    return 0;
}

bool mqtt_uses_scram(const struct mqtt_settings *settings)
{
    return settings->auth.method && !strcmp(settings->auth.method, MQTT_SCRAM_METHOD);
}

const struct mqtt_auth *mqtt_auth_of(struct mqtt_link *link)
{
    const struct mqtt_settings *settings = link->bridge->settings;
    if (!settings->auth.method)
        return NULL;
    if (mqtt_uses_scram(settings)) {
        mqtt_scram_init(&link->scram, settings->user, settings->password);
        link->auth = (struct mqtt_auth){settings->auth.method, mqtt_scram_answer,
                                        mqtt_scram_accepted, &link->scram};
    } else {
        link->auth = (struct mqtt_auth){settings->auth.method, answer_fixed, accepted_fixed, link};
    }
    return &link->auth;
}
