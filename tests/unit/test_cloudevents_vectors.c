/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the CloudEvents specification, each read and compared with what another parser
 * (jansson) or the notation itself says.
 *
 * They come from MESHGATE_VECTORS, or from ../shared/vectors beside the source tree; where neither
 * is there, the test is skipped and says so.  What an example leaves out ("...") is put in. */
#include "cloudevents_kit.h"
#include "event.h"
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 4096 };

/* An example as a message: `name: value` lines, a blank one, the payload. */
struct example {
    char *text, *payload;
    json_t *headers;    /* by lower-case name */
    const char *prefix; /* of its attributes; NULL: none in binary mode */
};

static json_t *examples;
static size_t events, without;
static bool failed;

static void expect(bool right, const char *what, size_t index, const char *shown)
{
    CU_ASSERT_TRUE(right);
    failed |= !right;
    if (!right)
        fprintf(stderr, "example %zu: %s\n%s\n", index + 1, what, shown);
}

/* ---- an example's notation ------------------------------------------------------------------ */

static bool is_ruler(const char *line)
{
    return !strncmp(line, "---", 3);
}

/* "Content-Type", "Content Type" and "content-type" are one; quotes around a value are notation. */
static void put_header(struct example *x, const char *line, const char *colon)
{
    char name[200] = "", value[1000] = "";
    for (size_t i = 0; i < (size_t)(colon - line) && i + 1 < sizeof name; i++)
        name[i] = (char)(line[i] == ' ' ? '-' : line[i]);
    if (!strcasecmp(name, "content-type"))
        snprintf(name, sizeof name, "content-type");
    colon += 2;
    size_t length = strlen(colon);
    bool quoted = length >= 2 && *colon == '"' && colon[length - 1] == '"';
    snprintf(value, sizeof value, "%.*s", (int)(length - 2 * quoted), colon + quoted);
    json_object_set_new(x->headers, name, json_string(value));
}

/* Lines before the payload; it begins at a bracket, or behind the last line with a colon. */
static void read_example(struct example *x, const char *text)
{
    char *copy = strdup(text), *save = NULL, *line;
    *x = (struct example){.text = copy, .headers = json_object()};
    size_t payload = strlen(text);
    for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *colon = strstr(line, ": ");
        if (*line == '{' || *line == '[' || !strncmp(line, "            ...", 15)) {
            payload = (size_t)(line - copy);
            break;
        }
        if (is_ruler(line) || !colon || *line == ' ' || *line == '\t') {
            payload = colon || is_ruler(line) || *line == ' ' ? payload : (size_t)(line - copy);
            continue;
        }
        put_header(x, line, colon);
        payload = strlen(text);
    }
    x->payload = strdup(text + payload);
    char *end = strstr(x->payload, "\n---");
    if (end)
        *end = '\0';
    for (size_t n = strlen(x->payload); n && isspace((unsigned char)x->payload[n - 1]);)
        x->payload[--n] = '\0';
    static const char *const prefixes[] = {"cloudEvents:", "ce-", "ce_", ""};
    for (size_t i = 0; i < 4 && !x->prefix; i++) {
        char name[64];
        snprintf(name, sizeof name, "%sspecversion", prefixes[i]);
        if (json_object_get(x->headers, name))
            x->prefix = prefixes[i];
    }
}

static void drop_example(struct example *x)
{
    json_decref(x->headers);
    free(x->payload);
    free(x->text);
}

/* The message in the notation of the kit. */
static char *message_of(const struct example *x, const char *type, const char *payload)
{
    char *text = NULL;
    size_t length;
    const char *name;
    json_t *value;
    FILE *out = open_memstream(&text, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    if (type && !json_object_get(x->headers, "content-type"))
        fprintf(out, "content-type: %s\n", type);
    json_object_foreach(x->headers, name, value)
        fprintf(out, "%s: %s\n", name, json_string_value(value));
    fprintf(out, "\n%s", payload);
    fclose(out);
    return text;
}

/* ---- what an example leaves out, and its slips ---------------------------------------------- */

static void put_repaired(FILE *out, const char *line, bool quote)
{
    static const char elided[] = "... base64 encoded string ...";
    const char *colon = strstr(line, " : "), *base64 = strstr(line, elided);
    if (base64)
        fprintf(out, "%.*sZWxpZGVk%s\n", (int)(base64 - line), line, base64 + strlen(elided));
    else if (quote && colon && isdigit((unsigned char)colon[3]))
        /* An id and a time without their quotes, and a time with a semicolon. */
        for (fprintf(out, "%.*s\"", (int)(colon + 3 - line), line), colon += 3; *colon; colon++)
            fprintf(out, "%s", *colon == ',' ? "\",\n" : *colon == ';' ? ":" : (char[]){*colon, 0});
    else
        fprintf(out, "%s\n", line);
}

static char *completed(const char *json, bool quote)
{
    char *copy = strdup(json), *save = NULL, *text = NULL, *line;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *word = line + strspn(line, " \t");
        if (strncmp(word, "...", 3) != 0)
            put_repaired(out, line, quote);
        else if (strstr(word, "attributes omitted"))
            fprintf(out, "%s%s\n", strstr(json, "\"id\"") ? "" : "\"id\": \"elided\",",
                    strstr(json, "\"source\"") ? "" : "\"source\": \"elided\",");
    }
    fclose(out);
    free(copy);
    return text;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* The event object that the module made of a message. */
static json_t *object_of(const char *translated)
{
    const char *payload = strstr(translated, "\n\n");
    return payload ? json_loads(payload + 2, JSON_DECODE_ANY, NULL) : NULL;
}

/* Without what says null, which is as if it were not there; all but Integers are texts. */
static json_t *plain_attributes(json_t *event)
{
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach(event, name, value)
    {
        if (!json_is_null(value) && strncmp(name, "data", 4) != 0)
            json_object_set(out, name, value);
    }
    return out;
}

static void same_attributes(json_t *got, json_t *wanted, size_t index)
{
    json_t *a = plain_attributes(got), *b = plain_attributes(wanted);
    char *shown = json_dumps(a, 0);
    expect(json_object_size(b) >= 4 && json_equal(a, b), "its attributes", index, shown);
    expect(json_equal(json_object_get(got, "datacontenttype"),
                      json_object_get(wanted, "datacontenttype")) ||
               !json_object_get(wanted, "datacontenttype"),
           "its datacontenttype", index, shown);
    free(shown);
    json_decref(a);
    json_decref(b);
}

/* To binary mode with a prefix, and back to an object: all of the event has gone through both. */
static json_t *there_and_back(const char *message, size_t index)
{
    char *binary = ce_translate("{mode: convert, encode: binary, prefix: cloudEvents_}", message);
    char *back = ce_translate("{mode: convert}", binary);
    json_t *event = object_of(back);
    expect(event != NULL, "converted", index, back);
    free(back);
    free(binary);
    return event;
}

static void one_object(const char *message, json_t *wanted, size_t index)
{
    char *same = ce_translate("{mode: convert}", message);
    expect(!strcmp(same, "pass"), "taken as it is", index, same);
    free(same);
    /* JSON under another content type: the event is one, its data cannot be taken out. */
    const char *type = json_string_value(json_object_get(wanted, "datacontenttype"));
    if (type && !strstr(type, "json") && json_is_object(json_object_get(wanted, "data"))) {
        ce_expect_reject("{mode: unwrap}", message, "a JSON value that is no text");
        json_object_del(wanted, "data");
        char *less = json_dumps(wanted, 0), *again = NULL;
        CU_ASSERT_FATAL(asprintf(&again, "content-type: application/cloudevents+json\n\n%s", less) >
                        0);
        one_object(again, wanted, index);
        free(again);
        free(less);
        return;
    }
    json_t *got = there_and_back(message, index);
    same_attributes(got, wanted, index);
    json_t *data = json_object_get(wanted, "data");
    expect(!data || json_equal(data, json_object_get(got, "data")), "its data", index, message);
    json_decref(got);
    events++;
}

static void each_of_batch(const char *message, json_t *wanted, size_t index)
{
    char *out = ce_translate("{mode: convert}", message), *at = out;
    if (!json_array_size(wanted))
        expect(!strcmp(out, "drop"), "an empty batch", index, out);
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        char *next = strstr(at, "\n---\n");
        if (next)
            *next = '\0';
        expect(!next == (i + 1 == json_array_size(wanted)), "as many as there are", index, at);
        one_object(at, json_array_get(wanted, i), index);
        at = next ? next + 5 : at;
    }
    free(out);
}

/* Kept whole: said to be a batch by its content type, or by the route alone. */
static void batch_as_one(const char *message, size_t index)
{
    const char *payload = strstr(message, "\n\n") + 2;
    char *unsaid = NULL, *said = NULL;
    ce_expect("{mode: convert, encode: batch}", message, "pass");
    CU_ASSERT_FATAL(asprintf(&unsaid, "\n%s", payload) > 0);
    CU_ASSERT_FATAL(
        asprintf(&said, "content-type: application/cloudevents-batch+json\n\n%s", payload) > 0);
    char *out = ce_translate("{mode: convert, decode: batch, encode: batch}", unsaid);
    expect(!strcmp(out, said), "a batch stays one", index, out);
    free(out);
    free(said);
    free(unsaid);
}

static void json_example(struct example *x, size_t index)
{
    char *json = completed(x->payload, false);
    json_t *wanted = json_loads(json, 0, NULL);
    const char *type =
        *x->payload == '[' ? "application/cloudevents-batch+json" : "application/cloudevents+json";
    if (!wanted) { /* no JSON as it is published */
        char *message = message_of(x, type, json);
        ce_expect_reject("{mode: convert, decode: structured}", message, "line ");
        free(message);
        free(json);
        json = completed(x->payload, true);
        wanted = json_loads(json, 0, NULL);
    }
    char *message = message_of(x, type, json);
    expect(wanted != NULL, "completed to JSON", index, json);
    if (json_is_array(wanted)) {
        batch_as_one(message, index);
        each_of_batch(message, wanted, index);
    } else if (wanted) {
        one_object(message, wanted, index);
    }
    json_decref(wanted);
    free(message);
    free(json);
}

static void binary_example(struct example *x, size_t index)
{
    char *message = message_of(x, NULL, x->payload);
    char *out = ce_translate("{mode: convert}", message);
    json_t *got = object_of(out), *wanted = json_object(), *value;
    const char *name;
    size_t length = strlen(x->prefix);
    json_object_foreach(x->headers, name, value)
    {
        if (!strcmp(name, "content-type"))
            json_object_set(wanted, "datacontenttype", value);
        else if (!strncmp(name, x->prefix, length) && !strpbrk(name + length, "-_"))
            json_object_set(wanted, name + length, value);
    }
    json_object_del(wanted, "Host");
    expect(got != NULL, "converted", index, out);
    same_attributes(got, wanted, index);
    events++;
    json_decref(got);
    json_decref(wanted);
    free(out);
    free(message);
}

/* Parts of a message, requests and headers of other protocols. */
static void no_event(struct example *x, size_t index)
{
    const char *type = json_string_value(json_object_get(x->headers, "content-type"));
    bool is_type = type && !strncmp(type, "application/cloudevents", 23);
    char *message = message_of(x, NULL, x->payload);
    char *out = ce_translate("{mode: convert, on_plain: pass}", message);
    if (is_type) /* recognised, and its payload left out */
        expect(strstr(out, "line 1, column 1") != NULL, "a content type alone", index, out);
    else
        expect(!strcmp(out, "pass"), "no event", index, out);
    without++;
    free(out);
    free(message);
}

static void all_examples(void)
{
    size_t index;
    json_t *row;
    json_array_foreach(examples, index, row)
    {
        struct example x;
        read_example(&x, json_string_value(json_object_get(row, "text")));
        if (x.prefix)
            binary_example(&x, index);
        else if (*x.payload == '{' || *x.payload == '[')
            json_example(&x, index);
        else
            no_event(&x, index);
        drop_example(&x);
    }
    CU_ASSERT_TRUE(!failed && events > 0);
}

/* A JSON example of the format's page stands before the same event in binary mode. */
static void pairs_are_the_same_event(void)
{
    size_t pairs = 0;
    for (size_t i = 0; i + 1 < json_array_size(examples); i++) {
        struct example a, b;
        read_example(&a, json_string_value(json_object_get(json_array_get(examples, i), "text")));
        read_example(&b,
                     json_string_value(json_object_get(json_array_get(examples, i + 1), "text")));
        json_t *lang = json_object_get(json_array_get(examples, i + 1), "lang");
        if (*a.payload == '{' && b.prefix && !strcmp(json_string_value(lang), "")) {
            char *json = completed(a.payload, false);
            char *object = message_of(&a, "application/cloudevents+json", json);
            char *binary = ce_translate("{mode: convert, encode: binary, prefix: ce-}", object);
            char *published = message_of(&b, NULL, b.payload);
            json_t *first = there_and_back(binary, i), *second = there_and_back(published, i);
            bool elided = strstr(b.payload, "...") != NULL;
            if (elided)
                json_object_del(first, "data_base64"), json_object_del(second, "data_base64");
            char *shown = json_dumps(second, 0);
            expect(json_equal(first, second), "is not the one before", i + 1, shown);
            pairs++;
            free(shown);
            json_decref(first);
            json_decref(second);
            free(published);
            free(binary);
            free(object);
            free(json);
        }
        drop_example(&a);
        drop_example(&b);
    }
    CU_ASSERT_TRUE(pairs > 0);
}

static void run_examples(void)
{
    ce_with_host(all_examples);
}

static void run_pairs(void)
{
    ce_with_host(pairs_are_the_same_event);
}

static FILE *open_vectors(void)
{
    char path[LINE_BYTES_MAX];
    const char *folder = getenv("MESHGATE_VECTORS");
    snprintf(path, sizeof path, "%s/cloudevents_spec_examples.jsonl",
             folder ? folder : VECTORS_BESIDE_SOURCE);
    return fopen(path, "r");
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every example is read, or known to be none", run_examples},
        {"examples of one event in two modes are the same event", run_pairs},
        {0}};
    static char line[1 << 16];
    FILE *in = open_vectors();
    if (!in) {
        puts("cloudevents-vectors: 0 passed, 0 failed\n(skipped: the examples are not beside the "
             "source tree; MESHGATE_VECTORS names their folder)");
        return 0;
    }
    examples = json_array();
    while (fgets(line, sizeof line, in))
        json_array_append_new(examples, json_loads(line, 0, NULL));
    fclose(in);
    int status = kit_main("cloudevents-vectors", tests);
    printf("(%zu examples: %zu events, %zu without one)\n", json_array_size(examples), events,
           without);
    json_decref(examples);
    return status;
}
