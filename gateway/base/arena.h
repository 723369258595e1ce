/* SPDX-License-Identifier: Apache-2.0 */
/* A bump allocator for what lives and dies together: a configuration, a plan. */
#pragma once
#include <stddef.h>

struct gw_arena;

struct gw_arena *gw_arena_create(void);        /* NULL: out of memory */
void gw_arena_destroy(struct gw_arena *arena); /* NULL is fine */

/* Zeroed and aligned for any type; NULL: out of memory. */
void *gw_arena_alloc(struct gw_arena *arena, size_t size);
/* A NUL-terminated copy of `length` bytes; NULL: out of memory. */
char *gw_arena_copy(struct gw_arena *arena, const char *text, size_t length);
char *gw_arena_printf(struct gw_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
