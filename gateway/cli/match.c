/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate match`: which event patterns match which events, without a gateway. */
#include "cli/cli.h"
#include "cli/documents.h"
#include "cli/match_set.h"
#include "config/tree.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 256 };

static const char help[] =
    "usage: meshgate match --pattern FILE [--pattern FILE]... --events FILE [--json] [-m DIR]\n"
    "       meshgate match --cases FILE [-m DIR]\n\n"
    "Says which event patterns (the language of the filter \"pattern\") match which events.  A\n"
    "pattern is over the whole event: {\"type\": [{\"prefix\": \"order.\"}]} asks for its member "
    "type.\n\n"
    "  --pattern FILE  patterns: JSON (one, several, or one a line), or one as YAML (*.yaml, "
    "*.yml)\n"
    "  --events FILE   events: JSON, one a line or the whole file\n"
    "  --cases FILE    one JSON object a line with pattern and event, or, as texts that keep the\n"
    "                  spelling of numbers, pattern_text and event_text; prints true, false or\n"
    "                  invalid: REASON for each\n"
    "  --json          one JSON object for each event\n"
    "A FILE of - is stdin.  Exit: 0 some event matched (--cases: each line was a case), 1 none "
    "did,\n"
    "2 wrong usage, a pattern or an event that is none.\n";

struct request {
    struct gw_cli_options options;
    const char *patterns[FILES_MAX];
    size_t pattern_count;
    const char *events, *cases;
};

static int wrong_usage(const char *what, const char *word)
{
    fprintf(stderr, "meshgate match: %s%s\n\n%s", what, word, help);
    return -EINVAL;
}

static int read_request(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int at = i, taken = gw_cli_option(&q->options, argc, argv, &at);
        if (taken < 0)
            return taken;
        if (taken) {
            i = at - 1;
            continue;
        }
        bool pattern = !strcmp(argv[i], "--pattern"), events = !strcmp(argv[i], "--events");
        if (!pattern && !events && strcmp(argv[i], "--cases") != 0)
            return wrong_usage("not an option: ", argv[i]);
        if (i + 1 == argc)
            return wrong_usage("a file comes behind ", argv[i]);
        i++;
        if (pattern && q->pattern_count == FILES_MAX)
            return wrong_usage("too many files with patterns", "");
        if (pattern)
            q->patterns[q->pattern_count++] = argv[i];
        else if (events)
            q->events = argv[i];
        else
            q->cases = argv[i];
    }
    if (q->options.help)
        return 0;
    if (q->cases ? q->pattern_count || q->events : !q->pattern_count || !q->events)
        return wrong_usage("say --pattern and --events, or --cases", "");
    return 0;
}

/* ---- patterns and events -------------------------------------------------------------------- */

static int no_memory(void)
{
    fprintf(stderr, "meshgate match: out of memory\n");
    return -ENOMEM;
}

static int bad_pattern(int error, const char *file, uint32_t line, const struct mg_err *err)
{
    if (error == -ENOMEM)
        return no_memory();
    if (line)
        fprintf(stderr, "%s:%u: invalid pattern: %s\n", file, line, err->text);
    else
        fprintf(stderr, "invalid pattern: %s\n", err->text);
    return error;
}

static bool is_yaml(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static int add_yaml(struct gw_match_set *m, const char *path)
{
    struct gw_diags diags = {0};
    struct mg_err err = {.text = ""};
    const struct mg_node *tree = gw_tree_load(m->arena, path, &diags);
    gw_diags_print(&diags, stderr);
    if (!tree)
        return -EINVAL;
    int error = gw_match_add_tree(m, tree, &err);
    return error ? bad_pattern(error, path, 0, &err) : 0;
}

static int add_patterns(struct gw_match_set *m, const char *path)
{
    struct gw_documents d;
    struct gw_text text;
    struct mg_err err = {.text = ""};
    if (is_yaml(path))
        return add_yaml(m, path);
    int more = gw_documents_open(&d, path);
    if (more)
        return more;
    while ((more = gw_documents_next(&d, &text)) > 0) {
        int error = gw_match_add_text(m, text, d.path, d.line, &err);
        if (error) {
            more = bad_pattern(error, d.path, d.line, &err);
            break;
        }
    }
    gw_documents_close(&d);
    return more;
}

static void print_found(const struct gw_match_set *m, const struct gw_documents *d, size_t number,
                        size_t count, bool json)
{
    if (json)
        printf("{\"event\":%zu,\"line\":%u,\"patterns\":[", number, d->line);
    else if (count)
        printf("%s:%u:", d->path, d->line);
    for (size_t i = 0; i < count; i++) {
        const struct gw_match_pattern *p = &m->patterns[m->found[i]];
        if (json)
            printf("%s%u", i ? "," : "", m->found[i] + 1);
        else if (p->line)
            printf(" %s:%u", p->file, p->line);
        else
            printf(" %s", p->file);
    }
    if (json)
        puts("]}");
    else if (count)
        putchar('\n');
}

static int match_events(struct gw_match_set *m, const struct request *q)
{
    struct gw_documents d;
    struct gw_text text;
    struct mg_err err;
    size_t events = 0, matched = 0, hits = 0, bad = 0;
    int more = gw_documents_open(&d, q->events);
    if (more)
        return 2;
    while ((more = gw_documents_next(&d, &text)) > 0) {
        ptrdiff_t count = gw_match_document(m, text, &err);
        events++;
        if (count < 0) {
            fprintf(stderr, "%s:%u: invalid event: %s\n", d.path, d.line,
                    count == -ENOMEM ? "out of memory" : err.text);
            bad++;
            continue;
        }
        matched += count > 0;
        hits += (size_t)count;
        print_found(m, &d, events, (size_t)count, q->options.json);
    }
    gw_documents_close(&d);
    fprintf(stderr, "%zu events, %zu patterns: %zu events matched, %zu hits", events, m->count,
            matched, hits);
    fprintf(stderr, bad ? ", %zu events invalid\n" : "\n", bad);
    return more < 0 || bad ? 2 : !hits;
}

static int match_files(struct gw_match_set *m, const struct request *q)
{
    struct mg_err err = {.text = ""};
    for (size_t i = 0; i < q->pattern_count; i++)
        if (add_patterns(m, q->patterns[i]))
            return 2;
    int error = gw_match_compile(m, &err);
    if (error) {
        bad_pattern(error, "", 0, &err);
        return 2;
    }
    return match_events(m, q);
}

/* ---- cases ---------------------------------------------------------------------------------- */

/* The member NAME_text, a string with the text in it, or NAME, as it is written.  *ret_string is
 * what to give back. */
static struct gw_text part_of(struct gw_text line, const char *name, json_t **ret_string)
{
    char text_name[32];
    snprintf(text_name, sizeof text_name, "%s_text", name);
    struct gw_text text = gw_json_member(line, text_name);
    *ret_string =
        text.at ? json_loadb(text.at, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    if (json_is_string(*ret_string))
        return (struct gw_text){json_string_value(*ret_string), json_string_length(*ret_string)};
    return gw_json_member(line, name);
}

static int judge_case(struct gw_match_set *m, struct gw_text pattern, struct gw_text event,
                      char *verdict, size_t size)
{
    struct mg_err err = {.text = ""};
    ptrdiff_t count = 0;
    int error = gw_match_add_text(m, pattern, "", 0, &err);
    if (!error)
        error = gw_match_compile(m, &err);
    if (error == -EINVAL) {
        snprintf(verdict, size, "invalid: %s", err.text);
        return 0;
    }
    if (error)
        return error;
    if (event.at) /* without one it is the pattern alone that is looked at */
        count = gw_match_document(m, event, &err);
    if (count == -EINVAL)
        snprintf(verdict, size, "invalid: event: %s", err.text);
    else
        snprintf(verdict, size, "%s", count > 0 || !event.at ? "true" : "false");
    return count == -ENOMEM ? -ENOMEM : 0;
}

static int match_cases(struct gw_registry *registry, const struct request *q)
{
    struct gw_documents d;
    struct gw_text line;
    int code = 0, more = gw_documents_open(&d, q->cases);
    if (more)
        return 2;
    while ((more = gw_documents_next(&d, &line)) > 0) {
        struct gw_match_set m;
        char verdict[sizeof(struct mg_err) + 32];
        json_t *texts[2] = {NULL, NULL};
        int error = gw_match_init(&m, registry);
        struct gw_text pattern = part_of(line, "pattern", &texts[0]);
        struct gw_text event = part_of(line, "event", &texts[1]);
        if (!error && !pattern.at) {
            puts("invalid: no case: it has neither pattern nor pattern_text");
            code = 2;
        } else if (!error && !(error = judge_case(&m, pattern, event, verdict, sizeof verdict))) {
            puts(verdict);
        }
        gw_match_fini(&m);
        json_decref(texts[0]);
        json_decref(texts[1]);
        if (error) {
            more = error;
            break;
        }
    }
    gw_documents_close(&d);
    return more < 0 ? 2 : code;
}

int gw_cli_match(int argc, char **argv)
{
    struct request q = {0};
    if (read_request(&q, argc, argv))
        return 2;
    if (q.options.help) {
        fputs(help, stdout);
        return 0;
    }
    struct gw_cli cli;
    struct gw_match_set m = {0};
    int code = 2;
    int error = gw_cli_open_modules(&cli, &q.options);
    gw_diags_print(&cli.diags, stderr);
    if (!error && q.cases)
        code = match_cases(cli.registry, &q);
    else if (!error && !gw_match_init(&m, cli.registry))
        code = match_files(&m, &q);
    if (!q.cases)
        gw_match_fini(&m);
    gw_cli_close(&cli);
    return code;
}
