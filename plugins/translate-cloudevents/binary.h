/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents' binary mode: attributes are properties, data is the payload.
 *
 * Each binding has its own way to name them.  A new one is a row of the table in binary.c. */
#pragma once
#include "event.h"

enum ce_binding {
    CE_MQTT,            /* id, user properties (MQTT binding §3.1.3) */
    CE_AMQP,            /* cloudEvents:id, typed (AMQP binding §3.1.3.1) */
    CE_AMQP_UNDERSCORE, /* cloudEvents_id, for JMS */
    CE_HTTP,            /* ce-id, percent-encoded (HTTP binding §3.1.3); NATS has the same */
    CE_KAFKA,           /* ce_id */
    CE_BINDINGS
};

/* Is it one in binary mode, that is, has it a specversion?  *ret_binding: in which binding. */
bool binary_find(const struct mg_host *host, const mg_event *event, enum ce_binding *ret_binding);
/* *ret_mixed: some attribute is named as in the other one of AMQP's two ways.
 * -EINVAL: reterr says which attribute and why; -ENOMEM. */
int binary_read(const struct mg_host *host, const mg_event *message, enum ce_binding binding,
                struct arena *arena, struct ce_event *ret_event, bool *ret_mixed,
                struct mg_err *reterr);
/* Takes out of the edit what names an attribute in one of these bindings (bits, 1 << CE_…): all of
 * its prefix; without a prefix, the specification's names and the event's. */
int binary_remove(const struct mg_host *host, const mg_event *message, const struct ce_event *event,
                  unsigned in, mg_edit *edit);
/* Appends the event's attributes, specversion first and without datacontenttype. */
int binary_write(const struct mg_host *host, const struct ce_event *event, enum ce_binding binding,
                 struct arena *arena, mg_edit *edit);
/* All attributes as texts, PREFIXname, datacontenttype among them. */
int binary_write_texts(const struct mg_host *host, const struct ce_event *event, const char *prefix,
                       struct arena *arena, mg_edit *edit);
