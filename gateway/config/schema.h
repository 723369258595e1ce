/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (draft 2020-12) and Markdown out of option tables. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

/* {"type":"object","properties":…,"required":…,"additionalProperties":false}; new reference. */
json_t *gw_schema_of_options(const struct mg_option *options);
/* A Markdown table (option | type | default | meaning); nested maps as dotted names.  malloc'ed. */
char *gw_markdown_of_options(const struct mg_option *options);
