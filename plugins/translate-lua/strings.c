/* SPDX-License-Identifier: Apache-2.0 */
/* The table `string`: what the library has but dump, with patterns by a matcher that can be
 * stopped. */
#include "match.h"
#include "sandbox.h"
#include <lualib.h>
#include <string.h>

static const char *const plain_names[] = {"byte", "char", "len", "sub", NULL};
static const char *const measured_names[] = {"format", "lower", "rep", "reverse", "upper", NULL};

/* Calls the library's function, this one's upvalue, with the same arguments.  A text that there is
 * already is made without an allocation, so that one would not count it. */
static int measured(lua_State *L)
{
    size_t bytes = 0;
    for (int i = 1; i <= lua_gettop(L); i++)
        bytes += lua_type(L, i) == LUA_TSTRING ? lua_objlen(L, i) : 0;
    sandbox_charge(L, 1 + bytes / BYTES_PER_STEP);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    sandbox_charge(L, lua_objlen(L, -1) / BYTES_PER_STEP);
    return 1;
}

/* 1-based, negative from the end, to an offset in 0..length+1. */
static size_t offset_of(ptrdiff_t place, size_t length)
{
    if (place < 0)
        place += (ptrdiff_t)length + 1;
    return place < 1 ? 0 : (size_t)place - 1;
}

static const char *find_plain(lua_State *L, const char *at, size_t length, const char *what,
                              size_t what_length)
{
    sandbox_charge(L, length / BYTES_PER_STEP);
    return memmem(at, length, what, what_length);
}

/* find and match: index 3 is where to begin. */
static int search(lua_State *L, bool find)
{
    size_t length, pattern_length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    size_t from = offset_of(luaL_optinteger(L, 3, 1), length);
    bool plain = find && (lua_toboolean(L, 4) || !strpbrk(pattern, "^$*+?.([%-"));
    if (from > length)
        from = length;
    if (plain && strlen(pattern) == pattern_length) {
        const char *at = find_plain(L, text + from, length - from, pattern, pattern_length);
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - text + 1);
        lua_pushinteger(L, at - text + (ptrdiff_t)pattern_length);
        return 2;
    }
    struct match m;
    bool anchored = pattern_length && *pattern == '^';
    match_init(&m, L, text, length, pattern, pattern_length);
    for (const char *at = text + from; at <= text + length; at++) {
        m.captures = 0;
        const char *end = match_here(&m, at, pattern + anchored);
        if (end && !find)
            return match_push_all(&m, at, end);
        if (end) {
            lua_pushinteger(L, at - text + 1);
            lua_pushinteger(L, end - text);
            return 2 + (m.captures ? match_push_all(&m, at, end) : 0);
        }
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int find(lua_State *L)
{
    return search(L, true);
}

static int match(lua_State *L)
{
    return search(L, false);
}

/* ---- gmatch --------------------------------------------------------------------------------- */

static int match_next(lua_State *L)
{
    size_t length, pattern_length;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_length);
    struct match m;
    match_init(&m, L, text, length, pattern, pattern_length);
    for (const char *at = text + lua_tointeger(L, lua_upvalueindex(3)); at <= text + length; at++) {
        m.captures = 0;
        const char *end = match_here(&m, at, pattern);
        if (!end)
            continue;
        lua_pushinteger(L, end - text + (end == at)); /* goes on behind an empty match */
        lua_replace(L, lua_upvalueindex(3));
        return match_push_all(&m, at, end);
    }
    return 0;
}

static int match_all(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, match_next, 3);
    return 1;
}

/* ---- gsub ----------------------------------------------------------------------------------- */

/* The replacement text at index 3, with %0 to %9 put in. */
static void add_text(struct match *m, luaL_Buffer *out, const char *at, const char *end)
{
    size_t length;
    const char *text = lua_tolstring(m->lua, 3, &length);
    sandbox_charge(m->lua, length / 8);
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            luaL_addchar(out, text[i]);
            continue;
        }
        i++;
        if (i < length && text[i] == '0') {
            luaL_addlstring(out, at, (size_t)(end - at));
        } else if (i < length && text[i] >= '1' && text[i] <= '9') {
            match_push(m, text[i] - '1', at, end);
            luaL_addvalue(out);
        } else if (i < length) {
            luaL_addchar(out, text[i]);
        }
    }
}

static void add_replacement(struct match *m, luaL_Buffer *out, const char *at, const char *end)
{
    lua_State *L = m->lua;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(m, out, at, end);
        return;
    }
    sandbox_check_stack(L);
    if (type == LUA_TTABLE) {
        match_push(m, 0, at, end);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, match_push_all(m, at, end), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, at, (size_t)(end - at));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
}

static int substitute(lua_State *L)
{
    size_t length, pattern_length;
    const char *at = luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE ||
                      type == LUA_TFUNCTION,
                  3, "string/function/table expected");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1), count = 0;
    bool anchored = pattern_length && *pattern == '^';
    struct match m;
    luaL_Buffer out;
    lua_settop(L, 3);
    luaL_buffinit(L, &out);
    match_init(&m, L, at, length, pattern, pattern_length);
    while (count < most) {
        m.captures = 0;
        const char *end = match_here(&m, at, pattern + anchored);
        if (end) {
            count++;
            add_replacement(&m, &out, at, end);
        }
        if (end && end > at)
            at = end;
        else if (at < m.end)
            luaL_addchar(&out, *at++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&out, at, (size_t)(m.end - at));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

void strings_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"find", find},
                                         {"match", match},
                                         {"gmatch", match_all},
                                         {"gsub", substitute},
                                         {NULL, NULL}};
    lua_newtable(L);
    lua_getglobal(L, LUA_STRLIBNAME);
    for (size_t i = 0; plain_names[i]; i++) {
        lua_getfield(L, -1, plain_names[i]);
        lua_setfield(L, -3, plain_names[i]);
    }
    for (size_t i = 0; measured_names[i]; i++) {
        lua_getfield(L, -1, measured_names[i]);
        lua_pushcclosure(L, measured, 1);
        lua_setfield(L, -3, measured_names[i]);
    }
    lua_pop(L, 1);
    luaL_register(L, NULL, functions);
    /* Methods of texts are the same, and their metatable is nobody's. */
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
