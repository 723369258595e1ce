/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs what came to the same address of the same bridge, and says what is different about it. */
#include "cli/diff_compare.h"
#include "cli/json_same.h"
#include <inttypes.h>
#include <string.h>

/* ---- the content of two events -------------------------------------------------------------- */

static bool same_bytes(const void *a, size_t na, const void *b, size_t nb)
{
    return na == nb && (!na || !memcmp(a, b, na));
}

static bool same_str(struct mg_str a, struct mg_str b)
{
    return !a.at == !b.at && same_bytes(a.at, a.len, b.at, b.len);
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type || a->width != b->width)
        return false;
    switch (a->type) {
    case MG_NULL:
        return true;
    case MG_BOOL:
        return a->as.b == b->as.b;
    case MG_TEXT:
    case MG_SYMBOL:
        return same_str(a->as.text, b->as.text);
    case MG_BINARY:
    case MG_DECIMAL:
        return same_bytes(a->as.binary.at, a->as.binary.len, b->as.binary.at, b->as.binary.len);
    case MG_UUID:
        return !memcmp(a->as.uuid, b->as.uuid, sizeof a->as.uuid);
    default: /* numbers: the same bits */
        return a->as.u == b->as.u;
    }
}

static void put_str(FILE *out, struct mg_str text)
{
    if (!text.at) {
        fputs("nothing", out);
        return;
    }
    fputc('"', out);
    gw_put_bytes(out, text.at, text.len);
    fputc('"', out);
}

static void put_value(FILE *out, const struct mg_value *v)
{
    switch (v->type) {
    case MG_NULL:
        fputs("nothing", out);
        break;
    case MG_BOOL:
        fputs(v->as.b ? "true" : "false", out);
        break;
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
    default:
        fputs("(binary)", out);
    }
}

static bool str_is(const char *what, struct mg_str a, struct mg_str b, FILE *out)
{
    if (same_str(a, b))
        return true;
    if (out) {
        fprintf(out, "        %s: was ", what);
        put_str(out, a);
        fputs(", is ", out);
        put_str(out, b);
        fputc('\n', out);
    }
    return false;
}

static bool value_is(const char *what, const struct mg_value *a, const struct mg_value *b,
                     FILE *out)
{
    if (same_value(a, b))
        return true;
    if (out) {
        fprintf(out, "        %s: was ", what);
        put_value(out, a);
        fputs(", is ", out);
        put_value(out, b);
        fputs(a->type == b->type || a->type == MG_NULL || b->type == MG_NULL
                  ? "\n"
                  : " (of another type)\n",
              out);
    }
    return false;
}

static bool number_is(const char *what, int64_t a, int64_t b, FILE *out)
{
    if (a == b)
        return true;
    if (out)
        fprintf(out, "        %s: was %" PRId64 ", is %" PRId64 "\n", what, a, b);
    return false;
}

static bool heads_are(const struct mg_head *a, const struct mg_head *b, FILE *out)
{
    bool same = str_is("content type", a->content_type, b->content_type, out);
    same &= str_is("content encoding", a->content_encoding, b->content_encoding, out);
    same &= str_is("reply address", a->reply_to, b->reply_to, out);
    same &= str_is("subject", a->subject, b->subject, out);
    same &= str_is("group", a->group, b->group, out);
    same &= value_is("message id", &a->message_id, &b->message_id, out);
    same &= value_is("correlation", &a->correlation, &b->correlation, out);
    same &= number_is("qos", a->qos, b->qos, out);
    same &= number_is("retain", a->retain, b->retain, out);
    same &= number_is("durable", a->durable, b->durable, out);
    same &= number_is("priority", a->priority, b->priority, out);
    /* Times differ by when it was run: only whether there is one. */
    return same & number_is("expires", (a->present & MG_HAS_EXPIRY) != 0,
                            (b->present & MG_HAS_EXPIRY) != 0, out);
}

/* The n-th of its name, for the i-th property. */
static const struct mg_value *counterpart(const mg_event *of, size_t i, const mg_event *in)
{
    struct mg_str name = of->properties[i].name;
    size_t n = 0;
    for (size_t k = 0; k < i; k++)
        n += same_str(of->properties[k].name, name);
    for (size_t k = 0; k < in->property_count; k++)
        if (same_str(in->properties[k].name, name) && !n--)
            return &in->properties[k].value;
    return NULL;
}

static bool properties_are(const mg_event *a, const mg_event *b, FILE *out)
{
    bool same = true;
    char what[96];
    for (size_t i = 0; i < a->property_count && (same || out); i++) {
        const struct mg_value *there = counterpart(a, i, b);
        static const struct mg_value nothing = {.type = MG_NULL};
        struct mg_str name = a->properties[i].name;
        snprintf(what, sizeof what, "property %.*s", (int)(name.len < 80 ? name.len : 80), name.at);
        same &= value_is(what, &a->properties[i].value, there ? there : &nothing, out);
    }
    for (size_t i = 0; i < b->property_count && (same || out); i++) {
        if (counterpart(b, i, a))
            continue;
        same = false;
        if (!out)
            continue;
        struct mg_str name = b->properties[i].name;
        fprintf(out, "        property %.*s: is new: ", (int)name.len, name.at);
        put_value(out, &b->properties[i].value);
        fputc('\n', out);
    }
    return same;
}

static bool payloads_are(struct mg_bytes a, struct mg_bytes b, FILE *out)
{
    if (same_bytes(a.at, a.len, b.at, b.len))
        return true;
    if (!out)
        return false;
    bool json =
        gw_json_same(a, a, GW_JSON_CHANGE, NULL) && gw_json_same(b, b, GW_JSON_CHANGE, NULL);
    if (json && gw_json_same(a, b, GW_JSON_CHANGE, out))
        fputs("        payload: the same JSON, written in another way\n", out);
    else if (!json)
        str_is("payload", (struct mg_str){a.at ? a.at : "", a.len},
               (struct mg_str){b.at ? b.at : "", b.len}, out);
    return false;
}

static bool same_content(const mg_event *a, const mg_event *b, FILE *out)
{
    bool same = payloads_are(a->payload, b->payload, out);
    if (same || out)
        same &= heads_are(&a->head, &b->head, out);
    if (same || out)
        same &= properties_are(a, b, out);
    return same;
}

/* ---- outcomes ------------------------------------------------------------------------------- */

static bool same_place(const struct gw_outcome *a, const struct gw_outcome *b)
{
    return a->kind == GW_OUTCOME_ARRIVED && b->kind == GW_OUTCOME_ARRIVED &&
           !strcmp(a->bridge, b->bridge) && !strcmp(a->address, b->address);
}

static bool is_refusal(const struct gw_outcome *o)
{
    return o->kind >= GW_OUTCOME_EXPIRED && o->kind <= GW_OUTCOME_DEAD;
}

static const char *const kind_names[] = {
    [GW_OUTCOME_DROPPED] = "dropped",     [GW_OUTCOME_EXPIRED] = "expired",
    [GW_OUTCOME_DISCARDED] = "discarded", [GW_OUTCOME_RETURNED] = "returned to its source",
    [GW_OUTCOME_DEAD] = "dead-lettered",  [GW_OUTCOME_UNTAKEN] = "taken by no source",
};

static void put_place(FILE *out, char sign, const struct gw_outcome *o)
{
    fprintf(out, "    %c %s %s (route %s)\n", sign, o->bridge, o->address, o->route);
}

static void put_refusal(FILE *out, const char *sign, const struct gw_outcome *o)
{
    fprintf(out, "    %s %s", sign, kind_names[o->kind]);
    if (o->step)
        fprintf(out, " by %s", o->step);
    if (o->route)
        fprintf(out, " (route %s)", o->route);
    if (o->reason)
        fprintf(out, ": %s", o->reason);
    fputc('\n', out);
}

static struct gw_outcome *find(struct gw_outcome_span in, const struct gw_outcome *o, bool same_too)
{
    for (size_t i = 0; i < in.count; i++) {
        struct gw_outcome *other = &in.items[i];
        if (!other->matched && same_place(o, other) &&
            (!same_too || same_content(o->event, other->event, NULL)))
            return other;
    }
    return NULL;
}

static void match_same(struct gw_outcome_span old, struct gw_outcome_span now)
{
    for (size_t i = 0; i < old.count; i++) {
        struct gw_outcome *o = &old.items[i], *other = NULL;
        if (o->kind == GW_OUTCOME_ARRIVED)
            other = find(now, o, true);
        for (size_t k = 0; k < now.count && !other && is_refusal(o); k++)
            if (!now.items[k].matched && now.items[k].kind == o->kind)
                other = &now.items[k];
        if (other)
            o->matched = other->matched = true;
    }
}

static uint32_t say_changed(struct gw_outcome_span old, struct gw_outcome_span now, FILE *out)
{
    uint32_t changes = 0;
    for (size_t i = 0; i < old.count; i++) {
        struct gw_outcome *o = &old.items[i], *other;
        if (o->matched || o->kind != GW_OUTCOME_ARRIVED || !(other = find(now, o, false)))
            continue;
        o->matched = other->matched = true;
        changes |= GW_CHANGE_CONTENT;
        if (!out)
            continue;
        put_place(out, '~', other);
        same_content(o->event, other->event, out);
    }
    return changes;
}

/* What is on one side alone. */
static uint32_t say_rest(struct gw_outcome_span span, uint32_t change, char sign, FILE *out)
{
    uint32_t changes = 0;
    char text[2] = {sign, '\0'};
    for (size_t i = 0; i < span.count; i++) {
        const struct gw_outcome *o = &span.items[i];
        if (o->matched || (o->kind != GW_OUTCOME_ARRIVED && !is_refusal(o)))
            continue;
        changes |= o->kind == GW_OUTCOME_ARRIVED ? change : GW_CHANGE_REFUSED;
        if (out && o->kind == GW_OUTCOME_ARRIVED)
            put_place(out, sign, o);
        else if (out)
            put_refusal(out, text, o);
    }
    return changes;
}

/* Why it did not come, where that is no difference of its own. */
static void explain(struct gw_outcome_span span, const char *whose, FILE *out)
{
    for (size_t i = 0; i < span.count; i++)
        if (span.items[i].kind == GW_OUTCOME_DROPPED || span.items[i].kind == GW_OUTCOME_UNTAKEN)
            put_refusal(out, whose, &span.items[i]);
}

uint32_t gw_diff_compare(struct gw_outcome_span old, struct gw_outcome_span now, FILE *out)
{
    for (size_t i = 0; i < old.count; i++)
        old.items[i].matched = false;
    for (size_t i = 0; i < now.count; i++)
        now.items[i].matched = false;
    match_same(old, now);
    uint32_t changes = say_changed(old, now, out);
    changes |= say_rest(old, GW_CHANGE_GONE, '-', out);
    changes |= say_rest(now, GW_CHANGE_NEW, '+', out);
    if (out && changes & GW_CHANGE_GONE)
        explain(now, "  now", out);
    if (out && changes & GW_CHANGE_NEW)
        explain(old, "  before", out);
    return changes;
}
