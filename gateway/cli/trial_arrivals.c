/* SPDX-License-Identifier: Apache-2.0 */
/* What came to the sinks, beside what was expected there. */
#include "cli/trial.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AHEAD = 64 };

void gw_trial_put_sink(const struct gw_trial *t, uint32_t sink)
{
    const struct gw_sink_config *k = &t->route->sinks[sink];
    fprintf(t->out, "%s %s", t->model->bridges[k->bridge].name, gw_template_text(k->address));
}

static void put_time(FILE *out, int64_t us)
{
    if (us % 1000000)
        fprintf(out, "%.3f s", (double)us / 1e6);
    else
        fprintf(out, "%" PRId64 " s", us / 1000000);
}

static void put_str(FILE *out, struct mg_str text)
{
    fputc('"', out);
    gw_put_bytes(out, text.at, text.len);
    fputc('"', out);
}

/* ---- one event ------------------------------------------------------------------------------ */

static bool same_text(struct mg_str expected, const void *at, size_t length)
{
    return expected.len == length && (!length || !memcmp(expected.at, at, length));
}

static bool text_is(struct mg_str expected, const char *what, struct mg_str actual, FILE *out)
{
    if (!expected.at || same_text(expected, actual.at, actual.len))
        return true;
    if (!out)
        return false;
    fprintf(out, "        %s: expected ", what);
    put_str(out, expected);
    fputs(actual.at ? ", got " : ", there is none", out);
    if (actual.at)
        put_str(out, actual);
    fputc('\n', out);
    return false;
}

static struct mg_str text_of_id(const struct mg_value *v, char number[24])
{
    if (v->type == MG_TEXT)
        return v->as.text;
    if (v->type == MG_BINARY)
        return (struct mg_str){v->as.binary.at, v->as.binary.len};
    if (v->type != MG_UINT)
        return (struct mg_str){NULL, 0};
    int n = snprintf(number, 24, "%" PRIu64, v->as.u);
    return (struct mg_str){number, (size_t)n};
}

static bool number_is(bool wanted, int64_t expected, const char *what, int64_t actual, FILE *out)
{
    if (!wanted || expected == actual)
        return true;
    if (out)
        fprintf(out, "        %s: expected %" PRId64 ", got %" PRId64 "\n", what, expected, actual);
    return false;
}

static bool head_is(const struct gw_test_arrival *x, const struct mg_head *h, FILE *out)
{
    char id[24], correlation[24];
    uint32_t p = x->head.present;
    bool right = text_is(x->head.content_type, "content type", h->content_type, out);
    right &= text_is(x->head.content_encoding, "content encoding", h->content_encoding, out);
    right &= text_is(x->head.reply_to, "reply address", h->reply_to, out);
    right &= text_is(x->head.subject, "subject", h->subject, out);
    right &= text_is(x->head.group, "group", h->group, out);
    right &= text_is(x->message_id, "message id", text_of_id(&h->message_id, id), out);
    right &= text_is(x->correlation, "correlation", text_of_id(&h->correlation, correlation), out);
    right &= number_is(p & MG_HAS_QOS, x->head.qos, "qos", h->qos, out);
    right &= number_is(p & MG_HAS_PRIORITY, x->head.priority, "priority", h->priority, out);
    right &= number_is(p & MG_HAS_RETAIN, x->head.retain, "retain", h->retain, out);
    return right & number_is(p & MG_HAS_DURABLE, x->head.durable, "durable", h->durable, out);
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type == MG_INT && b->type == MG_UINT)
        return a->as.i >= 0 && (uint64_t)a->as.i == b->as.u;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MG_TEXT:
        return same_text(a->as.text, b->as.text.at, b->as.text.len);
    case MG_INT:
        return a->as.i == b->as.i;
    case MG_FLOAT:
        return a->as.d >= b->as.d && a->as.d <= b->as.d;
    case MG_BOOL:
        return a->as.b == b->as.b;
    default:
        return true; /* null: tests: makes no others */
    }
}

static void put_value(FILE *out, const struct mg_value *v)
{
    switch (v->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        put_str(out, v->as.text);
        break;
    case MG_INT:
    case MG_TIME:
        fprintf(out, "%" PRId64, v->as.i);
        break;
    case MG_UINT:
    case MG_CHAR:
        fprintf(out, "%" PRIu64, v->as.u);
        break;
    case MG_FLOAT:
        fprintf(out, "%.17g", v->as.d);
        break;
    case MG_BOOL:
        fputs(v->as.b ? "true" : "false", out);
        break;
    default:
        fputs(v->type == MG_NULL ? "null" : "(binary)", out);
    }
}

/* The n-th of a name must be the n-th of that name there. */
static const struct mg_value *find_property(const struct mg_property *list, size_t count,
                                            struct mg_str name, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (same_text(name, list[i].name.at, list[i].name.len) && !n--)
            return &list[i].value;
    return NULL;
}

static bool properties_are(const struct gw_test_arrival *x, const mg_event *event, FILE *out)
{
    bool right = true;
    for (size_t i = 0; i < x->property_count && (right || out); i++) {
        const struct mg_property *p = &x->properties[i];
        size_t before = 0;
        for (size_t k = 0; k < i; k++)
            before += same_text(p->name, x->properties[k].name.at, x->properties[k].name.len);
        const struct mg_value *there =
            find_property(event->properties, event->property_count, p->name, before);
        if (there && same_value(&p->value, there))
            continue;
        right = false;
        if (!out)
            continue;
        fprintf(out, "        property %.*s: expected ", (int)p->name.len, p->name.at);
        put_value(out, &p->value);
        fputs(there ? ", got " : ", is not there", out);
        if (there)
            put_value(out, there);
        fputc('\n', out);
    }
    return right;
}

static bool payload_is(const struct gw_test_arrival *x, struct mg_bytes payload, FILE *out)
{
    struct mg_str json = x->json.at ? x->json : x->json_has;
    if (json.at)
        return gw_json_same((struct mg_bytes){json.at, json.len}, payload,
                            x->json.at ? GW_JSON_EXPECTED : GW_JSON_PART, out);
    if (!x->payload.at)
        return true;
    return text_is((struct mg_str){x->payload.at, x->payload.len}, "payload",
                   (struct mg_str){payload.at ? payload.at : "", payload.len}, out);
}

static bool time_is(const struct gw_test_arrival *x, int64_t at_us, FILE *out)
{
    bool early = at_us < x->after_ms * 1000;
    if (!early && (x->within_ms < 0 || at_us <= x->within_ms * 1000))
        return true;
    if (out) {
        fputs("        time: it came at ", out);
        put_time(out, at_us);
        fputs(early ? ", expected after " : ", expected within ", out);
        put_time(out, (early ? x->after_ms : x->within_ms) * 1000);
        fputc('\n', out);
    }
    return false;
}

/* out: says each difference; NULL: only whether it fits. */
static bool fits(const struct gw_test_arrival *x, const struct gw_trial_arrival *a, FILE *out)
{
    struct mg_str address = {a->address, strlen(a->address)};
    bool right = text_is(x->address, "address", address, out);
    if (right || out)
        right &= payload_is(x, a->event->payload, out);
    if (right || out)
        right &= head_is(x, &a->event->head, out);
    if (right || out)
        right &= properties_are(x, a->event, out);
    return right & time_is(x, a->at_us, out);
}

/* ---- one sink ------------------------------------------------------------------------------- */

/* The expected and the actual events of one sink, in order. */
struct both {
    const struct gw_test_arrival **expected;
    const struct gw_trial_arrival **actual;
    size_t expected_count, actual_count;
};

static void say_missing(struct gw_trial *t, uint32_t sink, const struct gw_test_arrival *x,
                        size_t number)
{
    if (!gw_trial_problem(t))
        return;
    gw_trial_put_sink(t, sink);
    fprintf(t->out, ": event %zu did not come, expected in line %u", number + 1, x->node->line);
    if (x->address.at)
        fprintf(t->out, " at %s", x->address.at);
    struct mg_str json = x->json.at ? x->json : x->json_has;
    if (json.at || x->payload.at)
        fputs(": ", t->out);
    if (json.at)
        gw_put_bytes(t->out, json.at, json.len);
    else
        gw_put_bytes(t->out, x->payload.at, x->payload.len);
    fputc('\n', t->out);
}

static void say_surplus(struct gw_trial *t, const struct gw_trial_arrival *a, size_t number)
{
    if (!gw_trial_problem(t))
        return;
    gw_trial_put_sink(t, a->sink);
    fprintf(t->out, ": event %zu was not expected, at ", number + 1);
    put_time(t->out, a->at_us);
    fprintf(t->out, ": %s ", a->address);
    gw_put_bytes(t->out, a->event->payload.at, a->event->payload.len);
    fputc('\n', t->out);
}

static void say_different(struct gw_trial *t, const struct gw_test_arrival *x,
                          const struct gw_trial_arrival *a, size_t number)
{
    if (!gw_trial_problem(t))
        return;
    gw_trial_put_sink(t, a->sink);
    fprintf(t->out, ": event %zu is not as expected in line %u\n", number + 1, x->node->line);
    fits(x, a, t->out);
}

static bool comes_later(const struct both *b, size_t expected, size_t actual)
{
    for (size_t i = actual + 1; i < b->actual_count && i <= actual + LOOK_AHEAD; i++)
        if (fits(b->expected[expected], b->actual[i], NULL))
            return true;
    return false;
}

static bool is_wanted_later(const struct both *b, size_t expected, size_t actual)
{
    for (size_t i = expected + 1; i < b->expected_count && i <= expected + LOOK_AHEAD; i++)
        if (fits(b->expected[i], b->actual[actual], NULL))
            return true;
    return false;
}

/* Where one does not fit, a look ahead tells what is missing from what is too much, so that one
 * event more does not make all behind it look wrong. */
static void compare(struct gw_trial *t, uint32_t sink, const struct both *b)
{
    size_t e = 0, a = 0;
    while (e < b->expected_count && a < b->actual_count) {
        if (fits(b->expected[e], b->actual[a], NULL)) {
            e++;
            a++;
        } else if (comes_later(b, e, a)) {
            say_surplus(t, b->actual[a], a);
            a++;
        } else if (is_wanted_later(b, e, a)) {
            say_missing(t, sink, b->expected[e], e);
            e++;
        } else {
            say_different(t, b->expected[e], b->actual[a], a);
            e++;
            a++;
        }
    }
    for (; e < b->expected_count; e++)
        say_missing(t, sink, b->expected[e], e);
    for (; a < b->actual_count; a++)
        say_surplus(t, b->actual[a], a);
}

static bool gather(struct gw_trial *t, uint32_t sink, struct both *b)
{
    const struct gw_test_config *test = t->test;
    size_t expected = 0;
    for (size_t i = 0; i < test->arrival_count; i++)
        expected += (size_t)test->arrivals[i].times;
    b->expected = calloc(expected + 1, sizeof(*b->expected));
    b->actual = calloc(t->arrival_count + 1, sizeof(*b->actual));
    if (!b->expected || !b->actual)
        return false;
    for (size_t i = 0; i < test->arrival_count; i++)
        for (int64_t k = 0; test->arrivals[i].sink == sink && k < test->arrivals[i].times; k++)
            b->expected[b->expected_count++] = &test->arrivals[i];
    for (size_t i = 0; i < t->arrival_count; i++)
        if (t->arrivals[i].sink == sink)
            b->actual[b->actual_count++] = &t->arrivals[i];
    return true;
}

void gw_trial_check_arrivals(struct gw_trial *t)
{
    for (uint32_t sink = 0; sink < t->route->sink_count; sink++) {
        struct both b = {0};
        if (gather(t, sink, &b))
            compare(t, sink, &b);
        else
            t->out_of_memory = true;
        free(b.expected);
        free(b.actual);
    }
}
