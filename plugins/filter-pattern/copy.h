/* SPDX-License-Identifier: Apache-2.0 */
/* Copies what a compiler made. */
#pragma once
#include "arena.h"
#include "atom.h"

/* With all that it points to.  *ret_failed is set where memory was short. */
struct choice *choice_copy(struct arena *arena, const struct choice *choice, bool *ret_failed);
