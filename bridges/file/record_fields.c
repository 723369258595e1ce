/* SPDX-License-Identifier: Apache-2.0 */
/* One table for reading and writing, so that the two cannot differ. */
#include "record_fields.h"

#define AT(field) offsetof(struct mg_head, field)

const struct record_field record_fields[] = {
    {"address", FIELD_TEXT, 0, AT(address), 0},
    {"reply_to", FIELD_TEXT, 0, AT(reply_to), 0},
    {"subject", FIELD_TEXT, 0, AT(subject), 0},
    {"content_type", FIELD_TEXT, 0, AT(content_type), 0},
    {"content_encoding", FIELD_TEXT, 0, AT(content_encoding), 0},
    {"group", FIELD_TEXT, 0, AT(group), 0},
    {"reply_to_group", FIELD_TEXT, 0, AT(reply_to_group), 0},
    {"message_id", FIELD_VALUE, 0, AT(message_id), 0},
    {"correlation", FIELD_VALUE, 0, AT(correlation), 0},
    {"user", FIELD_BYTES, 0, AT(user), 0},
    {"group_sequence", FIELD_U32, MG_HAS_GROUP_SEQUENCE, AT(group_sequence), 0},
    {"qos", FIELD_U8, MG_HAS_QOS, AT(qos), 2},
    {"priority", FIELD_U8, MG_HAS_PRIORITY, AT(priority), 255},
    {"retain", FIELD_BOOL, MG_HAS_RETAIN, AT(retain), 0},
    {"durable", FIELD_BOOL, MG_HAS_DURABLE, AT(durable), 0},
    {"text_payload", FIELD_BOOL, MG_HAS_TEXT_PAYLOAD, AT(text_payload), 0},
    {"duplicate", FIELD_BOOL, 0, AT(duplicate), 0},
    {"created_us", FIELD_I64, MG_HAS_CREATED, AT(created_us), 0},
    {"expires_us", FIELD_I64, MG_HAS_EXPIRY, AT(expires_us), 0},
    {0}};

const char *const record_type_names[MG_SYMBOL + 1] = {
    [MG_NULL] = "null",     [MG_BOOL] = "bool",       [MG_INT] = "int",   [MG_UINT] = "uint",
    [MG_FLOAT] = "float",   [MG_DECIMAL] = "decimal", [MG_CHAR] = "char", [MG_TEXT] = "text",
    [MG_BINARY] = "binary", [MG_TIME] = "time",       [MG_UUID] = "uuid", [MG_SYMBOL] = "symbol",
};
