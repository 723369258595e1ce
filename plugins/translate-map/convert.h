/* SPDX-License-Identifier: Apache-2.0 */
/* What a field makes of the value that it found: text, choice, time, number or truth. */
#pragma once
#include "instant.h"
#include "units.h"
#include "wording.h"

enum convert_type { TYPE_AS_IS, TYPE_NUMBER, TYPE_INTEGER, TYPE_TEXT, TYPE_BOOLEAN };
enum convert_else { ELSE_REJECT, ELSE_KEEP, ELSE_VALUE };

struct choice {
    struct mg_str name;     /* a text that is it */
    struct doc_value *same; /* a number or a boolean that is it, or NULL */
    struct doc_value *to;
};
struct convert {
    bool any; /* there is something to do */
    enum convert_type type;
    bool scaled, has_unit, rounded, timed, trim;
    char letters; /* 'u': upper case, 'l': lower, 0: as they are */
    double scale, offset;
    struct unit_change unit;
    long places;
    enum instant_form time_from, time_to;
    int zone;
    size_t choice_count;
    struct choice *choices; /* NULL: no enum */
    enum convert_else otherwise;
    struct doc_value *other;
    struct mg_str split, join; /* unset: neither */
};

/* 1: node, an entry of a field, is none of a conversion's; 0; -EINVAL: reterr says where and why;
 * -ENOMEM.  convert is for convert_fini either way. */
int convert_compile(struct convert *convert, const struct mg_node *node, struct doc *constants,
                    struct mg_err *reterr);
/* Once all entries are there: do they go together? */
int convert_check(struct convert *convert, const struct mg_node *field, struct mg_err *reterr);
void convert_fini(struct convert *convert);

/* -EINVAL: it cannot be converted; reterr says why, and begins with name.  -ENOMEM. */
int convert_value(const struct convert *convert, const char *name, struct run *run,
                  struct doc_value *value, struct doc_value **ret_value, struct mg_err *reterr);
/* "a text", "an object" … */
const char *kind_of(const struct doc_value *value);
