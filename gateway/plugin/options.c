/* SPDX-License-Identifier: Apache-2.0 */
/* Checks an option table against the struct that binding will fill by it. */
#include "plugin/options.h"
#include "config/bind.h"
#include "plugin/descriptor.h"
#include <errno.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const struct gw_options_table *table;
    const char *who, *path;
    struct gw_diags *diags;
    bool failed;
};

static void __attribute__((format(printf, 3, 4)))
fault(struct check *check, const char *option, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->failed = true;
    gw_diag_add(check->diags, GW_DIAG_ERROR, check->path, 0, 0, "%s: %s \"%s\" %s", check->who,
                check->table->what, option, text);
}

/* Of one element; 0: no such type. */
static size_t field_size(const struct mg_option *o, size_t *ret_align)
{
    switch (o->type) {
    case MG_OPT_INT:
    case MG_OPT_DURATION_MS:
    case MG_OPT_SIZE:
        *ret_align = alignof(int64_t);
        return sizeof(int64_t);
    case MG_OPT_DOUBLE:
        *ret_align = alignof(double);
        return sizeof(double);
    case MG_OPT_BOOL:
        *ret_align = alignof(bool);
        return sizeof(bool);
    case MG_OPT_ENUM:
        *ret_align = alignof(uint32_t);
        return sizeof(uint32_t);
    case MG_OPT_TEXT:
    case MG_OPT_URL:
    case MG_OPT_TEMPLATE:
    case MG_OPT_SECRET:
    case MG_OPT_FILE:
    case MG_OPT_TREE:
        *ret_align = alignof(void *);
        return sizeof(void *);
    case MG_OPT_PAIRS:
        *ret_align = alignof(struct mg_list);
        return sizeof(struct mg_list);
    case MG_OPT_MAP:
        *ret_align = 1; /* what is inside is checked on its own */
        return o->inside_size;
    default:
        return 0;
    }
}

static bool check_place(struct check *check, const struct mg_option *o, size_t struct_size)
{
    size_t align = 1, size = field_size(o, &align);
    if (!size) {
        fault(check, o->name, "has the unknown type %u: use one of MG_OPT_* of ABI %u.%u", o->type,
              MG_ABI_MAJOR, MG_ABI_MINOR);
        return false;
    }
    if (o->flags & MG_OPT_LIST) {
        size = sizeof(struct mg_list);
        align = alignof(struct mg_list);
    }
    if (o->offset > struct_size || size > struct_size - o->offset) {
        fault(check, o->name,
              "lies outside of its settings struct (bytes %zu to %zu of %zu): set offset with "
              "offsetof and "
              "the size with sizeof",
              o->offset, o->offset + size, struct_size);
        return false;
    }
    if (o->offset % align) {
        fault(check, o->name,
              "is not aligned (offset %zu, needs a multiple of %zu): set offset with offsetof",
              o->offset, align);
        return false;
    }
    return true;
}

static bool check_words(struct check *check, const struct mg_option *o)
{
    if (!o->doc || !*o->doc) {
        fault(check, o->name, "has no doc: say in one sentence what it does");
        return false;
    }
    if (o->type == MG_OPT_ENUM && (!o->choices || !o->choices[0])) {
        fault(check, o->name, "is an enum without choices: list them, NULL-ended");
        return false;
    }
    if (o->least > o->most) {
        fault(check, o->name, "has bounds that nothing meets (%lld to %lld): set least and most",
              (long long)o->least, (long long)o->most);
        return false;
    }
    if (o->type == MG_OPT_MAP && (!o->inside || !o->inside_size)) {
        fault(check, o->name,
              "is a map and does not say what is inside: set inside and inside_size");
        return false;
    }
    if (o->value && (o->flags & MG_OPT_REQUIRED)) {
        fault(check, o->name, "is required and has a default: choose one of the two");
        return false;
    }
    if ((o->flags & MG_OPT_PLAIN) && ((o->flags & MG_OPT_LIST) || o->type >= MG_OPT_PAIRS)) {
        fault(check, o->name, "has MG_OPT_PLAIN and is no single value: take the flag away");
        return false;
    }
    if ((o->flags & MG_OPT_FIELDS) && o->type != MG_OPT_TEXT) {
        fault(check, o->name, "has MG_OPT_FIELDS and is no text: take the flag away");
        return false;
    }
    return true;
}

/* Binding itself is the judge, so that it cannot disagree when a gateway starts. */
static void check_default(struct check *check, const struct mg_option *o, size_t struct_size)
{
    const struct mg_option alone[2] = {*o, {0}};
    struct gw_diags found = {0};
    struct gw_arena *arena = gw_arena_create();
    void *settings = arena ? gw_arena_alloc(arena, struct_size) : NULL;
    struct gw_bind bind = {.arena = arena, .diags = &found};
    if (!settings)
        fault(check, o->name, "cannot be checked: out of memory");
    else if (gw_bind_settings(&bind, alone, NULL, NULL, settings))
        fault(check, o->name, "has a default that is none (%s: %s): correct the table's value",
              o->value, found.count ? found.items[0].text : "it does not parse");
    gw_bind_release(&bind);
    gw_diags_fini(&found);
    gw_arena_destroy(arena);
}

static void check_options(struct check *check, const struct mg_option *options, size_t struct_size,
                          int depth)
{
    if (depth > GW_MODULE_OPTIONS_DEPTH_MAX) {
        fault(check, options->name, "is nested more than %d deep: flatten the table",
              GW_MODULE_OPTIONS_DEPTH_MAX);
        return;
    }
    size_t count = 0;
    for (const struct mg_option *o = options; o->name; o++) {
        if (++count > GW_MODULE_OPTIONS_MAX) {
            fault(check, o->name, "is past the limit of %d: end the table with a NULL name",
                  GW_MODULE_OPTIONS_MAX);
            return;
        }
        if (!gw_name_well_formed(o->name, '_', GW_MODULE_NAME_BYTES_MAX)) {
            fault(check, o->name, "is not of the form [a-z][a-z0-9_]*: rename it");
            continue;
        }
        for (const struct mg_option *before = options; before < o; before++) {
            if (!strcmp(before->name, o->name))
                fault(check, o->name, "is declared twice: rename one of them");
            if (before->flags & o->flags & MG_OPT_PLAIN)
                fault(check, o->name, "and \"%s\" have MG_OPT_PLAIN: one of a map may",
                      before->name);
        }
        if ((o->flags & MG_OPT_PLAIN) && depth == 1)
            fault(check, o->name, "has MG_OPT_PLAIN and lies in no MG_OPT_MAP: take it away");
        if (!check_words(check, o) || !check_place(check, o, struct_size))
            continue;
        if (o->type == MG_OPT_MAP)
            check_options(check, o->inside, o->inside_size, depth + 1);
        else if (o->value)
            check_default(check, o, struct_size);
    }
}

int gw_options_check(const struct gw_options_table *table, const char *who, const char *path,
                     struct gw_diags *diags)
{
    struct check check = {.table = table, .who = who, .path = path, .diags = diags};
    if (!table->options)
        return 0;
    if (table->settings_size > GW_MODULE_SETTINGS_BYTES_MAX)
        fault(&check, table->options->name ? table->options->name : "",
              "and all others need %zu bytes of settings, "
              "at most %d are allowed: shrink the struct",
              table->settings_size, GW_MODULE_SETTINGS_BYTES_MAX);
    else
        check_options(&check, table->options, table->settings_size, 1);
    return check.failed ? -EINVAL : 0;
}
