/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a message's head, by the names that the file bridge gives them, too. */
#include "store/record_json_internal.h"

#define AT(field) offsetof(struct mg_head, field)

const struct gw_json_field gw_json_fields[] = {
    {"address", GW_JSON_TEXT, 0, AT(address), 0, 0},
    {"reply_to", GW_JSON_TEXT, 0, AT(reply_to), 0, 0},
    {"subject", GW_JSON_TEXT, 0, AT(subject), 0, 0},
    {"content_type", GW_JSON_TEXT, 0, AT(content_type), 0, 0},
    {"content_encoding", GW_JSON_TEXT, 0, AT(content_encoding), 0, 0},
    {"group", GW_JSON_TEXT, 0, AT(group), 0, 0},
    {"reply_to_group", GW_JSON_TEXT, 0, AT(reply_to_group), 0, 0},
    {"message_id", GW_JSON_VALUE, 0, AT(message_id), 0, 0},
    {"correlation", GW_JSON_VALUE, 0, AT(correlation), 0, 0},
    {"user", GW_JSON_BYTES, 0, AT(user), 0, 0},
    {"group_sequence", GW_JSON_U32, MG_HAS_GROUP_SEQUENCE, AT(group_sequence), 0, 0},
    {"qos", GW_JSON_U8, MG_HAS_QOS, AT(qos), 2, 0},
    {"priority", GW_JSON_U8, MG_HAS_PRIORITY, AT(priority), 255, 4},
    {"retain", GW_JSON_BOOL, MG_HAS_RETAIN, AT(retain), 0, 0},
    {"durable", GW_JSON_BOOL, MG_HAS_DURABLE, AT(durable), 0, 0},
    {"text_payload", GW_JSON_BOOL, MG_HAS_TEXT_PAYLOAD, AT(text_payload), 0, 0},
    {"duplicate", GW_JSON_BOOL, 0, AT(duplicate), 0, 0},
    {"created_us", GW_JSON_I64, MG_HAS_CREATED, AT(created_us), 0, 0},
    {"expires_us", GW_JSON_I64, MG_HAS_EXPIRY, AT(expires_us), 0, 0},
    {0}};

const char *const gw_json_types[MG_SYMBOL + 1] = {
    [MG_NULL] = "null",     [MG_BOOL] = "bool",       [MG_INT] = "int",   [MG_UINT] = "uint",
    [MG_FLOAT] = "float",   [MG_DECIMAL] = "decimal", [MG_CHAR] = "char", [MG_TEXT] = "text",
    [MG_BINARY] = "binary", [MG_TIME] = "time",       [MG_UUID] = "uuid", [MG_SYMBOL] = "symbol",
};

const char *const gw_json_flags[] = {"replayed", "doubtful", "retried",
                                     "original", "stepped",  NULL};
