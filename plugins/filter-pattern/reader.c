/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a payload once, from front to back, without a tree: what no pattern asks for is skipped. */
#include "json_scan.h"
#include "match.h"
#include <errno.h>

struct reader {
    struct scratch *scratch;
    const struct set *set;
    const char *at, *end;
    const char *wrong; /* where, once something was */
    const struct payload_mode *mode;
    bool enveloped; /* the member `data` of the document was seen */
};

struct text { /* of a string, between its quotes */
    const char *at;
    size_t length;
    bool dots; /* of a name: there are some, perhaps */
};

static bool fail(struct reader *r)
{
    r->wrong = r->at;
    return false;
}

static inline void space(struct reader *r)
{
    if (r->at < r->end && (unsigned char)*r->at <= ' ')
        r->at = json_space(r->at, r->end);
}

static bool skip(struct reader *r)
{
    bool escapes = false;
    if (r->at < r->end && *r->at == '"') { /* the common case: a string without escapes */
        const char *close = json_string_end(r->at + 1, r->end, &escapes);
        if (close && !escapes) {
            r->at = close + 1;
            return true;
        }
    }
    const char *behind = json_skip(r->at, r->end, &r->wrong);
    if (!behind)
        return false;
    r->at = behind;
    return true;
}

/* At a quote.  Where there are escapes the text is a copy without them; it has its quotes around it
 * in either case. */
static bool read_string(struct reader *r, struct text *ret_text)
{
    bool escapes = false;
    const char *start = r->at + 1, *close = json_string_end(start, r->end, &escapes);
    if (!close)
        return fail(r);
    *ret_text = (struct text){start, (size_t)(close - start), true};
    if (escapes) {
        char *copy = scratch_text(r->scratch, ret_text->length + 2);
        ptrdiff_t length = copy ? json_unescape(start, ret_text->length, copy + 1) : -1;
        if (length < 0)
            return fail(r);
        copy[0] = copy[length + 1] = '"';
        *ret_text = (struct text){copy + 1, (size_t)length, true};
    }
    r->at = close + 1;
    return true;
}

/* Neither an object nor a list. */
static bool read_scalar(struct reader *r, uint32_t path, uint32_t chain)
{
    struct text text;
    if (r->at == r->end)
        return fail(r);
    if (*r->at == '"') {
        if (!read_string(r, &text))
            return false;
        text.at--;
        text.length += 2;
    } else {
        bool number = *r->at == '-' || (*r->at >= '0' && *r->at <= '9');
        const char *behind = number ? json_number_end(r->at, r->end) : json_word_end(r->at, r->end);
        if (!behind)
            return fail(r);
        text = (struct text){.at = r->at, .length = (size_t)(behind - r->at)};
        r->at = behind;
    }
    if (path)
        scratch_value(r->scratch, path - 1, text.at, text.length, chain);
    return true;
}

static bool read_object(struct reader *r, uint32_t name, uint32_t chain, int depth);
static bool read_list(struct reader *r, uint32_t name, uint32_t chain, int depth);

static bool read_value(struct reader *r, uint32_t name, uint32_t chain, int depth)
{
    if (r->at < r->end && *r->at == '{')
        return r->set->names[name].slots ? read_object(r, name, chain, depth + 1) : skip(r);
    if (r->at < r->end && *r->at == '[')
        return read_list(r, name, chain, depth + 1);
    return read_scalar(r, r->set->names[name].path, chain);
}

/* At the opening quote of a member's name; then at its value. */
static inline bool read_name(struct reader *r, struct text *ret_name)
{
    if (r->at == r->end || *r->at != '"')
        return fail(r);
    const char *start = r->at + 1, *close = json_short_name(start, r->end, &ret_name->dots);
    if (close) {
        ret_name->at = start;
        ret_name->length = (size_t)(close - start);
        r->at = close + 1;
    } else if (!read_string(r, ret_name)) {
        return false;
    }
    space(r);
    if (r->at == r->end || *r->at != ':')
        return fail(r);
    r->at++;
    space(r);
    return true;
}

static inline uint32_t child_of(const struct reader *r, uint32_t name, const struct text *member)
{
    uint32_t child = name_child(r->set, name, member->at, member->length);
    return child || !member->dots ? child : name_descend(r->set, name, member->at, member->length);
}

/* Behind a value: at the next one, or behind the bracket that closes (*ret_more: false). */
static inline bool read_separator(struct reader *r, char close, bool *ret_more)
{
    space(r);
    if (r->at == r->end || (*r->at != ',' && *r->at != close))
        return fail(r);
    *ret_more = *r->at++ == ',';
    if (*ret_more)
        space(r);
    return true;
}

/* Behind the bracket: is there anything in it? */
static bool any_inside(struct reader *r, char close)
{
    r->at++;
    space(r);
    if (r->at == r->end || *r->at != close)
        return true;
    r->at++;
    return false;
}

static bool read_object(struct reader *r, uint32_t name, uint32_t chain, int depth)
{
    bool more = any_inside(r, '}');
    if (depth > JSON_DEPTH_MAX)
        return fail(r);
    while (more) {
        struct text member;
        if (!read_name(r, &member))
            return false;
        uint32_t child = child_of(r, name, &member);
        bool well = child ? read_value(r, child, chain, depth) : skip(r);
        if (!well || !read_separator(r, '}', &more))
            return false;
    }
    return true;
}

/* Scalars of a list stand where the list stands; objects and lists are elements of their own. */
static bool read_list(struct reader *r, uint32_t name, uint32_t chain, int depth)
{
    bool more = any_inside(r, ']');
    uint32_t list = ++r->scratch->lists;
    if (depth > JSON_DEPTH_MAX)
        return fail(r);
    for (uint32_t index = 0; more; index++) {
        bool inner = r->at < r->end && (*r->at == '{' || *r->at == '[');
        bool well = inner
                        ? read_value(r, name, scratch_chain(r->scratch, chain, list, index), depth)
                        : read_scalar(r, r->set->names[name].path, chain);
        if (!well || !read_separator(r, ']', &more))
            return false;
    }
    return true;
}

/* ---- the document --------------------------------------------------------------------------- */

/* A member of the document itself, where it may be an envelope. */
static bool read_member(struct reader *r, const struct text *member)
{
    uint32_t name = r->mode->attributes;
    if (member->length == 4 && !memcmp(member->at, "data", 4)) {
        if (!r->enveloped && !r->mode->cloudevent)
            scratch_begin(r->scratch);
        r->enveloped = true;
        return read_value(r, r->mode->name, 0, 1);
    }
    if (!r->mode->cloudevent)
        name = r->enveloped ? 0 : r->mode->name;
    name = name ? child_of(r, name, member) : 0;
    return name ? read_value(r, name, 0, 1) : skip(r);
}

static bool read_document(struct reader *r)
{
    if (!r->mode->envelope || r->at == r->end || *r->at != '{')
        return read_value(r, r->mode->name, 0, 0);
    bool more = any_inside(r, '}');
    while (more) {
        struct text member;
        if (!read_name(r, &member) || !read_member(r, &member) || !read_separator(r, '}', &more))
            return false;
    }
    return true;
}

int read_payload(struct scratch *s, const struct payload_mode *mode, const char *at, size_t length,
                 bool *ret_object, size_t *ret_wrong)
{
    struct reader r = {
        .scratch = s, .set = s->set, .at = at, .end = at + length, .wrong = at, .mode = mode};
    space(&r);
    *ret_object = r.at < r.end && *r.at == '{';
    if (!read_document(&r)) {
        *ret_wrong = (size_t)(r.wrong - at);
        return -EINVAL;
    }
    space(&r);
    *ret_wrong = (size_t)(r.at - at);
    return r.at == r.end ? 0 : -EINVAL;
}
