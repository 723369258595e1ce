/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for scripts.  Lists are marked, so that empty ones stay lists; null is a value; a number
 * that a double does not hold is an object of its own that is written as it was read. */
#include "event_doc.h"
#include "json_scan.h"
#include "sandbox.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char LIST[] = "meshgate.list";     /* the metatable of lists */
static const char NUMBER[] = "meshgate.number"; /* that of numbers by their spelling */

/* ---- marks ---------------------------------------------------------------------------------- */

static bool has_metatable(lua_State *L, int index, const char *name)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_getfield(L, LUA_REGISTRYINDEX, name);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

bool json_is_list(lua_State *L, int index)
{
    return lua_istable(L, index) && has_metatable(L, index, LIST);
}

static void push_number(lua_State *L, struct mg_str spelling)
{
    double number;
    if (event_doc_exact(spelling, &number)) {
        lua_pushnumber(L, number);
        return;
    }
    char *text = lua_newuserdata(L, spelling.len);
    memcpy(text, spelling.at, spelling.len);
    luaL_getmetatable(L, NUMBER);
    lua_setmetatable(L, -2);
}

static struct mg_str spelling_of(lua_State *L, int index)
{
    return (struct mg_str){lua_touserdata(L, index), lua_objlen(L, index)};
}

static int number_text(lua_State *L)
{
    luaL_checkudata(L, 1, NUMBER);
    struct mg_str text = spelling_of(L, 1);
    lua_pushlstring(L, text.at, text.len);
    return 1;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reader {
    lua_State *lua;
    struct scan scan;
    const char *what;
};

static void refuse(struct reader *r, const char *wrong)
{
    struct mg_err err;
    if (wrong)
        r->scan.wrong = wrong;
    scan_refuse(&r->scan, r->what, &err);
    luaL_error(r->lua, "%s", err.text);
}

static void push_text(struct reader *r, struct mg_str text)
{
    sandbox_charge(r->lua, 1 + text.len / BYTES_PER_STEP);
    if (!memchr(text.at, '\\', text.len)) {
        lua_pushlstring(r->lua, text.at + 1, text.len - 2);
        return;
    }
    char *out = lua_newuserdata(r->lua, text.len);
    ptrdiff_t length = scan_unescape(text, out);
    if (length < 0)
        refuse(r, "half of a surrogate pair");
    lua_pushlstring(r->lua, out, (size_t)length);
    lua_replace(r->lua, -2);
}

static void push_value(struct reader *r, int depth);

static void push_list(struct reader *r, int depth)
{
    lua_State *L = r->lua;
    lua_newtable(L);
    luaL_getmetatable(L, LIST);
    lua_setmetatable(L, -2);
    if (scan_take(&r->scan, ']'))
        return;
    for (int i = 1; i == 1 || scan_take(&r->scan, ','); i++) {
        push_value(r, depth);
        lua_rawseti(L, -2, i);
    }
    if (!scan_expect(&r->scan, ']', "a list goes on with , or ends with ]"))
        refuse(r, NULL);
}

static void push_object(struct reader *r, int depth)
{
    lua_State *L = r->lua;
    struct scan_value name;
    lua_newtable(L);
    if (scan_take(&r->scan, '}'))
        return;
    do {
        if (!scan_value(&r->scan, &name))
            refuse(r, NULL);
        if (name.kind != SCAN_TEXT)
            refuse(r, "a name is a text");
        push_text(r, name.text);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (!lua_isnil(L, -1))
            refuse(r, "there is a second member of that name");
        lua_pop(L, 1);
        if (!scan_expect(&r->scan, ':', "a name needs : and a value"))
            refuse(r, NULL);
        push_value(r, depth);
        lua_rawset(L, -3);
    } while (scan_take(&r->scan, ','));
    if (!scan_expect(&r->scan, '}', "an object goes on with , or ends with }"))
        refuse(r, NULL);
}

static void push_scalar(struct reader *r)
{
    struct scan_value value;
    if (!scan_value(&r->scan, &value))
        refuse(r, NULL);
    switch (value.kind) {
    case SCAN_TEXT:
        push_text(r, value.text);
        break;
    case SCAN_NUMBER:
        push_number(r->lua, value.text);
        break;
    case SCAN_TRUE:
    case SCAN_FALSE:
        lua_pushboolean(r->lua, value.kind == SCAN_TRUE);
        break;
    default:
        lua_pushlightuserdata(r->lua, NULL);
        break;
    }
}

static void push_value(struct reader *r, int depth)
{
    if (depth >= SCRIPT_DEPTH_MAX)
        refuse(r, "it is nested too deep for a script");
    sandbox_charge(r->lua, 1);
    luaL_checkstack(r->lua, 8, "JSON nested too deep");
    if (scan_take(&r->scan, '{'))
        push_object(r, depth + 1);
    else if (scan_take(&r->scan, '['))
        push_list(r, depth + 1);
    else
        push_scalar(r);
}

void json_push(lua_State *L, struct mg_bytes text, const char *what)
{
    struct reader r = {.lua = L, .what = what};
    scan_begin(&r.scan, text);
    push_value(&r, 0);
    if (!scan_end(&r.scan))
        refuse(&r, NULL);
}

/* Attributes and properties only: no lists or objects. */
void json_push_value(lua_State *L, const struct doc_value *value)
{
    if (!value)
        luaL_error(L, "out of memory");
    else if (value->kind == DOC_TEXT)
        lua_pushlstring(L, value->text.at, value->text.len);
    else if (value->kind == DOC_NUMBER)
        push_number(L, value->text);
    else if (value->kind == DOC_BOOL)
        lua_pushboolean(L, value->truth);
    else
        lua_pushnil(L);
}

/* ---- writing -------------------------------------------------------------------------------- */

struct writer {
    lua_State *lua;
    struct doc *doc;
    size_t *room; /* bytes that the document may still take */
};

static struct doc_value *write_value(struct writer *w, int index, int depth);

static void take_room(struct writer *w, size_t bytes)
{
    sandbox_charge(w->lua, 1 + bytes / BYTES_PER_STEP);
    bytes += sizeof(struct doc_value);
    if (bytes > *w->room)
        luaL_error(w->lua, "the JSON would be larger than the script's memory");
    *w->room -= bytes;
}

static struct doc_value *must(struct writer *w, struct doc_value *value)
{
    if (!value)
        luaL_error(w->lua, "out of memory");
    return value;
}

static struct doc_value *write_list(struct writer *w, int index, size_t count, int depth)
{
    struct doc_value *list = must(w, doc_list(w->doc));
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(w->lua, index, (int)i);
        if (doc_append(w->doc, list, write_value(w, lua_gettop(w->lua), depth)))
            must(w, NULL);
        lua_pop(w->lua, 1);
    }
    return list;
}

static int compare_names(const void *a, const void *b)
{
    const struct mg_str *x = a, *y = b;
    size_t shorter = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->at, y->at, shorter);
    return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* Members in the order of their names: that in which a table has them changes from run to run. */
static struct doc_value *write_object(struct writer *w, int index, size_t count, int depth)
{
    lua_State *L = w->lua;
    struct mg_str *names = lua_newuserdata(L, (count + 1) * sizeof *names);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index) && i < count; lua_pop(L, 1), i++)
        names[i].at = lua_tolstring(L, -2, &names[i].len);
    qsort(names, count, sizeof *names, compare_names);
    struct doc_value *object = must(w, doc_object(w->doc));
    for (i = 0; i < count; i++) {
        take_room(w, names[i].len);
        if (!event_doc_is_text(names[i]))
            luaL_error(L, "a member's name is not UTF-8 text");
        lua_pushlstring(L, names[i].at, names[i].len);
        lua_rawget(L, index);
        if (doc_set(w->doc, object, names[i], write_value(w, lua_gettop(L), depth)))
            must(w, NULL);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return object;
}

static struct doc_value *write_table(struct writer *w, int index, int depth)
{
    lua_State *L = w->lua;
    size_t names = 0, places = 0, length = lua_objlen(L, index);
    bool marked = json_is_list(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        sandbox_charge(L, 1);
        lua_Number place = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        if (lua_type(L, -2) == LUA_TSTRING)
            names++;
        else if (place >= 1 && place == floor(place))
            places++;
        else
            luaL_error(L, "a table with a key that is neither name nor place has no form in JSON");
    }
    if (names && (places || marked))
        luaL_error(L, "a table that is both list and object has no form in JSON");
    if (places != (names ? 0 : length))
        luaL_error(L, "a list with holes has no form in JSON: json.null is a value");
    return marked || places ? write_list(w, index, places, depth)
                            : write_object(w, index, names, depth);
}

static struct doc_value *write_text(struct writer *w, int index)
{
    struct mg_str text;
    text.at = lua_tolstring(w->lua, index, &text.len);
    take_room(w, text.len);
    if (!event_doc_is_text(text))
        luaL_error(w->lua, "a text that is not UTF-8 has no form in JSON");
    return must(w, doc_text(w->doc, text));
}

static struct doc_value *write_value(struct writer *w, int index, int depth)
{
    lua_State *L = w->lua;
    if (depth >= SCRIPT_DEPTH_MAX)
        luaL_error(L, "a table nested too deep, or in itself, has no form in JSON");
    take_room(w, 0);
    luaL_checkstack(L, 8, "a table nested too deep");
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        return must(w, doc_bool(w->doc, lua_toboolean(L, index)));
    case LUA_TNUMBER:
        if (!isfinite(lua_tonumber(L, index)))
            luaL_error(L, "a number that is not finite has no form in JSON");
        return must(w, event_doc_number(w->doc, lua_tonumber(L, index)));
    case LUA_TSTRING:
        return write_text(w, index);
    case LUA_TTABLE:
        return write_table(w, index, depth + 1);
    case LUA_TLIGHTUSERDATA:
        return must(w, doc_null(w->doc));
    case LUA_TUSERDATA:
        return must(w, doc_number(w->doc, spelling_of(L, index))); /* there are no others */
    default:
        luaL_error(L, "a %s has no form in JSON", luaL_typename(L, index));
        return NULL;
    }
}

struct doc_value *json_of_lua(lua_State *L, int index, size_t *room)
{
    struct writer w = {L, sandbox_of(L)->doc, room};
    return write_value(&w, index, 0);
}

/* ---- the table `json` ----------------------------------------------------------------------- */

static int decode(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    json_push(L, (struct mg_bytes){text, length}, "JSON");
    return 1;
}

static int encode(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    size_t length, room = (size_t)s->script->memory_limit_bytes;
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    doc_reset(s->doc);
    char *text = doc_write(json_of_lua(L, 1, &room), &length);
    if (!text || s->used_bytes + length + 64 > (size_t)s->script->memory_limit_bytes) {
        free(text);
        return luaL_error(L, "out of memory");
    }
    lua_pushlstring(L, text, length);
    free(text);
    return 1;
}

static int mark_list(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_argcheck(L, !lua_getmetatable(L, 1) || json_is_list(L, 1), 1,
                  "has a metatable of its own");
    lua_settop(L, 1);
    luaL_getmetatable(L, LIST);
    lua_setmetatable(L, 1);
    return 1;
}

static int make_number(lua_State *L)
{
    struct scan scan;
    struct scan_value value;
    struct mg_bytes text;
    text.at = luaL_checklstring(L, 1, &text.len);
    scan_begin(&scan, text);
    if (!scan_value(&scan, &value) || value.kind != SCAN_NUMBER || !scan_end(&scan))
        return luaL_error(L, "\"%s\" is no number of JSON", (const char *)text.at);
    push_number(L, value.text);
    return 1;
}

void json_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"decode", decode},
                                         {"encode", encode},
                                         {"array", mark_list},
                                         {"number", make_number},
                                         {NULL, NULL}};
    luaL_newmetatable(L, LIST);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    luaL_newmetatable(L, NUMBER);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, number_text);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 2);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
