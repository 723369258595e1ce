/* SPDX-License-Identifier: Apache-2.0 */
/* Binding of one scalar: its type, its bounds, and what to say when it does not fit. */
#include "config/bind_scalar.h"
#include "config/bind_value.h"
#include "config/tree_node.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                  const char *why)
{
    const char *origin = gw_tree_origin(node);
    char text[GW_SHOWN_BYTES];
    /* A URL may have a password in it. */
    bool secret = o->type == MG_OPT_SECRET || (o->type == MG_OPT_URL && strchr(node->text, '@'));
    if (secret && !origin)
        gw_bind_error(bind, node, "%s: the value %s", o->name, why);
    else
        gw_bind_error(bind, node, "%s: \"%s\" %s", o->name,
                      gw_tree_shown(text, origin ? origin : node->text), why);
    return -EINVAL;
}

static int want_scalar(struct gw_bind *bind, const char *name, const struct mg_node *node,
                       bool text)
{
    if (node->type == MG_NODE_SCALAR)
        return 0;
    if (node->type == MG_NODE_NULL)
        gw_bind_error_at_key(bind, node, "%s has no value; leave the key away%s", name,
                             text ? ", or quote what begins with #" : "");
    else
        gw_bind_error(bind, node, "%s must be one value, not a %s%s", name,
                      node->type == MG_NODE_LIST ? "list" : "map",
                      text && node->type == MG_NODE_MAP ? "; quote a text that begins with {" : "");
    return -EINVAL;
}

int gw_bind_text(struct gw_bind *bind, const char *name, const struct mg_node *node,
                 const char **ret_text)
{
    if (gw_tree_broken(node) || want_scalar(bind, name, node, true))
        return -EINVAL;
    if (strlen(node->text) != node->length) {
        gw_bind_error(bind, node, "%s has a NUL byte in it; a text cannot", name);
        return -EINVAL;
    }
    *ret_text = node->text;
    return 0;
}

int gw_bind_template(struct gw_bind *bind, const char *name, const struct mg_node *node,
                     const mg_template **ret_template)
{
    const char *text = NULL;
    if (gw_bind_text(bind, name, node, &text))
        return -EINVAL;
    if (bind->template_count == bind->template_capacity) {
        size_t capacity = bind->template_capacity ? bind->template_capacity * 2 : 16;
        struct gw_bound_template *larger = gw_arena_alloc(bind->arena, capacity * sizeof *larger);
        if (!larger) {
            gw_bind_error(bind, node, "out of memory");
            return -EINVAL;
        }
        if (bind->template_count)
            memcpy(larger, bind->templates, bind->template_count * sizeof *larger);
        bind->templates = larger;
        bind->template_capacity = capacity;
    }
    mg_template *compiled = NULL;
    size_t offset = 0;
    struct mg_err err = {0};
    int error = gw_template_compile(text, &compiled, &offset, &err);
    if (error) {
        gw_tree_redact(node, err.text, sizeof err.text);
        gw_bind_error(bind, node, "%s: %s", name, error == -ENOMEM ? "out of memory" : err.text);
        return -EINVAL;
    }
    bind->templates[bind->template_count++] = (struct gw_bound_template){compiled, node};
    *ret_template = compiled;
    return 0;
}

static const char *bound(char *buffer, size_t size, uint32_t type, int64_t value)
{
    static const struct {
        int64_t factor;
        const char *unit;
    } durations[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}},
      sizes[] = {{(int64_t)1 << 40, "TiB"},
                 {1 << 30, "GiB"},
                 {1 << 20, "MiB"},
                 {1 << 10, "KiB"},
                 {1, " bytes"}};
    bool time = type == MG_OPT_DURATION_MS;
    snprintf(buffer, size, "%" PRId64, value);
    if (!time && type != MG_OPT_SIZE)
        return buffer;
    for (size_t i = 0; i < 5 && value; i++) {
        int64_t factor = time ? durations[i].factor : sizes[i].factor;
        if (value % factor)
            continue;
        snprintf(buffer, size, "%" PRId64 "%s", value / factor,
                 time ? durations[i].unit : sizes[i].unit);
        break;
    }
    return buffer;
}

static int check_bounds(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                        double value)
{
    char least[32], most[32], why[128];
    if (!o->least && !o->most)
        return 0;
    if (value >= (double)o->least && value <= (double)o->most)
        return 0;
    bound(least, sizeof least, o->type, o->least);
    bound(most, sizeof most, o->type, o->most);
    if (o->most == INT64_MAX)
        snprintf(why, sizeof why, "is out of bounds: at least %s", least);
    else
        snprintf(why, sizeof why, "is out of bounds: %s to %s", least, most);
    return refuse(bind, o, node, why);
}

static int bind_number(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                       void *at)
{
    int64_t number = 0;
    double real = 0;
    int error = 0;
    const char *why = NULL;
    switch (o->type) {
    case MG_OPT_INT:
        error = gw_value_int(node->text, &number);
        why = "is not a whole number";
        break;
    case MG_OPT_DOUBLE:
        error = gw_value_double(node->text, &real);
        why = "is not a number";
        break;
    case MG_OPT_DURATION_MS:
        error = gw_value_duration(node->text, &number);
        why = gw_value_int(node->text, &number)
                  ? "is not a duration; it is written like 250ms, 10s, 5m, 2h or 1d"
                  : "is a duration without its unit: ms, s, m, h or d";
        break;
    default:
        error = gw_value_size(node->text, &number);
        why = "is not a size; it is written like 4096, 64KiB or 1MB";
        break;
    }
    if (error == -ERANGE)
        return refuse(bind, o, node, "is too large");
    if (error)
        return refuse(bind, o, node, why);
    bool plain = o->type == MG_OPT_INT || o->type == MG_OPT_DOUBLE;
    if (plain && node->quoted && !gw_tree_origin(node))
        return refuse(bind, o, node, "is in quotes, which make it a text; leave the quotes away");
    if (check_bounds(bind, o, node, o->type == MG_OPT_DOUBLE ? real : (double)number))
        return -EINVAL;
    if (o->type == MG_OPT_DOUBLE)
        *(double *)at = real;
    else
        *(int64_t *)at = number;
    return 0;
}

static int bind_bool(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                     bool *ret)
{
    if (gw_value_bool(node->text, ret))
        return refuse(bind, o, node, "is neither true nor false");
    if (node->quoted && !gw_tree_origin(node))
        return refuse(bind, o, node, "is in quotes, which make it a text; leave the quotes away");
    return 0;
}

static int bind_enum(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                     uint32_t *ret)
{
    char list[400] = "", why[600];
    size_t count = 0, used = 0;
    for (; o->choices[count]; count++) {
        if (!strcmp(o->choices[count], node->text)) {
            *ret = (uint32_t)count;
            return 0;
        }
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "",
                                     o->choices[count]);
    }
    const char *nearest = gw_nearest(node->text, o->choices, count);
    snprintf(why, sizeof why, "is not one of: %s%s%s%s", list, nearest ? "; did you mean \"" : "",
             nearest ? nearest : "", nearest ? "\"?" : "");
    return refuse(bind, o, node, why);
}

static int check_url(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node)
{
    size_t scheme = strspn(node->text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    if (!scheme || strncmp(node->text + scheme, "://", 3) || !node->text[scheme + 3])
        return refuse(bind, o, node, "is not a URL; it is written like scheme://host:port");
    if (node->text[strcspn(node->text, " \t\r\n")])
        return refuse(bind, o, node, "has a blank in it; a URL has none");
    return 0;
}

static int bind_text(struct gw_bind *bind, const struct mg_option *o, const struct mg_node *node,
                     const char **ret)
{
    const char *text = NULL;
    char why[128];
    if (gw_bind_text(bind, o->name, node, &text))
        return -EINVAL;
    if ((o->least || o->most) &&
        ((int64_t)node->length < o->least || (int64_t)node->length > o->most)) {
        snprintf(why, sizeof why, "has %zu bytes; %" PRId64 " to %" PRId64 " are allowed",
                 node->length, o->least, o->most);
        return refuse(bind, o, node, why);
    }
    if (o->type == MG_OPT_URL && check_url(bind, o, node))
        return -EINVAL;
    /* "-" is a standard stream wherever a path may be one. */
    if (o->type == MG_OPT_FILE && strcmp(text, "-"))
        text = gw_tree_relative(bind->arena, node->file, text);
    if (!text) {
        gw_bind_error(bind, node, "out of memory");
        return -EINVAL;
    }
    *ret = text;
    return 0;
}

static bool takes_text(uint32_t type)
{
    return type == MG_OPT_TEXT || type == MG_OPT_URL || type == MG_OPT_SECRET ||
           type == MG_OPT_FILE || type == MG_OPT_TEMPLATE;
}

int gw_bind_scalar(struct gw_bind *bind, const struct mg_option *option, const struct mg_node *node,
                   void *at)
{
    if (gw_tree_broken(node) || want_scalar(bind, option->name, node, takes_text(option->type)))
        return -EINVAL;
    switch (option->type) {
    case MG_OPT_INT:
    case MG_OPT_DOUBLE:
    case MG_OPT_DURATION_MS:
    case MG_OPT_SIZE:
        return bind_number(bind, option, node, at);
    case MG_OPT_BOOL:
        return bind_bool(bind, option, node, at);
    case MG_OPT_ENUM:
        return bind_enum(bind, option, node, at);
    case MG_OPT_TEMPLATE:
        return gw_bind_template(bind, option->name, node, at);
    case MG_OPT_TEXT:
    case MG_OPT_URL:
    case MG_OPT_SECRET:
    case MG_OPT_FILE: {
        const mg_template *unused;
        int error = bind_text(bind, option, node, at);
        return error || !(option->flags & MG_OPT_FIELDS)
                   ? error
                   : gw_bind_template(bind, option->name, node, &unused);
    }
    default:
        gw_bind_error(bind, node, "%s: the module declares an option of the unknown type %u",
                      option->name, option->type);
        return -EINVAL;
    }
}
