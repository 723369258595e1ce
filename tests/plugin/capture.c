/* SPDX-License-Identifier: Apache-2.0 */
/* Redirects stderr into a file for a while. */
#include "capture.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool capture_has(void (*fn)(void), const char *part)
{
    static char text[1 << 20];
    char path[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/stderr.XXXXXX", tmp ? tmp : "/tmp");
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    if (file < 0 || saved < 0)
        abort();
    unlink(path);
    fflush(stderr);
    dup2(file, STDERR_FILENO);
    fn();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    close(file);
    text[got > 0 ? got : 0] = '\0';
    bool has = strstr(text, part);
    if (!has)
        fprintf(stderr, "expected \"%s\" in:\n%s\n", part, text);
    return has;
}
