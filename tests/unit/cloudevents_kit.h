/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the notation of the CloudEvents specification, for the tests of the translator.
 *
 *     content-type: text/plain
 *     ce_id: 1
 *     ce_n: (int) 5
 *
 *     the payload
 *
 * Types of values other than texts: (int), (bool), (binary), (time), (uuid), (float), (null). */
#pragma once
#include "bind.h"
#include "fake_host.h"
#include "unit.h"

extern struct kit_host *ce_host;
extern struct mg_err ce_err;

/* Runs the test with a host of its own, whose faults fail it. */
void ce_with_host(void (*run)(void));
mg_event *ce_message(const char *notation);
/* The message in the same notation; freed by the caller. */
char *ce_notation(const mg_event *message);
/* The settings that this YAML makes; fails the test where it does not. */
const void *ce_settings(const char *yaml);
/* The translator with that YAML takes the message: what came out, messages divided by "---" lines;
 * "pass", "drop" or "reject: WHY"; freed by the caller. */
char *ce_translate(const char *yaml, const char *message);
/* The same, compared and, where it differs, shown. */
void ce_expect(const char *yaml, const char *message, const char *expected);
/* Rejected, and the reason has these words. */
void ce_expect_reject(const char *yaml, const char *message, const char *why);
