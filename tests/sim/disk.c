/* SPDX-License-Identifier: Apache-2.0 */
/* The disk under the store: it may be full, it may fail, and the power may go. */
#include "../unit/disk.h"
#include "sim.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool full;

/* ---- trouble ----------------------------------------------------------------------------------
 */

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length);

/* Space is not really taken: the store only wants to know whether there is any. */
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
    (void)fd, (void)mode, (void)offset, (void)length;
    if (!full)
        return 0;
    errno = ENOSPC;
    return -1;
}

void sim_disk_heal(void)
{
    if (full || disk_write_error || disk_sync_error)
        sim_note("the disk is well again");
    full = false;
    disk_write_error = disk_sync_error = 0;
    sim.store_idle = false;
}

static void heal(void *arg, uint64_t number)
{
    (void)arg, (void)number;
    sim_disk_heal();
}

void sim_disk_ail(void)
{
    switch (sim_below(&sim.chance, 4)) {
    case 0:
        full = true;
        break;
    case 1:
        disk_write_error = ENOSPC;
        break;
    case 2:
        disk_write_error = EIO;
        break;
    default:
        disk_sync_error = EIO;
    }
    sim_note("the disk fails%s%s%s", full ? ": full" : "", disk_write_error ? ": writes" : "",
             disk_sync_error ? ": syncs" : "");
    sim_after(sim_between(&sim.chance, 1000, 2000000), heal, NULL, 0);
}

/* ---- the folder -------------------------------------------------------------------------------
 */

static char boot_id[24];

const char *sim_boot_id(void)
{
    return boot_id;
}

static int remove_entry(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_folder(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void sim_disk_begin(void)
{
    snprintf(boot_id, sizeof boot_id, "boot-0");
    snprintf(sim.folder, sizeof sim.folder, "%s/meshgate-sim-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(sim.folder))
        abort();
    if (sim.plan.cuts)
        disk_begin(sim.folder);
}

void sim_disk_end(void)
{
    sim_disk_heal();
    if (sim.plan.cuts)
        disk_end();
    remove_folder(sim.folder);
}

/* Of what was not synced, anything may be there or not. */
void sim_disk_cut(void)
{
    char image[sizeof sim.folder + 8];
    struct kit_random random;
    sim_disk_heal();
    snprintf(image, sizeof image, "%s-image", sim.folder);
    if (mkdir(image, 0700))
        abort();
    kit_random_seed(&random, sim_below(&sim.chance, UINT32_MAX));
    disk_image(&random, disk_events(), sim_below(&sim.chance, DISK_VARIANTS), image);
    disk_end();
    remove_folder(sim.folder);
    if (rename(image, sim.folder))
        abort();
    snprintf(boot_id, sizeof boot_id, "boot-%u", sim.life);
    disk_begin(sim.folder);
}
