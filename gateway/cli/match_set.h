/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns for `meshgate match`: the filter "pattern", with each pattern over whole documents. */
#pragma once
#include "cli/cli.h"
#include "cli/documents.h"

struct gw_match_pattern {
    const void *settings;
    const char *file; /* for people */
    uint32_t line;    /* 0: the file has this one alone */
};

struct gw_match_set {
    const struct mg_module *module;
    const struct mg_step_ops *ops;
    struct mg_host host;
    struct gw_arena *arena;
    const void *defaults; /* settings with no pattern yet */
    size_t match_at;      /* where in them the pattern's tree goes */
    struct gw_match_pattern *patterns;
    size_t count, capacity;
    void *set, *context;
    uint32_t *found; /* room for count */
};

/* -ENOENT: the module is not there, or cannot do it; said on stderr. */
int gw_match_init(struct gw_match_set *m, struct gw_registry *registry);
void gw_match_fini(struct gw_match_set *m);
/* JSON text, or a tree of YAML.  -EINVAL: reterr says what is wrong; -ENOMEM. */
int gw_match_add_text(struct gw_match_set *m, struct gw_text text, const char *file, uint32_t line,
                      struct mg_err *reterr);
int gw_match_add_tree(struct gw_match_set *m, const struct mg_node *tree, struct mg_err *reterr);
/* Compiles what was added. */
int gw_match_compile(struct gw_match_set *m, struct mg_err *reterr);
/* Forgets all patterns. */
void gw_match_clear(struct gw_match_set *m);
/* The number of patterns that match; which they are is in m->found, ascending.  -EINVAL: reterr
 * says why the document is none. */
ptrdiff_t gw_match_document(struct gw_match_set *m, struct gw_text document, struct mg_err *reterr);
