/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, and how far up they begin. */
#include "place.h"
#include <errno.h>
#include <stdio.h>

int place_compile(const char *text, const struct scope *scope, struct place *ret_place,
                  struct mention **ret_mention, struct mg_err *reterr)
{
    const char *at = text;
    size_t up = 0;
    bool nested = scope->outer;
    for (; nested && at[0] == '^' && (at[1] == '.' || !at[1]); at += at[1] ? 2 : 1) {
        if (!scope->outer) {
            snprintf(reterr->text, sizeof reterr->text,
                     "\"%.120s\" goes up farther than the payload", text);
            return -EINVAL;
        }
        scope = scope->outer;
        up++;
    }
    int error = doc_path_compile(*at || !up ? at : ".", !scope->outer, &ret_place->path, reterr);
    if (error)
        return error;
    ret_place->up = up;
    struct mention *mention;
    error = mention_path(scope->mention, ret_place->path, &mention);
    if (error)
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
    else if (ret_mention)
        *ret_mention = mention;
    else
        mention_all(mention);
    return error;
}

void place_fini(struct place *place)
{
    doc_path_free(place->path);
    *place = (struct place){0};
}

struct doc_value *place_get(const struct place *place, const struct level *level)
{
    for (size_t i = 0; i < place->up; i++)
        level = level->outer;
    return doc_path_get(place->path, level->value);
}

const char *place_text(const struct place *place)
{
    return doc_path_text(place->path);
}
