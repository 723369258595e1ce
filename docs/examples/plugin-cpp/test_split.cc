// SPDX-License-Identifier: Apache-2.0
// The translator "split" under the fake host.
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <string>
#include <vector>

namespace
{

// The payloads that become of one, or what became of it instead.
std::vector<std::string> split(const char *yaml, const char *payload)
{
    static const char *const verdicts[] = {"PASS", "REPLACE", "DROP", "REJECT", "RETRY", "PENDING"};
    const struct mg_module *module = mg_module(nullptr);
    std::vector<std::string> parts;
    mg_err err = {};
    mg_instance *instance = nullptr;
    kit_host *host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "test", settings, &instance, &err), 0);
    const mg_host *table = kit_host_table(host);
    mg_event *event = kit_event("plant/a", payload);
    kit_verdict verdict = kit_process(instance, event, kit_scope(host, "route", nullptr));
    if (verdict.verdict != MG_REPLACE)
        parts.push_back(verdicts[verdict.verdict]);
    for (size_t i = 0; i < verdict.count; i++) {
        const mg_bytes part = table->event_payload(verdict.events[i]);
        parts.emplace_back(static_cast<const char *>(part.at), part.len);
        CU_ASSERT(kit_str_is(table->event_head(verdict.events[i])->address, "plant/a"));
    }
    kit_verdict_fini(&verdict);
    table->event_unref(event);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    return parts;
}

using Parts = std::vector<std::string>;

void each_part_becomes_an_event()
{
    CU_ASSERT(split("", "a,b,c") == (Parts{"a", "b", "c"}));
    CU_ASSERT(split("", "alone") == Parts{"alone"});
    CU_ASSERT(split("at: ' and '", "salt and pepper") == (Parts{"salt", "pepper"}));
}

void empty_parts_become_events_where_they_are_wanted()
{
    CU_ASSERT(split("", ",a,,") == Parts{"a"});
    CU_ASSERT(split("keep_empty: true", ",a,") == (Parts{"", "a", ""}));
    CU_ASSERT(split("", ",") == Parts{"DROP"});
    CU_ASSERT(split("keep_empty: true", "") == Parts{""});
}

void too_many_parts_are_refused()
{
    CU_ASSERT_EQUAL(split("keep_empty: true", std::string(MG_EMIT_MAX - 1, ',').c_str()).size(),
                    MG_EMIT_MAX);
    CU_ASSERT(split("keep_empty: true", std::string(MG_EMIT_MAX, ',').c_str()) == Parts{"REJECT"});
}

void a_gateway_takes_the_module()
{
    mg_err err = {};
    CU_ASSERT_EQUAL(kit_module_check(mg_module(nullptr), &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
}

} // namespace

int main()
{
    static const kit_test tests[] = {
        {KIT_TEST(each_part_becomes_an_event)},
        {KIT_TEST(empty_parts_become_events_where_they_are_wanted)},
        {KIT_TEST(too_many_parts_are_refused)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {nullptr, nullptr},
    };
    return kit_main("split", tests);
}
