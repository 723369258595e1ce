/* SPDX-License-Identifier: Apache-2.0 */
/* Binds YAML text to a module's settings with the gateway's own code. */
#include "bind.h"
#include "config/bind.h"
#include "config/tree.h"
#include "host_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char last_error[8192];

struct bound {
    struct gw_arena *arena;
    struct gw_bind bind;
};

static void free_bound(void *what)
{
    struct bound *bound = what;
    gw_bind_release(&bound->bind);
    gw_arena_destroy(bound->arena);
    free(bound);
}

static void remember(const struct gw_diags *diags)
{
    size_t used = 0;
    last_error[0] = '\0';
    for (size_t i = 0; i < diags->count && used < sizeof last_error; i++)
        used +=
            (size_t)snprintf(last_error + used, sizeof last_error - used, "%u:%u: %s\n",
                             diags->items[i].line, diags->items[i].column, diags->items[i].text);
}

const void *kit_settings(struct kit_host *host, const struct mg_option *options,
                         size_t settings_size, const char *yaml)
{
    struct gw_diags diags = {0};
    struct bound *bound = kit_alloc(sizeof *bound);
    bound->arena = gw_arena_create();
    void *settings = bound->arena ? gw_arena_alloc(bound->arena, settings_size + 1) : NULL;
    if (!settings)
        abort();
    bound->bind = (struct gw_bind){.arena = bound->arena, .diags = &diags};
    kit_keep(host, bound, free_bound);
    const struct mg_node *map = NULL;
    int result = 0;
    if (yaml && *yaml) {
        map = gw_tree_parse(bound->arena, "(test)", yaml, strlen(yaml), &diags);
        result = map ? 0 : -1;
    }
    if (!result && options)
        result = gw_bind_settings(&bound->bind, options, map, map, settings);
    remember(&diags);
    gw_diags_fini(&diags);
    bound->bind.diags = NULL;
    return result ? NULL : settings;
}

const char *kit_settings_error(void)
{
    return last_error;
}
