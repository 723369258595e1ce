/* SPDX-License-Identifier: Apache-2.0 */
/* The table `table`: the library's functions, which do not look at metatables, kept off the tables
 * that scripts share, and their work counted. */
#include "sandbox.h"
#include <lualib.h>

/* Calls the library's function, this one's upvalue, with the same arguments. */
static int pass_on(lua_State *L)
{
    sandbox_check_stack(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static size_t length_of(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return lua_objlen(L, 1);
}

/* arguments: how many it has where it works at the end, and moves nothing. */
static int move(lua_State *L, int arguments)
{
    size_t length = length_of(L);
    if (sandbox_is_frozen(L, 1))
        return luaL_error(L, "this table may only be read");
    sandbox_charge(L, lua_gettop(L) > arguments ? length / 16 : 1);
    return pass_on(L);
}

static int insert(lua_State *L)
{
    return move(L, 2);
}

static int take_out(lua_State *L)
{
    return move(L, 1);
}

static int sort(lua_State *L)
{
    size_t length = length_of(L), depth = 1;
    if (sandbox_is_frozen(L, 1))
        return luaL_error(L, "this table may only be read");
    while (length >> depth)
        depth++;
    sandbox_charge(L, length * depth);
    return pass_on(L);
}

static int walk(lua_State *L)
{
    sandbox_charge(L, length_of(L) / 4);
    return pass_on(L);
}

void tables_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"concat", walk},     {"insert", insert}, {"maxn", walk},
                                         {"remove", take_out}, {"sort", sort},     {NULL, NULL}};
    lua_newtable(L);
    lua_getglobal(L, LUA_TABLIBNAME);
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_getfield(L, -1, f->name);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -3, f->name);
    }
    lua_pop(L, 1);
}
