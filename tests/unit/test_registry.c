/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are built in: option tables and operations, fault by fault. */
#include "base/diag.h"
#include "plugin/registry.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct inner {
    bool on;
    int64_t port;
};

struct settings {
    const char *text;
    int64_t number;
    double ratio;
    uint32_t mode;
    bool flag;
    struct mg_list list;
    struct inner inner;
    const mg_template *address;
};

static const char *const modes[] = {"fast", "safe", NULL};
static const struct mg_option inner_options[] = {
    {.name = "on",
     .type = MG_OPT_BOOL,
     .value = "true",
     .doc = "On.",
     .offset = offsetof(struct inner, on)},
    {.name = "port",
     .type = MG_OPT_INT,
     .value = "1883",
     .doc = "Port.",
     .least = 1,
     .most = 65535,
     .offset = offsetof(struct inner, port)},
    {0},
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)host, (void)instance, (void)settings, (void)ret_self, (void)reterr;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    (void)self, (void)context, (void)call, (void)ret_result;
    return MG_PASS;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static struct mg_module a_module(const struct mg_option *options)
{
    return (struct mg_module){
        .abi = MG_ABI_HERE,
        .kind = MG_TRANSLATOR,
        .name = "m",
        .version = "1",
        .options = options,
        .settings_size = sizeof(struct settings),
        .life = &life,
        .ops = &ops,
    };
}

/* text NULL: it is accepted.  Otherwise the only error contains it. */
static void expect(const struct mg_module *module, const char *text)
{
    struct gw_diags diags = {0};
    struct gw_registry *registry = gw_registry_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(registry);
    CU_ASSERT_EQUAL(gw_registry_add(registry, module, NULL, &diags), text ? -EINVAL : 0);
    CU_ASSERT_EQUAL(diags.errors, text ? 1 : 0);
    if (diags.count) {
        CU_ASSERT_STRING_EQUAL(diags.items[0].file, "(built in)");
        CU_ASSERT(text && strstr(diags.items[0].text, text));
        if (!text || !strstr(diags.items[0].text, text))
            fprintf(stderr, "  got:      %s\n  expected: %s\n", diags.items[0].text,
                    text ? text : "(nothing)");
    }
    gw_diags_fini(&diags);
    gw_registry_destroy(registry);
}

static void expect_option(struct mg_option option, const char *text)
{
    const struct mg_option options[] = {option, {0}};
    const struct mg_module module = a_module(options);
    expect(&module, text);
}

static void options_of_every_type_are_accepted(void)
{
    const struct mg_option options[] = {
        {.name = "text",
         .type = MG_OPT_TEXT,
         .value = "a b",
         .doc = "T.",
         .offset = offsetof(struct settings, text)},
        {.name = "number",
         .type = MG_OPT_SIZE,
         .value = "64KiB",
         .doc = "N.",
         .offset = offsetof(struct settings, number)},
        {.name = "ratio",
         .type = MG_OPT_DOUBLE,
         .value = "0.5",
         .doc = "R.",
         .offset = offsetof(struct settings, ratio)},
        {.name = "mode",
         .type = MG_OPT_ENUM,
         .value = "safe",
         .choices = modes,
         .doc = "M.",
         .offset = offsetof(struct settings, mode)},
        {.name = "flag",
         .type = MG_OPT_BOOL,
         .flags = MG_OPT_REQUIRED,
         .doc = "F.",
         .offset = offsetof(struct settings, flag)},
        {.name = "list",
         .type = MG_OPT_INT,
         .flags = MG_OPT_LIST,
         .value = "[1, 2]",
         .doc = "L.",
         .offset = offsetof(struct settings, list)},
        {.name = "inner",
         .type = MG_OPT_MAP,
         .inside = inner_options,
         .inside_size = sizeof(struct inner),
         .doc = "I.",
         .offset = offsetof(struct settings, inner)},
        {.name = "address",
         .type = MG_OPT_TEMPLATE,
         .value = "a/{b}",
         .doc = "A.",
         .offset = offsetof(struct settings, address)},
        {0},
    };
    const struct mg_module module = a_module(options);
    expect(&module, NULL);
}

static void an_option_named_twice_is_refused(void)
{
    const struct mg_option options[] = {
        {.name = "text",
         .type = MG_OPT_TEXT,
         .doc = "T.",
         .offset = offsetof(struct settings, text)},
        {.name = "text",
         .type = MG_OPT_BOOL,
         .doc = "T.",
         .offset = offsetof(struct settings, flag)},
        {0},
    };
    const struct mg_module module = a_module(options);
    expect(&module, "translator m 1: option \"text\" is declared twice: rename one of them");
}

static void options_without_words_are_refused(void)
{
    expect_option((struct mg_option){.name = "Text", .type = MG_OPT_TEXT, .doc = "T."},
                  "rename it");
    expect_option((struct mg_option){.name = "text", .type = MG_OPT_TEXT},
                  "option \"text\" has no doc");
    expect_option((struct mg_option){.name = "text", .type = 99, .doc = "T."},
                  "has the unknown type 99");
    expect_option((struct mg_option){.name = "mode",
                                     .type = MG_OPT_ENUM,
                                     .doc = "M.",
                                     .offset = offsetof(struct settings, mode)},
                  "is an enum without choices");
    expect_option((struct mg_option){.name = "inner", .type = MG_OPT_MAP, .doc = "I."},
                  "does not say what is inside");
    expect_option(
        (struct mg_option){
            .name = "number", .type = MG_OPT_INT, .doc = "N.", .least = 5, .most = 4},
        "has bounds that nothing meets (5 to 4)");
    expect_option((struct mg_option){.name = "text",
                                     .type = MG_OPT_TEXT,
                                     .doc = "T.",
                                     .value = "x",
                                     .flags = MG_OPT_REQUIRED},
                  "is required and has a default");
}

static void options_that_would_overwrite_memory_are_refused(void)
{
    expect_option((struct mg_option){.name = "text",
                                     .type = MG_OPT_TEXT,
                                     .doc = "T.",
                                     .offset = sizeof(struct settings) - 4},
                  "lies outside of its settings struct");
    expect_option(
        (struct mg_option){
            .name = "text", .type = MG_OPT_TEXT, .doc = "T.", .offset = SIZE_MAX - 3},
        "lies outside of its settings struct");
    expect_option((struct mg_option){.name = "text", .type = MG_OPT_TEXT, .doc = "T.", .offset = 4},
                  "is not aligned (offset 4, needs a multiple of 8)");
    /* A list is larger than its element. */
    expect_option((struct mg_option){.name = "flag",
                                     .type = MG_OPT_BOOL,
                                     .flags = MG_OPT_LIST,
                                     .doc = "F.",
                                     .offset = sizeof(struct settings) - 8},
                  "lies outside of its settings struct");
}

static void the_inside_of_a_map_is_checked_too(void)
{
    static const struct mg_option broken[] = {
        {.name = "port",
         .type = MG_OPT_INT,
         .value = "70000",
         .least = 1,
         .most = 65535,
         .doc = "Port.",
         .offset = offsetof(struct inner, port)},
        {0},
    };
    expect_option((struct mg_option){.name = "inner",
                                     .type = MG_OPT_MAP,
                                     .doc = "I.",
                                     .inside = broken,
                                     .inside_size = sizeof(struct inner),
                                     .offset = offsetof(struct settings, inner)},
                  "option \"port\" has a default that is none (70000");
}

static struct mg_option plain_option(const char *name, uint32_t type, uint32_t flags, size_t offset)
{
    return (struct mg_option){
        .name = name, .type = type, .flags = flags, .doc = "P.", .offset = offset};
}

static void one_single_value_of_a_map_may_stand_for_it(void)
{
    static struct mg_option table[3];
    const struct mg_option map = {.name = "inner",
                                  .type = MG_OPT_MAP,
                                  .doc = "I.",
                                  .inside = table,
                                  .inside_size = sizeof(struct inner),
                                  .offset = offsetof(struct settings, inner)};
    table[0] = plain_option("on", MG_OPT_BOOL, MG_OPT_PLAIN, offsetof(struct inner, on));
    table[1] = plain_option("port", MG_OPT_INT, 0, offsetof(struct inner, port));
    expect_option(map, NULL);
    table[1].flags = MG_OPT_PLAIN;
    expect_option(map, "option \"port\" and \"on\" have MG_OPT_PLAIN");
    expect_option(plain_option("text", MG_OPT_TEXT, MG_OPT_PLAIN, 0), "lies in no MG_OPT_MAP");
    table[0].flags = 0;
    table[1].type = MG_OPT_TREE;
    expect_option(map, "option \"port\" has MG_OPT_PLAIN and is no single value");
}

static void fields_are_in_texts(void)
{
    expect_option(plain_option("text", MG_OPT_TEXT, MG_OPT_FIELDS, 0), NULL);
    expect_option(plain_option("text", MG_OPT_URL, MG_OPT_FIELDS, 0),
                  "has MG_OPT_FIELDS and is no text");
}

static void a_table_that_contains_itself_is_refused(void)
{
    static struct mg_option endless[2];
    endless[0] = (struct mg_option){.name = "inner",
                                    .type = MG_OPT_MAP,
                                    .doc = "I.",
                                    .inside = endless,
                                    .inside_size = sizeof(struct inner)};
    const struct mg_module module = a_module(endless);
    expect(&module, "is nested more than 8 deep");
}

static void a_default_that_is_no_choice_is_refused(void)
{
    expect_option((struct mg_option){.name = "mode",
                                     .type = MG_OPT_ENUM,
                                     .choices = modes,
                                     .value = "fats",
                                     .doc = "M.",
                                     .offset = offsetof(struct settings, mode)},
                  "has a default that is none (fats");
}

/* ---- operations of bridges ----------------------------------------------------------------------
 */

static int end_op(const void *settings, uint32_t direction, const char *address,
                  const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)ret_end, (void)reterr;
    return 0;
}

static int open_op(void *self, mg_connection *connection, uint32_t index, void **ret_context,
                   struct mg_err *reterr)
{
    (void)self, (void)connection, (void)index, (void)ret_context, (void)reterr;
    return 0;
}

static int begin_op(void *context, struct mg_err *reterr)
{
    (void)context, (void)reterr;
    return 0;
}

static int open_sink_op(void *context, mg_sink *sink, const char *address, const void *settings,
                        void **ret_sink, struct mg_err *reterr)
{
    (void)context, (void)sink, (void)address, (void)settings, (void)ret_sink, (void)reterr;
    return 0;
}

static int open_source_op(void *context, mg_source *source, const char *address,
                          const void *settings, void **ret_source, struct mg_err *reterr)
{
    (void)context, (void)source, (void)address, (void)settings, (void)ret_source, (void)reterr;
    return 0;
}

static int send_op(void *context, void *sink, const struct mg_delivery *delivery,
                   struct mg_err *reterr)
{
    (void)context, (void)sink, (void)delivery, (void)reterr;
    return 0;
}

static void credit_op(void *context, void *source, uint32_t more)
{
    (void)context, (void)source, (void)more;
}

static void expect_bridge(const struct mg_bridge_ops *bridge_ops, const char *text)
{
    struct mg_module module = a_module(NULL);
    module.kind = MG_BRIDGE;
    module.ops = bridge_ops;
    expect(&module, text);
}

static void a_bridge_must_have_what_it_declares(void)
{
    struct mg_bridge_ops bridge = {.size = sizeof bridge,
                                   .abilities = MG_SINK,
                                   .end = end_op,
                                   .open = open_op,
                                   .begin = begin_op,
                                   .open_sink = open_sink_op,
                                   .send = send_op,
                                   .close = destroy,
                                   .destroy = destroy};
    expect_bridge(&bridge, NULL);
    bridge.send = NULL;
    expect_bridge(&bridge, "bridge m 1 lacks ops->send (it declares MG_SINK)");
    bridge.send = send_op;
    bridge.close = NULL;
    expect_bridge(&bridge, "bridge m 1 lacks ops->close, which");
    bridge.close = destroy;
    bridge.abilities = MG_SOURCE | MG_DEFERS_ACK;
    bridge.open_source = open_source_op;
    expect_bridge(&bridge, "bridge m 1 lacks ops->credit (it declares MG_SOURCE)");
    bridge.credit = credit_op;
    expect_bridge(&bridge, "bridge m 1 lacks ops->settled (it declares MG_DEFERS_ACK)");
    bridge.abilities = MG_ORDERED;
    expect_bridge(&bridge, "bridge m 1 is neither a source nor a sink");
    bridge.size = 8;
    expect_bridge(&bridge,
                  "its struct mg_bridge_ops (ABI 1.3) has 8 bytes, ABI 1.0 requires at least");
}

static void traits_are_those_of_the_header(void)
{
    struct mg_step_ops step = {.size = sizeof step, .process = process};
    struct mg_module module = a_module(NULL);
    module.ops = &step;
    CU_ASSERT_EQUAL(gw_step_traits(&module), 0);
    step.traits = MG_STEP_STATELESS;
    expect(&module, NULL);
    CU_ASSERT_EQUAL(gw_step_traits(&module), MG_STEP_STATELESS);
    step.traits = 0x40;
    expect(&module, "has traits 0x40, which ABI 1.3 does not know");
    step.size = offsetof(struct mg_step_ops, traits); /* built for 1.2: there are none */
    expect(&module, NULL);
    CU_ASSERT_EQUAL(gw_step_traits(&module), 0);
}

static void counters_need_names_of_their_own(void)
{
    static const char *const twice[] = {"lost", "found", "lost", NULL};
    static const char *const spaced[] = {"two words", NULL};
    struct mg_module module = a_module(NULL);
    module.counters = twice;
    expect(&module, "counter 2 is declared twice");
    module.counters = spaced;
    expect(&module, "counter 0 is declared twice or not of the form");
}

static void only_bridges_have_options_of_their_ends(void)
{
    struct mg_module module = a_module(NULL);
    module.sink_options = inner_options;
    module.sink_settings_size = sizeof(struct inner);
    expect(&module, "has sink options, which only bridges have");
}

static void one_name_may_serve_two_kinds(void)
{
    struct gw_diags diags = {0};
    struct gw_registry *registry = gw_registry_create();
    struct mg_module filter = a_module(NULL), translator = a_module(NULL);
    filter.kind = MG_FILTER;
    CU_ASSERT_EQUAL(gw_registry_add(registry, &filter, "a.so", &diags), 0);
    CU_ASSERT_EQUAL(gw_registry_add(registry, &translator, "b.so", &diags), 0);
    CU_ASSERT_PTR_EQUAL(gw_registry_find(registry, MG_FILTER, "m"), &filter);
    CU_ASSERT_PTR_EQUAL(gw_registry_find(registry, MG_TRANSLATOR, "m"), &translator);
    CU_ASSERT_PTR_NULL(gw_registry_find(registry, MG_ENRICHER, "m"));
    CU_ASSERT_EQUAL(gw_registry_add(registry, &filter, "c.so", &diags), -EINVAL);
    CU_ASSERT_STRING_EQUAL(
        diags.items[0].text,
        "filter m 1 is loaded already: version 1 from a.so; keep one of the two files");
    gw_diags_fini(&diags);
    gw_registry_destroy(registry);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(options_of_every_type_are_accepted)},
        {KIT_TEST(an_option_named_twice_is_refused)},
        {KIT_TEST(options_without_words_are_refused)},
        {KIT_TEST(fields_are_in_texts)},
        {KIT_TEST(options_that_would_overwrite_memory_are_refused)},
        {KIT_TEST(the_inside_of_a_map_is_checked_too)},
        {KIT_TEST(a_table_that_contains_itself_is_refused)},
        {KIT_TEST(a_default_that_is_no_choice_is_refused)},
        {KIT_TEST(one_single_value_of_a_map_may_stand_for_it)},
        {KIT_TEST(a_bridge_must_have_what_it_declares)},
        {KIT_TEST(traits_are_those_of_the_header)},
        {KIT_TEST(counters_need_names_of_their_own)},
        {KIT_TEST(only_bridges_have_options_of_their_ends)},
        {KIT_TEST(one_name_may_serve_two_kinds)},
        {NULL, NULL},
    };
    return kit_main("registry", tests);
}
