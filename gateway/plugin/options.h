/* SPDX-License-Identifier: Apache-2.0 */
/* Does a table of options describe its settings struct?  For the files of this folder only. */
#pragma once
#include "base/diag.h"
#include "meshgate/plugin.h"

struct gw_options_table {
    const char *what;                /* "option", "source option", "sink option" */
    const struct mg_option *options; /* NULL: none */
    size_t settings_size;
};

/* who: "bridge mqtt 1.0.0", for messages.  0, or -EINVAL with an error at `path` for each fault. */
int gw_options_check(const struct gw_options_table *table, const char *who, const char *path,
                     struct gw_diags *diags);

/* [a-z][a-z0-9 and dash]*, 1 to most bytes. */
bool gw_name_well_formed(const char *name, char dash, size_t most);
