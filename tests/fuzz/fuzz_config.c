/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the way of a configuration: YAML, tree, binding, model and its checks, fidelity report. */
#include "../unit/model_fakes.h"
#include "route/model.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gw_registry *registry;
    /* ${file:…} would read what is none of a fuzzer's business. */
    if (memmem(data, size, "${file", 6))
        return 0;
    if (!registry && !(registry = model_fakes_create()))
        abort();
    struct gw_arena *arena = gw_arena_create();
    struct gw_diags diags = {0};
    struct gw_model *model = NULL;
    const struct mg_node *root =
        arena ? gw_tree_parse(arena, "fuzz/c.yaml", (const char *)data, size, &diags) : NULL;
    /* Without a tree, and without a model, somebody must have been told why. */
    if (arena && !root && !diags.errors)
        abort();
    if (root) {
        int error = gw_model_load(arena, root, registry, &model, &diags);
        if ((error != 0) != (diags.errors != 0))
            abort();
        if (model)
            gw_model_report_fidelity(model, &diags);
    }
    gw_model_destroy(model);
    gw_diags_fini(&diags);
    gw_arena_destroy(arena);
    return 0;
}
