/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake: a descriptor is believed field by field, the frozen ones first. */
#include "plugin/descriptor.h"
#include "plugin/options.h"
#include "plugin/registry.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int __attribute__((format(printf, 3, 4)))
refuse(struct gw_diags *diags, const char *path, const char *format, ...)
{
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "%s", text);
    return -EINVAL;
}

static int check_abi(const struct mg_abi *abi, const char *path, struct gw_diags *diags)
{
    if (abi->magic != MG_ABI_MAGIC)
        return refuse(
            diags, path,
            "mg_module does not answer a module descriptor (magic 0x%08x, expected 0x%08x): the "
            "descriptor must begin with MG_ABI_HERE of meshgate/plugin.h",
            abi->magic, MG_ABI_MAGIC);
    if (abi->major != MG_ABI_MAJOR)
        return refuse(
            diags, path,
            "built for module ABI %u.%u, this gateway has %u.%u, and another major number is "
            "another ABI: install the release of the module for ABI %u, or rebuild it with this "
            "gateway's meshgate/plugin.h",
            abi->major, abi->minor, MG_ABI_MAJOR, MG_ABI_MINOR, MG_ABI_MAJOR);
    if (abi->minor > MG_ABI_MINOR)
        return refuse(
            diags, path,
            "built for module ABI %u.%u, this gateway has %u.%u, which is older: upgrade the "
            "gateway, or rebuild the module with this gateway's meshgate/plugin.h",
            abi->major, abi->minor, MG_ABI_MAJOR, MG_ABI_MINOR);
    if (abi->module_size < GW_MODULE_SIZE_MINOR_0)
        return refuse(
            diags, path,
            "its descriptor (ABI %u.%u) has %u bytes, ABI %u.0 requires at least %zu: set "
            "abi with MG_ABI_HERE and rebuild the module",
            abi->major, abi->minor, abi->module_size, MG_ABI_MAJOR, GW_MODULE_SIZE_MINOR_0);
    if (abi->flags)
        return refuse(diags, path,
                      "its descriptor has flags 0x%x, which ABI %u.%u does not know: set abi with "
                      "MG_ABI_HERE and rebuild the module",
                      abi->flags, MG_ABI_MAJOR, MG_ABI_MINOR);
    return 0;
}

bool gw_name_well_formed(const char *name, char dash, size_t most)
{
    size_t length = name ? strnlen(name, most + 1) : 0;
    if (!length || length > most || name[0] < 'a' || name[0] > 'z')
        return false;
    for (size_t i = 1; i < length; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != dash)
            return false;
    return true;
}

static int check_names(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    if (module->kind < MG_BRIDGE || module->kind > MG_TRANSLATOR)
        return refuse(
            diags, path,
            "kind %u is none of bridge (%d), filter (%d), enricher (%d), translator (%d): "
            "correct the descriptor's kind",
            module->kind, MG_BRIDGE, MG_FILTER, MG_ENRICHER, MG_TRANSLATOR);
    if (!gw_name_well_formed(module->name, '-', GW_MODULE_NAME_BYTES_MAX))
        return refuse(
            diags, path,
            "the name of this %s is missing or not of the form [a-z][a-z0-9-]*, at most %d "
            "bytes: correct the descriptor's name",
            gw_kind_name(module->kind), GW_MODULE_NAME_BYTES_MAX);
    size_t version =
        module->version ? strnlen(module->version, GW_MODULE_VERSION_BYTES_MAX + 1) : 0;
    if (!version || version > GW_MODULE_VERSION_BYTES_MAX)
        return refuse(diags, path,
                      "%s %s says no version (1 to %d bytes): fill in the descriptor's version",
                      gw_kind_name(module->kind), module->name, GW_MODULE_VERSION_BYTES_MAX);
    return 0;
}

static int lacks(const struct mg_module *module, const char *what, const char *path,
                 struct gw_diags *diags)
{
    return refuse(diags, path, "%s %s %s lacks %s, which every such module must have: implement it",
                  gw_kind_name(module->kind), module->name, module->version, what);
}

static int check_table_size(const struct mg_module *module, uint32_t size, size_t least,
                            const char *table, const char *path, struct gw_diags *diags)
{
    if (size >= least)
        return 0;
    return refuse(
        diags, path,
        "%s %s %s: its %s (ABI %u.%u) has %u bytes, ABI %u.0 requires at least %zu: set its "
        "size with sizeof and rebuild the module",
        gw_kind_name(module->kind), module->name, module->version, table, module->abi.major,
        module->abi.minor, size, MG_ABI_MAJOR, least);
}

static int check_bridge(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    const struct mg_bridge_ops *ops = module->ops;
    if (check_table_size(module, ops->size, GW_BRIDGE_OPS_SIZE_MINOR_0, "struct mg_bridge_ops",
                         path, diags))
        return -EINVAL;
    if (!(ops->abilities & (MG_SOURCE | MG_SINK)))
        return refuse(
            diags, path,
            "bridge %s %s is neither a source nor a sink: declare MG_SOURCE or MG_SINK in the "
            "abilities of its operations",
            module->name, module->version);
    bool source = ops->abilities & MG_SOURCE, sink = ops->abilities & MG_SINK;
    const struct {
        bool present, needed;
        const char *name;
    } operations[] = {
        {ops->end, true, "ops->end"},
        {ops->open, true, "ops->open"},
        {ops->begin, true, "ops->begin"},
        {ops->close, true, "ops->close"},
        {ops->destroy, true, "ops->destroy"},
        {ops->open_source, source, "ops->open_source (it declares MG_SOURCE)"},
        {ops->credit, source, "ops->credit (it declares MG_SOURCE)"},
        {ops->settled, ops->abilities & MG_DEFERS_ACK, "ops->settled (it declares MG_DEFERS_ACK)"},
        {ops->open_sink, sink, "ops->open_sink (it declares MG_SINK)"},
        {ops->send, sink, "ops->send (it declares MG_SINK)"},
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (operations[i].needed && !operations[i].present)
            return lacks(module, operations[i].name, path, diags);
    return 0;
}

uint32_t gw_step_traits(const struct mg_module *module)
{
    const struct mg_step_ops *ops = module->ops;
    return ops->size >= offsetof(struct mg_step_ops, traits) + sizeof ops->traits ? ops->traits : 0;
}

/* Sets came with ABI 1.2: all of their operations, or none. */
static int check_sets(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    const struct mg_step_ops *ops = module->ops;
    if (ops->size < offsetof(struct mg_step_ops, set_match) + sizeof ops->set_match)
        return 0;
    int has = !!ops->set_create + !!ops->set_destroy + !!ops->set_open + !!ops->set_close +
              !!ops->set_match;
    if (has && has < 5)
        return refuse(diags, path,
                      "%s %s %s has some of ops->set_create, set_destroy, set_open, set_close and "
                      "set_match: implement all of them or none",
                      gw_kind_name(module->kind), module->name, module->version);
    if (has && module->kind != MG_FILTER)
        return refuse(diags, path,
                      "%s %s %s has operations of sets, which only filters have: remove them",
                      gw_kind_name(module->kind), module->name, module->version);
    return 0;
}

static int check_operations(const struct mg_module *module, const char *path,
                            struct gw_diags *diags)
{
    if (!module->life)
        return lacks(module, "life", path, diags);
    if (!module->life->create)
        return lacks(module, "life->create", path, diags);
    if (!module->life->destroy)
        return lacks(module, "life->destroy", path, diags);
    if (!module->life->shard_open != !module->life->shard_close)
        return lacks(module,
                     module->life->shard_open ? "life->shard_close beside its life->shard_open"
                                              : "life->shard_open beside its life->shard_close",
                     path, diags);
    if (!module->ops)
        return lacks(module, "ops", path, diags);
    if (module->kind == MG_BRIDGE)
        return check_bridge(module, path, diags);
    const struct mg_step_ops *ops = module->ops;
    if (check_table_size(module, ops->size, GW_STEP_OPS_SIZE_MINOR_0, "struct mg_step_ops", path,
                         diags))
        return -EINVAL;
    if (!ops->process)
        return lacks(module, "ops->process", path, diags);
    uint32_t strange = gw_step_traits(module) & ~(uint32_t)MG_STEP_STATELESS;
    if (strange)
        return refuse(diags, path,
                      "%s %s %s has traits 0x%x, which ABI %u.%u does not know: set ops->traits to "
                      "those of the header",
                      gw_kind_name(module->kind), module->name, module->version, strange,
                      MG_ABI_MAJOR, MG_ABI_MINOR);
    return check_sets(module, path, diags);
}

static int check_counters(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    for (size_t i = 0; module->counters && module->counters[i]; i++) {
        if (i == GW_MODULE_COUNTERS_MAX)
            return refuse(
                diags, path, "%s %s %s declares more than %d counters: end the list with NULL",
                gw_kind_name(module->kind), module->name, module->version, GW_MODULE_COUNTERS_MAX);
        bool twice = false;
        for (size_t k = 0; k < i; k++)
            twice |= !strcmp(module->counters[i], module->counters[k]);
        if (twice || !gw_name_well_formed(module->counters[i], '_', GW_MODULE_NAME_BYTES_MAX))
            return refuse(
                diags, path,
                "%s %s %s: counter %zu is declared twice or not of the form [a-z][a-z0-9_]*: "
                "rename it",
                gw_kind_name(module->kind), module->name, module->version, i);
    }
    return 0;
}

static int check_tables(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    const struct gw_options_table tables[] = {
        {"option", module->options, module->settings_size},
        {"source option", module->source_options, module->source_settings_size},
        {"sink option", module->sink_options, module->sink_settings_size},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (i > 0 && module->kind != MG_BRIDGE && tables[i].options)
            return refuse(
                diags, path, "%s %s %s has %ss, which only bridges have: remove the table",
                gw_kind_name(module->kind), module->name, module->version, tables[i].what);
        char who[GW_MODULE_NAME_BYTES_MAX + GW_MODULE_VERSION_BYTES_MAX + 16];
        snprintf(who, sizeof who, "%s %s %s", gw_kind_name(module->kind), module->name,
                 module->version);
        if (gw_options_check(&tables[i], who, path, diags))
            result = -EINVAL;
    }
    return result;
}

int gw_descriptor_check(const struct mg_module *module, const char *path, struct gw_diags *diags)
{
    if (!module)
        return refuse(
            diags, path,
            "the module refuses a gateway with module ABI %u.%u: install a release of it that "
            "serves this ABI",
            MG_ABI_MAJOR, MG_ABI_MINOR);
    if (check_abi(&module->abi, path, diags) || check_names(module, path, diags) ||
        check_operations(module, path, diags) || check_counters(module, path, diags) ||
        check_tables(module, path, diags))
        return -EINVAL;
    return 0;
}
