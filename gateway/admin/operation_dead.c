/* SPDX-License-Identifier: Apache-2.0 */
/* dlq.ls, dlq.show, dlq.edit: dead letters looked at, and set right. */
#include "admin/dead_filter.h"
#include "admin/flight.h"
#include "admin/operations.h"
#include "store/record_json.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- dlq.ls --------------------------------------------------------------------------------- */

struct ls_arguments {
    struct gw_dead_wanted wanted;
    int64_t limit;
};
static const struct mg_option ls_table[] = {
    GW_DEAD_WANTED_ROWS,
    {.name = "limit",
     .type = MG_OPT_INT,
     .least = 0,
     .most = INT64_MAX,
     .doc = "No more than so many; 0: all.",
     .offset = offsetof(struct ls_arguments, limit)},
    {0},
};

struct ls {
    struct gw_dead_filter filter;
    uint64_t next;
    bool full, stopped;
    int error;
};

static int ls_begin(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct ls_arguments *a = run->arguments;
    struct ls *ls = run->state;
    int error = gw_dead_filter_init(&ls->filter, &a->wanted, reterr);
    ls->next = ls->filter.first;
    return error;
}

static bool ls_visit(void *arg, const struct gw_dead *dead)
{
    struct gw_operation_run *run = arg;
    const struct ls_arguments *a = run->arguments;
    struct ls *ls = run->state;
    ls->next = dead->id + 1;
    if (gw_dead_filter_takes(&ls->filter, dead)) {
        ls->error = gw_operation_emit(run, gw_dead_entry(dead));
        run->counts.matched += !ls->error;
    }
    ls->full =
        dead->id >= ls->filter.last || (a->limit && run->counts.matched == (uint64_t)a->limit);
    ls->stopped = ls->error || ls->full || gw_operation_yields(run);
    return !ls->stopped;
}

static int ls_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    (void)reterr;
    struct ls *ls = run->state;
    ls->stopped = false;
    int error = gw_store_dead_each(run->target->store, ls->next, ls_visit, run);
    if (error || ls->error)
        return error ? error : ls->error;
    return ls->stopped && !ls->full ? GW_OPERATION_MORE : GW_OPERATION_DONE;
}

const struct gw_operation gw_operation_dlq_ls = {
    .name = "dlq.ls",
    .doc = "Lists dead letters, the oldest first.",
    .flags = GW_OPERATION_STORE | GW_OPERATION_LISTS,
    .arguments = ls_table,
    .arguments_size = sizeof(struct ls_arguments),
    .state_size = sizeof(struct ls),
    .begin = ls_begin,
    .step = ls_step,
};

/* ---- one letter ----------------------------------------------------------------------------- */

struct one {
    uint64_t id;
    bool (*look)(void *arg, const struct gw_dead *dead);
    void *arg;
    bool found;
};

static bool one_visit(void *arg, const struct gw_dead *dead)
{
    struct one *one = arg;
    if (dead->id == one->id)
        one->found = one->look(one->arg, dead);
    return false;
}

static int no_such_letter(uint64_t id, struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "there is no dead letter %" PRIu64, id);
    return -ENOENT;
}

/* look returns false where memory runs out. */
static int look_at(struct gw_store *store, uint64_t id,
                   bool (*look)(void *arg, const struct gw_dead *dead), void *arg,
                   struct mg_err *reterr)
{
    struct one one = {.id = id, .look = look, .arg = arg};
    int error = gw_store_dead_each(store, id, one_visit, &one);
    return error ? error : one.found ? 0 : no_such_letter(id, reterr);
}

/* ---- dlq.show ------------------------------------------------------------------------------- */

struct one_arguments {
    int64_t id;
    const json_t *record; /* edit alone */
};
#define ID_ROW                                                                                     \
    {                                                                                              \
        .name = "id", .type = MG_OPT_INT, .flags = MG_OPT_REQUIRED, .least = 1, .most = INT64_MAX, \
        .doc = "Which.", .offset = offsetof(struct one_arguments, id)                              \
    }
static const struct mg_option show_table[] = {ID_ROW, {0}};

struct show {
    int error;
};

static bool show_letter(void *arg, const struct gw_dead *dead)
{
    struct gw_operation_run *run = arg;
    struct show *show = run->state;
    json_t *entry = gw_dead_entry(dead), *record = gw_record_to_json(&dead->record);
    if (!entry || !record || json_object_set_new(entry, "record", record)) {
        json_decref(entry);
        show->error = -ENOMEM;
        return true;
    }
    show->error = gw_operation_emit(run, entry);
    return true;
}

static int show_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct one_arguments *a = run->arguments;
    struct show *show = run->state;
    int error = look_at(run->target->store, (uint64_t)a->id, show_letter, run, reterr);
    return error ? error : show->error ? show->error : GW_OPERATION_DONE;
}

const struct gw_operation gw_operation_dlq_show = {
    .name = "dlq.show",
    .doc = "Shows one dead letter with its whole record.",
    .flags = GW_OPERATION_STORE,
    .arguments = show_table,
    .arguments_size = sizeof(struct one_arguments),
    .state_size = sizeof(struct show),
    .step = show_step,
};

/* ---- dlq.edit ------------------------------------------------------------------------------- */

static const struct mg_option edit_table[] = {
    ID_ROW,
    {.name = "record",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_REQUIRED,
     .doc = "The record as `dlq show` shows it, and as it is to be.",
     .offset = offsetof(struct one_arguments, record)},
    {0},
};

struct edit {
    struct gw_record_parsed parsed;
    bool submitted, same_legs;
};

static int edit_begin(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct one_arguments *a = run->arguments;
    struct edit *edit = run->state;
    return gw_record_from_json(a->record, &edit->parsed, reterr);
}

static void edit_end(struct gw_operation_run *run)
{
    struct edit *edit = run->state;
    gw_record_parsed_fini(&edit->parsed);
}

static bool compare_legs(void *arg, const struct gw_dead *dead)
{
    struct edit *edit = arg;
    const struct gw_record *now = &dead->record, *then = &edit->parsed.record;
    edit->same_legs = now->leg_count == then->leg_count;
    for (size_t i = 0; i < now->leg_count && edit->same_legs; i++)
        edit->same_legs = now->legs[i].sink == then->legs[i].sink;
    return true;
}

static int edit_submit(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct one_arguments *a = run->arguments;
    struct edit *edit = run->state;
    void *bytes;
    size_t length;
    int error = look_at(run->target->store, (uint64_t)a->id, compare_legs, edit, reterr);
    if (error)
        return error;
    if (!edit->same_legs) {
        snprintf(reterr->text, sizeof reterr->text,
                 "legs say which sink gets what: they may be edited, but none added, removed or "
                 "given to another sink");
        return -EINVAL;
    }
    error = gw_record_encode(&edit->parsed.record, &bytes, &length);
    if (error)
        return error;
    error = gw_flights_dead(run->flights, (uint64_t)a->id, GW_DEAD_EDIT, bytes, length);
    if (error)
        free(bytes);
    edit->submitted = !error;
    return error ? error : GW_OPERATION_WAIT;
}

static int edit_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct one_arguments *a = run->arguments;
    struct edit *edit = run->state;
    struct gw_landed landed;
    if (!edit->submitted)
        return edit_submit(run, reterr);
    if (!gw_flights_take(run->flights, &landed))
        return GW_OPERATION_WAIT;
    if (landed.result == -ENOENT)
        return no_such_letter((uint64_t)a->id, reterr);
    if (landed.result)
        return landed.result;
    return gw_operation_emit(run, json_pack("{s:I, s:b}", "id", (json_int_t)a->id, "edited", 1));
}

const struct gw_operation gw_operation_dlq_edit = {
    .name = "dlq.edit",
    .doc = "Replaces the record of one dead letter.",
    .flags = GW_OPERATION_STORE | GW_OPERATION_ACTS,
    .arguments = edit_table,
    .arguments_size = sizeof(struct one_arguments),
    .state_size = sizeof(struct edit),
    .begin = edit_begin,
    .step = edit_step,
    .end = edit_end,
};
