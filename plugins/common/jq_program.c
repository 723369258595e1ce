/* SPDX-License-Identifier: Apache-2.0 */
/* A program is compiled behind the prelude, in parentheses, so that it cannot import; what it knows
 * of the event beside the payload comes in with its input: libjq's variables are constants. */
#include "jq_program.h"
#include "event_doc.h"
#include "jq_guard.h"
#include "jq_prelude.h"
#include "jq_value.h"
#include "text_file.h"
#include <ctype.h>
#include <errno.h>
#include <oniguruma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 64, RETRIES_MAX = 1000000 };

const char *const jq_numbers[] = {"exact", "approximate", NULL};

struct jq_program {
    const struct jq_settings *settings;
    char *text; /* with all that stands around it */
    bool wants_more;
    bool wants_event;
    size_t capture_count;
    char captures[JQ_CAPTURES_MAX][NAME_BYTES_MAX];
    struct jq_guard *guard;
};

struct jq_machine {
    struct jq_program *program;
    const struct mg_host *host;
    mg_instance *instance;
    mg_shard *shard;
    struct doc *doc;
    jq_state *jq;
    struct jq_watch watch;
    bool watched, running;
};

static int no_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

/* ---- text ----------------------------------------------------------------------------------- */

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* The names after "$captures." and in $captures["…"]: a scope tells a value by its name only, so
 * that the object cannot be had as a whole. */
static int find_captures(struct jq_program *p, const char *text, struct mg_err *reterr)
{
    static const char variable[] = "$captures";
    while ((text = strstr(text, variable))) {
        text += sizeof variable - 1;
        bool dotted = *text == '.', quoted = !strncmp(text + dotted, "[\"", 2);
        text += quoted ? dotted + 2 : dotted;
        size_t length = 0;
        while (is_of_name(text[length]) && (quoted || text[length] != '-'))
            length++;
        if ((!dotted && !quoted) || !length || length >= NAME_BYTES_MAX) {
            snprintf(reterr->text, sizeof reterr->text,
                     "write $captures.NAME, or $captures[\"NAME\"], as it stands in the route");
            return -EINVAL;
        }
        if (p->capture_count == JQ_CAPTURES_MAX) {
            snprintf(reterr->text, sizeof reterr->text, "$captures more than %d times",
                     JQ_CAPTURES_MAX);
            return -EINVAL;
        }
        memcpy(p->captures[p->capture_count], text, length);
        p->captures[p->capture_count++][length] = '\0';
    }
    return 0;
}

static int refuse_environment(const char *text, struct mg_err *reterr)
{
    if (!strstr(text, "$ENV"))
        return 0;
    snprintf(reterr->text, sizeof reterr->text,
             "$ENV is not available in a gateway: write ${env:NAME} in the configuration");
    return -EINVAL;
}

static int wrap(struct jq_program *p, const char *text)
{
    static const char *const asks[] = {"$event", "$captures", "$route", "$gateway", "now"};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        p->wants_more |= strstr(text, asks[i]) != NULL;
    p->wants_event = strstr(text, "$event") != NULL;
    int length =
        asprintf(&p->text, "%s%s%s%s%s{} as $ENV | %s(\n%s\n)", jq_prelude_absent,
                 jq_prelude_errors, jq_prelude_numbers, jq_prelude_paths, jq_prelude_patterns,
                 p->wants_more ? ".[1] as $event | .[2] as $captures | .[3] as $route | "
                                 ".[4] as $gateway | .[5] as $mg_now | .[0] | "
                                 "def now: $mg_now; "
                               : "",
                 text);
    if (length >= 0)
        return 0;
    p->text = NULL;
    return -ENOMEM;
}

/* ---- compiling ------------------------------------------------------------------------------ */

static void keep_message(void *arg, jv message)
{
    char *first = arg;
    message = jq_format_error(message);
    if (!*first && jv_get_kind(message) == JV_KIND_STRING)
        snprintf(first, 256, "%s", jv_string_value(message));
    jv_free(message);
}

/* jq says "jq: error: WHAT at <top-level>, line N:" and a line; the first line is the prelude. */
static void explain(const char *message, struct mg_err *reterr)
{
    static const char prefix[] = "jq: error: ";
    if (!strncmp(message, prefix, sizeof prefix - 1))
        message += sizeof prefix - 1;
    const char *absent = strstr(message, JQ_ABSENT);
    if (absent) {
        snprintf(reterr->text, sizeof reterr->text, "%.*s is not available in a gateway",
                 (int)(absent - message), message);
        return;
    }
    const char *end = strstr(message, " at <top-level>");
    const char *hint = strstr(message, " (Unix shell");
    const char *line = end ? strstr(end, "line ") : NULL;
    long number = line ? strtol(line + 5, NULL, 10) - 1 : 0;
    if (hint && end && hint < end)
        end = hint;
    int length = end ? (int)(end - message) : (int)strcspn(message, "\n");
    if (number > 0)
        snprintf(reterr->text, sizeof reterr->text, "line %ld: %.*s", number, length, message);
    else
        snprintf(reterr->text, sizeof reterr->text, "%.*s", length, message);
}

static int compile(const struct jq_program *p, jq_state **ret_jq, struct mg_err *reterr)
{
    char message[256] = "";
    jq_state *jq = jq_init();
    if (!jq)
        return no_memory(reterr);
    jq_set_error_cb(jq, keep_message, message);
    int good = jq_compile(jq, p->text);
    jq_set_error_cb(jq, NULL, NULL);
    if (good) {
        *ret_jq = jq;
        return 0;
    }
    jq_teardown(&jq);
    explain(message, reterr);
    return -EINVAL;
}

static int prepare(struct jq_program *p, const char *text, struct mg_err *reterr)
{
    jq_state *jq = NULL;
    int error = refuse_environment(text, reterr);
    if (!error)
        error = find_captures(p, text, reterr);
    if (!error && (error = wrap(p, text)))
        no_memory(reterr);
    if (!error)
        error = compile(p, &jq, reterr);
    jq_teardown(&jq);
    return error;
}

static int load(const struct jq_settings *s, struct jq_program **ret_program, struct mg_err *reterr)
{
    char *text = NULL;
    size_t length;
    reterr->option = s->file ? "file" : "program";
    if (!s->program == !s->file) {
        snprintf(reterr->text, sizeof reterr->text, "one of program and file is needed");
        return -EINVAL;
    }
    int error = 0;
    if (s->file)
        error = text_file_read(s->file, JQ_PROGRAM_BYTES_MAX, &text, &length, reterr);
    if (!error && text && strlen(text) != length) {
        snprintf(reterr->text, sizeof reterr->text, "there is a NUL in it");
        error = -EINVAL;
    }
    struct jq_program *p = error ? NULL : calloc(1, sizeof *p);
    if (!error)
        error = p ? prepare(p, text ? text : s->program, reterr) : no_memory(reterr);
    free(text);
    if (error) {
        jq_program_destroy(p);
        return error;
    }
    p->settings = s;
    *ret_program = p;
    return 0;
}

void jq_program_destroy(struct jq_program *p)
{
    if (!p)
        return;
    jq_guard_destroy(p->guard);
    free(p->text);
    free(p);
}

static int watch(struct jq_program *p, struct mg_err *reterr)
{
    /* Of the process; nothing else in it uses Oniguruma, which several shards must not begin at
     * once. */
    OnigEncoding encoding = ONIG_ENCODING_UTF8;
    if (onig_initialize(&encoding, 1))
        return no_memory(reterr);
    onig_set_retry_limit_in_match(RETRIES_MAX);
    onig_set_retry_limit_in_search(RETRIES_MAX);
    p->guard = jq_guard_create(p->settings->time_limit_ms);
    return p->guard ? 0 : no_memory(reterr);
}

int jq_program_check(const struct jq_settings *settings, struct mg_err *reterr)
{
    struct jq_program *p = NULL;
    int error = load(settings, &p, reterr);
    jq_program_destroy(p);
    return error;
}

int jq_program_create(const struct jq_settings *settings, struct jq_program **ret_program,
                      struct mg_err *reterr)
{
    struct jq_program *p = NULL;
    int error = load(settings, &p, reterr);
    if (!error)
        error = watch(p, reterr);
    if (error) {
        jq_program_destroy(p);
        return error;
    }
    *ret_program = p;
    return 0;
}

/* ---- machines ------------------------------------------------------------------------------- */

int jq_machine_create(struct jq_program *p, const struct mg_host *host, mg_instance *instance,
                      mg_shard *shard, struct jq_machine **ret_machine, struct mg_err *reterr)
{
    struct jq_machine *m = calloc(1, sizeof *m);
    if (!m)
        return no_memory(reterr);
    *m = (struct jq_machine){.program = p, .host = host, .instance = instance, .shard = shard};
    m->doc = doc_create();
    int error = m->doc ? compile(p, &m->jq, reterr) : no_memory(reterr);
    if (error) {
        jq_machine_destroy(m);
        return error;
    }
    jq_watch_init(&m->watch, p->guard, m->jq);
    m->watched = true;
    *ret_machine = m;
    return 0;
}

void jq_machine_destroy(struct jq_machine *m)
{
    if (!m)
        return;
    if (m->watched)
        jq_watch_fini(&m->watch);
    jq_teardown(&m->jq);
    doc_destroy(m->doc);
    free(m);
}

struct doc *jq_machine_doc(struct jq_machine *m)
{
    return m->doc;
}

static jv text_or_null(struct mg_str text)
{
    return text.at && event_doc_is_text(text) ? jv_string_sized(text.at, (int)text.len) : jv_null();
}

static jv captures_of(const struct jq_machine *m, const struct mg_step_call *call)
{
    jv captures = jv_object();
    for (size_t i = 0; i < m->program->capture_count; i++) {
        const char *name = m->program->captures[i];
        struct mg_str value =
            m->host->scope_capture(call->scope, (struct mg_str){name, strlen(name)});
        captures = jv_object_set(captures, jv_string(name), text_or_null(value));
    }
    return captures;
}

/* [payload, $event, $captures, $route, $gateway, now] */
static int add_more(struct jq_machine *m, const struct mg_step_call *call, jv *input,
                    struct mg_err *reterr)
{
    jv event = jv_null();
    bool approximate = m->program->settings->numbers == JQ_NUMBERS_APPROXIMATE;
    if (m->program->wants_event) {
        struct doc_value *value = event_doc(m->doc, m->host, call->event);
        int error = value ? jq_value_of(value, approximate, &event, reterr) : no_memory(reterr);
        if (error)
            return error;
    }
    jv more = jv_array_append(jv_array(), *input);
    more = jv_array_append(more, event);
    more = jv_array_append(more, captures_of(m, call));
    more = jv_array_append(more, text_or_null(m->host->scope_route(call->scope)));
    more = jv_array_append(more, text_or_null(m->host->gateway_name(m->instance)));
    more = jv_array_append(more, jv_number((double)m->host->wall_us(m->shard) / 1e6));
    *input = more;
    return 0;
}

int jq_machine_begin(struct jq_machine *m, const struct mg_step_call *call, struct mg_err *reterr)
{
    struct doc_value *payload;
    jv input;
    doc_reset(m->doc);
    int error = doc_of_payload(m->doc, m->host, call->event, &payload, reterr);
    if (error)
        return error;
    bool approximate = m->program->settings->numbers == JQ_NUMBERS_APPROXIMATE;
    error = jq_value_of(payload, approximate, &input, reterr);
    if (error)
        return error;
    if (m->program->wants_more && (error = add_more(m, call, &input, reterr))) {
        jv_free(input);
        return error;
    }
    jq_start(m->jq, input, 0);
    m->running = true;
    jq_watch_begin(&m->watch);
    return 0;
}

static int too_long(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "the program took longer than it may");
    return -ETIME;
}

static int end_of(struct jq_machine *m, jv last, struct mg_err *reterr)
{
    m->running = false;
    if (jq_watch_end(&m->watch)) {
        jv_free(last);
        return too_long(reterr);
    }
    if (!jv_invalid_has_msg(jv_copy(last))) {
        jv_free(last);
        return 0;
    }
    jv message = jv_invalid_get_msg(last);
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    snprintf(reterr->text, sizeof reterr->text, "%s", jv_string_value(message));
    jv_free(message);
    return -EINVAL;
}

int jq_machine_next_truth(struct jq_machine *m, bool *ret_truth, struct mg_err *reterr)
{
    jv value = jq_next(m->jq);
    if (!jv_is_valid(value))
        return end_of(m, value, reterr);
    *ret_truth = jv_get_kind(value) != JV_KIND_FALSE && jv_get_kind(value) != JV_KIND_NULL;
    jv_free(value);
    return 1;
}

int jq_machine_next(struct jq_machine *m, struct doc_value **ret_value, struct mg_err *reterr)
{
    jv value = jq_next(m->jq);
    if (!jv_is_valid(value))
        return end_of(m, value, reterr);
    doc_reset(m->doc);
    int error = jq_value_doc(m->doc, &m->watch, value, ret_value, reterr);
    if (error == -ETIME)
        return too_long(reterr);
    return error ? error : 1;
}

void jq_machine_end(struct jq_machine *m)
{
    if (m->running)
        jq_watch_end(&m->watch);
    m->running = false;
}
