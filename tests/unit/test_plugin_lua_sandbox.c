/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "lua": what scripts cannot get at, and what stops them. */
#include "lua_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing_leads_out(void)
{
    static const char *const absent[] = {
        "io",
        "os.execute",
        "os.getenv",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "os.clock",
        "os.setlocale",
        "package",
        "require",
        "module",
        "debug",
        "ffi",
        "jit",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "getfenv",
        "setfenv",
        "rawset",
        "collectgarbage",
        "newproxy",
        "print",
        "gcinfo",
        "string.dump",
        "string.gfind",
        "math.random",
        "math.randomseed",
        "table.foreach",
        "_VERSION",
        "coroutine.isyieldable",
        "table.new",
        "table.clear",
    };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        char body[128];
        snprintf(body, sizeof body, "return { payload = tostring(%s) }", absent[i]);
        expect(body, "nil");
    }
    /* Bytecode is refused where there is a way to load anything: the setting itself. */
    CU_ASSERT_EQUAL(mg_module(NULL)->check(settings_of("\"\\eLJ\\x02\"", ""), &err), -EINVAL);
}

/* Each says what kept it back, in the reason or as its payload. */
static void shared_tables_stay_as_they_are(void)
{
    static const char *const tries[][2] = {
        {"string.x = 1", "may only be read"},
        {"math.pi = 3", "may only be read"},
        {"json.null = 1", "may only be read"},
        {"os.time = nil", "may only be read"},
        {"coroutine.wrap = nil", "may only be read"},
        {"table.insert(string, 1)", "may only be read"},
        {"table.remove(string)", "may only be read"},
        {"table.sort(string)", "may only be read"},
        {"setmetatable(string, {})", "protected"},
        {"setmetatable(_G, {})", "protected"},
        {"setmetatable(e, {})", "protected"},
        {"setmetatable(e.properties, {})", "protected"},
        {"setmetatable(e.captures, nil)", "protected"},
        {"setmetatable(json.array{}, nil)", "protected"},
        {"setmetatable('', nil)", "table expected"},
        {"json.array(string)", "metatable"},
        {"getmetatable('').__index.upper = nil", "attempt to index"},
        {"getmetatable(json.number('1e999')).__tostring = nil", "attempt to index"},
        {"getmetatable(_G).__index.type = nil", "attempt to index"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
        expect_verdict(tries[i][0], "", MG_REJECT, tries[i][1]);
    expect("return { payload = tostring(getmetatable(_G)) .. tostring(getmetatable('')) .. "
           "tostring(getmetatable(string)) .. tostring(getmetatable(e)) }",
           "falsefalsefalsefalse");
}

static void nothing_is_left_for_the_next_event(void)
{
    static const char *const scripts[] = {
        "local n = 0 function translate(e) n = n + 1 return { payload = tostring(n) } end",
        "function translate(e) n = (n or 0) + 1 return { payload = tostring(n) } end",
        "function translate(e) _G.n = (_G.n or 0) + 1 return { payload = tostring(_G.n) } end",
        "function translate(e) local s = table.remove == nil and 2 or 1 table = {} "
        "return { payload = tostring(s) } end",
        "function translate(e) local p = translate translate = nil "
        "return { payload = p and '1' or '2' } end",
        "function translate(e) local k = type('x') type = function() return 'z' end "
        "return { payload = k == 'string' and '1' or '2' } end",
        "function translate(e) local a = json.array{} local n = a.n or 1 a.n = 2 "
        "return { payload = tostring(n) } end",
        "function translate(e) local c = e.captures local n = c.n or 1 c.n = 2 "
        "return { payload = tostring(n) } end",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        begin(scripts[i], "");
        for (int again = 0; again < 3; again++) {
            struct kit_verdict v = step_payload("");
            bool same = v.count == 1 && kit_payload_is(v.events[0], "1");
            if (!same)
                show(scripts[i], &v);
            CU_ASSERT_TRUE(same);
            kit_verdict_fini(&v);
        }
        end();
    }
}

/* After each of these the step goes on with the next event. */
static void runaways_are_stopped(void)
{
    static const char *const runaways[][2] = {
        {"while true do end", "script:2: more steps"},
        {"repeat until false", "more steps"},
        {"for i = 1, 1e18 do end", "more steps"},
        {"local function f() return f() end f()", "more steps"},
        {"::a:: goto a", "more steps"},
        {"while true do pcall(function() while true do end end) end", "more steps"},
        {"local function f() pcall(f) f() end f()", "script:"},
        {"while true do xpcall(function() error('x') end, function() while true do end end) end",
         "more steps"},
        {"xpcall(function() while true do end end, function() while true do end end)",
         "more steps"},
        {"coroutine.wrap(function() while true do end end)()", "more steps"},
        {"while true do coroutine.wrap(function() while true do end end)() end", "more steps"},
        {"local c = coroutine.wrap(function() while true do coroutine.yield() end end) "
         "while true do c() end",
         "more steps"},
        {"while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
         "more steps"},
        {"local function f() return coroutine.wrap(f)() end f()", "script:"},
        {"setmetatable({}, { __index = function(t, k) return t[k] end }).x()", "script:"},
        {"local t = setmetatable({}, { __tostring = function(t) return tostring(t) end }) "
         "tostring(t)",
         "script:"},
        {"local function f() return f() + 1 end f()", "script:"},
        {"local s = 'x' while true do s = s .. s end", "more memory"},
        {"local t = {} for i = 1, 1e9 do t[i] = {} end", "script:"},
        {"local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", "script"},
        {"return ('x'):rep(1e9)", "more memory"},
        {"return (''):rep(1e9)", NULL},
        {"return ('xy'):rep(2^31 - 1)", "script"},
        {"return ('x'):rep(1e5):rep(1e5)", "script"},
        {"local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e5) .. i end table.concat(t)",
         "script"},
        {"return ('%99999d'):format(1)", "invalid"},
        {"('a'):rep(1e6):find(('a*'):rep(50) .. 'b')", "than it may take"},
        {"('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(31))", "than it may take"},
        {"('a'):rep(1e5):find('.-b')", "than it may take"},
        {"('a'):rep(1e5):match('(a*)(a*)(a*)b')", "than it may take"},
        {"('('):rep(1e5):find('%b()')", "than it may take"},
        {"('a'):rep(1e5):gsub('a*b', '')", "than it may take"},
        {"for x in ('a'):rep(1e5):gmatch('a*b') do end", "than it may take"},
        {"('x'):rep(1e5):gsub('x', ('y'):rep(1e4))", "script"},
        {"while true do ('x'):rep(1e6):find('y', 1, true) end", "than it may take"},
        {"local p = ('('):rep(300); ('x'):find(p)", "too many captures"},
        {"('x'):rep(300):find(('x-'):rep(300) .. 'y')", "script"},
        {"('b'):rep(1e6):find('[^' .. ('a'):rep(1e6) .. ']*')", "more steps"},
        {"('b'):rep(1e6):find('%f[' .. ('a'):rep(1e6) .. ']')", "more steps"},
        {"local function f() return (('x'):gsub('x', f)) end f()", "calls within calls"},
        {"local function f() return (('x'):gsub('x', setmetatable({}, { __index = f }))) end f()",
         "script"},
        {"local function f() table.sort({ 1, 2 }, function(a, b) f() return a < b end) end f()",
         "calls within calls"},
        {"local b = ('x'):rep(8e6) local t = {} for i = 1, 1024 do t[i] = { payload = b } end "
         "return t",
         "more than the script's memory"},
        {"local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t, "
         "function(a, b) return a > b end) end",
         "than it may take"},
        {"local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t) end",
         "than it may take"},
        {"table.sort({1, 2, 3, 4, 5, 6, 7, 8}, function() return true end)", NULL},
        {"local t = {} while true do table.insert(t, 1, 1) end", "than it may take"},
        {"local t = {} for i = 1, 1e5 do t[i] = 'x' end while true do table.concat(t) end",
         "than it may take"},
        {"local t = {} for i = 1, 1e5 do t['k' .. i] = 1 end for k in pairs(t) do t[k] = nil end "
         "while true do next(t) end",
         "than it may take"},
        {"return unpack({}, 1, 1e8)", "too many results"},
        {"return ('x'):rep(1e6):byte(1, -1)", "too long"},
        {"while true do json.decode('[1,2,3]') end", "more steps"},
        {"while true do json.encode({ 1, 2, 3 }) end", "more steps"},
        {"local s = e.payload while true do s = s .. e.payload end", "script"},
        {"while true do log('x') end", "more steps"},
        {"error(setmetatable({}, { __tostring = function() while true do end end }))", "no text"},
    };
    for (size_t i = 0; i < sizeof runaways / sizeof runaways[0]; i++) {
        size_t size = strlen(runaways[i][0]) + 128;
        char *script = malloc(size);
        snprintf(script, size,
                 "function translate(e) if e.payload == 'good' then return e end\n%s end",
                 runaways[i][0]);
        begin(script, "");
        for (int again = 0; again < 2; again++) {
            struct kit_verdict v = step_payload("bad");
            bool stopped =
                !runaways[i][1] || (v.verdict == MG_REJECT && strstr(v.err.text, runaways[i][1]));
            if (!stopped)
                show(runaways[i][0], &v);
            CU_ASSERT_TRUE(stopped);
            kit_verdict_fini(&v);
            v = step_payload("good");
            CU_ASSERT_EQUAL(v.verdict, MG_PASS);
            kit_verdict_fini(&v);
        }
        end();
        free(script);
    }
}

static void limits_are_settings(void)
{
    static const char script[] = "function translate(e) local n = 0 "
                                 "for i = 1, tonumber(e.payload) do n = n + i end return e end";
    begin(script, "steps: 10000");
    struct kit_verdict v = step_payload("1000");
    CU_ASSERT_EQUAL(v.verdict, MG_PASS);
    kit_verdict_fini(&v);
    v = step_payload("20000");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STOPPED), 1);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_ERRORS), 0);
    kit_verdict_fini(&v);
    end();
    begin(script, "steps: 1000000000\ntime_limit: 20ms");
    v = step_payload("900000000");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.err.text, "longer than it may take"));
    kit_verdict_fini(&v);
    end();
    begin("function translate(e) return { payload = tostring(#('x'):rep(2000000)) } end",
          "memory: 1MiB");
    v = step_payload("");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.err.text, "script: more memory than it may take"));
    kit_verdict_fini(&v);
    end();
}

/* A stack of C has an end, however much memory a script may have. */
static void calls_within_calls_have_a_limit(void)
{
    static const char *const wraps[] = {
        "local function f() return coroutine.wrap(f)() end f()",
        "local function f() error(select(2, coroutine.resume(coroutine.create(f))), 0) end f()",
        "local function f() return (('x'):gsub('x', f)) end f()",
        "local function f() coroutine.wrap(function() ('x'):gsub('x', f) end)() end f()",
    };
    for (size_t i = 0; i < sizeof wraps / sizeof wraps[0]; i++) {
        char *script = function_of(wraps[i]);
        begin(script, "steps: 1000000000\nmemory: 1GiB");
        struct kit_verdict v = step_payload("");
        bool stopped = v.verdict == MG_REJECT && strstr(v.err.text, "calls within calls");
        if (!stopped)
            show(script, &v);
        CU_ASSERT_TRUE(stopped);
        kit_verdict_fini(&v);
        end();
        free(script);
    }
}

/* What makes a text that there is already allocates nothing. */
static void old_texts_cost_as_new_ones(void)
{
    static const char script[] =
        "function translate(e) local b = ('X'):rep(1e6) local u = b:lower() "
        "for i = 1, 100 do local t = b:lower() end return e end";
    begin(script, "");
    struct kit_verdict v = step_payload("");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STOPPED), 1);
    kit_verdict_fini(&v);
    end();
}

/* Garbage of many events does not add up to the limit. */
static void memory_is_that_of_one_event(void)
{
    begin("function translate(e) local t = {} for i = 1, 100 do t[i] = ('x'):rep(500) .. i "
          "end return { payload = table.concat(t) } end",
          "memory: 1MiB");
    for (int i = 0; i < 2000; i++) {
        struct kit_verdict v = step_payload("");
        CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
        kit_verdict_fini(&v);
    }
    end();
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        with_host(name);                                                                           \
    }
TEST(nothing_leads_out)
TEST(shared_tables_stay_as_they_are)
TEST(nothing_is_left_for_the_next_event)
TEST(runaways_are_stopped)
TEST(limits_are_settings)
TEST(calls_within_calls_have_a_limit)
TEST(old_texts_cost_as_new_ones)
TEST(memory_is_that_of_one_event)

int main(void)
{
    static const struct kit_test tests[] = {
        {"nothing leads out of the sandbox", run_nothing_leads_out},
        {"shared tables stay as they are", run_shared_tables_stay_as_they_are},
        {"nothing is left for the next event", run_nothing_is_left_for_the_next_event},
        {"runaways are stopped, and the next event is fine", run_runaways_are_stopped},
        {"limits are settings", run_limits_are_settings},
        {"calls within calls have a limit", run_calls_within_calls_have_a_limit},
        {"old texts cost as new ones", run_old_texts_cost_as_new_ones},
        {"memory is that of one event", run_memory_is_that_of_one_event},
        {0}};
    return kit_main("plugin-lua-sandbox", tests);
}
