/* SPDX-License-Identifier: Apache-2.0 */
/* A walk that ends at the first damage. */
#include "store/check.h"
#include "store/check_walk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool first_damage(void *arg, uint64_t offset, const char *text)
{
    struct gw_check *check = arg;
    check->offset = offset;
    snprintf(check->text, sizeof check->text, "%s", text);
    return false;
}

int gw_check_file(const char *data_path, struct gw_check *ret)
{
    *ret = (struct gw_check){0};
    struct gw_walk walk = {
        .fd = open(data_path, O_RDONLY | O_CLOEXEC), .damage = first_damage, .arg = ret};
    if (walk.fd < 0)
        return -errno;
    int error = gw_walk_file(&walk);
    close(walk.fd);
    ret->file_bytes = walk.file_bytes;
    ret->transaction = walk.transaction;
    ret->pages = walk.pages;
    ret->entries = walk.entries;
    return error ? error : walk.damages ? -EBADMSG : 0;
}
