/* SPDX-License-Identifier: Apache-2.0 */
/* Which routes an event would take, step by step, without a peer. */
#pragma once
#include "route/model.h"
#include <stdio.h>

/* Runs the message through every route (bridge: only through the sources of that one) with the real
 * steps, and writes what happens to out.  Returns how many sources took it, or a negative errno
 * with reterr.  CONTROL, with no gateway running in the process. */
int gw_explain(const struct gw_model *model, const char *bridge, const struct mg_message *message,
               FILE *out, struct mg_err *reterr);
