/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a CloudEvent or a batch in JSON (the first byte chooses): refused with a reason, or
 * events that, written and read again, are the same events. */
#include "json_format.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

/* JSON has no space around it once it has been data. */
static struct mg_str without_space(struct mg_str text)
{
    while (text.len && strchr(" \t\r\n", *text.at))
        text = (struct mg_str){text.at + 1, text.len - 1};
    while (text.len && strchr(" \t\r\n", text.at[text.len - 1]))
        text.len--;
    return text;
}

static void same(const struct ce_event *a, const struct ce_event *b)
{
    bool json = b->data_kind == CE_JSON;
    check(a->count == b->count && ce_equal(a->content_type, b->content_type));
    for (size_t i = 0; i < a->count; i++) {
        check(ce_equal(a->attributes[i].name, b->attributes[i].name));
        check(ce_equal(a->attributes[i].value, b->attributes[i].value));
        check(a->attributes[i].type == b->attributes[i].type);
    }
    check((a->data_kind == CE_NO_DATA) == (b->data_kind == CE_NO_DATA));
    check(ce_equal(json ? without_space(a->data) : a->data, b->data));
}

static void there_and_back(struct ce_event *event, struct arena *arena)
{
    static struct ce_event again;
    struct mg_bytes text;
    struct mg_err err;
    event->envelope = (struct mg_str){0};
    check(!json_write_event(event, false, &text));
    check(!json_read_event(text, arena, &again, &err));
    same(event, &again);
    free((void *)(uintptr_t)text.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ce_event event;
    struct arena arena = {0};
    struct mg_err err = {.text = ""};
    struct mg_bytes text = {data + 1, size - 1};
    int answer;
    if (!size)
        return 0;
    if (data[0] & 1) {
        struct scan scan;
        scan_begin(&scan, text);
        for (size_t i = 0; (answer = json_read_batch(&scan, i, &arena, &event, &err)) > 0; i++)
            there_and_back(&event, &arena);
    } else if (!(answer = json_read_event(text, &arena, &event, &err))) {
        there_and_back(&event, &arena);
    }
    check(answer == 0 || err.text[0]);
    arena_fini(&arena);
    return 0;
}
