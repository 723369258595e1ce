/* SPDX-License-Identifier: Apache-2.0 */
/* The state and its limits.  Instructions are counted by a hook, which needs the interpreter: code
 * that the JIT compiled calls none.  Memory is counted by the allocator. */
#include "sandbox.h"
#include <errno.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char FROZEN[] = "meshgate.frozen"; /* in a metatable: the table may only be read */
static const char GLOBALS[] = "meshgate.globals";
static const char CHUNK[] = "meshgate.chunk";

enum { CATCH_STEPS = 20 }; /* what an error costs that somebody catches */

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

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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
    if (s->stopped || s->steps_left < 0 || now_ns() > s->deadline_ns)
        stop(L, s);
}

void sandbox_charge(lua_State *L, size_t steps)
{
    struct sandbox *s = sandbox_of(L);
    s->steps_left -= (int64_t)(steps < INT32_MAX ? steps : INT32_MAX);
    if (s->stopped || s->steps_left < 0)
        stop(L, s);
}

/* ---- what scripts find ---------------------------------------------------------------------- */

/* Whatever catches errors is ours.  A stack that is nearly full has no room for the hook, so that a
 * script could go on there by catching; and the handler of the library's xpcall runs inside the
 * hook that stops a script, where no hook runs. */
static bool run_caught(lua_State *L, int arguments)
{
    struct sandbox *s = sandbox_of(L);
    sandbox_charge(L, CATCH_STEPS);
    bool good = !lua_pcall(L, arguments, LUA_MULTRET, 0);
    if (s->stopped || now_ns() > s->deadline_ns)
        stop(L, s);
    return good;
}

static int call_protected(lua_State *L)
{
    luaL_checkany(L, 1);
    bool good = run_caught(L, lua_gettop(L) - 1);
    lua_pushboolean(L, good);
    lua_insert(L, 1);
    return lua_gettop(L);
}

static int call_handled(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_pushvalue(L, 2);
    lua_insert(L, 1); /* the handler, the function, the handler, arguments */
    lua_remove(L, 3);
    bool good = run_caught(L, lua_gettop(L) - 2);
    if (good) {
        lua_pushboolean(L, true);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_call(L, 1, 1);
    lua_pushboolean(L, false);
    lua_insert(L, 1);
    return 2;
}

/* upvalue: the library's. */
static int resume(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    sandbox_charge(L, CATCH_STEPS);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (s->stopped || now_ns() > s->deadline_ns)
        stop(L, s);
    return lua_gettop(L);
}

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "this table may only be read");
}

/* Replaces the table on the stack by one that is read through, and never written. */
static void freeze(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pushboolean(L, true);
    lua_setfield(L, -2, FROZEN);
    lua_setmetatable(L, -2);
    lua_replace(L, -2);
}

bool sandbox_is_frozen(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_getfield(L, -1, FROZEN);
    bool frozen = lua_toboolean(L, -1);
    lua_pop(L, 2);
    return frozen;
}

static const char *const base_names[] = {
    "assert", "error",        "getmetatable", "ipairs",   "next", "pairs",  "rawequal", "rawget",
    "select", "setmetatable", "tonumber",     "tostring", "type", "unpack", NULL};
static const char *const math_names[] = {
    "abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh", "deg", "exp",
    "floor", "fmod", "frexp", "huge", "ldexp", "log",  "log10", "max",  "min", "modf",
    "pi",    "pow",  "rad",   "sin",  "sinh",  "sqrt", "tan",   "tanh", NULL};
static const char *const bit_names[] = {"arshift", "band",   "bnot", "bor", "bswap",
                                        "bxor",    "lshift", "rol",  "ror", "rshift",
                                        "tobit",   "tohex",  NULL};
static const char *const coroutine_names[] = {"create", "resume", "running", "status",
                                              "wrap",   "yield",  NULL};

/* Copies fields of the table at index `from` into that on the stack's top. */
static void take_names(lua_State *L, int from, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        lua_getfield(L, from, names[i]);
        lua_setfield(L, -2, names[i]);
    }
}

static void open_library(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* index 1: the table of globals that scripts read through. */
static void add_library(lua_State *L, const char *name, const char *const *names)
{
    lua_newtable(L);
    lua_getglobal(L, name);
    lua_insert(L, -2);
    take_names(L, lua_gettop(L) - 1, names);
    freeze(L);
    lua_setfield(L, 1, name);
    lua_pop(L, 1);
}

static int os_time(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    luaL_argcheck(L, lua_isnoneornil(L, 1), 1, "tables are not understood here");
    lua_pushnumber(L, s->host ? (lua_Number)(s->host->wall_us(s->shard) / 1000000) : 0);
    return 1;
}

static int os_date(lua_State *L)
{
    char text[256];
    const char *format = luaL_optstring(L, 1, "!%Y-%m-%dT%H:%M:%SZ");
    struct sandbox *s = sandbox_of(L);
    double at = luaL_optnumber(L, 2, s->host ? (double)(s->host->wall_us(s->shard) / 1000000) : 0);
    struct tm parts;
    luaL_argcheck(L, at >= -1e11 && at <= 1e11, 2, "is no time");
    time_t seconds = (time_t)at;
    gmtime_r(&seconds, &parts); /* UTC, whatever the machine's zone is */
    format += *format == '!';
    luaL_argcheck(L, *format && *format != '*', 1, "must be a format as strftime has it");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* it is the script's own */
    size_t length = strftime(text, sizeof text, format, &parts);
#pragma GCC diagnostic pop
    luaL_argcheck(L, length, 1, "makes no text, or too long a one");
    lua_pushlstring(L, text, length);
    return 1;
}

static void add_os(lua_State *L)
{
    static const luaL_Reg functions[] = {{"time", os_time}, {"date", os_date}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    freeze(L);
    lua_setfield(L, 1, "os");
}

enum { LOG_LINES_MAX = 8, LOG_BYTES_MAX = 400 };

static int log_line(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (s->host && s->log_lines < LOG_LINES_MAX) {
        s->log_lines++;
        s->host->log(s->instance, MG_INFO, "%.*s",
                     length < LOG_BYTES_MAX ? (int)length : LOG_BYTES_MAX, text);
    }
    return 0;
}

static int furnish(lua_State *L)
{
    lua_settop(L, 0);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_newtable(L);
    open_library(L, luaopen_base, "");
    open_library(L, luaopen_math, LUA_MATHLIBNAME);
    open_library(L, luaopen_bit, LUA_BITLIBNAME);
    open_library(L, luaopen_string, LUA_STRLIBNAME);
    open_library(L, luaopen_table, LUA_TABLIBNAME);
    take_names(L, LUA_GLOBALSINDEX, base_names);
    lua_pushcfunction(L, call_protected);
    lua_setfield(L, 1, "pcall");
    lua_pushcfunction(L, call_handled);
    lua_setfield(L, 1, "xpcall");
    lua_pushcfunction(L, log_line);
    lua_setfield(L, 1, "log");
    add_library(L, "math", math_names);
    add_library(L, "bit", bit_names);
    lua_getglobal(L, "coroutine");
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, resume, 1);
    lua_setfield(L, -2, "resume");
    lua_pop(L, 1);
    add_library(L, "coroutine", coroutine_names);
    add_os(L);
    static const struct {
        const char *name;
        void (*open)(lua_State *L);
    } ours[] = {{"string", strings_open}, {"table", tables_open}, {"json", json_open}};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        ours[i].open(L);
        freeze(L);
        lua_setfield(L, 1, ours[i].name);
    }
    event_open(L);
    lua_pushvalue(L, 1);
    freeze(L);
    /* A metatable for every environment: they share it, and none can reach it. */
    lua_getmetatable(L, -1);
    lua_pushnil(L);
    lua_setfield(L, -2, "__newindex");
    lua_pushnil(L);
    lua_setfield(L, -2, FROZEN);
    lua_setfield(L, LUA_REGISTRYINDEX, GLOBALS);
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
    lua_getfield(L, LUA_REGISTRYINDEX, GLOBALS);
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
    s->deadline_ns = now_ns() + s->script->time_limit_ms * 1000000;
    s->log_lines = 0;
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
