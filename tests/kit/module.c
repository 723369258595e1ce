/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a module's descriptor with the gateway's own code. */
#include "fake_host.h"
#include "plugin/registry.h"
#include <stdio.h>
#include <stdlib.h>

int kit_module_check(const struct mg_module *module, struct mg_err *reterr)
{
    struct gw_diags diags = {0};
    struct gw_registry *registry = gw_registry_create();
    if (!registry)
        abort();
    int error = gw_registry_add(registry, module, NULL, &diags);
    if (error)
        snprintf(reterr->text, sizeof reterr->text, "%s", diags.items[0].text);
    gw_registry_destroy(registry);
    gw_diags_fini(&diags);
    return error;
}
