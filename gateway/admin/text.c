/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, moments and paces of operations. */
#include "admin/text.h"
#include "config/bind_value.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How far a pace may catch up with what it missed while its caller was busy. */
enum { CATCH_UP_US = 100000 };

json_t *gw_text_json(struct mg_str text)
{
    if (!text.len)
        return json_string("");
    json_t *value = json_stringn(text.at, text.len);
    char *copy = value ? NULL : malloc(text.len);
    if (!copy)
        return value;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (unsigned char)text.at[i] < 0x80 ? text.at[i] : '?';
    value = json_stringn(copy, text.len);
    free(copy);
    return value;
}

int64_t gw_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int gw_read_time(const char *name, const char *text, int64_t *ret_us, struct mg_err *reterr)
{
    if (!gw_value_time(text, gw_clock_us(), ret_us))
        return 0;
    snprintf(reterr->text, sizeof reterr->text,
             "%s: \"%.48s\" is no time; it is written like 2026-03-01T08:00:00Z, or 2h for two "
             "hours ago",
             name, text);
    return -EINVAL;
}

bool gw_pace_may(struct gw_pace *pace, int64_t now_us, int64_t *ret_wait_ms)
{
    if (pace->per_s <= 0)
        return true;
    if (pace->next_us > now_us) {
        *ret_wait_ms = (pace->next_us - now_us + 999) / 1000;
        return false;
    }
    if (pace->next_us < now_us - CATCH_UP_US)
        pace->next_us = now_us - CATCH_UP_US;
    pace->next_us += (int64_t)(1e6 / pace->per_s);
    return true;
}
