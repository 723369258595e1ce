/* SPDX-License-Identifier: Apache-2.0 */
/* A schema that applies itself to the same value never ends: depth first through what is always
 * applied, on a stack of its own. */
#include "loops.h"
#include "memory.h"

enum { UNSEEN, OPEN, CLOSED };
struct step {
    struct schema *schema;
    size_t next;
};

static int refuse_from(struct compiler *c, struct schema *first, struct step *stack)
{
    size_t depth = 0;
    first->visit = OPEN;
    stack[depth++] = (struct step){first, 0};
    while (depth) {
        struct step *top = &stack[depth - 1];
        struct schema *next = (struct schema *)always_applied(top->schema, &top->next);
        if (!next) {
            top->schema->visit = CLOSED;
            depth--;
        } else if (next->visit == OPEN) {
            return refuse(next->resource->document, next->pointer, c->err,
                          "this schema refers to itself without end");
        } else if (next->visit == UNSEEN) {
            next->visit = OPEN;
            stack[depth++] = (struct step){next, 0};
        }
    }
    return 0;
}

int refuse_loops(struct compiler *c)
{
    size_t count = 0;
    for (struct schema *s = c->done; s; s = s->next)
        count++;
    struct step *stack = take(&c->library->memory, (count + 1) * sizeof *stack);
    if (!stack)
        return no_memory(c);
    int error = 0;
    for (struct schema *s = c->done; s && !error; s = s->next)
        if (s->visit == UNSEEN)
            error = refuse_from(c, s, stack);
    return error;
}
