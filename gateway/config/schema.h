/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (draft 2020-12) and Markdown out of option tables. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

/* {"type":"object","properties":…,"required":…,"additionalProperties":false}; new reference.  NULL
 * options: no properties.  NULL: out of memory. */
json_t *gw_schema_of_options(const struct mg_option *options);
/* The properties of `options` and the names of the required ones into an object schema made by
 * gw_schema_of_options, for maps that several tables describe.  0 or -ENOMEM. */
int gw_schema_add_options(json_t *schema, const struct mg_option *options);
/* A Markdown table (option | type | default | meaning); nested maps as dotted names.  malloc'ed. */
char *gw_markdown_of_options(const struct mg_option *options);
