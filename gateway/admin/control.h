/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: a UNIX stream socket on which a running gateway answers its own CLI.  One
 * request a connection: a JSON object and a newline; the answer is JSON objects, a line each (see
 * admin/operation.h), and the end of the connection.  An answer goes on only as fast as the client
 * reads.  While an operation takes long, {"progress":{…}} comes once a second; one that changes
 * something is given up when the client closes its end. */
#pragma once
#include "admin/operation.h"
#include <uv.h>

enum { GW_CONTROL_REQUEST_BYTES_MAX = 24 << 20 }; /* an event of 16 MiB in base64, and room */

struct gw_control;

/* Binds path (mode 0600; a stale socket is replaced, a live one is an error) on the control loop.
 * target outlives the control. */
int gw_control_open(uv_loop_t *loop, struct gw_operation_target *target, const char *path,
                    struct gw_control **ret_control, struct mg_err *reterr);
/* Ends what is being answered, too.  NULL is fine; run the loop after it until it is empty. */
void gw_control_close(struct gw_control *control);

/* A connection to a socket of that path, on which reads and writes end after silence_s seconds.  A
 * descriptor, or a negative errno with reterr. */
enum { GW_CONTROL_SILENCE_S = 5 };
int gw_control_dial(const char *path, int silence_s, struct mg_err *reterr);

/* The client's side, blocking: hands each line of the answer to `line` (false: enough of it).  A
 * gateway that says nothing for silence_s seconds is an error.  0: the answer ended, or was enough;
 * -ENOENT, -ECONNREFUSED: nobody listens there.  Errors of the operation come as a line. */
int gw_control_ask(const char *path, int silence_s, const json_t *request,
                   bool (*line)(void *arg, const json_t *line), void *arg, struct mg_err *reterr);
