/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT's rules for texts, topic names and topic filters (MQTT 5 §1.5.4, §4.7, §4.8.2).  Pure. */
#pragma once
#include "meshgate/plugin.h"

enum { MQTT_TEXT_MOST = 65535 }; /* bytes of every MQTT string and of binary data */

/* What a text may be for MQTT. */
enum mqtt_text {
    MQTT_TEXT_NEVER,    /* not UTF-8, holds U+0000, or longer than 65,535 bytes */
    MQTT_TEXT_DOUBTFUL, /* a receiver may take it for malformed: control and non-characters */
    MQTT_TEXT_FINE
};
enum mqtt_text mqtt_text_kind(struct mg_str text);

/* 0, or -EINVAL with the reason.  doubtful_too: control and non-characters are refused as well. */
int mqtt_topic_name_check(struct mg_str topic, bool doubtful_too, struct mg_err *reterr);
/* A filter without its $share prefix. */
int mqtt_topic_filter_check(struct mg_str filter, struct mg_err *reterr);

/* Splits "$share/group/filter"; another filter has an empty group.  -EINVAL with the reason. */
int mqtt_share_split(const char *address, struct mg_str *ret_group, struct mg_str *ret_filter,
                     struct mg_err *reterr);

/* A topic that begins with $ is not matched by a wildcard at its first level. */
bool mqtt_filter_matches(struct mg_str filter, struct mg_str topic);
/* Every topic that `inner` matches is matched by `outer`. */
bool mqtt_filter_covers(struct mg_str outer, struct mg_str inner);
/* Some topic is matched by both. */
bool mqtt_filters_overlap(struct mg_str a, struct mg_str b);
