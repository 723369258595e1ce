/* SPDX-License-Identifier: Apache-2.0 */
/* Translator "schema": validates JSON events against a JSON Schema, and says what does not fit. */
#include "files.h"
#include "judge.h"
#include "uri.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const counters[] = {"valid", "invalid", "given_up", NULL};
enum { COUNT_VALID, COUNT_INVALID, COUNT_GIVEN_UP };

static const char *const bys[] = {"nothing", "dataschema", NULL};
static const char *const drafts[] = {"2020-12", "draft-07", NULL}; /* as enum draft */
static const char *const roots[] = {"data", "payload", NULL};
static const char *const invalids[] = {"reject", "dead-letter", "tag", "drop", NULL};
static const char *const formats[] = {"annotate", "assert", NULL};

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "file", .doc = "The schema, a JSON file.", .type = MG_OPT_FILE, .offset = AT(file)},
    {.name = "schema",
     .doc = "The schema itself, in place of file.",
     .type = MG_OPT_TREE,
     .offset = AT(schema)},
    {.name = "schemas",
     .doc = "Further schemas that it refers to: files, or folders of *.json; each is known by its "
            "$id and its path.",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_LIST,
     .offset = AT(schemas)},
    {.name = "by",
     .value = "nothing",
     .doc = "What of an event chooses its schema. nothing: all have the same; dataschema: that "
            "attribute of a CloudEvent, which is the $id of one of schemas; events without it "
            "have file or schema.",
     .type = MG_OPT_ENUM,
     .choices = bys,
     .offset = AT(by)},
    {.name = "draft",
     .value = "2020-12",
     .doc = "What a schema without $schema is written in.",
     .type = MG_OPT_ENUM,
     .choices = drafts,
     .offset = AT(draft)},
    {.name = "of",
     .value = "data",
     .doc = "What is validated. data: the data of a CloudEvent in structured mode, else the "
            "payload; payload: all of it.",
     .type = MG_OPT_ENUM,
     .choices = roots,
     .offset = AT(of)},
    {.name = "on_invalid",
     .value = "reject",
     .doc = "What becomes of an event that does not fit: reject and dead-letter (the same: the "
            "route's delivery says where it ends), tag (it goes on with the properties "
            "schema-valid and schema-error), drop.",
     .type = MG_OPT_ENUM,
     .choices = invalids,
     .offset = AT(on_invalid)},
    {.name = "formats",
     .value = "annotate",
     .doc = "annotate: format says nothing about validity, as the specification has it; assert: "
            "it must hold.",
     .type = MG_OPT_ENUM,
     .choices = formats,
     .offset = AT(formats)},
    {.name = "errors",
     .value = "1",
     .doc = "How many of the places that do not fit are named.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = REPORT_ENTRIES_MAX,
     .offset = AT(errors)},
    {.name = "max_size",
     .value = "1MiB",
     .doc = "A larger payload is not read, and does not fit.",
     .type = MG_OPT_SIZE,
     .least = 1,
     .most = 256 << 20,
     .offset = AT(max_size)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

/* The schema in the YAML is found where that is, so that it may refer to files beside it. */
static int add_tree(struct library *l, const struct mg_node *node, struct document **ret,
                    struct mg_err *reterr)
{
    const char *file = node->file ? node->file : "schema";
    char *absolute = realpath(file, NULL);
    struct mg_str uri;
    bool made = uri_of_path(&l->memory, absolute ? absolute : file, &uri);
    free(absolute);
    return made ? library_add_tree(l, file, uri, node, ret, reterr) : out_of_memory(reterr);
}

static int load(struct validator *v, const struct settings *s, struct mg_err *reterr)
{
    struct library *l = validator_library(v);
    struct document *document = NULL;
    const char *const *paths = s->schemas.items;
    reterr->option = s->file ? "file" : s->schema ? "schema" : "schemas";
    int error = 0;
    if (s->file)
        error = library_add_file(l, s->file, &document, reterr);
    else if (s->schema)
        error = add_tree(l, s->schema, &document, reterr);
    for (size_t i = 0; !error && i < s->schemas.count; i++) {
        error = library_add_path(l, paths[i], reterr);
        reterr->option = error ? "schemas" : reterr->option;
    }
    if (!error)
        error = validator_compile(v, document, s->by == BY_DATASCHEMA, reterr);
    return error;
}

static int refuse_settings(struct mg_err *reterr, const char *option, const char *why)
{
    snprintf(reterr->text, sizeof reterr->text, "%s", why);
    reterr->option = option;
    return -EINVAL;
}

static int compile(const struct settings *s, struct validator **ret, struct mg_err *reterr)
{
    const struct validator_options o = {s->draft, s->formats == FORMATS_ASSERT};
    struct validator *v = NULL;
    if (s->file && s->schema)
        return refuse_settings(reterr, "schema",
                               "file and schema are two ways to say one thing: use one of them");
    if (s->by == BY_DATASCHEMA && !s->schemas.count)
        return refuse_settings(reterr, "schemas",
                               "by: dataschema chooses among schemas: name some");
    if (s->by == BY_NOTHING && !s->file && !s->schema)
        return refuse_settings(reterr, "schema",
                               "a schema is needed: its file, or schema with the schema itself");
    int error = validator_create(&o, &v, reterr);
    if (!error)
        error = load(v, s, reterr);
    if (error) {
        validator_destroy(v);
        return error;
    }
    *ret = v;
    return 0;
}

static int check(const void *settings, struct mg_err *reterr)
{
    struct validator *v = NULL;
    int error = compile(settings, &v, reterr);
    validator_destroy(v);
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct translator *t = self;
    if (t)
        validator_destroy(t->validator);
    free(t);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct translator *t = calloc(1, sizeof *t);
    if (!t)
        return out_of_memory(reterr);
    t->host = host;
    t->instance = instance;
    t->settings = settings;
    int error = compile(settings, &t->validator, reterr);
    if (error) {
        destroy(t);
        return error;
    }
    *ret_self = t;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *x = context;
    if (!x)
        return;
    doc_destroy(x->doc);
    run_fini(&x->run);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)shard;
    struct context *x = calloc(1, sizeof *x);
    if (!x || !(x->doc = doc_create()) || run_init(&x->run)) {
        shard_close(self, x);
        return out_of_memory(reterr);
    }
    *ret_context = x;
    return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

static struct mg_str text_of(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

/* Properties of these names that came in are not ours, and go. */
static mg_event *tagged(const struct translator *t, const mg_event *event, bool valid,
                        const char *said)
{
    const struct mg_host *host = t->host;
    const struct mg_value is = {.type = MG_BOOL, .as.b = valid};
    const struct mg_value why = {.type = MG_TEXT, .as.text = text_of(said)};
    mg_edit *edit = host->edit_new(event);
    if (!edit)
        return NULL;
    int error = host->edit_property(edit, text_of("schema-valid"), NULL);
    if (!error)
        error = host->edit_property(edit, text_of("schema-error"), NULL);
    if (!error)
        error = host->edit_property(edit, text_of("schema-valid"), &is);
    if (!error && !valid)
        error = host->edit_property(edit, text_of("schema-error"), &why);
    if (!error)
        return host->edit_publish(edit);
    host->edit_free(edit);
    return NULL;
}

/* As much of it as there is room for, up to the end of a character. */
static void explain(struct mg_err *err, const char *said)
{
    size_t length = strlen(said), most = sizeof err->text - 1;
    if (length > most)
        for (length = most; length && ((unsigned char)said[length] & 0xc0) == 0x80; length--)
            ;
    memcpy(err->text, said, length);
    err->text[length] = '\0';
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct translator *t = self;
    struct context *x = context;
    int error = judge_event(t, x, call->event);
    doc_reset(x->doc);
    t->host->count(t->instance,
                   !error                ? COUNT_VALID
                   : error == -EOVERFLOW ? COUNT_GIVEN_UP
                                         : COUNT_INVALID,
                   1);
    if (t->settings->on_invalid != INVALID_TAG) {
        if (!error)
            return MG_PASS;
        explain(&result->err, x->said);
        return t->settings->on_invalid == INVALID_DROP ? MG_DROP : MG_REJECT;
    }
    x->out[0] = tagged(t, call->event, !error, x->said);
    if (!x->out[0]) {
        snprintf(result->err.text, sizeof result->err.text, "out of memory");
        return MG_REJECT;
    }
    result->events = x->out;
    result->count = 1;
    return MG_REPLACE;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "schema",
    .version = "1.0.0",
    .summary = "Validates JSON against a JSON Schema (2020-12 or draft-07), and says in words what "
               "does not fit.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
