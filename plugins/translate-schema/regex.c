/* SPDX-License-Identifier: Apache-2.0 */
/* PCRE2, with limits that end a search which backtracks without end. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { MATCH_DEPTH_MAX = 100000, MATCH_HEAP_KIB_MAX = 4096 };
enum { JIT_STACK_FIRST = 32 * 1024, JIT_STACK_MAX = 512 * 1024 };

struct regex {
    pcre2_code *code;
};
struct regex_room {
    pcre2_match_data *data;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
};

static int out_of_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

static int compile(struct mg_str pattern, pcre2_code **ret, struct mg_err *reterr)
{
    char *text;
    size_t length, wrong_at;
    int wrong;
    int error = ecma_translate(pattern, &text, &length, reterr);
    if (error)
        return error;
    *ret = pcre2_compile((PCRE2_SPTR)text, length,
                         PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS |
                             PCRE2_NEVER_BACKSLASH_C,
                         &wrong, &wrong_at, NULL);
    free(text);
    if (*ret)
        return 0;
    PCRE2_UCHAR said[120] = "";
    pcre2_get_error_message(wrong, said, sizeof said);
    snprintf(reterr->text, sizeof reterr->text, "%s", (const char *)said);
    return wrong == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EINVAL;
}

int regex_compile(struct mg_str pattern, struct regex **ret, struct mg_err *reterr)
{
    struct regex *r = calloc(1, sizeof *r);
    if (!r)
        return out_of_memory(reterr);
    int error = compile(pattern, &r->code, reterr);
    if (error) {
        free(r);
        return error;
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it, it is only slower */
    *ret = r;
    return 0;
}

bool regex_is_one(struct mg_str pattern)
{
    struct mg_err none;
    pcre2_code *code;
    if (compile(pattern, &code, &none))
        return false;
    pcre2_code_free(code);
    return true;
}

void regex_free(struct regex *r)
{
    if (r)
        pcre2_code_free(r->code);
    free(r);
}

void regex_room_destroy(struct regex_room *room)
{
    if (!room)
        return;
    pcre2_match_data_free(room->data);
    pcre2_match_context_free(room->limits);
    pcre2_jit_stack_free(room->stack);
    free(room);
}

struct regex_room *regex_room_create(void)
{
    struct regex_room *room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    room->data = pcre2_match_data_create(1, NULL);
    room->limits = pcre2_match_context_create(NULL);
    room->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    if (!room->data || !room->limits) {
        regex_room_destroy(room);
        return NULL;
    }
    pcre2_set_depth_limit(room->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(room->limits, MATCH_HEAP_KIB_MAX);
    if (room->stack)
        pcre2_jit_stack_assign(room->limits, NULL, room->stack);
    return room;
}

enum regex_found regex_search(const struct regex *r, struct regex_room *room, struct mg_str text,
                              uint32_t steps)
{
    pcre2_set_match_limit(room->limits, steps);
    int found = pcre2_match(r->code, (PCRE2_SPTR)text.at, text.len, 0, PCRE2_NO_UTF_CHECK,
                            room->data, room->limits);
    return found >= 0 ? REGEX_YES : found == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_TOO_MUCH;
}
