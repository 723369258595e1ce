/* SPDX-License-Identifier: Apache-2.0 */
/* Is a module's descriptor one that this gateway can trust?  For the files of this folder only. */
#pragma once
#include "base/diag.h"
#include "meshgate/plugin.h"
#include "plugin/registry.h"

/* sizeof(struct mg_module) at MINOR 0 of this MAJOR, and of the two operation tables: what every
 * module of this MAJOR has, whatever was appended since. */
#define GW_MODULE_SIZE_MINOR_0     (offsetof(struct mg_module, ops) + sizeof(void *))
#define GW_STEP_OPS_SIZE_MINOR_0   (offsetof(struct mg_step_ops, process) + sizeof(void (*)(void)))
#define GW_BRIDGE_OPS_SIZE_MINOR_0 (offsetof(struct mg_bridge_ops, escape) + sizeof(void (*)(void)))

enum {
    GW_MODULE_NAME_BYTES_MAX = GW_MODULE_NAME_MOST,
    GW_MODULE_VERSION_BYTES_MAX = 64,
    GW_MODULE_OPTIONS_MAX = 256, /* in one table */
    GW_MODULE_OPTIONS_DEPTH_MAX = 8,
    GW_MODULE_COUNTERS_MAX = 64,
    GW_MODULE_SETTINGS_BYTES_MAX = 1 << 20,
};

/* Reads no byte past what abi.module_size promises, and nothing but abi until that is checked.
 * 0, or -EINVAL with errors at `path` in diags: what is wrong and how to cure it. */
int gw_descriptor_check(const struct mg_module *module, const char *path, struct gw_diags *diags);
