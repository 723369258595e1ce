/* SPDX-License-Identifier: Apache-2.0 */
/* A table that a signal handler can read, of what the dynamic linker knows. */
#include "plugin/objects.h"
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS_MAX = 256 };

static struct gw_object objects[OBJECTS_MAX];
static atomic_size_t object_count;

/* Notes are a length of the name, one of the value, a type, then both, padded to 4 bytes. */
static void read_build_id(const char *at, size_t length, char *build_id, size_t size)
{
    while (length >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        size_t name = (note.n_namesz + (size_t)3) & ~(size_t)3;
        size_t value = (note.n_descsz + (size_t)3) & ~(size_t)3;
        at += sizeof note;
        length -= sizeof note;
        if (name + value > length)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(at, "GNU", 4)) {
            for (size_t i = 0; i < note.n_descsz && 2 * i + 3 <= size; i++)
                snprintf(build_id + 2 * i, 3, "%02x", (unsigned char)at[name + i]);
            return;
        }
        at += name + value;
        length -= name + value;
    }
}

static char *path_of(const char *name)
{
    char here[PATH_MAX];
    if (*name)
        return strdup(name);
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    here[length > 0 ? length : 0] = '\0';
    return strdup(here);
}

static bool is_known(const struct gw_object *o)
{
    const struct gw_object *known = gw_object_of(o->start);
    return known && known->start == o->start && known->end == o->end &&
           !strcmp(known->path, o->path);
}

static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    size_t count = atomic_load(&object_count);
    struct gw_object o = {.start = UINTPTR_MAX, .base = info->dlpi_addr, .build_id = "none"};
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr, end = start + part->p_memsz;
        if (part->p_type == PT_LOAD) {
            o.start = start < o.start ? start : o.start;
            o.end = end > o.end ? end : o.end;
        } else if (part->p_type == PT_NOTE) {
            read_build_id((const char *)start, part->p_memsz, o.build_id, sizeof o.build_id);
        }
    }
    if (count == OBJECTS_MAX || o.start >= o.end)
        return 0;
    o.path = path_of(info->dlpi_name);
    if (!o.path || is_known(&o)) {
        free(o.path);
        return 0;
    }
    objects[count] = o;
    atomic_store(&object_count, count + 1);
    return 0;
}

void gw_objects_read(void)
{
    dl_iterate_phdr(add, NULL);
}

const struct gw_object *gw_object_of(uintptr_t address)
{
    size_t count = atomic_load(&object_count);
    while (count--) /* the last first: a place may have been another's before */
        if (address >= objects[count].start && address < objects[count].end)
            return &objects[count];
    return NULL;
}
