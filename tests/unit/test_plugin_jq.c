/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "jq": what programs make, what they cannot do, and what stops them. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_ERRORS, COUNT_STOPPED };

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

static const void *settings_of(const char *program, const char *more)
{
    size_t size = strlen(program) * 2 + strlen(more) + 64;
    char *yaml = malloc(size), *out = yaml;
    out += snprintf(out, size, "%s\nprogram: |2\n  ", more);
    for (; *program; program++) {
        *out++ = *program;
        if (*program == '\n') {
            *out++ = ' ';
            *out++ = ' ';
        }
    }
    *out++ = '\n';
    *out = '\0';
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n%s\n", yaml, kit_settings_error());
    free(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void begin(const char *program, const char *more)
{
    int error = kit_instance_create(host, mg_module(NULL), "jq", settings_of(program, more),
                                    &instance, &err);
    if (error)
        fprintf(stderr, "%s\n%s\n", program, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

static void end(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static struct kit_verdict step(const mg_event *event)
{
    return kit_process(instance, event, kit_scope(host, "hot", "line", "a", "machine", "m1", NULL));
}

static struct kit_verdict step_payload(const char *payload)
{
    mg_event *event = kit_event("plant/a/m1", payload);
    struct kit_verdict v = step(event);
    kit_host_table(host)->event_unref(event);
    return v;
}

static void show(const char *program, const struct kit_verdict *v)
{
    fprintf(stderr, "%s\nverdict %u: %s\n", program, v->verdict, v->err.text);
    for (size_t i = 0; i < v->count; i++) {
        struct mg_bytes payload = kit_host_table(host)->event_payload(v->events[i]);
        fprintf(stderr, "%.*s\n", (int)payload.len, (const char *)payload.at);
    }
}

static void expect_more(const char *program, const char *more, const char *payload,
                        const char *expected)
{
    begin(program, more);
    struct kit_verdict v = step_payload(payload);
    bool same = v.verdict == MG_REPLACE && v.count == 1 && kit_payload_is(v.events[0], expected);
    if (!same)
        show(program, &v);
    CU_ASSERT_TRUE(same);
    kit_verdict_fini(&v);
    end();
}

static void expect(const char *program, const char *payload, const char *expected)
{
    expect_more(program, "", payload, expected);
}

static void refuse_more(const char *program, const char *more, const char *payload,
                        const char *reason)
{
    begin(program, more);
    struct kit_verdict v = step_payload(payload);
    bool right = v.verdict == MG_REJECT && strstr(v.err.text, reason);
    if (!right)
        show(program, &v);
    CU_ASSERT_TRUE(right);
    kit_verdict_fini(&v);
    end();
}

static void refuse(const char *program, const char *payload, const char *reason)
{
    refuse_more(program, "", payload, reason);
}

static void with_host(void (*run)(void))
{
    host = kit_host_create();
    run();
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

/* ---- what programs make --------------------------------------------------------------------- */

static void payloads(void)
{
    expect("{tempC: ((.tempF - 32) / 1.8), m}", "{\"tempF\":68,\"m\":\"x\"}",
           "{\"tempC\":20,\"m\":\"x\"}");
    expect(". # and a remark", "{\"z\":1,\"a\":[],\"m\":{\"\":null}}",
           "{\"z\":1,\"a\":[],\"m\":{\"\":null}}");
    expect("def half: . / 2;\nmap(half)", "[1,2,1e300]", "[0.5,1,5e+299]");
    expect("{line: $captures.line, m: $captures[\"machine\"], n: $captures.none, r: $route}", "0",
           "{\"line\":\"a\",\"m\":\"m1\",\"n\":null,\"r\":\"hot\"}");
    expect("[$event.address, $event.qos, $event.subject, ($event.properties | length)]", "0",
           "[\"plant/a/m1\",0,null,0]");
    expect("[now | type, (now > 0)]", "0", "[\"number\",true]");
    expect("., empty", "\"x\"", "\"x\"");
    expect(".", "  \"\\u00e9\\u0000\"", "\"\xc3\xa9\\u0000\"");
}

static void none_or_several(void)
{
    begin(".[]", "");
    struct kit_verdict v = step_payload("[1,{\"a\":2},null]");
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    CU_ASSERT_EQUAL_FATAL(v.count, 3);
    CU_ASSERT_TRUE(kit_payload_is(v.events[1], "{\"a\":2}"));
    CU_ASSERT_TRUE(kit_payload_is(v.events[2], "null"));
    kit_verdict_fini(&v);
    v = step_payload("[]");
    CU_ASSERT_EQUAL(v.verdict, MG_DROP);
    kit_verdict_fini(&v);
    end();
    refuse("range(1025)", "0", "more than 1024");
    refuse("1, 2, error(\"late\")", "0", "late");
}

/* The example of the README. */
static void one_event_for_each_reading(void)
{
    begin(".readings[]\n| { payload: .value,\n    address: \"\\($event.address)/\\(.name)\",\n"
          "    properties: { unit, batch: null } }",
          "envelope: true");
    mg_event *event = kit_event("plant/a", "{\"readings\":[{\"name\":\"t\",\"value\":21.5,"
                                           "\"unit\":\"C\"},{\"name\":\"p\",\"value\":3,"
                                           "\"unit\":\"bar\"}]}");
    struct kit_verdict v = step(event);
    const struct mg_host *table = kit_host_table(host);
    CU_ASSERT_EQUAL_FATAL(v.count, 2);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "21.5") && kit_payload_is(v.events[1], "3"));
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->address, "plant/a/t"));
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[1])->address, "plant/a/p"));
    struct mg_value unit;
    CU_ASSERT_TRUE(table->event_find(v.events[1], kit_str("unit"), &unit));
    CU_ASSERT_TRUE(kit_str_is(unit.as.text, "bar"));
    kit_verdict_fini(&v);
    end();
    table->event_unref(event);
}

static void nothing_changes_in_silence(void)
{
    refuse(".", "12345678901234567890", "jq would change the number 12345678901234567890");
    refuse(".", "[9007199254740993]", "9007199254740993");
    refuse(".", "[1e400]", "1e400");
    refuse(".", "0.1000000000000000055511", "jq would change");
    refuse(".", "{\"a\":1,\"a\":2}", "two members \"a\"");
    expect(".", "[9007199254740992,0.1,123456789.123456,1e22,-0.0,1.50]",
           "[9007199254740992,0.1,123456789.123456,1e+22,-0.0,1.5]");
    expect_more(".", "numbers: approximate", "9007199254740993", "9007199254740992");
    refuse_more(".", "numbers: approximate", "1e400", "1e400");
    refuse("1e308 * 10", "0", "not finite");
    refuse(".", "{\"a\":", "line 1, column");
    refuse("reduce range(600) as $i (0; [.])", "0", "nested deeper");
}

static void envelopes(void)
{
    struct mg_property p[] = {{kit_str("a"), {.type = MG_UINT, .width = 8, .as.u = 7}},
                              {kit_str("b"), {.type = MG_TEXT, .as.text = kit_str("x")}}};
    struct mg_message m = kit_message("plant/a/m1", "{\"v\":1}");
    m.properties = p;
    m.property_count = 2;
    m.head.subject = kit_str("s");
    const struct mg_host *table = kit_host_table(host);
    mg_event *event = table->event_new(&m);
    begin("{payload: .v, address: \"x/\\($event.properties.a)\", subject: null,\n"
          "properties: {b: null, c: (.v / 2), d: \"t\"}}",
          "envelope: true");
    struct kit_verdict v = step(event);
    if (v.verdict != MG_REPLACE)
        show("", &v);
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    struct mg_value value;
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "1"));
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->address, "x/7"));
    CU_ASSERT_PTR_NULL(table->event_head(v.events[0])->subject.at);
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("a"), &value));
    CU_ASSERT_TRUE(value.type == MG_UINT && value.as.u == 7);
    CU_ASSERT_FALSE(table->event_find(v.events[0], kit_str("b"), &value));
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("c"), &value));
    CU_ASSERT_TRUE(value.type == MG_FLOAT && value.as.d == 0.5);
    kit_verdict_fini(&v);
    end();
    table->event_unref(event);
    expect_more("{text: \"as it is\"}", "envelope: true", "0", "as it is");
    expect_more("{}", "envelope: true", "[1.50]", "[1.50]");
    refuse_more(".", "envelope: true", "0", "must put out objects");
    refuse_more("{payload: 1, text: \"x\"}", "envelope: true", "0", "cannot both");
    refuse_more("{qos: 1}", "envelope: true", "0", "qos cannot be changed");
    refuse_more("{adress: \"x\"}", "envelope: true", "0", "adress is nothing");
    refuse_more("{address: \"\"}", "envelope: true", "0", "address must be");
    refuse_more("{properties: {x: []}}", "envelope: true", "0", "x as a property");
}

/* ---- what stops them ------------------------------------------------------------------------ */

static void runaways_are_stopped(void)
{
    static const char *const programs[] = {
        "def f: f; f",
        "last(range(1e12))",
        "[range(1e12)]",
        "repeat(empty)",
        "0 | until(false; . + 1)",
        "reduce range(1e12) as $i (0; [.])",
        "reduce range(200) as $i (\"x\"; . + .) | length",
        "[limit(1e9; repeat(1))]",
        "[1 | recurse(. + 1)]",
        "reduce range(60) as $i (1; [., .])",
        "try (try last(range(1e12)) catch 1) catch 2",
    };
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        char program[256];
        snprintf(program, sizeof program, "if . == \"good\" then 1 else (%s) end", programs[i]);
        begin(program, "time_limit: 20ms");
        for (int again = 0; again < 2; again++) {
            struct kit_verdict v = step_payload("\"bad\"");
            bool stopped = v.verdict == MG_REJECT && strstr(v.err.text, "longer than it may");
            if (!stopped)
                show(program, &v);
            CU_ASSERT_TRUE(stopped);
            kit_verdict_fini(&v);
            v = step_payload("\"good\"");
            CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
            kit_verdict_fini(&v);
        }
        CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STOPPED), 2);
        CU_ASSERT_EQUAL(kit_counter(instance, COUNT_ERRORS), 0);
        end();
    }
}

/* Each of these hangs or ends a process that runs it by libjq 1.6 alone. */
static void what_hurts_the_library_is_kept_from_it(void)
{
    refuse("[match(\"(?=.)\"; \"g\").offset] | .[0] / 0", "\"\xc3\xa9 x\"", "divi");
    expect("[match(\"\"; \"g\").offset]", "\"\xc3\xa9 x\"", "[0,1,2]");
    expect("gsub(\"\"; \"-\")", "\"ab\"", "\"-a-b\"");
    expect("gsub(\" *\"; \"\")", "\"\xc3\xa9 x\"", "\"\xc3\xa9x\"");
    expect("[scan(\"[^ ]*\")]", "\"\xc3\xa9 x\"", "[\"\xc3\xa9\",\"\",\"x\"]");
    expect("[splits(\" *, *\")]", "\"\xc3\xa9 , x,y\"", "[\"\xc3\xa9\",\"x\",\"y\"]");
    refuse("gsub(\"^ *\"; \"\")", "\"\xc3\xa9 x\"", "not ASCII");
    refuse(".[(\"nan\" | tonumber):]", "[1]", "NaN");
    refuse(".[(\"[nan]\" | fromjson | .[0]):]", "[1]", "NaN");
    expect("\"{\\\"nan\\\":1}\" | fromjson", "0", "{\"nan\":1}");
    refuse("\"x\" * . | length", "100000000", "repeated to more");
    refuse(". * \"xy\" | length", "2147483647", "repeated to more");
    refuse("indices(\"\")", "\"aa\"", "empty text");
    refuse("index(\"\")", "\"aa\"", "empty text");
    refuse("null | .[1e9] = 1", "0", "beyond 1000000");
    refuse("null | .[1e9] |= 1", "0", "beyond 1000000");
    refuse("null | setpath([2e9]; 1)", "0", "beyond 1000000");
    refuse("null | .[1e9] += 1", "0", "beyond 1000000");
    refuse("test(\"(a+)+b\")", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\"",
           ""); /* by Oniguruma's limit, or by the program's */
    refuse("[\"a\"] | implode", "0", "");
    expect_more("[.[] % -1, .[] % -1.5, 7 % -2]", "numbers: approximate",
                "[-9223372036854775808, 1e300]", "[0,0,0,0,1]");
    expect(". %= -1", "1e300", "0");
    refuse(". % 0", "5", "divisor is zero");
    refuse("todate", "1e300", "datetime");
    refuse("strftime(\"%Y\")", "-1e300", "datetime");
    expect("[todate, date, strftime(\"%Y\"), (gmtime | strftime(\"%j\"))]", "1425599621",
           "[\"2015-03-05T23:53:41Z\",\"2015-03-05T23:53:41Z\",\"2015\",\"064\"]");
}

/* libjq takes it for the end of the program, and the event would be dropped. */
static void an_error_of_null_is_an_error(void)
{
    refuse("error(.reason)", "{}", "error of null");
    refuse(".reason | error", "{}", "error of null");
    refuse("., error(null)", "1", "error of null");
    refuse("error(.reason)", "{\"reason\":\"too hot\"}", "too hot");
    expect("try error({a: 1}) catch .a", "0", "1");
}

/* What stands in for builtins does what they do. */
static void what_stands_in_is_the_same(void)
{
    expect("[(1, 2) * (3, 4), (\"ab\" * 2), ({a: {b: 1}} * {a: {c: 2}}), (\"x\" * 0)]", "0",
           "[3,6,4,8,\"abab\",{\"a\":{\"b\":1,\"c\":2}},null]");
    expect(".a = 1 | .b.c |= 3 | .a += 4 | .a *= 2 | .d //= 7 | del(.x) | .l[1] = 0",
           "{\"x\":1,\"b\":{\"c\":2}}", "{\"b\":{\"c\":3},\"a\":10,\"d\":7,\"l\":[null,0]}");
    expect("(.[] | select(. > 1)) |= . + 1", "[1,2,3]", "[1,3,4]");
    expect("[match(\"(?<n>b)(c)?\") | .offset, .length, .string, (.captures | length)]", "\"abcb\"",
           "[1,2,\"bc\",2]");
    expect("[match(\"b\"; \"g\").offset]", "\"abcb\"", "[1,3]");
    expect("[match([\"B\", \"gi\"]).offset]",
           "\"\xc3\xa9"
           "bcb\"",
           "[1,3]");
    expect("[test(\"B\"; \"i\"), test(\"x\"), test([\"B\", \"i\"])]", "\"abc\"",
           "[true,false,true]");
    expect("capture(\"(?<y>\\\\d+)-(?<m>\\\\d+)\")", "\"2026-03\"",
           "{\"y\":\"2026\",\"m\":\"03\"}");
    expect("[scan(\"\\\\d\"), scan(\"(a)(\\\\d)\")]", "\"a1b2\"", "[\"1\",\"2\",[\"a\",\"1\"]]");
    expect("[[splits(\", *\")], split(\", *\"; null), split(\",\") | length] | tojson",
           "\"a, b,c\"", "\"[3,3,3]\"");
    expect("[sub(\"(?<x>b)\"; \"[\\(.x)]\"), gsub(\"(?<x>[bc])\"; \"\\(.x)\\(.x)\"), "
           "gsub(\"z\"; \"\"), sub(\"B\"; \"\"; \"i\")]",
           "\"abc\"", "[\"a[b]c\",\"abbcc\",\"abc\",\"ac\"]");
    expect("[indices(\"a\"), index(\"a\"), rindex(\"a\"), ([1, 2, 1] | indices(1))]", "\"aba\"",
           "[[0,2],0,2,[0,2]]");
    expect("[\"12\" | tonumber, (\"[1]\" | fromjson)]", "0", "[12,[1]]");
}

static void nothing_leads_out(void)
{
    static const char *const wrong[][2] = {
        {"input", "input is not available"},
        {"[inputs]", "inputs is not available"},
        {"env", "env is not available"},
        {"$ENV.PATH", "$ENV is not available"},
        {"debug", "debug is not available"},
        {"stderr", "stderr is not available"},
        {"input_filename", "input_filename is not available"},
        {"halt", "halt is not available"},
        {"halt_error", "halt_error is not available"},
        {"halt_error(1)", "halt_error is not available"},
        {"modulemeta", "modulemeta is not available"},
        {"get_search_list", "get_search_list is not available"},
        {"import \"a\" as a; 1", "line 1: syntax error"},
        {"include \"a\"; 1", "line 1: syntax error"},
        {".a\n| foo(1)", "line 2: foo/1 is not defined"},
        {".a |\n\n | }", "line 3: syntax error"},
        {"{", "syntax error"},
        {"$nobody", "$nobody is not defined"},
        {"1) | $ENV | (.", "$ENV is not available"},
        {"1) | input | (.", "input is not available"},
        {"$captures", "write $captures.NAME"},
        {"$captures as $c | $c.line", "write $captures.NAME"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings_of(wrong[i][0], ""), &err), -EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
        CU_ASSERT_STRING_EQUAL(err.option, "program");
    }
    const struct mg_module *module = mg_module(NULL);
    const void *s = kit_settings(host, module->options, module->settings_size, "{}");
    CU_ASSERT_EQUAL(module->check(s, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "one of program and file"));
    s = kit_settings(host, module->options, module->settings_size, "{file: /nowhere/x.jq}");
    CU_ASSERT_EQUAL(module->check(s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.option, "file");
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        with_host(name);                                                                           \
    }
TEST(payloads)
TEST(none_or_several)
TEST(one_event_for_each_reading)
TEST(nothing_changes_in_silence)
TEST(envelopes)
TEST(runaways_are_stopped)
TEST(what_hurts_the_library_is_kept_from_it)
TEST(an_error_of_null_is_an_error)
TEST(what_stands_in_is_the_same)
TEST(nothing_leads_out)

int main(void)
{
    static const struct kit_test tests[] = {
        {"payloads are what programs put out", run_payloads},
        {"one event becomes none or several", run_none_or_several},
        {"an envelope makes one event for each reading", run_one_event_for_each_reading},
        {"nothing changes in silence", run_nothing_changes_in_silence},
        {"envelopes say what changes", run_envelopes},
        {"runaways are stopped, and the next event is fine", run_runaways_are_stopped},
        {"what hurts the library is kept from it", run_what_hurts_the_library_is_kept_from_it},
        {"an error of null is an error", run_an_error_of_null_is_an_error},
        {"what stands in for builtins is the same", run_what_stands_in_is_the_same},
        {"nothing leads out of a program", run_nothing_leads_out},
        {0}};
    return kit_main("plugin-jq", tests);
}
