/* SPDX-License-Identifier: Apache-2.0 */
/* The state and its limits.  Instructions are counted by a hook, which needs the interpreter: code
 * that the JIT compiled calls none.  Memory is counted by the allocator. */
#include "sandbox.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char CHUNK[] = "meshgate.chunk";

/* ---- limits --------------------------------------------------------------------------------- */

static void *allocate(void *arg, void *at, size_t old_size, size_t new_size)
{
    struct sandbox *s = arg;
    if (!new_size) {
        s->used_bytes -= old_size;
        free(at);
        return NULL;
    }
    if (new_size > old_size) {
        size_t more = new_size - old_size;
        if (s->used_bytes + more > (size_t)s->script->memory_limit_bytes && !s->may_allocate)
            return NULL;
        s->steps_left -= (int64_t)(more / BYTES_PER_STEP);
    }
    void *now = realloc(at, new_size);
    if (now)
        s->used_bytes += new_size - old_size;
    return now ? now : new_size <= old_size ? at : NULL;
}

struct sandbox *sandbox_of(lua_State *L)
{
    void *s;
    lua_getallocf(L, &s);
    return s;
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The processor's time counts, on a machine that has other things to do, too; but asking for it is
 * dear, so that it is counted only from when the time has passed by the clock on the wall. */
static bool is_late(struct sandbox *s)
{
    if (now_ns(CLOCK_MONOTONIC) <= s->deadline_ns)
        return false;
    int64_t used_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!s->cpu_deadline_ns)
        s->cpu_deadline_ns = used_ns + s->script->time_limit_ms * 1000000;
    return used_ns > s->cpu_deadline_ns;
}

static void look(lua_State *L, lua_Debug *at);

static void stop(lua_State *L, struct sandbox *s)
{
    if (!s->stopped) {
        s->stopped = true;
        lua_Debug at;
        const char *what =
            s->steps_left < 0 ? "more steps than it may take" : "longer than it may take";
        snprintf(s->stopped_text, sizeof s->stopped_text, "%s: %s", s->script->name, what);
        for (int level = 0; lua_getstack(L, level, &at); level++) {
            if (!lua_getinfo(L, "Sl", &at) || at.currentline <= 0)
                continue;
            snprintf(s->stopped_text, sizeof s->stopped_text, "%s:%d: %s", at.short_src,
                     at.currentline, what);
            break;
        }
    }
    /* A pcall catches this error, but the next instruction raises it again. */
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    lua_pushstring(L, "stopped");
    lua_error(L);
}

static void look(lua_State *L, lua_Debug *at)
{
    (void)at;
    struct sandbox *s = sandbox_of(L);
    s->steps_left -= HOOK_STEPS;
    if (s->stopped || s->steps_left < 0 || is_late(s))
        stop(L, s);
}

void sandbox_charge(lua_State *L, size_t steps)
{
    struct sandbox *s = sandbox_of(L);
    s->steps_left -= (int64_t)(steps < INT32_MAX ? steps : INT32_MAX);
    if (s->stopped || s->steps_left < 0)
        stop(L, s);
}

void sandbox_check(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    if (s->stopped || s->steps_left < 0 || is_late(s))
        stop(L, s);
}

void sandbox_check_stack(lua_State *L)
{
    const char *base = sandbox_of(L)->stack_base, *here = __builtin_frame_address(0);
    if (base && (here < base ? base - here : here - base) > STACK_BYTES_MAX)
        luaL_error(L, "too many calls within calls");
}

static int furnish(lua_State *L)
{
    globals_open(L);
    const struct script *script = sandbox_of(L)->script;
    char name[256];
    snprintf(name, sizeof name, "=%s", script->name);
    if (luaL_loadbufferx(L, script->text, script->length, name, "t"))
        return lua_error(L);
    lua_setfield(L, LUA_REGISTRYINDEX, CHUNK);
    lua_gc(L, LUA_GCSETPAUSE, 120);
    lua_gc(L, LUA_GCSETSTEPMUL, 400);
    lua_sethook(L, look, LUA_MASKCOUNT, HOOK_STEPS);
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int open_state(struct sandbox *s, struct mg_err *reterr)
{
    s->used_bytes = 0;
    s->stopped = false;
    s->may_allocate = true;
    s->lua = lua_newstate(allocate, s);
    int error = s->lua ? lua_cpcall(s->lua, furnish, NULL) : LUA_ERRMEM;
    s->may_allocate = false;
    if (!error)
        return 0;
    const char *text = s->lua ? lua_tostring(s->lua, -1) : NULL;
    snprintf(reterr->text, sizeof reterr->text, "%s",
             error == LUA_ERRMEM || !text ? "out of memory" : text);
    if (s->lua)
        lua_close(s->lua);
    s->lua = NULL;
    return error == LUA_ERRMEM ? -ENOMEM : -EINVAL;
}

int sandbox_init(struct sandbox *s, const struct script *script, struct mg_err *reterr)
{
    *s = (struct sandbox){.script = script, .doc = doc_create()};
    s->out = calloc(MG_EMIT_MAX, sizeof(mg_event *));
    if (s->doc && s->out)
        return open_state(s, reterr);
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

static void close_state(struct sandbox *s)
{
    if (s->lua)
        lua_close(s->lua);
    s->lua = NULL;
}

void sandbox_fini(struct sandbox *s)
{
    close_state(s);
    doc_destroy(s->doc);
    free(s->out);
}

/* ---- a call --------------------------------------------------------------------------------- */

struct run {
    struct sandbox *s;
    void (*body)(lua_State *L, struct sandbox *s);
};

static int run_protected(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, CHUNK);
    lua_createtable(L, 0, 8);
    lua_getfield(L, LUA_REGISTRYINDEX, sandbox_globals);
    lua_setmetatable(L, 2);
    lua_pushvalue(L, 2);
    lua_setfield(L, 2, "_G");
    lua_pushvalue(L, 2);
    lua_setfenv(L, 1);
    lua_pushvalue(L, 1);
    lua_call(L, 0, 0);
    lua_pushliteral(L, "translate");
    lua_rawget(L, 2);
    if (!lua_isfunction(L, -1))
        return luaL_error(L, "%s has no function translate(event)", run->s->script->name);
    lua_replace(L, 1);
    lua_settop(L, 1);
    run->body(L, run->s);
    return 0;
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* Errors of the library's own functions come without a place; all name the script at least. */
static void say(struct sandbox *s, int error, struct mg_err *reterr)
{
    const char *text = s->stopped                            ? s->stopped_text
                       : error == LUA_ERRMEM                 ? "more memory than it may take"
                       : lua_type(s->lua, -1) == LUA_TSTRING ? lua_tostring(s->lua, -1)
                                                             : "an error that is no text";
    size_t length = strlen(s->script->name);
    bool named = !strncmp(text, s->script->name, length) && text[length] == ':';
    snprintf(reterr->text, sizeof reterr->text, "%s%s%s", named ? "" : s->script->name,
             named ? "" : ": ", text);
}

int sandbox_run(struct sandbox *s, void (*body)(lua_State *L, struct sandbox *s),
                struct mg_err *reterr)
{
    struct run run = {s, body};
    int error = s->lua ? 0 : open_state(s, reterr);
    if (error)
        return error;
    s->steps_left = s->script->steps_limit;
    s->cpu_deadline_ns = 0;
    s->deadline_ns = now_ns(CLOCK_MONOTONIC) + s->script->time_limit_ms * 1000000;
    s->log_lines = 0;
    s->out_room = (size_t)s->script->memory_limit_bytes;
    s->stack_base = __builtin_frame_address(0);
    error = lua_cpcall(s->lua, run_protected, &run);
    if (!error && !s->stopped) {
        if (s->used_bytes > (size_t)s->script->memory_limit_bytes / 2)
            lua_cpcall(s->lua, collect, NULL);
        return 0;
    }
    bool limited = s->stopped || error == LUA_ERRMEM;
    say(s, error, reterr);
    if (limited || s->used_bytes > (size_t)s->script->memory_limit_bytes / 2)
        close_state(s); /* what it left half done, and its memory, go with it */
    else
        lua_settop(s->lua, 0);
    return limited ? -E2BIG : -EINVAL;
}
