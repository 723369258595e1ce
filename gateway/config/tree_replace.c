/* SPDX-License-Identifier: Apache-2.0 */
/* ${env:} and ${file:} inside scalars; no message ever shows what they stand for. */
#include "base/utf8.h"
#include "config/tree_node.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REPLACED_BYTES_MAX = 1 << 20 };

int gw_tree_read_file(struct gw_arena *arena, const char *path, size_t limit, bool regular_only,
                      char **ret_text, size_t *ret_length)
{
    /* O_NONBLOCK: opening a named pipe must not hang a check. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | (regular_only ? O_NONBLOCK : 0));
    if (fd < 0)
        return -errno;
    struct stat about;
    int error = fstat(fd, &about) ? -errno : 0;
    if (!error && S_ISDIR(about.st_mode))
        error = -EISDIR;
    if (!error && regular_only && !S_ISREG(about.st_mode))
        error = -ENOTSUP;
    size_t room = 4096, used = 0;
    char *text = error ? NULL : malloc(room);
    if (!error && !text)
        error = -ENOMEM;
    while (!error) {
        if (used == room) {
            char *more = room > limit ? NULL : realloc(text, room * 2);
            if (!more) {
                error = room > limit ? -EFBIG : -ENOMEM;
                break;
            }
            text = more;
            room *= 2;
        }
        ssize_t n = read(fd, text + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error = -errno;
        if (n <= 0)
            break;
        used += (size_t)n;
        if (used > limit)
            error = -EFBIG;
    }
    close(fd);
    if (!error && !(*ret_text = gw_arena_copy(arena, text, used)))
        error = -ENOMEM;
    if (!error)
        *ret_length = used;
    free(text);
    return error;
}

const char *gw_tree_relative(struct gw_arena *arena, const char *file, const char *path)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (*path == '/' || !slash)
        return gw_arena_copy(arena, path, strlen(path));
    return gw_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

static int refuse(struct gw_tree_node *n, struct gw_diags *diags, const char *what,
                  const char *name, const char *why)
{
    char shown[GW_SHOWN_BYTES];
    gw_diag_add(diags, GW_DIAG_ERROR, n->node.file, n->node.line, n->node.column, "${%s%s}: %s",
                what, gw_tree_shown(shown, name), why);
    n->broken = true;
    return 0;
}

static int from_env(struct gw_arena *arena, struct gw_tree_node *n, const char *inside,
                    struct gw_diags *diags, const char **ret_value)
{
    const char *fallback = strstr(inside, ":-");
    size_t length = fallback ? (size_t)(fallback - inside) : strlen(inside);
    char *name = gw_arena_copy(arena, inside, length);
    if (!name)
        return -ENOMEM;
    if (!length ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != length)
        return refuse(n, diags, "env:", inside, "a variable's name has letters, digits and _ only");
    const char *value = getenv(name);
    if (fallback && (!value || !*value))
        value = fallback + 2;
    if (!value)
        return refuse(n, diags, "env:", name,
                      "the environment has no such variable; set it, or give a default: "
                      "${env:NAME:-default}");
    if (!gw_utf8_valid(value, strlen(value)))
        return refuse(n, diags, "env:", name, "its value is not valid UTF-8");
    *ret_value = value;
    return 0;
}

static int from_file(struct gw_arena *arena, struct gw_tree_node *n, const char *inside,
                     struct gw_diags *diags, const char **ret_value)
{
    if (!*inside)
        return refuse(n, diags, "file:", inside, "a path is missing");
    const char *path = gw_tree_relative(arena, n->node.file, inside);
    if (!path)
        return -ENOMEM;
    char *text = NULL;
    size_t length = 0;
    int error = gw_tree_read_file(arena, path, GW_SECRET_FILE_BYTES_MAX, true, &text, &length);
    if (error == -ENOMEM)
        return error;
    if (error == -EFBIG)
        return refuse(n, diags, "file:", inside, "larger than 65536 bytes");
    if (error == -ENOTSUP)
        return refuse(n, diags, "file:", inside, "not a regular file");
    if (error)
        return refuse(n, diags, "file:", inside, strerror(-error));
    if (memchr(text, '\0', length))
        return refuse(n, diags, "file:", inside, "it has a NUL byte; a text cannot");
    if (!gw_utf8_valid(text, length))
        return refuse(n, diags, "file:", inside, "not valid UTF-8");
    if (length && text[length - 1] == '\n')
        text[--length] = '\0';
    if (length && text[length - 1] == '\r')
        text[--length] = '\0';
    *ret_value = text;
    return 0;
}

/* inside: what stands between ${ and }. */
static int look_up(struct gw_arena *arena, struct gw_tree_node *n, const char *inside,
                   struct gw_diags *diags, const char **ret_value)
{
    *ret_value = "";
    if (!strncmp(inside, "env:", 4))
        return from_env(arena, n, inside + 4, diags, ret_value);
    if (!strncmp(inside, "file:", 5))
        return from_file(arena, n, inside + 5, diags, ret_value);
    return refuse(
        n, diags, "", inside,
        "not known; there are ${env:NAME}, ${env:NAME:-default} and ${file:PATH}, and $${ is a "
        "literal ${");
}

static int remember(struct gw_arena *arena, struct gw_tree_node *n, const char *value,
                    const char *inside)
{
    struct gw_tree_value *v = gw_arena_alloc(arena, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->text = gw_arena_copy(arena, value, strlen(value));
    v->written = gw_arena_printf(arena, "${%s}", inside);
    v->next = n->values;
    n->values = v;
    return v->text && v->written ? 0 : -ENOMEM;
}

int gw_tree_replace(struct gw_arena *arena, struct gw_tree_node *n, struct gw_diags *diags)
{
    const char *text = n->node.text;
    if (!strstr(text, "${") || strlen(text) != n->node.length)
        return 0;
    char *out = NULL;
    size_t out_length = 0;
    FILE *stream = open_memstream(&out, &out_length);
    if (!stream)
        return -ENOMEM;
    int error = 0;
    bool replaced = false;
    for (const char *at = text; *at && !error;) {
        const char *dollar = strstr(at, "${");
        if (!dollar) {
            fputs(at, stream);
            break;
        }
        if (dollar > at && dollar[-1] == '$') {
            fprintf(stream, "%.*s{", (int)(dollar - at), at);
            at = dollar + 2;
            continue;
        }
        fprintf(stream, "%.*s", (int)(dollar - at), at);
        size_t length = strcspn(dollar + 2, "}");
        if (!dollar[2 + length]) {
            refuse(n, diags, "", dollar + 2, "the closing } is missing");
            break;
        }
        const char *inside = gw_arena_copy(arena, dollar + 2, length), *value = NULL;
        error = inside ? look_up(arena, n, inside, diags, &value) : -ENOMEM;
        if (!error)
            error = remember(arena, n, value, inside);
        if (!error)
            fputs(value, stream);
        replaced = true;
        at = dollar + 2 + length + 1;
        fflush(stream);
        if (out_length > REPLACED_BYTES_MAX) {
            refuse(n, diags, "", inside ? inside : "", "the whole text becomes larger than 1 MiB");
            break;
        }
    }
    if (fclose(stream) && !error)
        error = -ENOMEM;
    if (!error && replaced)
        n->origin = text;
    if (!error) {
        n->node.text = gw_arena_copy(arena, n->broken ? "" : out, n->broken ? 0 : out_length);
        n->node.length = n->broken ? 0 : out_length;
        error = n->node.text ? 0 : -ENOMEM;
    }
    free(out);
    return error;
}
