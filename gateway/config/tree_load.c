/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration on disk: one file, or the files of a folder as one tree. */
#include "config/tree_node.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TOP_KEYS_MAX = 100 }; /* merging compares each with all */

static const struct mg_node *load_file(struct gw_arena *arena, const char *path,
                                       struct gw_diags *diags)
{
    char *text = NULL;
    size_t length = 0;
    int error = gw_tree_read_file(arena, path, GW_TREE_FILE_BYTES_MAX, false, &text, &length);
    if (!error)
        return gw_tree_parse(arena, path, text, length, diags);
    gw_diag_add(diags, GW_DIAG_ERROR, path, 0, 0, "%s",
                error == -EFBIG ? "larger than 16 MiB" : strerror(-error));
    return NULL;
}

static bool is_yaml(const char *name)
{
    const char *dot = strrchr(name, '.');
    return *name != '.' && dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* The YAML files of a folder, sorted by name; malloc'ed. */
static int list_files(const char *folder, char ***ret_names, size_t *ret_count)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return -errno;
    char **names = NULL;
    size_t count = 0, capacity = 0;
    int error = 0;
    for (const struct dirent *entry; !error && (entry = readdir(dir));) {
        if (!is_yaml(entry->d_name))
            continue;
        if (count == GW_TREE_FILES_MAX) {
            error = -E2BIG;
            break;
        }
        if (count == capacity) {
            size_t more = capacity ? capacity * 2 : 16;
            char **larger = realloc(names, more * sizeof(*larger));
            if (!larger) {
                error = -ENOMEM;
                break;
            }
            names = larger;
            capacity = more;
        }
        names[count] = strdup(entry->d_name);
        if (names[count])
            count++;
        else
            error = -ENOMEM;
    }
    closedir(dir);
    if (error) {
        free_names(names, count);
        return error;
    }
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    *ret_names = names;
    *ret_count = count;
    return 0;
}

/* Unites the maps that have the same key at the top of several files. */

static int unite(struct gw_arena *arena, struct gw_tree_node *const *parts, size_t count,
                 struct gw_diags *diags, struct gw_tree_node **ret)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i]->node.count;
    struct gw_tree_node **entries = calloc(total + 1, sizeof(*entries));
    struct gw_tree_node *map = gw_arena_alloc(arena, sizeof *map);
    const char *scope = gw_arena_printf(arena, "%s.", parts[0]->node.key);
    int error = entries && map && scope ? 0 : -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < count && !error; i++)
        for (size_t k = 0; k < parts[i]->node.count; k++)
            entries[used++] = (struct gw_tree_node *)(uintptr_t)parts[i]->node.items[k];
    if (!error) {
        ptrdiff_t left = gw_tree_drop_duplicates(entries, used, scope, diags);
        *map = *parts[0];
        error = left < 0 ? (int)left : gw_tree_set_items(arena, map, entries, (size_t)left);
    }
    free(entries);
    *ret = map;
    return error;
}

/* From the entries of all files' top maps to one map; entries of one key are united in place. */
static int merge_tops(struct gw_arena *arena, struct gw_tree_node **entries, size_t count,
                      struct gw_tree_node *root, struct gw_diags *diags)
{
    struct gw_tree_node **parts = calloc(count + 1, sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    size_t left = 0;
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        if (!entries[i] || entries[i]->node.type == MG_NODE_NULL)
            continue;
        if (left == TOP_KEYS_MAX) {
            gw_tree_error(diags, entries[i], "more than %d different keys at the top",
                          TOP_KEYS_MAX);
            break;
        }
        size_t part_count = 0;
        for (size_t k = i; k < count; k++) {
            if (!entries[k] || strcmp(entries[k]->node.key, entries[i]->node.key))
                continue;
            if (entries[k]->node.type == MG_NODE_MAP)
                parts[part_count++] = entries[k];
            else if (entries[k]->node.type != MG_NODE_NULL)
                gw_tree_error(diags, entries[k], "%s must be a map", entries[k]->node.key);
            if (k > i)
                entries[k] = NULL;
        }
        struct gw_tree_node *map = parts[0];
        if (part_count > 1)
            error = unite(arena, parts, part_count, diags, &map);
        if (part_count && !error)
            entries[left++] = map;
    }
    free(parts);
    return error ? error : gw_tree_set_items(arena, root, entries, left);
}

static const struct mg_node *merge(struct gw_arena *arena, const char *folder,
                                   const struct mg_node *const *files, size_t count,
                                   struct gw_diags *diags)
{
    size_t total = 0, used = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        total += files[i]->count;
        weight += ((const struct gw_tree_node *)(const void *)files[i])->weight;
    }
    if (weight > GW_TREE_NODES_MAX) {
        gw_diag_add(diags, GW_DIAG_ERROR, folder, 0, 0, "more than %d values in all files",
                    GW_TREE_NODES_MAX);
        return NULL;
    }
    struct gw_tree_node **entries = calloc(total + 1, sizeof(*entries));
    struct gw_tree_node *root = gw_arena_alloc(arena, sizeof *root);
    int error = entries && root ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        if (files[i]->type != MG_NODE_MAP && files[i]->type != MG_NODE_NULL)
            gw_tree_error(diags, (const struct gw_tree_node *)(const void *)files[i],
                          "a file must be a map with gateway, bridges and routes");
        for (size_t k = 0; files[i]->type == MG_NODE_MAP && k < files[i]->count; k++)
            entries[used++] = (struct gw_tree_node *)(uintptr_t)files[i]->items[k];
    }
    if (!error) {
        root->node.type = MG_NODE_MAP;
        root->node.file = gw_arena_copy(arena, folder, strlen(folder));
        error = root->node.file ? merge_tops(arena, entries, used, root, diags) : -ENOMEM;
    }
    free(entries);
    if (error)
        gw_diag_add(diags, GW_DIAG_ERROR, folder, 0, 0, "out of memory");
    return error ? NULL : &root->node;
}

static const struct mg_node *load_folder(struct gw_arena *arena, const char *folder,
                                         struct gw_diags *diags)
{
    char **names = NULL;
    size_t count = 0;
    int error = list_files(folder, &names, &count);
    if (error || !count) {
        gw_diag_add(diags, GW_DIAG_ERROR, folder, 0, 0, "%s",
                    error == -E2BIG ? "more than 10000 files"
                    : error         ? strerror(-error)
                                    : "no *.yaml or *.yml file in this folder");
        return NULL;
    }
    const struct mg_node **files = gw_arena_alloc(arena, count * sizeof *files), *root = NULL;
    size_t slashes = strlen(folder);
    while (slashes > 1 && folder[slashes - 1] == '/')
        slashes--;
    size_t loaded = 0;
    for (size_t i = 0; files && i < count; i++) {
        const char *path = gw_arena_printf(arena, "%.*s/%s", (int)slashes, folder, names[i]);
        const struct mg_node *file = path ? load_file(arena, path, diags) : NULL;
        if (file)
            files[loaded++] = file;
    }
    /* A file that is missing here would make the rest look wrong in ways that it is not. */
    if (files && loaded == count)
        root = merge(arena, folder, files, count, diags);
    free_names(names, count);
    return root;
}

const struct mg_node *gw_tree_load(struct gw_arena *arena, const char *path, struct gw_diags *diags)
{
    struct stat about;
    if (!stat(path, &about) && S_ISDIR(about.st_mode))
        return load_folder(arena, path, diags);
    return load_file(arena, path, diags);
}
