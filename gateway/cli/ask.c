/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers a command: the running gateway, or the store of the stopped one. */
#include "cli/ask.h"
#include "admin/control.h"
#include "store/browse.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A route may take its time before it takes an event in again (gw_gateway_replay). */
enum { ACTING_S = 30 };

int gw_cli_gateway(const struct gw_cli_options *options, struct gw_arena *arena,
                   struct gw_gateway_settings *ret_settings)
{
    struct gw_diags diags = {0};
    if (!options->config)
        gw_diag_add(&diags, GW_DIAG_ERROR, NULL, 0, 0, "name the gateway's configuration with -c");
    const struct mg_node *root =
        arena && options->config ? gw_tree_load(arena, options->config, &diags) : NULL;
    int error = !root || gw_model_load_gateway(arena, root, ret_settings, &diags);
    if (error)
        gw_diags_print(&diags, stderr);
    gw_diags_fini(&diags);
    return error ? 2 : 0;
}

void gw_cli_store_found(void *arg, uint32_t level, const char *text)
{
    (void)arg;
    if (level >= MG_WARN)
        fprintf(stderr, "store: %s\n", text);
}

/* ---- what comes back ------------------------------------------------------------------------ */

struct talk {
    struct gw_cli_answer *answer;
    bool failed, shows_progress, has_progress;
};

static void show_progress(struct talk *t, const json_t *progress)
{
    if (!t->shows_progress || !t->answer->verb)
        return;
    fprintf(stderr, "\r%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " %s",
            json_integer_value(json_object_get(progress, "done")),
            json_integer_value(json_object_get(progress, "matched")), t->answer->verb);
    t->has_progress = true;
}

static void end_progress(struct talk *t)
{
    if (t->has_progress)
        fputc('\n', stderr);
    t->has_progress = false;
}

/* {"skipped":{"id":7,"why":"…"}}, and the same of "failed". */
static bool say_trouble(struct talk *t, const json_t *line, const char *kind)
{
    const json_t *trouble = json_object_get(line, kind);
    if (!trouble)
        return false;
    const char *why = json_string_value(json_object_get(trouble, "why"));
    end_progress(t);
    fprintf(stderr,
            "%" JSON_INTEGER_FORMAT " %s: ", json_integer_value(json_object_get(trouble, "id")),
            kind);
    gw_cli_put(stderr, why ? why : "");
    fputc('\n', stderr);
    return true;
}

static bool take_line(void *arg, const json_t *line)
{
    struct talk *t = arg;
    struct gw_cli_answer *a = t->answer;
    const json_t *error = json_object_get(line, "error"), *end = json_object_get(line, "end"),
                 *progress = json_object_get(line, "progress");
    if (error) {
        end_progress(t);
        fputs("meshgate: ", stderr);
        gw_cli_put(stderr, json_is_string(error) ? json_string_value(error) : "?");
        fputc('\n', stderr);
        t->failed = true;
    } else if (end && json_is_object(end)) {
        json_decref(a->end);
        a->end = json_incref((json_t *)end);
    } else if (progress && json_is_object(progress)) {
        show_progress(t, progress);
    } else if (!say_trouble(t, line, "skipped") && !say_trouble(t, line, "failed")) {
        if (a->entry)
            a->entry(a->arg, line);
        else if (!a->first)
            a->first = json_incref((json_t *)line);
    }
    return true;
}

void gw_cli_answer_fini(struct gw_cli_answer *answer)
{
    json_decref(answer->first);
    json_decref(answer->end);
    answer->first = answer->end = NULL;
}

uint64_t gw_cli_count(const struct gw_cli_answer *answer, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(answer->end, name));
}

/* ---- the stopped gateway -------------------------------------------------------------------- */

static void take_text(struct talk *t, struct gw_operation_run *run)
{
    const char *at = run->text, *newline;
    size_t left = run->length;
    while (left && (newline = memchr(at, '\n', left))) {
        json_t *line = json_loadb(at, (size_t)(newline - at), JSON_ALLOW_NUL, NULL);
        if (line)
            take_line(t, line);
        json_decref(line);
        left -= (size_t)(newline + 1 - at);
        at = newline + 1;
    }
    run->length = 0;
}

static void drive(struct talk *t, struct gw_operation_run *run, struct gw_store *store)
{
    enum gw_operation_next next;
    do {
        next = gw_operation_step(run, (int64_t)(uv_hrtime() / 1000));
        take_text(t, run);
        bool did = gw_store_turn(store);
        if (next == GW_OPERATION_WAIT && !did) {
            struct timespec pause = {.tv_nsec = 1000000};
            nanosleep(&pause, NULL);
        }
    } while (next != GW_OPERATION_DONE);
}

static void log_seen(void *arg, const char *route, struct gw_store_log *log,
                     const char *const *sinks, size_t sink_count)
{
    (void)arg, (void)route, (void)log, (void)sinks, (void)sink_count;
}

static uint32_t flags_of(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "op"));
    for (size_t i = 0; gw_operations[i]; i++)
        if (!strcmp(gw_operations[i]->name, name))
            return gw_operations[i]->flags;
    return 0;
}

static int open_store(const struct gw_gateway_settings *gateway, bool acts,
                      struct gw_store **ret_store, struct mg_err *err)
{
    char data[4096];
    struct stat there;
    struct gw_store_options options = {.manual = true, .read_only = !acts};
    snprintf(data, sizeof data, "%s/data.mdb", gateway->store.path);
    if (stat(data, &there)) {
        snprintf(err->text, sizeof err->text, "there is no store in %s: %s", gateway->store.path,
                 strerror(errno));
        return -ENOENT;
    }
    int error = gw_store_open(&gateway->store, &options, gw_cli_store_found, NULL, ret_store, err);
    /* A letter goes back to a log that is open, and its legs are told by it. */
    return error ? error : gw_store_log_each(*ret_store, log_seen, NULL);
}

static int ask_store(const struct gw_gateway_settings *gateway, json_t *request, struct talk *t)
{
    struct mg_err err = {{0}, NULL};
    struct gw_operation_target target = {0};
    struct gw_operation_run *run = NULL;
    int error = open_store(gateway, flags_of(request) & GW_OPERATION_ACTS, &target.store, &err);
    if (error) {
        fprintf(stderr, "meshgate: %s%s\n", err.text[0] ? err.text : strerror(-error),
                error == -EBUSY ? "; it is starting or stopping, or it has no gateway.control"
                                : "");
        gw_store_close(target.store);
        return 2;
    }
    t->answer->stopped = true;
    error = gw_operation_start(&target, request, NULL, NULL, &run, &err);
    if (error) {
        json_t *line = gw_operation_error(error, &err);
        take_line(t, line);
        json_decref(line);
    } else {
        drive(t, run, target.store);
        gw_operation_finish(run);
    }
    gw_store_close(target.store);
    return 0;
}

/* ---- who answers ---------------------------------------------------------------------------- */

static int no_answer(const struct gw_cli_options *options,
                     const struct gw_gateway_settings *gateway, uint32_t flags,
                     const struct mg_err *err)
{
    if (!gateway->control)
        fprintf(stderr,
                "%s: gateway.control is not set, so a running gateway cannot be asked; add\n"
                "  gateway: { control: /run/meshgate/control.sock }\n",
                options->config);
    else
        fprintf(stderr, "no gateway answers: %s%s\n", err->text,
                gateway->store.path && (flags & GW_OPERATION_GATEWAY) ? "; this needs it running"
                                                                      : "");
    return 2;
}

static int ask(const struct gw_cli_options *options, const struct gw_gateway_settings *gateway,
               json_t *request, struct talk *t)
{
    struct mg_err err = {{0}, NULL};
    uint32_t flags = flags_of(request);
    int error = -ENOENT;
    if (gateway->control)
        error = gw_control_ask(gateway->control,
                               flags & GW_OPERATION_ACTS ? ACTING_S : GW_CONTROL_SILENCE_S, request,
                               take_line, t, &err);
    if (!error)
        return 0;
    bool nobody = error == -ENOENT || error == -ECONNREFUSED;
    if (!nobody || !gateway->store.path || (flags & GW_OPERATION_GATEWAY))
        return no_answer(options, gateway, flags, &err);
    return ask_store(gateway, request, t);
}

int gw_cli_ask(const struct gw_cli_options *options, json_t *request, struct gw_cli_answer *answer)
{
    struct gw_arena *arena = gw_arena_create();
    struct gw_gateway_settings gateway = {0};
    struct talk t = {.answer = answer, .shows_progress = isatty(STDERR_FILENO)};
    int code = arena && request ? gw_cli_gateway(options, arena, &gateway) : 2;
    if (!code)
        code = ask(options, &gateway, request, &t);
    end_progress(&t);
    json_decref(request);
    gw_arena_destroy(arena);
    return code ? code : t.failed;
}
