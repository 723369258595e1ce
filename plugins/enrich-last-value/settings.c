/* SPDX-License-Identifier: Apache-2.0 */
/* What may be configured, and what of it goes together. */
#include "settings.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const forms[] = {"json", "text", NULL};
static const char *const thens[] = {"pass", "drop", NULL};
static const char *const missings[] = {"pass", "drop", "reject", "retry", NULL};

#define AT(field) offsetof(struct settings, field)
const struct mg_option last_value_options[] = {
    {.name = "remember",
     .doc = "Remember the value of each event under this name.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 255,
     .offset = AT(remember)},
    {.name = "recall",
     .doc = "Put what is remembered under this name into each event.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 255,
     .offset = AT(recall)},
    {.name = "key",
     .doc = "Whose value it is, as \"{machine}\": the same text where it is remembered and where "
            "it is recalled.",
     .type = MG_OPT_TEMPLATE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(key)},
    {.name = "value",
     .doc = "remember: path of what is remembered in a JSON payload; unset: the whole payload.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(value)},
    {.name = "as",
     .value = "json",
     .doc = "remember: what the payload is; json, of which another payload is rejected, or text, "
            "remembered as one JSON text.",
     .type = MG_OPT_ENUM,
     .choices = forms,
     .offset = AT(as)},
    {.name = "then",
     .value = "pass",
     .doc = "remember: what becomes of the event that was remembered; drop: it has served its "
            "purpose, and is counted as dropped.",
     .type = MG_OPT_ENUM,
     .choices = thens,
     .offset = AT(then)},
    {.name = "max_keys",
     .value = "100000",
     .doc = "remember: keys under this name in the whole gateway; beyond, the one unused for "
            "longest is forgotten.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = 10000000,
     .offset = AT(max_keys)},
    {.name = "max_size",
     .value = "64MiB",
     .doc = "remember: bytes of keys and values under this name in the whole gateway; beyond, the "
            "one unused for longest is forgotten.",
     .type = MG_OPT_SIZE,
     .least = 1024,
     .most = (int64_t)1 << 40,
     .offset = AT(max_size)},
    {.name = "into",
     .doc = "recall: where it goes; a path in the JSON payload (machine, data.machine), or "
            "property:NAME.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(into)},
    {.name = "max_age",
     .value = "0s",
     .doc = "recall: a value that was remembered longer ago is missing; 0s: it is good for ever.",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = 31536000000,
     .offset = AT(max_age_ms)},
    {.name = "on_missing",
     .value = "pass",
     .doc = "recall: what happens to an event for whose key nothing is remembered; retry: it waits "
            "as the route's delivery.retry says, and those behind it with it.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

int last_value_compile(const struct settings *s, struct doc_path **ret_value,
                       struct place *ret_into, struct mg_err *reterr)
{
    int error = s->value ? doc_path_compile(s->value, true, ret_value, reterr) : 0;
    if (error)
        reterr->option = "value";
    else if (s->into)
        error = place_init(ret_into, s->into, "into", reterr);
    return error;
}

int last_value_check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    if (!s->remember && !s->recall)
        return refuse(reterr, "remember",
                      "say what this step does: remember: NAME in the route of the state, recall: "
                      "NAME in the route of the events");
    if (s->recall && !s->into)
        return refuse(reterr, "into", "recall needs a place for what it finds: into: machine");
    if (!s->recall && (s->into || s->max_age_ms || s->on_missing != MISSING_PASS))
        return refuse(reterr,
                      s->into         ? "into"
                      : s->max_age_ms ? "max_age"
                                      : "on_missing",
                      "this belongs to recall, and the step recalls nothing");
    if (!s->remember && (s->value || s->as == AS_TEXT))
        return refuse(reterr, s->value ? "value" : "as",
                      "this belongs to remember, and the step remembers nothing");
    if (s->value && s->as == AS_TEXT)
        return refuse(reterr, "value", "a text has no parts: value goes with as: json");
    if (s->recall && s->then == THEN_DROP)
        return refuse(reterr, "then", "an event that was enriched would be dropped");
    if (s->recall && s->remember && !strcmp(s->recall, s->remember) &&
        s->on_missing == MISSING_RETRY)
        return refuse(reterr, "on_missing",
                      "the first event would wait for itself: it is remembered when it goes on");
    struct doc_path *value = NULL;
    struct place into = {0};
    int error = last_value_compile(s, &value, &into, reterr);
    doc_path_free(value);
    place_fini(&into);
    return error;
}
