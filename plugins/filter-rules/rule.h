/* SPDX-License-Identifier: Apache-2.0 */
/* Rules compiled from YAML: a tree of all, any and none, whose leaves ask something of a subject.
 */
#pragma once
#include "amount.h"
#include "arena.h"
#include "expression.h"
#include "glob.h"
#include "subject.h"

enum { RULES_MAX = 10000, RULE_DEPTH_MAX = 32 };

/* Texts, numbers and truths, one of which a value may be; both lists are sorted. */
struct choices {
    const struct mg_str *texts;
    const struct amount *numbers;
    size_t text_count, number_count;
    bool yes, no;
};

struct bounds {
    bool has_low, low_open, has_high, high_open;
    struct amount low, high;
};

enum question_kind {
    ASKS_CHOICES,
    ASKS_BOUNDS,
    ASKS_PREFIX, /* of texts: one of them */
    ASKS_SUFFIX,
    ASKS_CONTAINS,
    ASKS_EXPRESSION, /* of expressions: one of them */
    ASKS_GLOB,       /* likewise */
    ASKS_TOPIC       /* of texts, which are MQTT topic filters */
};
struct question {
    enum question_kind kind;
    union {
        struct choices choices; /* also the texts of prefix and others */
        struct bounds bounds;
        struct {
            struct expression **expressions;
            size_t expression_count;
        };
        struct {
            struct glob *globs;
            size_t glob_count;
        };
    };
};

/* What is asked of one subject: some value of it answers all questions, and none does what a `not`
 * asks. */
struct condition {
    enum { EXISTS_ANY, EXISTS_YES, EXISTS_NO } exists;
    size_t question_count, not_count;
    struct question *questions;
    struct condition *nots;
};

struct rule {
    enum { RULE_ALL, RULE_ANY, RULE_NONE, RULE_TEST } kind;
    uint32_t line;
    const char *name; /* for people; as the YAML has it */
    size_t count;
    struct rule *inside;
    struct subject subject;     /* RULE_TEST */
    struct condition condition; /* likewise */
};

struct rules {
    struct arena arena;
    struct rule *root;
    struct expression **expressions; /* all of them */
    size_t expression_count, expression_room;
    bool needs_clock;
};

/* The nodes must outlive the rules.  -EINVAL: reterr says file:line:column and why; -ENOMEM. */
int rules_compile(const struct mg_node *match, struct rules **ret_rules, struct mg_err *reterr);
void rules_free(struct rules *rules); /* NULL is fine */

struct rules_result {
    bool holds;
    bool too_long;             /* a text is too long for an expression, so nothing holds */
    const struct rule *failed; /* the first at the top that does not hold, or NULL */
    const struct rule
        *absent; /* the first that asks for a capture that there is none of, or NULL */
};
struct rules_result rules_look(const struct rules *rules, const struct look *look,
                               struct expression_scratch *scratch);
