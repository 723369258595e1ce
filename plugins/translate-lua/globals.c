/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts find: Lua's library without what leads out of it, stops its limits from working or
 * keeps something for the next event. */
#include "sandbox.h"
#include <luajit.h>
#include <lualib.h>
#include <string.h>
#include <time.h>

enum { CATCH_STEPS = 20 }; /* what an error costs that somebody catches */

const char sandbox_globals[] = "meshgate.globals";
static const char FROZEN[] = "meshgate.frozen"; /* in a metatable: the table may only be read */

/* Whatever catches errors is ours.  A stack that is nearly full has no room for the hook, so that a
 * script could go on there by catching; and the handler of the library's xpcall runs inside the
 * hook that stops a script, where no hook runs. */
static bool run_caught(lua_State *L, int arguments)
{
    sandbox_charge(L, CATCH_STEPS);
    sandbox_check_stack(L);
    bool good = !lua_pcall(L, arguments, LUA_MULTRET, 0);
    sandbox_check(L);
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

/* upvalue: the library's, or what its wrap made. */
static int resume(lua_State *L)
{
    sandbox_charge(L, CATCH_STEPS);
    sandbox_check_stack(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    sandbox_check(L);
    return lua_gettop(L);
}

static int wrap(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    lua_pushcclosure(L, resume, 1);
    return 1;
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

void globals_open(lua_State *L)
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
    lua_getfield(L, -1, "wrap");
    lua_pushcclosure(L, wrap, 1);
    lua_setfield(L, -2, "wrap");
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
    lua_setfield(L, LUA_REGISTRYINDEX, sandbox_globals);
}
