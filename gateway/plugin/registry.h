/* SPDX-License-Identifier: Apache-2.0 */
/* Finds, checks and loads modules, and holds them by kind and name. */
#pragma once
#include "base/diag.h"
#include "meshgate/plugin.h"

struct gw_registry;

struct gw_registry_module {
    const struct mg_module *module;
    const char *path; /* of the shared object; "(built in)" for those given by gw_registry_add */
};

struct gw_registry *gw_registry_create(void);
/* Unloads all; no instance of any may be left. */
void gw_registry_destroy(struct gw_registry *registry);

/* Loads every *.so of a folder, in the order of their names.  A module that is refused adds an
 * error to diags (file, both versions, the cure) and is left out; the others load.  A folder that
 * does not exist is an error.  Returns 0, or -EINVAL when anything was refused. */
int gw_registry_load_folder(struct gw_registry *registry, const char *folder,
                            struct gw_diags *diags);
int gw_registry_load_file(struct gw_registry *registry, const char *path, struct gw_diags *diags);
/* Checks a descriptor in the way of a loaded one, and adds it. */
int gw_registry_add(struct gw_registry *registry, const struct mg_module *module, const char *path,
                    struct gw_diags *diags);

/* kind: MG_BRIDGE …; NULL: none of that name. */
const struct mg_module *gw_registry_find(const struct gw_registry *registry, uint32_t kind,
                                         const char *name);
size_t gw_registry_count(const struct gw_registry *registry);
const struct gw_registry_module *gw_registry_at(const struct gw_registry *registry, size_t index);
/* Of the form [a-z][a-z0-9-]*, at most GW_MODULE_NAME_MOST bytes. */
enum { GW_MODULE_NAME_MOST = 64 };
bool gw_module_name_well_formed(const char *name);
/* MG_STEP_*, of a step's module; none of one that was built for ABI 1.2. */
uint32_t gw_step_traits(const struct mg_module *module);
const char *gw_kind_name(uint32_t kind); /* "bridge", "filter", "enricher", "translator" */
