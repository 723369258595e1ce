/* SPDX-License-Identifier: Apache-2.0 */
/* Checks and compares MQTT texts, topic names and topic filters. */
#include "mqtt_topic.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct mg_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct mg_err *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        err->option = NULL;
    }
    return -EINVAL;
}

/* Decodes one code point; the length, or 0 where it is not UTF-8 (RFC 3629). */
static size_t decode(const unsigned char *at, size_t left, uint32_t *ret_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80             ? 1
                    : (at[0] & 0xe0) == 0xc0 ? 2
                    : (at[0] & 0xf0) == 0xe0 ? 3
                    : (at[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    if (!length || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return length;
}

enum mqtt_text mqtt_text_kind(struct mg_str text)
{
    if (text.len > MQTT_TEXT_MOST)
        return MQTT_TEXT_NEVER;
    enum mqtt_text kind = MQTT_TEXT_FINE;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 0x20 && c < 0x7f) {
            i++;
            continue;
        }
        uint32_t point = 0;
        size_t length = decode((const unsigned char *)text.at + i, text.len - i, &point);
        if (!length || !point)
            return MQTT_TEXT_NEVER;
        /* MQTT 5 §1.5.4; Mosquitto ends the connection of whoever sends one. */
        if (point < 0x20 || (point >= 0x7f && point <= 0x9f) ||
            (point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) == 0xfffe)
            kind = MQTT_TEXT_DOUBTFUL;
        i += length;
    }
    return kind;
}

static int text_check(const char *what, struct mg_str text, bool doubtful_too, struct mg_err *err)
{
    if (!text.len)
        return refuse(err, "a %s has at least one character", what);
    if (text.len > MQTT_TEXT_MOST)
        return refuse(err, "a %s of %zu bytes: MQTT takes at most %d", what, text.len,
                      MQTT_TEXT_MOST);
    enum mqtt_text kind = mqtt_text_kind(text);
    if (kind == MQTT_TEXT_NEVER)
        return refuse(err, "a %s must be UTF-8 without U+0000", what);
    if (kind == MQTT_TEXT_DOUBTFUL && doubtful_too)
        return refuse(
            err,
            "a %s with control or non-characters: many brokers end the connection for one "
            "(control_characters: plain sends it all the same)",
            what);
    return 0;
}

int mqtt_topic_name_check(struct mg_str topic, bool doubtful_too, struct mg_err *reterr)
{
    if (memchr(topic.len ? topic.at : "", '+', topic.len) ||
        memchr(topic.len ? topic.at : "", '#', topic.len))
        return refuse(reterr, "the topic '%.*s' holds a wildcard: + and # stand in filters only",
                      (int)(topic.len > 100 ? 100 : topic.len), topic.at);
    return text_check("topic", topic, doubtful_too, reterr);
}

int mqtt_topic_filter_check(struct mg_str filter, struct mg_err *reterr)
{
    int rc = text_check("topic filter", filter, false, reterr);
    if (rc)
        return rc;
    for (size_t i = 0; i < filter.len; i++) {
        char c = filter.at[i];
        if (c != '+' && c != '#')
            continue;
        bool starts = i == 0 || filter.at[i - 1] == '/';
        bool ends = i + 1 == filter.len || (c == '+' && filter.at[i + 1] == '/');
        if (!starts || !ends)
            return refuse(reterr, c == '#' ? "# stands alone in the last level of a filter"
                                           : "+ stands alone in its level of a filter");
    }
    return 0;
}

int mqtt_share_split(const char *address, struct mg_str *ret_group, struct mg_str *ret_filter,
                     struct mg_err *reterr)
{
    *ret_group = (struct mg_str){"", 0};
    *ret_filter = (struct mg_str){address, strlen(address)};
    if (strncmp(address, "$share/", 7))
        return mqtt_topic_filter_check(*ret_filter, reterr);
    const char *group = address + 7;
    const char *slash = strchr(group, '/');
    if (!slash || slash == group || memchr(group, '+', (size_t)(slash - group)) ||
        memchr(group, '#', (size_t)(slash - group)))
        return refuse(reterr, "a shared subscription is written $share/group/filter");
    *ret_group = (struct mg_str){group, (size_t)(slash - group)};
    *ret_filter = (struct mg_str){slash + 1, strlen(slash + 1)};
    return mqtt_topic_filter_check(*ret_filter, reterr);
}

/* ---- filters against topics and filters ----------------------------------------------------- */

/* Takes the first level off; false: there was none left. */
static bool next_level(struct mg_str *rest, bool *more, struct mg_str *ret_level)
{
    if (!*more)
        return false;
    const char *slash = rest->len ? memchr(rest->at, '/', rest->len) : NULL;
    size_t length = slash ? (size_t)(slash - rest->at) : rest->len;
    *ret_level = (struct mg_str){rest->at, length};
    *more = slash != NULL;
    if (slash)
        *rest = (struct mg_str){slash + 1, rest->len - length - 1};
    return true;
}

static bool is(struct mg_str level, char wildcard)
{
    return level.len == 1 && level.at[0] == wildcard;
}

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static bool is_hidden(struct mg_str text)
{
    return text.len && text.at[0] == '$';
}

static bool starts_wild(struct mg_str filter)
{
    return filter.len && (filter.at[0] == '+' || filter.at[0] == '#');
}

bool mqtt_filter_matches(struct mg_str filter, struct mg_str topic)
{
    if (is_hidden(topic) && starts_wild(filter))
        return false;
    bool more_f = true, more_t = true;
    struct mg_str f, t;
    while (next_level(&filter, &more_f, &f)) {
        if (is(f, '#'))
            return true;
        if (!next_level(&topic, &more_t, &t))
            return false;
        if (!is(f, '+') && !same(f, t))
            return false;
        /* "a/#" matches "a", too */
        if (!more_t && more_f && filter.len == 1 && filter.at[0] == '#')
            return true;
    }
    return !more_t;
}

bool mqtt_filter_covers(struct mg_str outer, struct mg_str inner)
{
    if (is_hidden(inner) && starts_wild(outer))
        return false;
    bool more_o = true, more_i = true;
    struct mg_str o, i;
    while (next_level(&outer, &more_o, &o)) {
        if (is(o, '#'))
            return true;
        if (!next_level(&inner, &more_i, &i))
            return false;
        if (is(i, '#') || (is(i, '+') && !is(o, '+')) || (!is(o, '+') && !same(o, i)))
            return false;
        if (!more_i && more_o && outer.len == 1 && outer.at[0] == '#')
            return true;
    }
    return !more_i;
}

bool mqtt_filters_overlap(struct mg_str a, struct mg_str b)
{
    if ((is_hidden(a) && starts_wild(b)) || (is_hidden(b) && starts_wild(a)))
        return false;
    bool more_a = true, more_b = true;
    struct mg_str x, y;
    for (;;) {
        bool has_a = next_level(&a, &more_a, &x), has_b = next_level(&b, &more_b, &y);
        if ((has_a && is(x, '#')) || (has_b && is(y, '#')))
            return true;
        if (!has_a || !has_b)
            return has_a == has_b;
        if (!is(x, '+') && !is(y, '+') && !same(x, y))
            return false;
    }
}
