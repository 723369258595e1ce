/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary folders. */
#include "cli/folder.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gw_folder_make(char folder[GW_FOLDER_BYTES], struct mg_err *err)
{
    const char *tmp = getenv("TMPDIR");
    int n =
        snprintf(folder, GW_FOLDER_BYTES, "%s/meshgate-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n < GW_FOLDER_BYTES && mkdtemp(folder))
        return 0;
    int error = n < GW_FOLDER_BYTES ? -errno : -ENAMETOOLONG;
    snprintf(err->text, sizeof err->text, "no folder for a store: %.150s: %s", folder,
             strerror(-error));
    return error;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void gw_folder_remove(const char *folder)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
