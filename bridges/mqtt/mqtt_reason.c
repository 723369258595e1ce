/* SPDX-License-Identifier: Apache-2.0 */
/* The table of MQTT's reason codes. */
#include "mqtt_reason.h"

static const struct reason {
    uint8_t code;
    uint8_t outcome; /* of a PUBLISH that was answered with it */
    const char *text;
} reasons[] = {
    {0x00, MG_ACCEPTED, "success"},
    {0x01, MG_ACCEPTED, "granted QoS 1"},
    {0x02, MG_ACCEPTED, "granted QoS 2"},
    {0x04, MG_ACCEPTED, "disconnect with will message"},
    {0x10, MG_ACCEPTED, "no matching subscribers"},
    {0x11, MG_ACCEPTED, "no subscription existed"},
    {0x80, MG_REJECTED, "unspecified error"},
    {0x81, MG_REJECTED, "malformed packet"},
    {0x82, MG_REJECTED, "protocol error"},
    {0x83, MG_REJECTED, "implementation specific error"},
    {0x84, MG_REJECTED, "unsupported protocol version"},
    {0x85, MG_REJECTED, "client identifier not valid"},
    {0x86, MG_REJECTED, "bad user name or password"},
    {0x87, MG_REJECTED, "not authorized"},
    {0x88, MG_RELEASED, "server unavailable"},
    {0x89, MG_RELEASED, "server busy"},
    {0x8a, MG_REJECTED, "banned"},
    {0x8b, MG_RELEASED, "server shutting down"},
    {0x8c, MG_REJECTED, "bad authentication method"},
    {0x8d, MG_RELEASED, "keep alive timeout"},
    {0x8e, MG_RELEASED, "session taken over by another client of the same client_id"},
    {0x8f, MG_REJECTED, "topic filter invalid"},
    {0x90, MG_REJECTED, "topic name invalid"},
    {0x91, MG_RELEASED, "packet identifier in use"},
    {0x92, MG_RELEASED, "packet identifier not found"},
    {0x93, MG_RELEASED, "receive maximum exceeded"},
    {0x94, MG_REJECTED, "topic alias invalid"},
    {0x95, MG_REJECTED, "packet too large"},
    {0x96, MG_RELEASED, "message rate too high"},
    {0x97, MG_RELEASED, "quota exceeded"},
    {0x98, MG_RELEASED, "administrative action"},
    {0x99, MG_REJECTED, "payload format invalid"},
    {0x9a, MG_REJECTED, "retain not supported"},
    {0x9b, MG_REJECTED, "QoS not supported"},
    {0x9c, MG_RELEASED, "use another server"},
    {0x9d, MG_RELEASED, "server moved"},
    {0x9e, MG_REJECTED, "shared subscriptions not supported"},
    {0x9f, MG_RELEASED, "connection rate exceeded"},
    {0xa0, MG_RELEASED, "maximum connect time"},
    {0xa1, MG_REJECTED, "subscription identifiers not supported"},
    {0xa2, MG_REJECTED, "wildcard subscriptions not supported"},
};

static const struct reason *find(uint32_t code)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return &reasons[i];
    return NULL;
}

const char *mqtt_reason_text(uint32_t code)
{
    const struct reason *reason = find(code);
    return reason ? reason->text : "a reason code that MQTT 5 does not define";
}

uint32_t mqtt_reason_of_return_code(uint32_t return_code)
{
    static const uint32_t codes[] = {0,
                                     MQTT_REASON_BAD_VERSION,
                                     MQTT_REASON_BAD_CLIENT_ID,
                                     MQTT_REASON_UNAVAILABLE,
                                     MQTT_REASON_BAD_LOGIN,
                                     MQTT_REASON_NOT_AUTHORIZED};
    if (return_code < sizeof(codes) / sizeof(codes[0]))
        return codes[return_code];
    return return_code >= 0x80 ? return_code : MQTT_REASON_UNSPECIFIED;
}

uint32_t mqtt_reason_outcome(uint32_t code)
{
    const struct reason *reason = find(code);
    if (reason)
        return reason->outcome;
    return code >= 0x80 ? MG_REJECTED : MG_ACCEPTED;
}
