/* SPDX-License-Identifier: Apache-2.0 */
/* Loads shared objects that nobody else could have written, checks them, keeps them by kind and
 * name. */
#include "plugin/registry.h"
#include "plugin/descriptor.h"
#include "plugin/objects.h"
#include "plugin/options.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry {
    struct gw_registry_module module;
    char *path;
    void *library; /* NULL: built in */
};

struct gw_registry {
    struct entry *entries;
    size_t count, capacity;
};

const char *gw_kind_name(uint32_t kind)
{
    static const char *const names[] = {"module", "bridge", "filter", "enricher", "translator"};
    return names[kind <= MG_TRANSLATOR ? kind : 0];
}

bool gw_module_name_well_formed(const char *name)
{
    return gw_name_well_formed(name, '-', GW_MODULE_NAME_MOST);
}

struct gw_registry *gw_registry_create(void)
{
    return calloc(1, sizeof(struct gw_registry));
}

void gw_registry_destroy(struct gw_registry *registry)
{
    if (!registry)
        return;
    while (registry->count) {
        struct entry *entry = &registry->entries[--registry->count];
        if (entry->library)
            dlclose(entry->library);
        free(entry->path);
    }
    free(registry->entries);
    free(registry);
}

static const struct entry *find(const struct gw_registry *registry, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < registry->count; i++) {
        const struct mg_module *module = registry->entries[i].module.module;
        if (module->kind == kind && !strcmp(module->name, name))
            return &registry->entries[i];
    }
    return NULL;
}

const struct mg_module *gw_registry_find(const struct gw_registry *registry, uint32_t kind,
                                         const char *name)
{
    const struct entry *entry = find(registry, kind, name);
    return entry ? entry->module.module : NULL;
}

size_t gw_registry_count(const struct gw_registry *registry)
{
    return registry->count;
}

const struct gw_registry_module *gw_registry_at(const struct gw_registry *registry, size_t index)
{
    return index < registry->count ? &registry->entries[index].module : NULL;
}

static int out_of_memory(const char *path, struct gw_diags *diags)
{
    gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "out of memory");
    return -EINVAL;
}

/* Takes the library on success. */
static int add(struct gw_registry *registry, const struct mg_module *module, const char *path,
               void *library, struct gw_diags *diags)
{
    if (gw_descriptor_check(module, path, diags))
        return -EINVAL;
    const struct entry *other = find(registry, module->kind, module->name);
    if (other) {
        gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0,
                    "%s %s %s is loaded already: version %s from %s; keep one of the two files",
                    gw_kind_name(module->kind), module->name, module->version,
                    other->module.module->version, other->path);
        return -EINVAL;
    }
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity ? registry->capacity * 2 : 16;
        struct entry *entries = realloc(registry->entries, capacity * sizeof *entries);
        if (!entries)
            return out_of_memory(path, diags);
        registry->entries = entries;
        registry->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy)
        return out_of_memory(path, diags);
    registry->entries[registry->count++] = (struct entry){
        .module = {.module = module, .path = copy}, .path = copy, .library = library};
    return 0;
}

int gw_registry_add(struct gw_registry *registry, const struct mg_module *module, const char *path,
                    struct gw_diags *diags)
{
    return add(registry, module, path ? path : "(built in)", NULL, diags);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Who can write here can run code in the gateway. */
static int check_writers(const char *path, mode_t wanted, struct gw_diags *diags)
{
    struct stat st;
    const char *what = wanted == S_IFDIR ? "folder" : "file";
    if (stat(path, &st)) {
        gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "this module %s cannot be read: %s", what,
                    strerror(errno));
        return -EINVAL;
    }
    if ((st.st_mode & S_IFMT) != wanted) {
        gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "this is not a module %s: name a %s", what,
                    wanted == S_IFDIR ? "folder that holds *.so files" : "shared object");
        return -EINVAL;
    }
    if (st.st_mode & S_IWOTH) {
        gw_diag_add(
            diags, GW_DIAG_ERROR, path, 0, 0,
            "everybody may write this module %s, and so run code in the gateway: chmod o-w %s",
            what, path);
        return -EINVAL;
    }
    return 0;
}

/* Both where the link stands and where it leads; real is the latter. */
static int check_file(const char *path, char real[PATH_MAX], struct gw_diags *diags)
{
    if (!realpath(path, real)) {
        gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "this module file cannot be read: %s",
                    strerror(errno));
        return -EINVAL;
    }
    if (check_writers(real, S_IFREG, diags))
        return -EINVAL;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", real);
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = '\0';
    return check_writers(folder, S_IFDIR, diags);
}

static bool is_loaded(const struct gw_registry *registry, const void *library)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->entries[i].library == library)
            return true;
    return false;
}

int gw_registry_load_file(struct gw_registry *registry, const char *path, struct gw_diags *diags)
{
    static const struct mg_abi here = MG_ABI_HERE;
    const struct mg_module *(*get)(const struct mg_abi *) = NULL;
    char real[PATH_MAX];
    if (check_file(path, real, diags))
        return -EINVAL;
    /* The checked file, not the link: that could lead elsewhere by now. */
    void *library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0,
                    "the system cannot load it (%s): install the library that it names, or rebuild "
                    "the module "
                    "with -Wl,-z,defs on this machine",
                    dlerror());
        return -EINVAL;
    }
    if (is_loaded(registry,
                  library)) { /* the same file under another name, or a folder given twice */
        dlclose(library);
        return 0;
    }
    gw_objects_read(); /* so that a crash in there can be told */
    void *symbol = dlsym(library, "mg_module");
    if (!symbol) {
        gw_diag_add(
            diags, GW_DIAG_ERROR, path, 0, 0,
            "it does not export mg_module, so it is no module of this gateway: define mg_module as "
            "meshgate/plugin.h declares it, or move the file out of the module folder");
        dlclose(library);
        return -EINVAL;
    }
    memcpy(&get, &symbol, sizeof get);
    int result = add(registry, get(&here), path, library, diags);
    if (result)
        dlclose(library);
    return result;
}

static int is_module_file(const struct dirent *item)
{
    size_t length = strlen(item->d_name);
    return item->d_name[0] != '.' && length > 3 && !strcmp(item->d_name + length - 3, ".so");
}

int gw_registry_load_folder(struct gw_registry *registry, const char *folder,
                            struct gw_diags *diags)
{
    struct dirent **items = NULL;
    if (check_writers(folder, S_IFDIR, diags))
        return -EINVAL;
    int count = scandir(folder, &items, is_module_file, alphasort);
    if (count < 0) {
        gw_diag_add(diags, GW_DIAG_ERROR, folder, 0, 0, "this module folder cannot be read: %s",
                    strerror(errno));
        return -EINVAL;
    }
    int result = 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", folder, items[i]->d_name) >= (int)sizeof path) {
            gw_diag_add(diags, GW_DIAG_ERROR, folder, 0, 0, "the path of %s is too long",
                        items[i]->d_name);
            result = -EINVAL;
        } else if (gw_registry_load_file(registry, path, diags)) {
            result = -EINVAL;
        }
        free(items[i]);
    }
    free(items);
    return result;
}
