/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents' JSON format: an event and an object, events and a batch. */
#pragma once
#include "event.h"
#include "json_scan.h"

/* The event of an object.  -EINVAL: reterr says which attribute, or where, and why; -ENOMEM. */
int json_read_event(struct mg_bytes text, struct arena *arena, struct ce_event *ret_event,
                    struct mg_err *reterr);
/* Begins a batch, then takes its events one by one.  Each answers 1: another one in *ret_event; 0:
 * that was all; -EINVAL, -ENOMEM: as above.  index: how many came before. */
int json_read_batch(struct scan *scan, size_t index, struct arena *arena,
                    struct ce_event *ret_event, struct mg_err *reterr);
/* The object, or a batch of it alone; malloc'ed.  -ENOMEM. */
int json_write_event(const struct ce_event *event, bool batch, struct mg_bytes *ret_text);
