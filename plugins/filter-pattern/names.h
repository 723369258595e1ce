/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of names while it is being built; looking things up stands in set.h. */
#pragma once
#include "set.h"

/* path: joined by dots.  -ENOMEM. */
int name_add_path(struct set *set, uint32_t root, const char *path, uint32_t *ret_path);
