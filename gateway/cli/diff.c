/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate diff`: which recorded events another configuration would send elsewhere. */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/diff_compare.h"
#include "config/bind_value.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_DEFAULT = 20 };

static const char help[] =
    "usage: meshgate diff OLD NEW --events FILE|- [--limit N]\n\n"
    "Hands recorded events to both configurations (files or folders) and lists what would go "
    "elsewhere\nor arrive as another: - no longer arrives, + arrives now, ~ arrives with another "
    "content.\nReal steps and delivery, in front of peers that are played; nothing connects.  "
    "FILE has the lines\nthat `meshgate tap`, a file bridge or `meshgate store export` writes.\n"
    "Exit 0: no difference; 1: there is one; 2: it could not be tried.\n\n"
    "  --limit N  events that are listed, 20 by default; 0: all\n";

struct request {
    struct gw_cli_options options;
    const char *sides[2], *events;
    int64_t limit;
};

static int read_words(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        bool has_value = i + 1 < argc;
        if (!strcmp(argv[i], "--events") && has_value) {
            q->events = argv[i + 1];
            i += 2;
        } else if (!strcmp(argv[i], "--limit") && has_value &&
                   !gw_value_int(argv[i + 1], &q->limit) && q->limit >= 0) {
            i += 2;
        } else if (argv[i][0] != '-' && !q->sides[1]) {
            q->sides[q->sides[0] != NULL] = argv[i++];
        } else {
            fprintf(stderr, "meshgate diff: what is \"%s\"?\n\n%s", argv[i], help);
            return 2;
        }
    }
    if (!q->options.help && (!q->sides[1] || !q->events)) {
        fputs(help, stderr);
        return 2;
    }
    return 0;
}

/* The outcomes live no longer than the configuration, whose names they show. */
struct side {
    struct gw_cli cli;
    struct gw_outcomes outcomes;
};

static int open_side(const struct request *q, size_t which, const struct gw_recorded_list *events,
                     struct side *s)
{
    struct gw_cli_options options = q->options;
    struct mg_err err = {{0}, NULL};
    options.config = q->sides[which];
    if (gw_cli_open(&s->cli, &options)) {
        gw_diags_print(&s->cli.diags, stderr);
        return -EINVAL;
    }
    int error = gw_diff_run(s->cli.model, events, &s->outcomes, &err);
    if (error)
        fprintf(stderr, "meshgate diff: %s: %s\n", q->sides[which],
                err.text[0] ? err.text : strerror(-error));
    return error;
}

static struct gw_outcome_span span_of(const struct gw_outcomes *outcomes, size_t event)
{
    size_t first = outcomes->first[event];
    return (struct gw_outcome_span){outcomes->items + first, outcomes->first[event + 1] - first};
}

struct counts {
    size_t differ, gone, new, content, refused;
};

static void count(struct counts *n, uint32_t changes)
{
    n->differ += changes != 0;
    n->gone += (changes & GW_CHANGE_GONE) != 0;
    n->new += (changes & GW_CHANGE_NEW) != 0;
    n->content += (changes & GW_CHANGE_CONTENT) != 0;
    n->refused += (changes & GW_CHANGE_REFUSED) != 0;
}

static void print_event(const struct gw_recorded *e, size_t number)
{
    struct mg_str address = e->event->head.address;
    printf("event %zu (line %u): ", number + 1, e->line);
    if (e->bridge)
        printf("%s ", e->bridge);
    printf("%.*s\n", (int)address.len, address.at);
}

static int compare(const struct request *q, const struct gw_recorded_list *events,
                   const struct side sides[2])
{
    struct counts n = {0};
    for (size_t i = 0; i < events->count; i++) {
        struct gw_outcome_span old = span_of(&sides[0].outcomes, i),
                               now = span_of(&sides[1].outcomes, i);
        uint32_t changes = gw_diff_compare(old, now, NULL);
        count(&n, changes);
        if (!changes || (q->limit && n.differ > (size_t)q->limit))
            continue;
        print_event(&events->items[i], i);
        gw_diff_compare(old, now, stdout);
    }
    if (q->limit && n.differ > (size_t)q->limit)
        printf("and %zu more\n", n.differ - (size_t)q->limit);
    printf("%s%zu event%s: %zu as before, %zu differ", n.differ ? "\n" : "", events->count,
           events->count == 1 ? "" : "s", events->count - n.differ, n.differ);
    if (n.differ)
        printf(" (%zu no longer come to where they came, %zu come to where they did not, %zu come "
               "with another content, %zu are refused or are no longer)",
               n.gone, n.new, n.content, n.refused);
    putchar('\n');
    return n.differ ? 1 : 0;
}

static int diff(const struct request *q)
{
    struct gw_recorded_list events = {0};
    struct side sides[2] = {0};
    int code = 2;
    if (!gw_recorded_read(q->events, &events) && !open_side(q, 0, &events, &sides[0]) &&
        !open_side(q, 1, &events, &sides[1]))
        code = compare(q, &events, sides);
    if (code < 2 && events.stepped)
        fprintf(stderr,
                "meshgate diff: %zu record%s passed over, made by steps out of other events\n",
                events.stepped, events.stepped == 1 ? "" : "s");
    for (size_t i = 0; i < 2; i++) {
        gw_outcomes_fini(&sides[i].outcomes);
        gw_cli_close(&sides[i].cli);
    }
    gw_recorded_fini(&events);
    return code;
}

int gw_cli_diff(int argc, char **argv)
{
    struct request q = {.limit = SHOWN_DEFAULT};
    int code = read_words(&q, argc, argv);
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR);
    if (!code && q.options.help)
        fputs(help, stdout);
    return code || q.options.help ? code : diff(&q);
}
