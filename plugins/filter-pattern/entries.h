/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of making a set. */
#pragma once
#include "set.h"

/* Each branch gets its way in, and each path its index.  -ENOMEM. */
int set_enter_branches(struct set *set);
