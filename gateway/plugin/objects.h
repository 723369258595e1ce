/* SPDX-License-Identifier: Apache-2.0 */
/* The shared objects of the process: which file an address lies in, and what it was built as. */
#pragma once
#include <stdint.h>

struct gw_object {
    uintptr_t start, end; /* of its code and data in memory */
    uintptr_t base;       /* what is subtracted for addr2line */
    char *path;
    char build_id[48]; /* hexadecimal, cut; "none" */
};

/* Reads what is loaded now.  CONTROL. */
void gw_objects_read(void);
/* NULL: none that is known.  May be called in a signal handler. */
const struct gw_object *gw_object_of(uintptr_t address);
