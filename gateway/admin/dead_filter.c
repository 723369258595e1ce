/* SPDX-License-Identifier: Apache-2.0 */
/* The filter over dead letters, and their line in a list. */
#include "admin/dead_filter.h"
#include "admin/text.h"
#include "config/bind_value.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int read_id(const char **at, uint64_t *ret)
{
    char *end;
    if (**at < '0' || **at > '9')
        return -EINVAL;
    errno = 0;
    *ret = strtoull(*at, &end, 10);
    *at = end;
    return errno ? -ERANGE : 0;
}

static int read_ids(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    const char *at = text;
    *ret_first = 0;
    *ret_last = UINT64_MAX;
    if (*at != '-' && read_id(&at, ret_first))
        return -EINVAL;
    if (!*at) {
        *ret_last = *ret_first;
        return 0;
    }
    if (*at++ != '-' || (!*at && *text == '-'))
        return -EINVAL;
    return !*at || (!read_id(&at, ret_last) && !*at && *ret_first <= *ret_last) ? 0 : -EINVAL;
}

int gw_dead_filter_init(struct gw_dead_filter *filter, const struct gw_dead_wanted *wanted,
                        struct mg_err *reterr)
{
    *filter = (struct gw_dead_filter){
        .wanted = *wanted, .since_us = INT64_MIN, .until_us = INT64_MAX, .last = UINT64_MAX};
    if (wanted->id && read_ids(wanted->id, &filter->first, &filter->last)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "id \"%.40s\" is no id and no range of ids; they are written like 7, 7-9 or 7-",
                 wanted->id);
        return -EINVAL;
    }
    if (wanted->since && gw_read_time("since", wanted->since, &filter->since_us, reterr))
        return -EINVAL;
    if (wanted->until && gw_read_time("until", wanted->until, &filter->until_us, reterr))
        return -EINVAL;
    return 0;
}

bool gw_dead_filter_is_open(const struct gw_dead_wanted *w)
{
    return !w->route && !w->sink && !w->step && !w->reason && !w->since && !w->until && !w->id;
}

/* The whole, or all before the first `stop`. */
static bool names(struct mg_str text, const char *wanted, char stop)
{
    size_t length = strlen(wanted);
    return length && text.len >= length && !memcmp(text.at, wanted, length) &&
           (text.len == length || text.at[length] == stop);
}

static bool contains(struct mg_str text, const char *wanted)
{
    size_t length = strlen(wanted);
    for (size_t i = 0; i + length <= text.len; i++)
        if (!strncasecmp(text.at + i, wanted, length))
            return true;
    return false;
}

bool gw_dead_filter_takes(const struct gw_dead_filter *f, const struct gw_dead *dead)
{
    const struct gw_dead_wanted *w = &f->wanted;
    return dead->id >= f->first && dead->id <= f->last && dead->died_us >= f->since_us &&
           dead->died_us <= f->until_us && (!w->route || names(dead->route, w->route, '\0')) &&
           (!w->sink || names(dead->sink, w->sink, ' ')) &&
           (!w->step || names(dead->step, w->step, ':')) &&
           (!w->reason || contains(dead->reason, w->reason));
}

json_t *gw_dead_entry(const struct gw_dead *dead)
{
    char died[GW_VALUE_TIME_BYTES], arrived[GW_VALUE_TIME_BYTES];
    const struct gw_record *record = &dead->record;
    struct mg_str origin = record->origin.len ? record->origin : record->message.head.address;
    json_t *entry = json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:I}", "id", (json_int_t)dead->id, "died",
        gw_value_time_text(dead->died_us, died), "arrived",
        gw_value_time_text(record->arrived_us, arrived), "route", gw_text_json(dead->route), "sink",
        dead->sink.len ? gw_text_json(dead->sink) : json_null(), "step", gw_text_json(dead->step),
        "reason", gw_text_json(dead->reason), "attempts", (json_int_t)dead->attempts, "address",
        gw_text_json(origin), "bytes", (json_int_t)record->message.payload.len);
    return entry;
}
