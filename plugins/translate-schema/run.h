/* SPDX-License-Identifier: Apache-2.0 */
/* One validation: what it has spent, what it remembers, and what it has to say.  A run belongs to
 * one thread and is used again and again. */
#pragma once
#include "schema.h"

/* A validation beyond these ends, and the event is refused. */
enum { RUN_DEPTH_MAX = 1500, RUN_STEPS_MAX = 5000000 };
enum { REPORT_ENTRIES_MAX = 10, REPORT_BYTES = 480 };
#define NO_MARKS SIZE_MAX

/* A value's place in its document. */
struct spot {
    const struct spot *in; /* NULL: the whole */
    struct mg_str name;    /* of a member; NULL: an item */
    size_t index;
    size_t depth;
};
/* The resources that were entered on the way to a schema, the last one first. */
struct scope {
    const struct scope *outer;
    const struct resource *resource;
};

struct report_entry {
    size_t depth; /* of the value */
    const struct document *document;
    char text[REPORT_BYTES];
};
struct report {
    const char *root; /* what the whole document is called */
    size_t count, limit;
    struct report_entry *entries;
    char *pointer; /* room of REPORT_BYTES: the first entry's value as a JSON pointer; NULL */
};

struct run {
    uint64_t *words; /* a stack: marks, and room for sorting */
    size_t used, room;
    size_t depth, steps;
    const char *gave_up;   /* why; NULL: it has not */
    struct report *report; /* NULL: only whether it is valid counts */
    struct regex_room *regex;
};

int run_init(struct run *run); /* -ENOMEM */
void run_fini(struct run *run);

/* 0: valid.  -EINVAL: it is not, and report says why.  -EOVERFLOW: it would take too much, which
 * run->gave_up says.  report: filled from entries, limit and root. */
int run_validate(struct run *run, const struct schema *schema, const struct doc_value *value,
                 struct report *report);

/* ---- for checks ----------------------------------------------------------------------------- */

bool evaluate(struct run *run, const struct schema *schema, const struct doc_value *value,
              const struct spot *spot, const struct scope *scope, size_t marks);
/* The same value under another schema, whose marks count whatever comes of it. */
static inline bool apply_here(struct run *run, const struct schema *schema, const struct at *at)
{
    return evaluate(run, schema, at->value, at->spot, at->scope, at->marks);
}
/* The same value under a schema that may fail: its marks count when it holds. */
bool attempt(struct run *run, const struct schema *schema, const struct at *at);
/* Neither marks nor reports. */
bool attempt_silently(struct run *run, const struct schema *schema, const struct doc_value *value,
                      const struct spot *spot, const struct scope *scope);
bool apply_member(struct run *run, const struct schema *schema, const struct at *at, size_t index);
bool apply_item(struct run *run, const struct schema *schema, const struct at *at, size_t index);

bool give_up(struct run *run, const char *why); /* false */
/* What has found a failure need not look for more: nobody wants to hear of them. */
static inline bool may_stop(const struct run *run)
{
    return run->gave_up || !run->report || run->report->count >= run->report->limit;
}
/* false: that was too much. */
bool spend(struct run *run, size_t steps);
/* Cleared words at *ret_at, until used is set back.  false: it gave up. */
bool take_words(struct run *run, size_t count, size_t *ret_at);
static inline void mark(struct run *run, size_t marks, size_t index)
{
    if (marks != NO_MARKS)
        run->words[marks + index / 64] |= (uint64_t)1 << index % 64;
}
static inline bool is_marked(const struct run *run, size_t marks, size_t index)
{
    return run->words[marks + index / 64] >> index % 64 & 1;
}

/* Does the pattern match anywhere in the text? */
bool search(struct run *run, const struct regex *regex, struct mg_str text);

/* Says why the value of at fails, if anybody wants to know.  Returns false. */
bool fail(struct run *run, const struct check *check, const struct at *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fail_never(struct run *run, const struct schema *schema, const struct spot *spot);
enum { SHOWN_BYTES = 64 };
/* A value in words: "abc", 12, a list of 3 items. */
const char *shown(const struct doc_value *value, char out[SHOWN_BYTES]);
const char *shown_text(struct mg_str text, char out[SHOWN_BYTES]);
