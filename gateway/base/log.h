/* SPDX-License-Identifier: Apache-2.0 */
/* Structured logs on stderr: one line per entry, logfmt or JSON, written with one write(2).
 * Levels are MG_DEBUG … MG_ERROR of the SDK.  Library code does not log; whoever gives up does. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum gw_log_format { GW_LOG_LOGFMT, GW_LOG_JSON };

void gw_log_configure(enum gw_log_format format, uint32_t least_level); /* before threads start */
bool gw_log_wanted(uint32_t level);

/* fields: "key", "text value" pairs, ended by NULL; a pair whose value is NULL is left out.
 *   gw_log(MG_WARN, "sink refused the event", "route", name, "step", "send", NULL);
 * ANY thread. */
void gw_log(uint32_t level, const char *message, ...) __attribute__((sentinel));
