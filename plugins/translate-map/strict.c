/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of the fields that nobody mentions. */
#include "strict.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct list {
    struct seen *seen;
    size_t found, listed, left_out;
    size_t used;
    char text[200];
};

/* FNV-1a: two paths of one hash are one warning less. */
static uint64_t hash(struct mg_str path)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < path.len; i++)
        h = (h ^ (unsigned char)path.at[i]) * 1099511628211u;
    return h;
}

static bool is_new(struct seen *seen, struct mg_str path)
{
    uint64_t wanted = hash(path);
    for (size_t i = 0; i < seen->count; i++)
        if (seen->hashes[i] == wanted)
            return false;
    if (seen->count == SEEN_MAX)
        return false;
    seen->hashes[seen->count++] = wanted;
    return true;
}

static void add(void *arg, struct mg_str path)
{
    struct list *l = arg;
    l->found++;
    if (!is_new(l->seen, path))
        return;
    int length = path.len < 80 ? (int)path.len : 80;
    if (l->used + (size_t)length + 3 > sizeof l->text) {
        l->left_out++;
        return;
    }
    l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s%.*s",
                                l->listed ? ", " : "", length, path.at);
    l->listed++;
}

static const char *and_more(const struct list *l, char *room, size_t size)
{
    snprintf(room, size, " and %zu more", l->left_out);
    return l->left_out ? room : "";
}

int strict_check(enum strict strict, const struct mention *root, const struct doc_value *payload,
                 struct seen *seen, const struct mg_host *host, mg_instance *instance,
                 bool *ret_any, struct mg_err *reterr)
{
    struct seen now = {.count = 0};
    struct list list = {.seen = strict == STRICT_WARN ? seen : &now};
    char more[40];
    mention_missing(root, payload, add, &list);
    *ret_any = list.found;
    if (strict == STRICT_REJECT && list.found) {
        snprintf(reterr->text, sizeof reterr->text, "no rule mentions %s%s", list.text,
                 and_more(&list, more, sizeof more));
        return -EINVAL;
    }
    if (list.listed)
        host->log(instance, MG_WARN, "no rule mentions %s%s", list.text,
                  and_more(&list, more, sizeof more));
    return 0;
}
