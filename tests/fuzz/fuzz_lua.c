/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and JSON of the translator "lua".  The input is a pattern, a NUL and a text, which is
 * also read as JSON; what is read is written and must be JSON again. */
#include "json_scan.h"
#include "sandbox.h"
#include <stdlib.h>
#include <string.h>

static const char text[] = "function translate(p, t)\n"
                           "  pcall(string.find, t, p) pcall(string.match, t, p, 2)\n"
                           "  pcall(string.gsub, t, p, '%0%1') pcall(string.gsub, t, p, {a = 1})\n"
                           "  pcall(function() for a, b in t:gmatch(p) do end end)\n"
                           "end";
static const struct script script = {.name = "fuzz",
                                     .text = text,
                                     .length = sizeof text - 1,
                                     .steps_limit = 5000,
                                     .memory_limit_bytes = 2 << 20,
                                     .time_limit_ms = 1000};
static struct sandbox sandbox;
static struct mg_bytes pattern, subject;

static void patterns(lua_State *L, struct sandbox *s)
{
    (void)s;
    lua_pushvalue(L, 1);
    lua_pushlstring(L, pattern.at, pattern.len);
    lua_pushlstring(L, subject.at, subject.len);
    lua_call(L, 2, 0);
}

static void documents(lua_State *L, struct sandbox *s)
{
    size_t length, room = SIZE_MAX;
    json_push(L, subject, "the input");
    doc_reset(s->doc);
    char *written = doc_write(json_of_lua(L, lua_gettop(L), &room), &length);
    if (!written || !scan_is_json((struct mg_bytes){written, length}))
        abort();
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_err err;
    const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
    if (!sandbox.out && sandbox_init(&sandbox, &script, &err))
        abort();
    pattern = (struct mg_bytes){data, nul ? (size_t)(nul - data) : 0};
    subject = (struct mg_bytes){nul ? nul + 1 : data, nul ? size - pattern.len - 1 : size};
    sandbox_run(&sandbox, patterns, &err);
    sandbox_run(&sandbox, documents, &err);
    return 0;
}
