/* SPDX-License-Identifier: Apache-2.0 */
/* One event against a set: what of it is asked for is noted, and then the branches that its values
 * led to are checked.  No memory is allocated once the scratch has seen events of that size. */
#pragma once
#include "set.h"

enum { MATCH_STEPS_MAX = 1 << 20 }; /* of finding list elements that go together, for one event */

/* A place in a list, and the places that it is in.  0 is none. */
struct chain {
    uint32_t up, depth;
    uint32_t list, index;
};

struct path_state {
    uint32_t generation;  /* that of the scratch: the rest is of this event */
    uint32_t first, last; /* values */
    bool chained;         /* some of them are in lists of objects */
};

struct scratch {
    const struct set *set;
    uint32_t generation;
    uint32_t lists; /* that were seen in this event */
    bool chained;
    uint32_t unreadable; /* READS_* for which the payload is no good */
    bool gave_up;        /* after MATCH_STEPS_MAX */
    bool no_memory;
    uint32_t steps;
    struct value *values; /* 0 is none */
    size_t value_count, value_capacity;
    struct chain *chains;
    size_t chain_count, chain_capacity;
    struct path_state *paths;
    uint32_t *verdicts; /* of conditions: generation * 2 + whether it holds */
    uint32_t *hits;     /* of patterns: the generation */
    struct candidates candidates;
    struct text_block *texts; /* unescaped strings and the like */
    char *fold;
    size_t fold_size;
    uint32_t *found; /* of the branch at hand: chains by condition */
    size_t found_capacity;
};

int scratch_init(struct scratch *s, const struct set *set); /* -ENOMEM; scratch_fini then, too */
void scratch_fini(struct scratch *s);
size_t scratch_bytes(const struct scratch *s);

/* Begins an event, or the same one again from its start. */
void scratch_begin(struct scratch *s);
/* Room for a text that lives until the next event.  NULL: no_memory is set. */
char *scratch_text(struct scratch *s, size_t size);
/* A value at a path (that of a name, less one).  at stays until scratch_finish. */
void scratch_value(struct scratch *s, uint32_t path, const char *at, size_t length, uint32_t chain);
uint32_t scratch_chain(struct scratch *s, uint32_t up, uint32_t list, uint32_t index);
/* The patterns that match, into ret (room for all of the set), in no order.  Returns their number,
 * or -ENOMEM. */
ptrdiff_t scratch_finish(struct scratch *s, uint32_t *ret_patterns);

/* ---- payloads ------------------------------------------------------------------------------- */

struct payload_mode {
    uint32_t name;       /* what the document's names are under */
    bool envelope;       /* a member `data` of it is the data: what was read before is forgotten */
    bool cloudevent;     /* it is one, whatever it has: its other members are attributes */
    uint32_t attributes; /* under this name; 0: they are not wanted */
};
/* Notes what the set asks for.  -EINVAL: it is no JSON; *ret_wrong is where (offset).  *ret_object:
 * it is an object. */
int read_payload(struct scratch *s, const struct payload_mode *mode, const char *at, size_t length,
                 bool *ret_object, size_t *ret_wrong);
