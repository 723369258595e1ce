/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of names: small hash tables, one a name. */
#include "names.h"
#include <errno.h>
#include <string.h>

uint32_t name_descend(const struct set *set, uint32_t name, const char *text, size_t length)
{
    uint32_t child = name_child(set, name, text, length);
    const char *end = text + length, *dot = child ? NULL : memchr(text, '.', length);
    if (!dot)
        return child;
    for (;;) {
        size_t step = (size_t)((dot ? dot : end) - text);
        name = name_child(set, name, text, step);
        if (!name || !dot)
            return name;
        text = dot + 1;
        dot = memchr(text, '.', (size_t)(end - text));
    }
}

static void put(struct name *n, const struct name_slot *slot)
{
    uint32_t place = slot->hash & n->mask;
    while (n->slots[place].child)
        place = (place + 1) & n->mask;
    n->slots[place] = *slot;
}

static int grow(struct set *set, struct name *n)
{
    struct name old = *n;
    uint32_t size = old.slots ? 2 * (old.mask + 1) : 4;
    n->slots = arena_alloc(&set->arena, size * sizeof *n->slots);
    if (!n->slots) {
        n->slots = old.slots;
        return -ENOMEM;
    }
    n->mask = size - 1;
    for (uint32_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].child)
            put(n, &old.slots[i]);
    return 0;
}

static int add_child(struct set *set, uint32_t name, const char *text, size_t length,
                     uint32_t *ret_child)
{
    *ret_child = name_child(set, name, text, length);
    if (*ret_child)
        return 0;
    if (!array_room(&set->names, &set->name_capacity, set->name_count, sizeof *set->names))
        return -ENOMEM;
    struct name *n = &set->names[name];
    if (!n->slots || 2 * (n->count + 1) > n->mask + 1) {
        int error = grow(set, n);
        if (error)
            return error;
    }
    const char *copy = arena_copy(&set->arena, text, length);
    if (!copy)
        return -ENOMEM;
    uint32_t child = (uint32_t)set->name_count;
    set->names[set->name_count++] = (struct name){0};
    n->count++;
    n->marks |= name_mark(text, length);
    put(n, &(struct name_slot){(uint32_t)hash_text(text, length), child, (uint32_t)length, copy});
    *ret_child = child;
    return 0;
}

int name_add_path(struct set *set, uint32_t root, const char *path, uint32_t *ret_path)
{
    uint32_t name = root;
    for (const char *text = path;;) {
        size_t step = strcspn(text, ".");
        int error = add_child(set, name, text, step, &name);
        if (error)
            return error;
        if (!text[step])
            break;
        text += step + 1;
    }
    if (!set->names[name].path) {
        if (!array_room(&set->paths, &set->path_capacity, set->path_count, sizeof *set->paths))
            return -ENOMEM;
        bool data = !strncmp(path, "data", 4) && (!path[4] || path[4] == '.');
        uint32_t of_payload = root == ROOT_PAYLOAD ? READS_DOCUMENT : data ? READS_DATA : 0;
        set->paths[set->path_count++] = (struct path){.of_payload = of_payload};
        set->names[name].path = (uint32_t)set->path_count;
    }
    *ret_path = set->names[name].path - 1;
    return 0;
}
