/* SPDX-License-Identifier: Apache-2.0 */
/* Reads windows, and says whether a time is in one. */
#include "windows.h"
#include "zone.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DAY_SECONDS = 86400, ALL_DAYS = 0x7f };

/* From one day to another, both included: of one year, or of every year (first may be the later
 * one then, over New Year). */
struct days {
    bool yearly;
    int64_t first, last; /* days since 1970; yearly: month * 32 + day */
};
struct calendar {
    size_t count;
    struct days *list;
};
struct window {
    unsigned weekdays; /* a bit each, 1: Sunday */
    int from, to;      /* seconds of the day; from > to: over midnight */
    struct calendar dates;
};
struct windows {
    struct calendar except;
    size_t count;
    struct window list[];
};

__attribute__((format(printf, 3, 4))) static int wrong(const struct mg_node *node,
                                                       struct mg_err *err, const char *format, ...)
{
    char what[176];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(err->text, sizeof err->text, "%.60s:%u:%u: %s", node->file ? node->file : "windows",
             node->line, node->column, what);
    return -EINVAL;
}

static int no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* Exactly so many digits, and what stands behind them. */
static bool digits(const char **at, int count, int *ret)
{
    *ret = 0;
    for (; count && **at >= '0' && **at <= '9'; count--)
        *ret = *ret * 10 + (*(*at)++ - '0');
    return !count;
}

/* "08:00", "24:00", "08:00:30" */
static bool time_of_day(const char *text, int *ret)
{
    int hour, minute, second = 0;
    if (!digits(&text, 2, &hour) || *text++ != ':' || !digits(&text, 2, &minute))
        return false;
    if (*text == ':' && (text++, !digits(&text, 2, &second)))
        return false;
    *ret = hour * 3600 + minute * 60 + second;
    return !*text && minute < 60 && second < 60 && *ret <= DAY_SECONDS;
}

static bool weekday(const char *at, size_t length, int *ret)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    for (int i = 0; i < 7; i++) {
        if (length == 3 && !strncasecmp(at, names[i], 3)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* "mon", "mon-fri", "sat-mon" */
static bool weekdays(const char *text, unsigned *days)
{
    int first, last;
    const char *dash = strchr(text, '-');
    size_t length = dash ? (size_t)(dash - text) : strlen(text);
    if (!weekday(text, length, &first))
        return false;
    last = first;
    if (dash && !weekday(dash + 1, strlen(dash + 1), &last))
        return false;
    for (int day = first;; day = (day + 1) % 7) {
        *days |= 1u << day;
        if (day == last)
            return true;
    }
}

/* "2026-12-24" or "12-24" */
static bool date(const char **at, bool *ret_yearly, int64_t *ret)
{
    int year = 2000, month, day; /* a year with a 29th of February */
    const char *dash = strchr(*at, '-');
    *ret_yearly = dash && dash - *at == 2;
    if (!*ret_yearly && (!digits(at, 4, &year) || *(*at)++ != '-'))
        return false;
    if (!digits(at, 2, &month) || *(*at)++ != '-' || !digits(at, 2, &day))
        return false;
    struct date d = {year, month, day};
    *ret = *ret_yearly ? month * 32 + day : day_of_date(d);
    return date_is_valid(d);
}

/* "12-24", "2026-12-24..2027-01-02" */
static bool days(const char *text, struct days *ret)
{
    bool yearly;
    if (!date(&text, &ret->yearly, &ret->first))
        return false;
    ret->last = ret->first;
    if (!strncmp(text, "..", 2)) {
        text += 2;
        if (!date(&text, &yearly, &ret->last) || yearly != ret->yearly)
            return false;
    }
    return !*text && (ret->yearly || ret->first <= ret->last);
}

/* ---- YAML ----------------------------------------------------------------------------------- */

/* The scalars of a node: of a list, or itself. */
static size_t scalar_count(const struct mg_node *node)
{
    return node->type == MG_NODE_LIST ? node->count : 1;
}

static const struct mg_node *scalar_at(const struct mg_node *node, size_t index)
{
    return node->type == MG_NODE_LIST ? node->items[index] : node;
}

static int compile_dates(const struct mg_node *node, struct calendar *ret, struct mg_err *err)
{
    size_t count = scalar_count(node);
    if (!count || count > DATES_MAX)
        return wrong(node, err, "1 to %d dates are wanted here", DATES_MAX);
    ret->list = calloc(count, sizeof *ret->list);
    if (!ret->list)
        return no_memory(err);
    for (; ret->count < count; ret->count++) {
        const struct mg_node *item = scalar_at(node, ret->count);
        if (item->type != MG_NODE_SCALAR || !days(item->text, &ret->list[ret->count]))
            return wrong(item, err,
                         "\"%.40s\" is no date: 2026-12-24, 12-24 (every year), or two of one kind "
                         "with .. between them",
                         item->type == MG_NODE_SCALAR ? item->text : "…");
    }
    return 0;
}

static int compile_weekdays(const struct mg_node *node, unsigned *ret, struct mg_err *err)
{
    for (size_t i = 0; i < scalar_count(node); i++) {
        const struct mg_node *item = scalar_at(node, i);
        if (item->type != MG_NODE_SCALAR || !weekdays(item->text, ret))
            return wrong(item, err,
                         "\"%.40s\" is no weekday: mon, tue, wed, thu, fri, sat, sun, or two with "
                         "- between them",
                         item->type == MG_NODE_SCALAR ? item->text : "…");
    }
    return *ret ? 0 : wrong(node, err, "there is no weekday in it");
}

static int compile_time(const struct mg_node *node, int *ret, struct mg_err *err)
{
    if (node->type == MG_NODE_SCALAR && time_of_day(node->text, ret))
        return 0;
    return wrong(node, err, "\"%.40s\" is no time of the day: 00:00 to 24:00, as 08:30",
                 node->type == MG_NODE_SCALAR ? node->text : "…");
}

static int compile_member(struct window *w, const struct mg_node *node, struct mg_err *err)
{
    if (!strcmp(node->key, "weekdays"))
        return compile_weekdays(node, &w->weekdays, err);
    if (!strcmp(node->key, "dates"))
        return compile_dates(node, &w->dates, err);
    if (!strcmp(node->key, "from"))
        return compile_time(node, &w->from, err);
    if (!strcmp(node->key, "to"))
        return compile_time(node, &w->to, err);
    return wrong(node, err, "unknown key \"%.40s\"; there are: weekdays, dates, from, to",
                 node->key);
}

static int compile_window(struct window *w, const struct mg_node *node, struct mg_err *err)
{
    int error = 0;
    w->to = DAY_SECONDS;
    if (node->type != MG_NODE_MAP || !node->count)
        return wrong(node, err,
                     "a window is a map, as { weekdays: [mon-fri], from: 08:00, to: "
                     "17:30 }");
    for (size_t i = 0; i < node->count && !error; i++)
        error = compile_member(w, node->items[i], err);
    if (!error && (w->from == w->to || w->from == DAY_SECONDS))
        error = wrong(node, err, "there is no time between from and to");
    if (!w->weekdays)
        w->weekdays = ALL_DAYS;
    return error;
}

int windows_compile(const struct mg_node *windows, const struct mg_node *except,
                    struct windows **ret_windows, struct mg_err *reterr)
{
    size_t count = scalar_count(windows);
    reterr->option = "windows";
    if (!count || count > WINDOWS_MAX)
        return wrong(windows, reterr, "1 to %d windows are wanted here", WINDOWS_MAX);
    struct windows *w = calloc(1, sizeof *w + count * sizeof w->list[0]);
    if (!w)
        return no_memory(reterr);
    int error = 0;
    reterr->option = "except";
    if (except && except->type != MG_NODE_NULL)
        error = compile_dates(except, &w->except, reterr);
    if (!error)
        reterr->option = "windows";
    for (size_t i = 0; i < count && !error; i++)
        error = compile_window(&w->list[w->count++], scalar_at(windows, i), reterr);
    if (error) {
        windows_free(w);
        return error;
    }
    *ret_windows = w;
    return 0;
}

void windows_free(struct windows *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        free(w->list[i].dates.list);
    free(w->except.list);
    free(w);
}

/* ---- times ---------------------------------------------------------------------------------- */

static bool calendar_has(const struct calendar *c, int64_t day)
{
    struct date date = date_of_day(day);
    int64_t of_year = date.month * 32 + date.day;
    for (size_t i = 0; i < c->count; i++) {
        const struct days *d = &c->list[i];
        int64_t at = d->yearly ? of_year : day;
        if (d->first <= d->last ? d->first <= at && at <= d->last : d->first <= at || at <= d->last)
            return true;
    }
    return false;
}

bool windows_have(const struct windows *w, int64_t local)
{
    int64_t day = (local - (local < 0 ? DAY_SECONDS - 1 : 0)) / DAY_SECONDS;
    int second = (int)(local - day * DAY_SECONDS);
    for (size_t i = 0; i < w->count; i++) {
        const struct window *a = &w->list[i];
        bool today = a->from <= second && (second < a->to || a->to < a->from);
        if (!today && !(a->to < a->from && second < a->to))
            continue;
        int64_t begun = today ? day : day - 1;
        if (!(a->weekdays >> weekday_of_day(begun) & 1))
            continue;
        if (a->dates.count && !calendar_has(&a->dates, begun))
            continue;
        if (!calendar_has(&w->except, begun))
            return true;
    }
    return false;
}
