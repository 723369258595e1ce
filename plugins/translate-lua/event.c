/* SPDX-License-Identifier: Apache-2.0 */
/* The event as a script has it: a table that is empty until the script writes into it, and reads
 * from the event itself.  So what is in it at the end is what shall change. */
#include "event_doc.h"
#include "sandbox.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char EVENT[] = "meshgate.event";
static const char PROPERTIES[] = "meshgate.properties";
static const char CAPTURES[] = "meshgate.captures";

/* ---- reading -------------------------------------------------------------------------------- */

static void push_str(lua_State *L, struct mg_str text)
{
    if (text.at)
        lua_pushlstring(L, text.at, text.len);
    else
        lua_pushnil(L);
}

static void push_reader(lua_State *L, const char *metatable)
{
    lua_newtable(L);
    luaL_getmetatable(L, metatable);
    lua_setmetatable(L, -2);
}

static int read_capture(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    struct mg_str name;
    name.at = luaL_checklstring(L, 2, &name.len);
    push_str(L, s->host->scope_capture(s->call->scope, name));
    return 1;
}

static int read_property(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    struct mg_str name;
    struct mg_value value;
    name.at = luaL_checklstring(L, 2, &name.len);
    if (!s->host->event_find(s->call->event, name, &value)) {
        lua_pushnil(L);
        return 1;
    }
    doc_reset(s->doc);
    json_push_value(L, event_doc_value(s->doc, &value));
    return 1;
}

static int read_json(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    json_push(L, s->host->event_payload(s->call->event), "the payload");
    return 1;
}

static void push_property_names(lua_State *L, struct sandbox *s)
{
    size_t count;
    const struct mg_property *p = s->host->event_properties(s->call->event, &count);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        push_str(L, p[i].name);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static int read_event(lua_State *L)
{
    struct sandbox *s = sandbox_of(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    bool known = true;
    if (!strcmp(name, "payload")) {
        struct mg_bytes payload = s->host->event_payload(s->call->event);
        lua_pushlstring(L, payload.len ? payload.at : "", payload.len);
    } else if (!strcmp(name, "json")) {
        lua_pushcfunction(L, read_json);
    } else if (!strcmp(name, "properties")) {
        /* Kept in the event: what the script writes there is a change, too. */
        push_reader(L, PROPERTIES);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1);
    } else if (!strcmp(name, "property_names")) {
        push_property_names(L, s);
    } else if (!strcmp(name, "captures")) {
        push_reader(L, CAPTURES);
    } else if (!strcmp(name, "route")) {
        push_str(L, s->host->scope_route(s->call->scope));
    } else if (!strcmp(name, "gateway")) {
        push_str(L, s->host->gateway_name(s->instance));
    } else {
        doc_reset(s->doc);
        struct mg_str attribute = {name, strlen(name)};
        struct doc_value *value =
            event_doc_attribute(s->doc, s->host, s->call->event, attribute, &known);
        if (!known)
            return luaL_error(L, "an event has no \"%s\"", name);
        json_push_value(L, value);
    }
    return 1;
}

void event_push(lua_State *L)
{
    push_reader(L, EVENT);
}

static void open_reader(lua_State *L, const char *name, lua_CFunction read)
{
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, read);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void event_open(lua_State *L)
{
    open_reader(L, EVENT, read_event);
    open_reader(L, PROPERTIES, read_property);
    open_reader(L, CAPTURES, read_capture);
}

/* ---- what comes back ------------------------------------------------------------------------ */

static bool is_event(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, EVENT);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

struct change {
    struct doc_value *fields;  /* all but the payload, as an object */
    struct doc_value *payload; /* NULL: by text, or as it was */
    struct mg_str text;
    bool any;
};

/* All events of a call have room in the script's memory together, though they are not in it. */
static void take_room(lua_State *L, struct sandbox *s, size_t bytes)
{
    sandbox_charge(L, bytes / BYTES_PER_STEP);
    if (bytes > s->out_room)
        luaL_error(L, "translate returned more than the script's memory");
    s->out_room -= bytes;
}

/* All that can raise an error happens here, before there is an edit that it would leak. */
static void read_change(lua_State *L, struct sandbox *s, int index, struct change *c)
{
    *c = (struct change){.fields = doc_object(s->doc)};
    for (lua_pushnil(L); c->fields && lua_next(L, index); lua_pop(L, 1)) {
        struct mg_str name;
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "an event is made of names, and this has a %s", luaL_typename(L, -2));
        name.at = lua_tolstring(L, -2, &name.len);
        bool is_payload = !strcmp(name.at, "payload");
        c->any = true;
        if (is_payload && lua_type(L, -1) == LUA_TSTRING) {
            c->text.at = lua_tolstring(L, -1, &c->text.len);
            take_room(L, s, c->text.len);
            continue;
        }
        struct doc_value *value = json_of_lua(L, lua_gettop(L), &s->out_room);
        if (is_payload)
            c->payload = value;
        else if (doc_set(s->doc, c->fields, name, value))
            c->fields = NULL;
    }
    if (!c->fields)
        luaL_error(L, "out of memory");
}

static int put_payload(struct sandbox *s, mg_edit *edit, const struct change *c)
{
    if (c->text.at)
        return s->host->edit_payload(edit, (struct mg_bytes){c->text.at, c->text.len}, NULL, NULL);
    if (!c->payload)
        return 0;
    size_t length;
    char *text = doc_write(c->payload, &length);
    int error =
        text ? s->host->edit_payload(edit, (struct mg_bytes){text, length}, free, text) : -ENOMEM;
    if (error)
        free(text);
    return error;
}

static mg_event *apply(struct sandbox *s, const struct change *c, struct mg_err *err)
{
    mg_edit *edit = s->host->edit_new(s->call->event);
    int error = edit ? put_payload(s, edit, c) : -ENOMEM;
    for (size_t i = 0; i < c->fields->count && !error; i++)
        error = event_doc_change(s->host, edit, c->fields->members[i].name,
                                 c->fields->members[i].value, err);
    if (!error)
        return s->host->edit_publish(edit);
    s->host->edit_free(edit);
    return NULL;
}

static void take_event(lua_State *L, struct sandbox *s, int index)
{
    struct change c;
    struct mg_err err = {.text = "out of memory"};
    if (!lua_istable(L, index))
        luaL_error(L, "translate returned a list with a %s in it", luaL_typename(L, index));
    doc_reset(s->doc);
    read_change(L, s, index, &c);
    if (!c.any && !is_event(L, index))
        luaL_error(L, "translate returned an empty table: nil drops the event");
    if (s->out_count == MG_EMIT_MAX)
        luaL_error(L, "translate returned more than %d events", MG_EMIT_MAX);
    mg_event *event = c.any ? apply(s, &c, &err) : s->host->event_ref(s->call->event);
    if (!event)
        luaL_error(L, "%s", err.text);
    s->out[s->out_count++] = event;
    if (c.any)
        s->verdict = MG_REPLACE;
}

static void take_refusal(lua_State *L, struct sandbox *s, int index)
{
    bool said = lua_type(L, index) == LUA_TSTRING;
    snprintf(s->reason, sizeof s->reason, "%s",
             said ? lua_tostring(L, index) : "the script refused it");
    s->verdict = MG_REJECT;
}

void event_take(lua_State *L, int first)
{
    struct sandbox *s = sandbox_of(L);
    int type = lua_gettop(L) < first ? LUA_TNIL : lua_type(L, first);
    lua_settop(L, first + 1);
    s->verdict = MG_DROP;
    if (type == LUA_TNIL)
        return;
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, first)) {
        take_refusal(L, s, first + 1);
        return;
    }
    if (type != LUA_TTABLE)
        luaL_error(L, "translate returned a %s: an event, a list of events, nil or false is meant",
                   luaL_typename(L, first));
    size_t count = lua_objlen(L, first);
    if (!count && !json_is_list(L, first)) {
        s->verdict = MG_PASS;
        take_event(L, s, first);
        return;
    }
    if (count)
        s->verdict = MG_REPLACE;
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, first, (int)i);
        take_event(L, s, lua_gettop(L));
        lua_pop(L, 1);
    }
}
