/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "map" under a fake host: settings in YAML, a payload in, payloads out. */
#pragma once
#include "bind.h"
#include "fake_host.h"
#include "unit.h"

extern struct kit_host *map_host;
extern struct mg_err map_err; /* of the last event, or of the last settings */

const void *map_settings(const char *yaml);
/* expected NULL: rejected, and map_err says why; "": dropped; else the payloads of the events that
 * come out, a line each.  From plant/a/m1 with the captures line and machine. */
void map_expect(const char *yaml, const char *payload, const char *expected);
void map_expect_event(const char *yaml, const mg_event *event, const char *expected);
/* As map_expect, rejected with this in the reason. */
void map_rejects(const char *yaml, const char *payload, const char *reason);
/* Rows of settings, the option that is at fault, and a part of the reason; ended by NULL. */
void map_refused(const char *const wrong[][3]);

void map_with_host(void (*run)(void));
#define MAP_TEST(name)                                                                             \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        map_with_host(name);                                                                       \
    }
