/* SPDX-License-Identifier: Apache-2.0 */
/* What libyaml says about a broken file, in words that name the cure. */
#include "base/utf8.h"
#include "config/tree_node.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct source {
    const char *file, *text;
    size_t length;
    struct gw_diags *diags;
};

static int fail(const struct source *s, yaml_mark_t mark, const char *text)
{
    gw_diag_add(s->diags, GW_DIAG_ERROR, s->file, (uint32_t)mark.line + 1,
                (uint32_t)mark.column + 1, "%s", text);
    return -EINVAL;
}

static const struct {
    const char *problem, *context, *text;
} syntax_errors[] = {
    {"did not find expected key", "block mapping",
     "this does not fit the map it stands in: wrong indentation, or a text that must be quoted"},
    {"did not find expected '-' indicator", "block collection",
     "this does not fit the list it stands in: every item begins with - in the same column"},
    {"mapping values are not allowed in this context", "",
     "a : where none can stand: wrong indentation, a key without a blank after its :, or a text "
     "with ': ' in it "
     "that must be quoted"},
    {"did not find expected alphabetic or numeric character", "",
     "a text that begins with * or & must be quoted"},
    {"block sequence entries are not allowed in this context", "",
     "a list cannot begin here: put it on the next line, indented"},
    {"could not find expected ':'", "", "a key without its ':'"},
    {"did not find expected ',' or '}'", "",
     "inside { }, a ',' or the closing } is missing; a text with { } [ ] , or : in it must be "
     "quoted there"},
    {"did not find expected ',' or ']'", "",
     "inside [ ], a ',' or the closing ] is missing; a text with { } [ ] , or : in it must be "
     "quoted there"},
    {"found unexpected end of stream", "quoted scalar", "the closing quote is missing"},
    {"found unexpected document indicator", "quoted scalar", "the closing quote is missing"},
    {"found unknown escape character", "",
     "unknown escape after \\ in double quotes; write \\\\ for a backslash, or use single quotes"},
    {"found character that cannot start any token", "",
     "a text that begins like this must be quoted"},
    {"did not find expected node content", "flow", "a value is missing here"},
};

static const char *explain(const struct source *s, const char *problem, const char *context,
                           size_t index)
{
    if (!strcmp(problem, "found character that cannot start any token")) {
        char c = index < s->length ? s->text[index] : '\0';
        if (c == '\t')
            return "a tab cannot indent; YAML indents with spaces";
        if (c == '@' || c == '`' || c == '%')
            return "a text that begins with @, ` or % must be quoted";
    }
    for (size_t i = 0; i < sizeof syntax_errors / sizeof syntax_errors[0]; i++)
        if (!strcmp(syntax_errors[i].problem, problem) && strstr(context, syntax_errors[i].context))
            return syntax_errors[i].text;
    return NULL;
}

/* Does a tab stand in the indentation of this line (0-based)? */
static bool indented_by_tab(const struct source *s, size_t line, size_t *ret_column)
{
    const char *at = s->text, *end = s->text + s->length;
    while (line-- && at)
        at = (at = memchr(at, '\n', (size_t)(end - at))) ? at + 1 : NULL;
    for (size_t column = 0; at && at < end && (*at == ' ' || *at == '\t'); at++, column++) {
        if (*at == '\t') {
            *ret_column = column;
            return true;
        }
    }
    return false;
}

int gw_tree_syntax_error(const struct yaml_parser_s *p, const char *file, const char *text,
                         size_t length, struct gw_diags *diags)
{
    const struct source *s = &(struct source){file, text, length, diags};
    if (p->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    const char *problem = p->problem ? p->problem : "not valid YAML",
               *context = p->context ? p->context : "";
    yaml_mark_t mark = p->problem_mark;
    if (p->error == YAML_READER_ERROR) {
        /* The reader knows a byte only. */
        mark = (yaml_mark_t){0};
        for (size_t i = 0; i < p->problem_offset && i < s->length; i++) {
            mark.column = s->text[i] == '\n' ? 0 : mark.column + 1;
            mark.line += s->text[i] == '\n';
        }
        return fail(s, mark, problem);
    }
    if (indented_by_tab(s, mark.line, &mark.column))
        return fail(s, mark, "a tab cannot indent; YAML indents with spaces");
    const char *words = explain(s, problem, context, mark.index);
    char whole[512];
    bool elsewhere = *context && p->context_mark.line != mark.line;
    if (elsewhere)
        snprintf(whole, sizeof whole, "%s (%s that begins in line %zu)", words ? words : problem,
                 strncmp(context, "while ", 6) ? context : context + 6, p->context_mark.line + 1);
    else
        snprintf(whole, sizeof whole, "%s", words ? words : problem);
    return fail(s, mark, whole);
}

/* Where the first byte stands that is not UTF-8; columns count characters. */
int gw_tree_utf8_error(const char *file, const char *text, size_t length, struct gw_diags *diags)
{
    const struct source *s = &(struct source){file, text, length, diags};
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < s->length;) {
        size_t n = 1;
        while (n < 4 && n < s->length - i && !gw_utf8_valid(s->text + i, n))
            n++;
        if (!gw_utf8_valid(s->text + i, n))
            break;
        mark.column = s->text[i] == '\n' ? 0 : mark.column + 1;
        mark.line += s->text[i] == '\n';
        i += n;
    }
    return fail(s, mark, "this is not valid UTF-8; save the file as UTF-8");
}
