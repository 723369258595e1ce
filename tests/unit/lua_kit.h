/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts under the fake host, one at a time. */
#pragma once
#include "fake_host.h"

enum { COUNT_ERRORS, COUNT_STOPPED, COUNT_REFUSED };

extern struct kit_host *host;
extern mg_instance *instance;
extern struct mg_err err;

/* more: further lines of YAML. */
const void *settings_of(const char *script, const char *more);
void begin(const char *script, const char *more);
void end(void);
struct kit_verdict step(const mg_event *event);
struct kit_verdict step_payload(const char *payload);
void show(const char *script, const struct kit_verdict *verdict);
char *function_of(const char *body); /* of translate(e); malloc'ed */
/* The one event that the function makes of a payload ({}) has that payload. */
void expect_with(const char *body, const char *payload, const char *expected);
void expect(const char *body, const char *expected);
/* reason: in the verdict's; NULL: any. */
void expect_verdict(const char *body, const char *payload, uint32_t verdict, const char *reason);
void with_host(void (*run)(void));
