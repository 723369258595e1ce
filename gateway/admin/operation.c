/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations, and the life of a run. */
#include "admin/operation.h"
#include "admin/flight.h"
#include "admin/operations.h"
#include "admin/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

const struct gw_operation *const gw_operations[] = {
    &gw_operation_report,
    &gw_operation_ledger,
    &gw_operation_store_info,
    &gw_operation_dlq_ls,
    &gw_operation_dlq_show,
    &gw_operation_dlq_edit,
    &gw_operation_dlq_retry,
    &gw_operation_dlq_drop,
    &gw_operation_replay,
    &gw_operation_pause,
    &gw_operation_resume,
    &gw_operation_tap,
    NULL,
};

/* ---- emitting ------------------------------------------------------------------------------- */

static int append(const char *bytes, size_t length, void *arg)
{
    struct gw_operation_run *run = arg;
    if (length > run->capacity - run->length) {
        size_t capacity = run->capacity ? run->capacity : 4096;
        while (capacity - run->length < length)
            capacity *= 2;
        char *larger = realloc(run->text, capacity);
        if (!larger)
            return -1;
        run->text = larger;
        run->capacity = capacity;
    }
    memcpy(run->text + run->length, bytes, length);
    run->length += length;
    return 0;
}

int gw_operation_emit(struct gw_operation_run *run, json_t *value)
{
    size_t before = run->length;
    int error = !value || json_dump_callback(value, append, run, JSON_COMPACT | JSON_ENCODE_ANY) ||
                append("\n", 1, run);
    json_decref(value);
    if (!error)
        return 0;
    run->length = before; /* half a line would spoil those that follow */
    return -ENOMEM;
}

int gw_operation_emit_trouble(struct gw_operation_run *run, const char *kind, uint64_t id,
                              int error, const struct mg_err *err)
{
    const char *why = err->text[0] ? err->text : strerror(-error);
    return gw_operation_emit(run, json_pack("{s:{s:I, s:o}}", kind, "id", (json_int_t)id, "why",
                                            gw_text_json((struct mg_str){why, strlen(why)})));
}

bool gw_operation_yields(const struct gw_operation_run *run)
{
    return run->length >= GW_OPERATION_CHUNK ||
           uv_hrtime() - run->begun_ns >= GW_OPERATION_STEP_US * UINT64_C(1000);
}

static json_t *counts(const struct gw_operation_run *run)
{
    const struct gw_operation_counts *c = &run->counts;
    if (!(run->operation->flags & GW_OPERATION_ACTS))
        return json_pack("{s:I}", "matched", (json_int_t)c->matched);
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "matched", (json_int_t)c->matched, "done",
                     (json_int_t)c->done, "gone", (json_int_t)c->gone, "skipped",
                     (json_int_t)c->skipped, "failed", (json_int_t)c->failed);
}

int gw_operation_emit_progress(struct gw_operation_run *run)
{
    return gw_operation_emit(run, json_pack("{s:o}", "progress", counts(run)));
}

json_t *gw_operation_error(int error, const struct mg_err *err)
{
    const char *text = err->text[0] ? err->text : strerror(-error);
    return json_pack("{s:o}", "error", gw_text_json((struct mg_str){text, strlen(text)}));
}

/* ---- the run -------------------------------------------------------------------------------- */

static const struct gw_operation *find(const json_t *request, struct mg_err *err)
{
    const char *name = json_string_value(json_object_get(request, "op"));
    if (!name) {
        snprintf(err->text, sizeof err->text,
                 "a request is a JSON object on one line: {\"op\":\"report\"}");
        return NULL;
    }
    for (size_t i = 0; gw_operations[i]; i++)
        if (!strcmp(gw_operations[i]->name, name))
            return gw_operations[i];
    int used =
        snprintf(err->text, sizeof err->text, "unknown operation \"%.40s\"; there are:", name);
    for (size_t i = 0; gw_operations[i] && used < (int)sizeof err->text; i++)
        used += snprintf(err->text + used, sizeof err->text - (size_t)used, " %s",
                         gw_operations[i]->name);
    return NULL;
}

static int check_target(const struct gw_operation *o, const struct gw_operation_target *target,
                        struct mg_err *err)
{
    if ((o->flags & GW_OPERATION_GATEWAY) && !target->gateway) {
        snprintf(err->text, sizeof err->text, "%s needs the running gateway", o->name);
        return -ENOTSUP;
    }
    if ((o->flags & GW_OPERATION_STORE) && !target->store) {
        snprintf(err->text, sizeof err->text, "this gateway has no store (gateway.store)");
        return -ENOTSUP;
    }
    if ((o->flags & GW_OPERATION_SOLE) && target->sole_at_work) {
        snprintf(err->text, sizeof err->text,
                 "dead letters are being retried or dropped already; wait until that is done");
        return -EBUSY;
    }
    return 0;
}

int gw_operation_start(struct gw_operation_target *target, json_t *request, void (*wake)(void *arg),
                       void *arg, struct gw_operation_run **ret_run, struct mg_err *reterr)
{
    const struct gw_operation *o = find(request, reterr);
    if (!o)
        return -EINVAL;
    int error = check_target(o, target, reterr);
    struct gw_operation_run *run = error ? NULL : calloc(1, sizeof *run);
    if (!run)
        return error ? error : -ENOMEM;
    *run = (struct gw_operation_run){
        .operation = o,
        .target = target,
        .arguments = calloc(1, o->arguments_size + 1),
        .state = calloc(1, o->state_size + 1),
        .flights = target->store ? gw_flights_create(target->store, wake, arg) : NULL,
        .request = json_incref(request),
        .sole = o->flags & GW_OPERATION_SOLE,
    };
    if (!run->arguments || !run->state || (target->store && !run->flights))
        error = -ENOMEM;
    else
        error = gw_operation_bind(o->arguments, request, run->arguments, reterr);
    if (run->sole)
        target->sole_at_work = true;
    if (!error && o->begin)
        error = o->begin(run, reterr);
    if (error) {
        gw_operation_finish(run);
        return error;
    }
    *ret_run = run;
    return 0;
}

enum gw_operation_next gw_operation_step(struct gw_operation_run *run, int64_t now_us)
{
    struct mg_err err = {{0}, NULL};
    run->now_us = now_us;
    run->wait_ms = 0;
    run->begun_ns = uv_hrtime();
    int next = run->operation->step(run, &err);
    if (next == GW_OPERATION_DONE && (run->operation->flags & GW_OPERATION_LISTS))
        next = gw_operation_emit(run, json_pack("{s:o}", "end", counts(run)));
    if (next >= 0)
        return (enum gw_operation_next)next;
    gw_operation_emit(run, gw_operation_error(next, &err));
    return GW_OPERATION_DONE;
}

void gw_operation_finish(struct gw_operation_run *run)
{
    if (!run)
        return;
    if (run->state && run->arguments && run->operation->end)
        run->operation->end(run);
    if (run->sole)
        run->target->sole_at_work = false;
    gw_flights_leave(run->flights);
    json_decref(run->request);
    free(run->arguments);
    free(run->state);
    free(run->text);
    free(run);
}
