/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "pattern": passes the events that an event pattern of Amazon EventBridge matches. */
#include "attributes.h"
#include "json_tree.h"
#include "meshgate/plugin.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FILE_BYTES_MAX = 4 << 20 };
enum over { OVER_EVENT, OVER_PAYLOAD };

struct settings {
    const struct mg_node *match;
    const char *file;
    uint32_t over;
};

/* The patterns of one instance, or of many. */
struct pattern_set {
    const struct mg_host *host;
    struct set *set;
    struct attribute_names names;
};

static const char *const counters[] = {"not_json", "gave_up", NULL};
enum { COUNT_NOT_JSON, COUNT_GAVE_UP };

static const char *const overs[] = {"event", "payload", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "match",
     .doc = "The pattern, as YAML or as one text of JSON.",
     .type = MG_OPT_TREE,
     .offset = AT(match)},
    {.name = "file",
     .doc = "A file with the pattern as JSON, in place of match.",
     .type = MG_OPT_FILE,
     .offset = AT(file)},
    {.name = "over",
     .value = "event",
     .doc = "What the pattern's names are in: event (address, attributes, properties, data), or "
            "the JSON payload alone.",
     .type = MG_OPT_ENUM,
     .choices = overs,
     .offset = AT(over)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static int no_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

static int read_file(struct arena *arena, const char *path, char **ret_text, size_t *ret_length,
                     struct mg_err *reterr)
{
    FILE *f = fopen(path, "rbe");
    int error = 0;
    if (!f) {
        error = -errno;
        snprintf(reterr->text, sizeof reterr->text, "%.160s: %s", path, strerror(errno));
        return error;
    }
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX + 1, f) : 0;
    if (!text) {
        error = no_memory(reterr);
    } else if (ferror(f) || length > FILE_BYTES_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "%.160s: %s", path,
                 ferror(f) ? "cannot be read" : "more than 4 MiB");
        error = -EINVAL;
    } else if (!(*ret_text = arena_copy(arena, text, length))) {
        error = no_memory(reterr);
    }
    *ret_length = length;
    free(text);
    fclose(f);
    return error;
}

/* The top level of patterns over events. */
static int check_names(const struct mg_node *node, struct mg_err *reterr)
{
    static const char *const names[] = {"address", "attributes", "properties", "data", "$or"};
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->items[i]->key;
        bool known = false;
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            size_t length = strlen(names[k]);
            known |= !strncmp(key, names[k], length) && (!key[length] || key[length] == '.');
        }
        if (!known)
            return wrong_at(node->items[i], reterr,
                            "an event has address, attributes, properties and data, no \"%.40s\" "
                            "(over: payload takes names of the payload)",
                            key);
        if (!strcmp(key, "$or"))
            for (size_t k = 0; k < node->items[i]->count; k++) {
                int error = check_names(node->items[i]->items[k], reterr);
                if (error)
                    return error;
            }
    }
    return 0;
}

static int compile(struct arena *arena, struct arena *passing, const struct settings *s,
                   struct pattern *ret_pattern, struct mg_err *reterr)
{
    const struct mg_node *node = s->match;
    char *text = NULL;
    size_t length = 0;
    reterr->option = s->file ? "file" : "match";
    if (!s->match == !s->file) {
        snprintf(reterr->text, sizeof reterr->text, "say one of match and file");
        return -EINVAL;
    }
    int error = s->file ? read_file(passing, s->file, &text, &length, reterr) : 0;
    if (!error && s->file)
        error = json_tree(passing, s->file, text, length, &node, reterr);
    else if (!error && node->type == MG_NODE_SCALAR)
        error = json_tree(passing, NULL, node->text, node->length, &node, reterr);
    if (!error)
        error = pattern_compile(arena, passing, node, ret_pattern, reterr);
    if (!error && s->over == OVER_EVENT)
        error = check_names(node, reterr);
    return error == -ENOMEM ? no_memory(reterr) : error;
}

static int check(const void *settings, struct mg_err *reterr)
{
    struct arena arena = {0}, passing = {0};
    struct pattern pattern;
    int error = compile(&arena, &passing, settings, &pattern, reterr);
    arena_fini(&arena);
    arena_fini(&passing);
    if (!error)
        reterr->option = NULL;
    return error;
}

/* ---- sets ----------------------------------------------------------------------------------- */

static void set_free(void *self)
{
    struct pattern_set *p = self;
    if (p)
        set_destroy(p->set);
    free(p);
}

static int build(struct set_builder *b, const void *const *settings, size_t count,
                 struct mg_err *reterr)
{
    int error = set_builder_init(b);
    for (size_t i = 0; i < count && !error; i++) {
        const struct settings *s = settings[i];
        struct arena passing = {0};
        struct pattern pattern;
        error = compile(&b->compiled, &passing, s, &pattern, reterr);
        if (!error)
            error = set_add(b, &pattern, s->over == OVER_EVENT ? ROOT_EVENT : ROOT_PAYLOAD);
        arena_fini(&passing);
    }
    return error;
}

static int set_of_many(const struct mg_host *host, const void *const *settings, size_t count,
                       void **ret_set, struct mg_err *reterr)
{
    struct pattern_set *p = calloc(1, sizeof *p);
    struct set_builder b = {0};
    if (!p)
        return no_memory(reterr);
    p->host = host;
    int error = build(&b, settings, count, reterr);
    if (!error)
        error = set_finish(&b, &p->set);
    set_builder_fini(&b);
    if (error) {
        set_free(p);
        return error == -ENOMEM ? no_memory(reterr) : error;
    }
    attribute_names_of(p->set, &p->names);
    *ret_set = p;
    return 0;
}

static int set_open(void *self, void **ret_context)
{
    const struct pattern_set *p = self;
    struct scratch *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int error = scratch_init(s, p->set);
    if (error) {
        scratch_fini(s);
        free(s);
        return error;
    }
    *ret_context = s;
    return 0;
}

static void set_close(void *self, void *context)
{
    (void)self;
    if (context)
        scratch_fini(context);
    free(context);
}

/* ---- events --------------------------------------------------------------------------------- */

/* In structured mode: application/cloudevents or application/cloudevents+…, in any case (RFC 9110
 * §8.3.1), and no batch. */
static bool is_cloudevent(const struct mg_head *head)
{
    static const char type[] = "application/cloudevents";
    struct mg_str t = head->content_type;
    size_t length = sizeof type - 1;
    return t.at && t.len >= length && !strncasecmp(t.at, type, length) &&
           (t.len == length || strchr("+; \t", t.at[length]));
}

static void unreadable(struct scratch *s, struct mg_err *reterr, size_t at)
{
    scratch_begin(s);
    s->unreadable = READS_DATA | READS_DOCUMENT;
    if (reterr)
        snprintf(reterr->text, sizeof reterr->text, "the payload is not JSON, at byte %zu", at + 1);
}

static void read_data(const struct pattern_set *p, struct scratch *s, const mg_event *event,
                      struct mg_err *reterr)
{
    struct mg_bytes payload = p->host->event_payload(event);
    bool object = false;
    size_t wrong = 0;
    struct payload_mode data = {.name = p->set->data,
                                .envelope = true,
                                .cloudevent = is_cloudevent(p->host->event_head(event)),
                                .attributes = p->names.attributes};
    struct payload_mode document = {.name = ROOT_PAYLOAD};
    bool wanted = p->set->data || (data.cloudevent && data.attributes);
    if (payload.len && wanted && read_payload(s, &data, payload.at, payload.len, &object, &wrong)) {
        unreadable(s, reterr, wrong);
        return;
    }
    if (!p->set->payload)
        return;
    if (read_payload(s, &document, payload.len ? payload.at : "", payload.len, &object, &wrong)) {
        unreadable(s, reterr, wrong);
    } else if (!object) {
        s->unreadable = READS_DOCUMENT;
        if (reterr)
            snprintf(reterr->text, sizeof reterr->text, "the payload is no JSON object");
    }
}

static ptrdiff_t set_match(void *self, void *context, const mg_event *event, uint32_t *ret_passes,
                           struct mg_err *reterr)
{
    const struct pattern_set *p = self;
    struct scratch *s = context;
    scratch_begin(s);
    read_data(p, s, event, reterr);
    if (p->names.address || p->names.attributes || p->names.properties)
        read_attributes(s, &p->names, p->host, event);
    ptrdiff_t count = scratch_finish(s, ret_passes);
    if (s->gave_up && reterr)
        snprintf(reterr->text, sizeof reterr->text,
                 "gave up after %d steps of finding list elements that go together",
                 MATCH_STEPS_MAX);
    return count;
}

/* ---- instances ------------------------------------------------------------------------------ */

/* One that shares its route's source with others is only ever asked within their set: what is
 * checked is compiled when a shard is to ask it alone. */
struct filter {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    pthread_mutex_t lock;    /* protects own while shards open */
    struct pattern_set *own; /* of the one pattern; NULL: not yet */
};

static int compile_own(struct filter *f, struct mg_err *reterr)
{
    const void *settings = f->settings;
    void *set = NULL;
    pthread_mutex_lock(&f->lock);
    int error = f->own ? 0 : set_of_many(f->host, &settings, 1, &set, reterr);
    if (set)
        f->own = set;
    pthread_mutex_unlock(&f->lock);
    return error;
}

static void destroy(void *self)
{
    struct filter *f = self;
    if (!f)
        return;
    set_free(f->own);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct filter *f = calloc(1, sizeof *f);
    if (!f)
        return no_memory(reterr);
    f->host = host;
    f->instance = instance;
    f->settings = settings;
    pthread_mutex_init(&f->lock, NULL);
    int error = f->settings->file ? compile_own(f, reterr) : 0; /* the file may change later */
    if (error) {
        destroy(f);
        return error;
    }
    *ret_self = f;
    return 0;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct filter *f = self;
    (void)shard;
    int error = compile_own(f, reterr);
    if (!error && set_open(f->own, ret_context))
        error = no_memory(reterr);
    return error;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    static const char reason[] = "the pattern does not match";
    const struct filter *f = self;
    struct scratch *s = context;
    uint32_t passes;
    ret_result->err.text[0] = '\0';
    ptrdiff_t count = set_match(f->own, context, call->event, &passes, &ret_result->err);
    if (s->unreadable)
        f->host->count(f->instance, COUNT_NOT_JSON, 1);
    if (s->gave_up)
        f->host->count(f->instance, COUNT_GAVE_UP, 1);
    if (count == -ENOMEM) {
        no_memory(&ret_result->err);
        return MG_REJECT;
    }
    if (!count && !ret_result->err.text[0])
        memcpy(ret_result->err.text, reason, sizeof reason);
    return count ? MG_PASS : MG_DROP;
}

static const struct mg_life life = {
    .create = create,
    .destroy = destroy,
    .shard_open = shard_open,
    .shard_close = set_close,
};
static const struct mg_step_ops ops = {
    .size = sizeof ops,
    .process = process,
    .set_create = set_of_many,
    .set_destroy = set_free,
    .set_open = set_open,
    .set_close = set_close,
    .set_match = set_match,
    .traits = MG_STEP_STATELESS,
};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "pattern",
    .version = "1.0.0",
    .summary = "Passes events that an event pattern matches (the language of Amazon EventBridge).",
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
