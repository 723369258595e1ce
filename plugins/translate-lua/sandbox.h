/* SPDX-License-Identifier: Apache-2.0 */
/* A Lua state that a script cannot get out of, and that stops a script that does too much.
 *
 * The script's text runs anew for every event in an environment of its own, so nothing that it
 * changes is there for the next one.  A state belongs to one shard. */
#pragma once
#include "json_doc.h"
#include <lauxlib.h>
#include <lua.h>

enum {
    SCRIPT_BYTES_MAX = 1 << 20,
    HOOK_STEPS = 1000,         /* instructions between two looks at the limits */
    BYTES_PER_STEP = 64,       /* what is allocated, compared or copied counts as work, too */
    STACK_BYTES_MAX = 1 << 20, /* of C, below a call: Lua has no limit of its own there */
    SCRIPT_DEPTH_MAX = 128     /* of JSON that a script reads or writes */
};

struct script {
    const char *name; /* in errors: name:line: */
    const char *text;
    size_t length;
    int64_t steps_limit, memory_limit_bytes, time_limit_ms;
};

struct sandbox {
    const struct script *script;
    lua_State *lua; /* NULL: must be made anew */
    struct doc *doc;
    size_t used_bytes;
    int64_t steps_left, deadline_ns, cpu_deadline_ns;
    bool stopped;      /* a limit was reached: everything fails until the call is over */
    bool may_allocate; /* beyond the limit: while the state is made */
    const char *stack_base;
    char stopped_text[200];
    /* The call in progress. */
    const struct mg_host *host;
    mg_instance *instance;
    mg_shard *shard;
    const struct mg_step_call *call;
    mg_event **out; /* MG_EMIT_MAX */
    size_t out_count;
    size_t out_room; /* bytes that what comes back may still take */
    uint32_t verdict;
    uint32_t log_lines;
    char reason[200]; /* of a REJECT that the script asked for */
};

/* What the state's functions find themselves in. */
struct sandbox *sandbox_of(lua_State *L);
/* Counts work that is no instruction; raises the error where it is too much. */
void sandbox_charge(lua_State *L, size_t steps);

/* Raises the error where a limit was reached. */
void sandbox_check(lua_State *L);
/* Before C calls what is the script's: raises an error where too much of the C stack is in use. */
void sandbox_check_stack(lua_State *L);

int sandbox_init(struct sandbox *s, const struct script *script, struct mg_err *reterr);
void sandbox_fini(struct sandbox *s); /* half-built is fine */
/* Runs body(L) protected, within the limits, with the script's translate function at index 1.
 * -EINVAL: reterr says what went wrong, and where; -E2BIG: a limit was reached, likewise; -ENOMEM.
 */
int sandbox_run(struct sandbox *s, void (*body)(lua_State *L, struct sandbox *s),
                struct mg_err *reterr);

/* ---- what the state is furnished with; each runs protected, once for a state ------------------
 */

/* All of it, and in the registry under sandbox_globals a metatable for environments. */
void globals_open(lua_State *L);
extern const char sandbox_globals[];
void strings_open(lua_State *L); /* leaves the table `string` */
void tables_open(lua_State *L);  /* leaves the table `table` */
void json_open(lua_State *L);    /* leaves the table `json` */
void event_open(lua_State *L);   /* leaves nothing */

/* Is the table at index one that scripts share, and may only read? */
bool sandbox_is_frozen(lua_State *L, int index);

/* The JSON text as a Lua value on the stack; raises an error where it is none.  what: of what. */
void json_push(lua_State *L, struct mg_bytes text, const char *what);
void json_push_value(lua_State *L, const struct doc_value *value);
/* The Lua value at index as JSON in s->doc; takes its size from *room; raises an error where that
 * cannot be. */
struct doc_value *json_of_lua(lua_State *L, int index, size_t *room);
bool json_is_list(lua_State *L, int index); /* marked by json.array, or decoded from one */

void event_push(lua_State *L); /* the call's event */
/* What translate returned, at index first and following, into verdict, out and reason. */
void event_take(lua_State *L, int first);
