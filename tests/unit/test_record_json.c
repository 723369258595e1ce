/* SPDX-License-Identifier: Apache-2.0 */
/* A record written as JSON is read back as the same; what is wrong is refused by name. */
#include "../kit/unit.h"
#include "record_kit.h"
#include "store/record_json.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const struct gw_record *record)
{
    json_t *json = gw_record_to_json(record);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    char *text = json_dumps(json, JSON_COMPACT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    json_decref(json);
    return text;
}

static int read_text(const char *text, struct gw_record_parsed *ret, struct mg_err *err)
{
    json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    int error = gw_record_from_json(json, ret, err);
    json_decref(json);
    return error;
}

static void what_is_written_is_read_back(void)
{
    struct kit_random random;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct gw_record record;
        kit_random_seed(&random, seed);
        kit_random_record(&random, kit_random(&random, 4), &record);
        char *text = text_of(&record);
        struct gw_record_parsed parsed;
        struct mg_err err = {{0}};
        int error = read_text(text, &parsed, &err);
        const char *difference = error ? err.text : kit_record_difference(&record, &parsed.record);
        if (difference) {
            fprintf(stderr, "seed %lu: %s\n%s\n", (unsigned long)seed, difference, text);
            CU_FAIL("a record is not read back as it was");
        }
        free(text);
        if (!error)
            gw_record_parsed_fini(&parsed);
    }
}

static void a_person_can_read_it(void)
{
    struct mg_property property = {{"n", 1}, {.type = MG_UINT, .width = 8, .as.u = 200}};
    struct gw_record_leg leg = {.sink = 1, .address = {"out/a", 5}};
    struct gw_record record = {
        .sequence = 7,
        .arrived_us = 12,
        .key = 0x1f,
        .flags = GW_RECORD_DOUBTFUL,
        .origin = {"in/a", 4},
        .message = {.head = {.size = sizeof record.message.head,
                             .present = MG_HAS_QOS,
                             .address = {"in/a", 4},
                             .qos = 1,
                             .priority = 4},
                    .payload = {"21.5", 4},
                    .properties = &property,
                    .property_count = 1},
        .legs = &leg,
        .leg_count = 1,
    };
    char *text = text_of(&record);
    CU_ASSERT_STRING_EQUAL(
        text, "{\"sequence\":7,\"arrived_us\":12,\"key\":\"000000000000001f\","
              "\"flags\":[\"doubtful\"],\"origin\":\"in/a\",\"message\":{\"address\":\"in/a\","
              "\"qos\":1,\"properties\":[{\"name\":\"n\",\"type\":\"uint\",\"bits\":8,"
              "\"value\":200}],\"payload\":\"21.5\"},\"legs\":[{\"sink\":1,"
              "\"address\":\"out/a\"}]}");
    free(text);
}

static void what_a_person_writes_is_understood(void)
{
    struct gw_record_parsed parsed;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(
        read_text("{\"message\":{\"address\":\"a\",\"message_id\":7,\"properties\":["
                  "{\"name\":\"x\",\"value\":\"y\"},{\"name\":\"n\",\"value\":2}]}}",
                  &parsed, &err),
        0);
    const struct mg_message *m = &parsed.record.message;
    CU_ASSERT_EQUAL(m->property_count, 2);
    CU_ASSERT_EQUAL(m->properties[0].value.type, MG_TEXT);
    CU_ASSERT_EQUAL(m->properties[1].value.type, MG_INT);
    CU_ASSERT_EQUAL(m->head.message_id.type, MG_UINT);
    CU_ASSERT_EQUAL(m->head.priority, 4);
    CU_ASSERT_EQUAL(m->payload.len, 0);
    gw_record_parsed_fini(&parsed);
}

static void what_is_wrong_is_named(void)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"[]", "message"},
        {"{}", "message"},
        {"{\"message\":[]}", "message"},
        {"{\"message\":{},\"extra\":1}", "extra"},
        {"{\"message\":{\"topic\":\"a\"}}", "topic"},
        {"{\"message\":{\"qos\":3}}", "qos"},
        {"{\"message\":{\"retain\":1}}", "retain"},
        {"{\"message\":{\"address\":1}}", "address"},
        {"{\"message\":{\"message_id\":1.5}}", "message_id"},
        {"{\"message\":{\"payload\":{}}}", "payload"},
        {"{\"message\":{\"payload_base64\":\"A\"}}", "payload_base64"},
        {"{\"message\":{\"payload_base64\":\"aGl=\"}}", "payload_base64"},
        {"{\"message\":{\"payload_base64\":\"aR==\"}}", "payload_base64"},
        {"{\"message\":{\"payload\":\"a\",\"payload_base64\":\"AAAA\"}}", "payload"},
        {"{\"message\":{\"said\":[\"payload\"]}}", "said"},
        {"{\"message\":{\"properties\":{}}}", "properties"},
        {"{\"message\":{\"properties\":[{\"value\":1}]}}", "properties"},
        {"{\"message\":{\"properties\":[{\"name\":\"n\",\"type\":\"uint\",\"bits\":8,"
         "\"value\":256}]}}",
         "\"n\""},
        {"{\"message\":{\"properties\":[{\"name\":\"n\",\"type\":\"uuid\",\"value\":\"1\"}]}}",
         "\"n\""},
        {"{\"message\":{},\"legs\":[{\"sink\":64}]}", "legs"},
        {"{\"message\":{},\"legs\":[{\"sink\":1,\"to\":1}]}", "legs"},
        {"{\"message\":{},\"flags\":[\"new\"]}", "flags"},
        {"{\"message\":{},\"key\":\"12\"}", "key"},
        {"{\"message\":{},\"arrived_us\":\"now\"}", "arrived_us"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gw_record_parsed parsed;
        struct mg_err err = {{0}};
        CU_ASSERT_EQUAL(read_text(rows[i].text, &parsed, &err), -EINVAL);
        if (!strstr(err.text, rows[i].name)) {
            fprintf(stderr, "%s: \"%s\" does not name %s\n", rows[i].text, err.text, rows[i].name);
            CU_FAIL("the error does not name its place");
        }
    }
}

int main(void)
{
    return kit_main("record_json",
                    (const struct kit_test[]){{KIT_TEST(what_is_written_is_read_back)},
                                              {KIT_TEST(a_person_can_read_it)},
                                              {KIT_TEST(what_a_person_writes_is_understood)},
                                              {KIT_TEST(what_is_wrong_is_named)},
                                              {0}});
}
