/* SPDX-License-Identifier: Apache-2.0 */
/* A reader and a writer of messages as text. */
#include "cloudevents_kit.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 200 };

struct kit_host *ce_host;
struct mg_err ce_err;

void ce_with_host(void (*run)(void))
{
    ce_host = kit_host_create();
    run();
    CU_ASSERT_EQUAL(kit_host_destroy(ce_host), 0);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool typed(struct mg_str *text, const char *type)
{
    size_t length = strlen(type);
    if (text->len < length || memcmp(text->at, type, length) != 0)
        return false;
    *text = (struct mg_str){text->at + length, text->len - length};
    return true;
}

static struct mg_value value_of(struct mg_str text)
{
    char number[64];
    struct mg_value v = {.type = MG_TEXT};
    if (typed(&text, "(binary) "))
        return (struct mg_value){.type = MG_BINARY, .as.binary = {text.at, text.len}};
    if (typed(&text, "(bool) "))
        return (struct mg_value){.type = MG_BOOL, .as.b = *text.at == 't'};
    if (typed(&text, "(null)"))
        return (struct mg_value){.type = MG_NULL};
    if (typed(&text, "(uuid)"))
        return (struct mg_value){.type = MG_UUID, .as.uuid = {0xab, [15] = 1}};
    v.type = typed(&text, "(int) ")     ? MG_INT
             : typed(&text, "(uint) ")  ? MG_UINT
             : typed(&text, "(time) ")  ? MG_TIME
             : typed(&text, "(float) ") ? MG_FLOAT
                                        : MG_TEXT;
    snprintf(number, sizeof number, "%.*s", (int)(text.len < 60 ? text.len : 60), text.at);
    if (v.type == MG_TEXT)
        v.as.text = text;
    else if (v.type == MG_FLOAT)
        v.as.d = strtod(number, NULL);
    else
        v.as.i = strtoll(number, NULL, 10);
    v.width = 64;
    return v;
}

mg_event *ce_message(const char *notation)
{
    struct mg_property properties[PROPERTIES_MAX];
    struct mg_message m = kit_message("plant/a/m1", "");
    m.properties = properties;
    while (*notation && *notation != '\n') {
        size_t line = strcspn(notation, "\n");
        const char *colon = notation;
        while (strncmp(colon, ": ", 2) != 0)
            colon++;
        struct mg_str name = {notation, (size_t)(colon - notation)};
        struct mg_str text = {colon + 2, line - name.len - 2};
        if (kit_str_is(name, "content-type"))
            m.head.content_type = text;
        else if (kit_str_is(name, "content-encoding"))
            m.head.content_encoding = text;
        else if (kit_str_is(name, "message-id"))
            m.head.message_id = value_of(text);
        else if (m.property_count < PROPERTIES_MAX)
            properties[m.property_count++] = (struct mg_property){name, value_of(text)};
        notation += line + (notation[line] == '\n');
    }
    notation += *notation == '\n';
    m.payload = (struct mg_bytes){notation, strlen(notation)};
    return kit_host_table(ce_host)->event_new(&m);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_value(FILE *out, const struct mg_value *v)
{
    switch (v->type) {
    case MG_INT:
        fprintf(out, "(int) %" PRId64, v->as.i);
        break;
    case MG_BOOL:
        fprintf(out, "(bool) %s", v->as.b ? "true" : "false");
        break;
    case MG_BINARY:
        fprintf(out, "(binary) %.*s", (int)v->as.binary.len, (const char *)v->as.binary.at);
        break;
    case MG_TEXT:
        fprintf(out, "%.*s", (int)v->as.text.len, v->as.text.at);
        break;
    default:
        fprintf(out, "(type %u)", v->type);
    }
}

static void write_message(FILE *out, const mg_event *message)
{
    const struct mg_host *host = kit_host_table(ce_host);
    size_t count;
    const struct mg_property *p = host->event_properties(message, &count);
    struct mg_str type = host->event_head(message)->content_type;
    struct mg_bytes payload = host->event_payload(message);
    if (type.at)
        fprintf(out, "content-type: %.*s\n", (int)type.len, type.at);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%.*s: ", (int)p[i].name.len, p[i].name.at);
        write_value(out, &p[i].value);
        fputc('\n', out);
    }
    fputc('\n', out);
    fwrite(payload.len ? payload.at : "", 1, payload.len, out);
}

char *ce_notation(const mg_event *message)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    write_message(out, message);
    fclose(out);
    return text;
}

/* ---- translating ---------------------------------------------------------------------------- */

const void *ce_settings(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(ce_host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n%s\n", yaml, kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void write_verdict(FILE *out, const struct kit_verdict *v)
{
    if (v->verdict == MG_PASS || v->verdict == MG_DROP)
        fputs(v->verdict == MG_PASS ? "pass" : "drop", out);
    else if (v->verdict == MG_REJECT)
        fprintf(out, "reject: %s", v->err.text);
    for (size_t i = 0; i < v->count; i++) {
        fputs(i ? "\n---\n" : "", out);
        write_message(out, v->events[i]);
    }
}

char *ce_translate(const char *yaml, const char *message)
{
    mg_instance *instance;
    char *text = NULL;
    size_t length;
    int error = kit_instance_create(ce_host, mg_module(NULL), "cloudevents", ce_settings(yaml),
                                    &instance, &ce_err);
    if (error)
        fprintf(stderr, "%s\n%s\n", yaml, ce_err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    mg_event *event = ce_message(message);
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(ce_host, "hot", "line", "a", "machine", "m1", NULL));
    FILE *out = open_memstream(&text, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    write_verdict(out, &v);
    fclose(out);
    kit_verdict_fini(&v);
    kit_host_table(ce_host)->event_unref(event);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    return text;
}

void ce_expect(const char *yaml, const char *message, const char *expected)
{
    char *got = ce_translate(yaml, message);
    bool same = !strcmp(got, expected);
    if (!same)
        fprintf(stderr, "%s of\n%s\n--- expected\n%s\n--- got\n%s\n\n", yaml, message, expected,
                got);
    CU_ASSERT_TRUE(same);
    free(got);
}

void ce_expect_reject(const char *yaml, const char *message, const char *why)
{
    char *got = ce_translate(yaml, message);
    bool right = !strncmp(got, "reject: ", 8) && strstr(got, why);
    if (!right)
        fprintf(stderr, "%s of\n%s\n--- expected to be rejected: %s\n--- got\n%s\n\n", yaml,
                message, why, got);
    CU_ASSERT_TRUE(right);
    free(got);
}
