/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway that a checked configuration becomes: create → start → drain → stop → destroy. */
#pragma once
#include "meshgate/plugin.h"
#include "route/model.h"
#include <jansson.h>

struct gw_gateway;

/* All CONTROL.  The model and its modules outlive the gateway; one gateway at a time per process.
 */

/* Creates every instance and its threads; nothing connects yet.  err names the instance. */
int gw_gateway_create(const struct gw_model *model, struct gw_gateway **ret_gateway,
                      struct mg_err *reterr);
/* Starts instances, opens and begins connections.  Peers that are away are no error. */
int gw_gateway_start(struct gw_gateway *gateway, struct mg_err *reterr);
/* Sources take no more; waits up to timeout_ms until nothing is in hand, then releases the rest to
 * its sources.  Returns how many passages had to be released. */
uint64_t gw_gateway_drain(struct gw_gateway *gateway, int64_t timeout_ms);
/* Closes connections, stops instances and threads.  0, or -ETIMEDOUT where a module hangs in stop:
 * then neither destroy the gateway nor unload modules; leave the process. */
int gw_gateway_stop(struct gw_gateway *gateway);
void gw_gateway_destroy(struct gw_gateway *gateway); /* NULL is fine */

/* {"gateway":…,"routes":[…],"bridges":[…],"balanced":…}; new reference, NULL: out of memory.
 * docs/operating.md has the fields. */
json_t *gw_gateway_report(struct gw_gateway *gateway);

/* NULL: none; good from start to stop. */
struct gw_store *gw_gateway_store(struct gw_gateway *gateway);
/* Hands one record in again: appended to its sinks as it was, marked as replayed.  -EAGAIN: the
 * route has too many of them already, try again later; -ENOENT: no such route; -EINVAL: it is not
 * stored. */
int gw_gateway_replay(struct gw_gateway *gateway, const char *route, const struct gw_record *record,
                      struct mg_err *reterr);
/* The same as of now: as a new event through the route's steps.  *replay: NULL at first; -EAGAIN:
 * it is under way, ask again with the same record.  0: taken; -ENOENT: no such route, or none of
 * its sources takes the address; -EINVAL: refused; -ETIMEDOUT: not known, it may still be taken.
 * With these *replay is NULL again; who stops asking before calls gw_replay_leave.  One thread. */
struct gw_replay;
int gw_gateway_replay_now(struct gw_gateway *gateway, const char *route,
                          const struct gw_record *record, struct gw_replay **replay,
                          struct mg_err *reterr);
void gw_replay_leave(struct gw_replay *replay); /* NULL is fine */
/* Stops or resumes sending of a stored route; kept across restarts.  -ENOENT, -EINVAL. */
int gw_gateway_pause(struct gw_gateway *gateway, const char *route, bool pause, const char *reason,
                     struct mg_err *reterr);

/* The services that modules get; for those who run modules without a gateway (explain). */
void gw_host_fill(struct mg_host *host);
