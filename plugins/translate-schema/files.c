/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas out of files: read whole, found under file:///…, and under their $id. */
#include "files.h"
#include "uri.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FOLDER_DEPTH_MAX = 8 };

static int unreadable(const char *path, int error, struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "%.150s: %s", path, strerror(error));
    return -EINVAL;
}

/* malloc'ed. */
static int read_whole(const char *path, char **ret_text, size_t *ret_length, struct mg_err *reterr)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return unreadable(path, errno, reterr);
    size_t room = 16384, length = 0;
    char *text = malloc(room);
    while (text && length <= DOCUMENT_BYTES_MAX) {
        length += fread(text + length, 1, room - length, in);
        if (length < room)
            break;
        char *more = realloc(text, room *= 2);
        if (!more)
            free(text);
        text = more;
    }
    int error = ferror(in) ? errno : 0;
    fclose(in);
    if (!text)
        return out_of_memory(reterr);
    if (error) {
        free(text);
        return unreadable(path, error, reterr);
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}

int library_add_file(struct library *l, const char *path, struct document **ret,
                     struct mg_err *reterr)
{
    struct mg_str uri;
    char *text = NULL, *absolute = realpath(path, NULL);
    size_t length = 0;
    if (!absolute)
        return unreadable(path, errno, reterr);
    int error = uri_of_path(&l->memory, absolute, &uri) ? 0 : out_of_memory(reterr);
    struct resource *same = error ? NULL : table_get(&l->by_uri, uri);
    if (same) /* named twice, as a file and within a folder perhaps */
        *ret = same->document;
    if (!error && !same)
        error = read_whole(absolute, &text, &length, reterr);
    if (!error && !same)
        error = library_add_text(l, path, uri, (struct mg_bytes){text, length}, ret, reterr);
    free(text);
    free(absolute);
    return error;
}

static int is_wanted(const struct dirent *e)
{
    return *e->d_name != '.';
}

static int add_path(struct library *l, const char *path, size_t depth, struct mg_err *reterr);

static int add_folder(struct library *l, const char *path, size_t depth, struct mg_err *reterr)
{
    struct dirent **entries;
    if (depth > FOLDER_DEPTH_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "%.150s: folders are nested deeper than %d",
                 path, FOLDER_DEPTH_MAX);
        return -EINVAL;
    }
    int count = scandir(path, &entries, is_wanted, alphasort);
    if (count < 0)
        return unreadable(path, errno, reterr);
    int error = 0;
    for (int i = 0; i < count; i++) {
        char inner[PATH_MAX];
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (!error && length < (int)sizeof inner)
            error = add_path(l, inner, depth, reterr);
        free(entries[i]);
    }
    free(entries);
    return error;
}

/* Within a folder, what is neither a folder nor *.json is left alone. */
static int add_path(struct library *l, const char *path, size_t depth, struct mg_err *reterr)
{
    struct stat st;
    struct document *document;
    size_t length = strlen(path);
    if (stat(path, &st))
        return unreadable(path, errno, reterr);
    if (S_ISDIR(st.st_mode))
        return add_folder(l, path, depth + 1, reterr);
    if (depth && (length < 5 || strcmp(path + length - 5, ".json") != 0))
        return 0;
    return library_add_file(l, path, &document, reterr);
}

int library_add_path(struct library *l, const char *path, struct mg_err *reterr)
{
    return add_path(l, path, 0, reterr);
}
