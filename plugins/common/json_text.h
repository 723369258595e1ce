/* SPDX-License-Identifier: Apache-2.0 */
/* JSON payloads of events: parsed, and written so that numbers keep their shortest form. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

/* The payload as a document of any type.  NULL: it is none; reterr says where. */
json_t *json_of_payload(const struct mg_host *host, const mg_event *event, struct mg_err *reterr);
/* Compact, member order kept; malloc'ed, NULL: out of memory. */
char *json_to_text(const json_t *json, size_t *ret_length);
/* A new event: base with that document as its payload.  NULL: out of memory. */
mg_event *json_event(const struct mg_host *host, const mg_event *base, const json_t *json);
/* The shortest decimal that reads back as the same double; out has room for 32 bytes. */
int json_format_double(double value, char *out, size_t size);
