/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a payload under a mapping: the first byte chooses one that is known to be good, or,
 * with none of them, what stands before the first NUL is the settings.  Refused with a reason, or
 * events whose payloads are JSON. */
#include "bind.h"
#include "fake_host.h"
#include "json_scan.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mappings[] = {
    "{fields: {a: a, b.c: data.b, t: '{data.t}-{line}', all: .}, on_missing: set-null}",
    "{rename: {a: b, m.a: c}, move: {x: y.z, l.0: first}, remove: [d, l.1], set: {s: [1]}, "
    "defaults: {e: "
    "'{data.a}'}}",
    "{fields: {a: {from: a, type: number, scale: 2, offset: 1, round: 2}, b: {from: b, unit: "
    "{from: °F, to: "
    "°C}}, c: {from: c, type: integer}, d: {from: d, round: 3}}}",
    "{fields: {a: {from: a, time: {from: epoch_ms, to: rfc3339, zone: '+05:30'}}, b: {from: b, "
    "time: {from: "
    "rfc3339, to: epoch_ns}}, c: {from: c, time: {from: http, to: compact}}, d: {from: d, time: "
    "{from: compact, "
    "to: http}}, e: {from: e, time: {from: plain, to: date}}}}",
    "{fields: {a: {from: a, enum: {0: off, on: [1]}, else: keep, trim: true, case: upper}, b: "
    "{from: b, split: "
    "',', type: text, join: ';'}, c: {first_of: [c, d.0]}}}",
    "{fields: {r: {each: l, limit: 9, fields: {v: v, o: ^.o, i: '{index}/{count}', w: {each: w, "
    "type: text}}}, n: "
    "{list_of: o}, p: {object_of: l}}, strict: warn}",
    "{split: data.l, rename: {a: b}, properties: {p: '{item.a}'}}",
    "{strict: true, ignore: [x, l.0], fields: {a: a.b, l: {each: l, fields: {c: c}}}}",
};
enum { MAPPINGS = sizeof mappings / sizeof mappings[0], TEXT_MAX = 1 << 16 };

static void check(bool right)
{
    if (!right)
        abort();
}

static void process(struct kit_host *host, mg_instance *instance, struct mg_bytes payload)
{
    const struct mg_host *table = kit_host_table(host);
    struct mg_message message = kit_message("plant/a/m1", "");
    message.payload = payload;
    mg_event *event = table->event_new(&message);
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(host, "r", "line", "a", "machine", "m1", NULL));
    check(v.verdict == MG_REPLACE || v.err.text[0]);
    for (size_t i = 0; i < v.count; i++) {
        struct mg_bytes out = table->event_payload(v.events[i]);
        bool same = out.len == payload.len && (!out.len || !memcmp(out.at, payload.at, out.len));
        check(same || scan_is_json(out));
    }
    kit_verdict_fini(&v);
    table->event_unref(event);
}

static void run(const char *yaml, bool good, struct mg_bytes payload)
{
    struct kit_host *host = kit_host_create();
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    mg_instance *instance = NULL;
    struct mg_err err = {.text = ""};
    check(settings || !good);
    int error = settings ? kit_instance_create(host, module, "map", settings, &instance, &err) : 1;
    check(!error || !good);
    check(!settings || !error || (err.text[0] && err.option));
    if (!error) {
        process(host, instance, payload);
        kit_instance_stop(instance);
        kit_instance_destroy(instance);
    }
    check(kit_host_destroy(host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX + 1];
    if (!size || size > TEXT_MAX)
        return 0;
    if (data[0] < MAPPINGS) {
        run(mappings[data[0]], true, (struct mg_bytes){data + 1, size - 1});
        return 0;
    }
    /* ${file:…} and ${env:…} would read what is none of a fuzzer's business. */
    const uint8_t *nul = memchr(data, 0, size);
    size_t length = nul ? (size_t)(nul - data) : size;
    memcpy(text, data, length);
    text[length] = '\0';
    if (!strstr(text, "${"))
        run(text, false, (struct mg_bytes){data + length + 1, nul ? size - length - 1 : 0});
    return 0;
}
