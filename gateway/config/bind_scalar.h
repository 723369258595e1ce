/* SPDX-License-Identifier: Apache-2.0 */
/* One scalar to one field; for the files of this folder only. */
#pragma once
#include "config/bind.h"

/* Writes the field of the option's type (not PAIRS, MAP, TREE) at `at`; -EINVAL with a diagnosis.
 */
int gw_bind_scalar(struct gw_bind *bind, const struct mg_option *option, const struct mg_node *node,
                   void *at);
