/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file with a bound. */
#include "text_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int text_file_read(const char *path, size_t most, char **ret_text, size_t *ret_length,
                   struct mg_err *reterr)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(most + 2) : NULL;
    if (!text) {
        int error = file ? ENOMEM : errno;
        if (file)
            fclose(file);
        snprintf(reterr->text, sizeof reterr->text, "%.150s: %s", path, strerror(error));
        return error == ENOMEM ? -ENOMEM : -EINVAL;
    }
    size_t length = fread(text, 1, most + 1, file);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (error || length > most) {
        free(text);
        if (error)
            snprintf(reterr->text, sizeof reterr->text, "%.150s: %s", path, strerror(error));
        else
            snprintf(reterr->text, sizeof reterr->text, "%.150s: has more than %zu bytes", path,
                     most);
        return -EINVAL;
    }
    text[length] = '\0';
    char *fit = realloc(text, length + 1);
    *ret_text = fit ? fit : text;
    *ret_length = length;
    return 0;
}
