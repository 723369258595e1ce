/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "lua": what scripts can do with events, JSON and the library. */
#include "bind.h"
#include "lua_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- events --------------------------------------------------------------------------------- */

static void payloads(void)
{
    expect_with("local d = e:json() d.tempC = (d.tempF - 32) / 1.8 d.tempF = nil e.payload = d "
                "return e",
                "{\"tempF\":68,\"m\":\"x\"}", "{\"m\":\"x\",\"tempC\":20}");
    expect_with("return { payload = e.payload:upper() }", "abc", "ABC");
    expect_with("return { payload = { line = e.captures.line, none = e.captures.none, "
                "at = e.address, r = e.route } }",
                "", "{\"at\":\"plant/a/m1\",\"line\":\"a\",\"r\":\"hot\"}");
    expect("return { payload = { q = e.qos, s = tostring(e.subject), d = e.duplicate } }",
           "{\"d\":false,\"q\":0,\"s\":\"nil\"}");
    expect("return { payload = '' }", "");
    expect_with("local out = {} for name, value in e.payload:gmatch('(%a+)=([^;]+)') do "
                "out[name:lower()] = tonumber(value) or value end return { payload = out }",
                "T=21.5;P=3;State=on", "{\"p\":3,\"state\":\"on\",\"t\":21.5}");
}

static void verdicts(void)
{
    expect_verdict("return e", "x", MG_PASS, NULL);
    expect_verdict("return nil", "x", MG_DROP, "no event");
    expect_verdict("", "x", MG_DROP, NULL);
    expect_verdict("return json.array()", "x", MG_DROP, NULL);
    expect_verdict("return false, 'no machine'", "x", MG_REJECT, "no machine");
    expect_verdict("return false", "x", MG_REJECT, "refused");
    expect_verdict("return 5", "x", MG_REJECT, "returned a number");
    expect_verdict("return {}", "x", MG_REJECT, "empty table");
    expect_verdict("return { e, 7 }", "x", MG_REJECT, "a number in it");
    expect_verdict("local l = {} for i = 1, 1025 do l[i] = e end return l", "x", MG_REJECT,
                   "more than 1024");
    expect_verdict("return { payloud = 1 }", "x", MG_REJECT, "payloud is nothing");
    expect_verdict("e.qos = 1 return e", "x", MG_REJECT, "qos cannot be changed");
    expect_verdict("return e.payloud", "x", MG_REJECT, "script:1: an event has no \"payloud\"");
    expect_verdict("e.address = '' return e", "x", MG_REJECT, "address must be");
    expect_verdict("e.address = json.null return e", "x", MG_REJECT, "address must be");
    expect_verdict("e.properties.x = {} return e", "x", MG_REJECT, "x as a property must be");
    expect_verdict("e.properties = { 1, 2 } return e", "x", MG_REJECT, "must be an object");
    expect_verdict("\n\nerror('oh')", "x", MG_REJECT, "script:3: oh");
    expect_verdict("\n local x = e.payload + {}", "x", MG_REJECT, "script:2: attempt to");
    expect_verdict("error({})", "x", MG_REJECT, "no text");
    expect_verdict("return e:json()", "{\"a\":\n 1,}", MG_REJECT, "line 2, column");
}

static void several_events(void)
{
    char *script = function_of("local out = {} for i, v in ipairs(e:json()) do "
                               "out[i] = { payload = { v = v }, address = e.address .. '/' .. i } "
                               "end return out");
    begin(script, "");
    struct kit_verdict v = step_payload("[1,true,\"x\"]");
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    CU_ASSERT_EQUAL_FATAL(v.count, 3);
    CU_ASSERT_TRUE(kit_payload_is(v.events[2], "{\"v\":\"x\"}"));
    const struct mg_host *table = kit_host_table(host);
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[1])->address, "plant/a/m1/2"));
    kit_verdict_fini(&v);
    end();
    free(script);
}

static void attributes_and_properties(void)
{
    struct mg_property p[] = {{kit_str("a"), {.type = MG_UINT, .width = 8, .as.u = 7}},
                              {kit_str("b"), {.type = MG_TEXT, .as.text = kit_str("x")}},
                              {kit_str("c"), {.type = MG_TEXT, .as.text = kit_str("y")}}};
    struct mg_message m = kit_message("plant/a/m1", "p");
    m.properties = p;
    m.property_count = 3;
    m.head.subject = kit_str("s");
    m.head.qos = 2;
    m.head.present = MG_HAS_QOS;
    const struct mg_host *table = kit_host_table(host);
    mg_event *event = table->event_new(&m);
    char *script = function_of("local ps = e.properties ps.n = ps.a + 1 ps.b = json.null "
                               "ps.t = ps.c .. '!' ps.f = 0.5 ps.k = true "
                               "e.subject = json.null e.content_type = 'text/plain' "
                               "assert(#e.property_names == 3 and ps.none == nil) return e");
    begin(script, "");
    struct kit_verdict v = step(event);
    if (v.verdict != MG_REPLACE)
        show(script, &v);
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    struct mg_value value;
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("a"), &value));
    CU_ASSERT_EQUAL(value.type, MG_UINT); /* what was not changed keeps its type */
    CU_ASSERT_EQUAL(value.width, 8);
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("n"), &value));
    CU_ASSERT_EQUAL(value.type, MG_INT);
    CU_ASSERT_EQUAL(value.as.i, 8);
    CU_ASSERT_FALSE(table->event_find(v.events[0], kit_str("b"), &value));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("t"), &value));
    CU_ASSERT_TRUE(kit_str_is(value.as.text, "y!"));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("f"), &value));
    CU_ASSERT_TRUE(value.type == MG_FLOAT && value.as.d == 0.5);
    CU_ASSERT_PTR_NULL(table->event_head(v.events[0])->subject.at);
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->content_type, "text/plain"));
    CU_ASSERT_EQUAL(table->event_head(v.events[0])->qos, 2);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "p"));
    kit_verdict_fini(&v);
    end();
    table->event_unref(event);
    free(script);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void json_there_and_back(void)
{
    static const char *const same[] = {
        "{\"a\":[],\"b\":{},\"c\":[[],{}],\"d\":null,\"e\":true}",
        "[1,2.5,-0.1,1e+300,9007199254740991]",
        "[12345678901234567890,9007199254740993,0.1000000000000000055511,1e400,1E-400]",
        "\"\\u0000\\\"\\\\\xc3\xa9\"",
        "null",
        "[null,null]",
        "7",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        expect_with("return { payload = json.encode(e:json()) }", same[i], same[i]);
    expect_with("return { payload = json.encode(e:json()) }", "[1.0,1e2,\"\\u00e9\"]",
                "[1,100,\"\xc3\xa9\"]");
    expect_with("return { payload = { n = tostring(e:json()), s = 1 } }", "12345678901234567890",
                "{\"n\":\"12345678901234567890\",\"s\":1}");
    expect("return { payload = { n = json.number('1e999'), m = json.number('1.5') } }",
           "{\"m\":1.5,\"n\":1e999}");
    expect("return { payload = { e = {}, l = json.array{}, k = {1, 'x'} } }",
           "{\"e\":{},\"k\":[1,\"x\"],\"l\":[]}");
    expect_verdict("return { payload = e:json() + 1 }", "12345678901234567890", MG_REJECT,
                   "attempt to perform arithmetic");
    expect_verdict("return { payload = e:json() }", "{\"a\":1,\"a\":2}", MG_REJECT,
                   "second member");
}

static void json_refusals(void)
{
    static const char *const bad[][2] = {
        {"{ 1, 2, x = 3 }", "both list and object"},
        {"{ 1, nil, 3 }", "holes"},
        {"{ [1.5] = 1 }", "neither name nor place"},
        {"{ [true] = 1 }", "neither name nor place"},
        {"{ a = 0/0 }", "not finite"},
        {"{ a = 1/0 }", "not finite"},
        {"{ a = '\\255' }", "not UTF-8"},
        {"{ ['\\255'] = 1 }", "not UTF-8"},
        {"{ a = type }", "a function has no form"},
        {"{ a = coroutine.create(type) }", "a thread has no form"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[128];
        snprintf(body, sizeof body, "return { payload = %s }", bad[i][0]);
        expect_verdict(body, "", MG_REJECT, bad[i][1]);
    }
    expect_verdict("local t = {} t.t = t return { payload = t }", "", MG_REJECT, "nested too deep");
    expect_verdict("local t = {} for i = 1, 40 do t = { t, t } end return { payload = t }", "",
                   MG_REJECT, "larger than the script's memory");
    expect_verdict("local s = ('x'):rep(100000) local t = {} for i = 1, 1000 do t[i] = s end "
                   "return { payload = t }",
                   "", MG_REJECT, "larger than the script's memory");
    expect_verdict("return { payload = json.decode(('['):rep(1000)) }", "", MG_REJECT,
                   "nested too deep");
}

/* ---- the library ---------------------------------------------------------------------------- */

/* Each is true in Lua 5.1. */
static void patterns_are_those_of_lua(void)
{
    static const char *const truths[] = {
        "('hello world'):find('o w') == 5",
        "select(2, ('hello'):find('l+')) == 4",
        "('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key'",
        "select('#', ('abc'):match('()b()')) == 2 and ('abc'):match('()b()') == 2",
        "('THE (quick) fox'):find('%((%a+)%)') == 5",
        "('x'):find('') == 1 and ('x'):find('', 10) == 2",
        "('a.b'):find('.', 1, true) == 2 and ('a.b'):find('%.') == 2",
        "('abc'):gsub('%w', '%0%0') == 'aabbcc'",
        "('hello world'):gsub('(%w+) (%w+)', '%2 %1') == 'world hello'",
        "('$name is $x'):gsub('%$(%w+)', { name = 'lua' }) == 'lua is $x'",
        "('abc'):gsub('', '-') == '-a-b-c-'",
        "('abc'):gsub('b*', 'x') == 'xaxcx' or ('abc'):gsub('b*', 'x') == 'xaxxcx'",
        "select(2, ('aaa'):gsub('a', 'b', 2)) == 2 and ('aaa'):gsub('a', 'b', 2) == 'bba'",
        "('abc'):gsub('^a', 'x') == 'xbc' and ('aaa'):gsub('^a', 'x') == 'xaa'",
        "('abc'):gsub('%w', function(c) if c == 'b' then return 'B' end end) == 'aBc'",
        "('THE (quick (brown)) fox'):match('%b()') == '(quick (brown))'",
        "('THE (quick) fox'):gsub('%f[%a]%a+', 'W') == 'W (W) W'",
        "('aba'):find('(a)b%1') == 1",
        "('a]b'):find('[]]') == 2 and ('a-b'):find('[a%-]b') == 2",
        "('x^y'):find('[%^]') == 2 and ('b'):find('[^a]') == 1 and ('a'):find('[^a]') == nil",
        "('09af'):match('^%x+$') == '09af' and ('\\0a'):find('%z') == 1",
        "('a\\0b'):find('\\0') == 2 and ('a\\0b'):match('a%zb') == 'a\\0b'",
        "('0123456789'):find('[3-5]+') == 4",
        "('hello'):find('l', -2) == 4 and ('hello'):find('xyz') == nil",
        "('  trim '):match('^%s*(.-)%s*$') == 'trim'",
        "('f(a,b)'):gsub('%(', '[') == 'f[a,b)'",
        "pcall(string.find, 'a', '[a') == false and pcall(string.find, 'a', '%') == false",
        "pcall(string.find, 'a', '(a') == false and pcall(string.match, 'a', 'a)') == false",
        "pcall(string.gsub, 'a', 'a', '%2') == false",
        "pcall(string.find, 'a', '%1') == false and pcall(string.find, 'a', '%f') == false",
        "pcall(string.find, 'a', '%b') == false and pcall(string.find, 'a', '[%') == false",
        "pcall(string.find, 'a', '[') == false and pcall(string.find, 'a', '[^') == false",
        "pcall(string.rep) == false and pcall(string.gsub, 'a', 'a', true) == false",
    };
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "return { payload = tostring(%s) }", truths[i]);
        expect(body, "true");
    }
    expect("local r = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do r[#r+1] = k .. v end "
           "for x in ('ab'):gmatch('') do r[#r+1] = '.' end return { payload = r }",
           "[\"a1\",\"b2\",\".\",\".\",\".\"]");
}

static void the_rest_of_the_library(void)
{
    expect("local t = { 3, 1, 2 } table.sort(t) table.insert(t, 9) table.insert(t, 1, 0) "
           "table.remove(t) return { payload = table.concat(t, ',') }",
           "0,1,2,3");
    expect("return { payload = { os.date('!%Y-%m-%d', 86400), math.floor(2.5), bit.band(12, 10), "
           "('%05.1f'):format(2.5), select('#', 1, 2), unpack({ 7 }) } }",
           "[\"1970-01-02\",2,8,\"002.5\",2,7]");
    expect("local ok, m = xpcall(function() error('x', 0) end, function(m) return m .. '!' end) "
           "return { payload = tostring(ok) .. m }",
           "falsex!");
    expect("return { payload = select(2, xpcall(function(a, b) return a + b end, type, 1, 2)) }",
           "3");
    expect("local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 "
           "end) local x = c(1) return { payload = { x, c(5) } }",
           "[2,10]");
    char *script = function_of("log('seen ' .. e.payload) return e");
    begin(script, "");
    struct kit_verdict v = step_payload("me");
    CU_ASSERT_EQUAL(v.verdict, MG_PASS);
    CU_ASSERT_TRUE(kit_logged(host, MG_INFO, "seen me"));
    kit_verdict_fini(&v);
    end();
    free(script);
}

static void wrong_settings(void)
{
    static const char *const wrong[][2] = {
        {"function translate(e)", "script:2: 'end' expected"},
        {"x = 1", "no function translate"},
        {"translate = 5", "no function translate"},
        {"\nerror('at load')", "script:2: at load"},
        {"while true do end", "script:1: more steps"},
        {"local t = {} for i = 1, 1e9 do t[i] = {} end", "than it may take"},
        {"require 'io'", "script:1:"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        err = (struct mg_err){.text = ""};
        CU_ASSERT_TRUE(mg_module(NULL)->check(settings_of(wrong[i][0], ""), &err) < 0);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
        CU_ASSERT_STRING_EQUAL(err.option, "script");
    }
    const struct mg_module *module = mg_module(NULL);
    const void *s = kit_settings(host, module->options, module->settings_size, "{}");
    CU_ASSERT_EQUAL(module->check(s, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "one of script and file"));
    s = kit_settings(host, module->options, module->settings_size, "{file: /nowhere/x.lua}");
    CU_ASSERT_EQUAL(module->check(s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.option, "file");
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        with_host(name);                                                                           \
    }
TEST(payloads)
TEST(verdicts)
TEST(several_events)
TEST(attributes_and_properties)
TEST(json_there_and_back)
TEST(json_refusals)
TEST(patterns_are_those_of_lua)
TEST(the_rest_of_the_library)
TEST(wrong_settings)

int main(void)
{
    static const struct kit_test tests[] = {
        {"payloads are read and made", run_payloads},
        {"each verdict has its return", run_verdicts},
        {"one event becomes several", run_several_events},
        {"attributes and properties change where they are written", run_attributes_and_properties},
        {"JSON keeps lists, nulls and large numbers", run_json_there_and_back},
        {"what has no form in JSON is refused", run_json_refusals},
        {"patterns are those of Lua 5.1", run_patterns_are_those_of_lua},
        {"the rest of the library is there", run_the_rest_of_the_library},
        {"wrong settings are refused with their line", run_wrong_settings},
        {0}};
    return kit_main("plugin-lua", tests);
}
