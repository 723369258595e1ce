/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the folder new_plugin, compiled in. */
#pragma once

struct gw_new_plugin_file {
    const char *name; /* as in the folder */
    const char *text;
};
extern const struct gw_new_plugin_file gw_new_plugin_files[]; /* ends with a name of NULL */
