/* SPDX-License-Identifier: Apache-2.0 */
/* A record as JSON, for people and for exports; nothing is lost in either direction:
 *
 *   {"sequence":7, "arrived_us":…, "expires_us":…, "key":"9f86d081884c7d65", "flags":["replayed"],
 *    "origin":"plant/a/m1",
 *    "message":{"address":"…", "qos":1, …, "payload":"text" or "payload_base64":"AP8=",
 *               "properties":[{"name":"n","type":"uint","bits":8,"value":200}, …]},
 *    "legs":[{"sink":0,"address":"…","properties":[…]}]}
 *
 * The message is written as the file bridge writes one (bridges/file/README.md), except that
 * properties are always a list with their types.  Only what is set is there.  A text that is not
 * UTF-8 is {"type":"text","base64":…}.  "said" lists those of qos, retain, durable, priority,
 * group_sequence, created_us, expires_us and text_payload that the peer said, where that does not
 * follow from their being there. */
#pragma once
#include "store/record.h"
#include <jansson.h>

/* A new reference; NULL: out of memory.  ANY. */
json_t *gw_record_to_json(const struct gw_record *record);

/* A record that was read from JSON, and what it points to. */
struct gw_record_parsed {
    struct gw_record record;
    json_t *json; /* a reference: texts point into it */
    struct gw_arena *arena;
};
/* Anything that is not understood is an error, never ignored.  To be ended by
 * gw_record_parsed_fini.  -EINVAL: reterr says what is wrong (texts may contain NUL: load with
 * JSON_ALLOW_NUL); -ENOMEM.  ANY. */
int gw_record_from_json(const json_t *json, struct gw_record_parsed *ret_parsed,
                        struct mg_err *reterr);
/* All zero is fine. */
void gw_record_parsed_fini(struct gw_record_parsed *parsed);
