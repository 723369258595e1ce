/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: a UNIX stream socket on which a running gateway answers its own CLI.
 * One request a connection: a word and a newline; the answer is one JSON object and the end. */
#pragma once
#include "flow/flow.h"
#include <uv.h>

struct gw_control;

/* Binds path (mode 0600; a stale socket is replaced, a live one is an error) on the control loop.
 */
int gw_control_open(uv_loop_t *loop, struct gw_gateway *gateway, const char *path,
                    struct gw_control **ret_control, struct mg_err *reterr);
void gw_control_close(struct gw_control *control); /* NULL is fine; run the loop once after it */

/* The client's side, blocking with a time-out of five seconds: new reference, or NULL with reterr.
 */
json_t *gw_control_ask(const char *path, const char *request, struct mg_err *reterr);
