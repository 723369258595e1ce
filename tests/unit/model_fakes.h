/* SPDX-License-Identifier: Apache-2.0 */
/* Modules that exist to be configured: one of each kind, and bridges with different abilities.
 *
 *   quick   topic filters, confirms, acknowledges by itself; refuses an empty level in a sink
 *   late    plain addresses that begin with '/', defers and confirms; options of every sort
 *   bus     topic filters, defers, confirms; no_local: true keeps it from hearing itself
 *   out     a sink that does not confirm
 *   changed (filter), lookup (enricher), map (translator) */
#pragma once
#include "plugin/registry.h"

/* NULL: out of memory, or a module was refused (said on stderr). */
struct gw_registry *model_fakes_create(void);
