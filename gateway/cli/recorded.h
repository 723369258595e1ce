/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded events out of a file of JSON lines: those that `meshgate tap`, a file bridge, `meshgate
 * store export` and `meshgate dlq` write. */
#pragma once
#include "event/event.h"

enum { GW_RECORDED_MOST = 1000000 };
#define GW_RECORDED_BYTES_MOST (INT64_C(1) << 30)

struct gw_recorded {
    mg_event *event;
    char *bridge;  /* where it came in; NULL: not said */
    int64_t at_us; /* wall clock, when it came in; 0: not said */
    uint32_t line;
};
struct gw_recorded_list {
    struct gw_recorded *items;
    size_t count;
    size_t stepped; /* records that were passed over: they are what steps made of an event */
};

/* What a line is: none (of an export), an event, or what steps have made of one. */
enum gw_recorded_kind { GW_RECORDED_NONE, GW_RECORDED_EVENT, GW_RECORDED_STEPPED };
/* One line.  An enum gw_recorded_kind, with *ret filled for an event; -EINVAL with reterr; -ENOMEM.
 */
int gw_recorded_line(const char *text, size_t length, struct gw_recorded *ret,
                     struct mg_err *reterr);

/* "-" is stdin.  Lines of an export that are no events are passed over.  0 or negative errno, said
 * on stderr with its line. */
int gw_recorded_read(const char *path, struct gw_recorded_list *ret_list);
void gw_recorded_fini(struct gw_recorded_list *list); /* all zero is fine */
