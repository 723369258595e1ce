/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's shape for editors and docs, out of the core's and the modules' tables. */
#pragma once
#include "plugin/registry.h"
#include <jansson.h>

/* JSON Schema (draft 2020-12) of a configuration with the modules of the registry; new reference,
 * NULL: out of memory. */
json_t *gw_model_schema(const struct gw_registry *registry);

/* The core's table of that section: gateway, bridge, route, from, to, step or delivery; NULL: no
 * such section. */
const struct mg_option *gw_model_section(const char *name);
