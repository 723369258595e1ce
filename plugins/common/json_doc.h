/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents that can be read, changed and written, and stay as they were where nobody changed
 * them: the order of members, members of one name, the spelling of numbers and of texts.
 *
 * Everything of a document dies with it, and at once; doc_reset makes it empty for the next event
 * and keeps a little of its memory: it belongs behind an event, so that a large one's goes at once.
 * A document is used by one thread at a time. */
#pragma once
#include "meshgate/plugin.h"

/* A value takes up to some 60 times the bytes of its text, which is why memory has a limit. */
enum { DOC_DEPTH_MAX = 512, DOC_WRITE_MAX = 256 * 1024 * 1024, DOC_MEMORY_MAX = 1 << 30 };

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_NUMBER, DOC_TEXT, DOC_LIST, DOC_OBJECT };

struct doc_member;
struct doc_value {
    enum doc_kind kind;
    bool truth;          /* BOOL */
    uint32_t index_room; /* these two, with index: the document's own affair */
    uint32_t indexed;
    union {
        struct {
            struct mg_str text; /* TEXT: its characters; NUMBER: its spelling */
            struct mg_str raw;  /* TEXT: as it was written, with its quotes; unset: made here */
        };
        struct {
            size_t count, room; /* LIST, OBJECT */
            union {
                struct doc_value **items;   /* LIST */
                struct doc_member *members; /* OBJECT, in order */
            };
            uint32_t *index;
        };
    };
};
struct doc_member {
    struct mg_str name, raw; /* as text and raw of a value */
    struct doc_value *value;
};

struct doc;
struct doc *doc_create(void);      /* NULL: out of memory */
void doc_destroy(struct doc *doc); /* NULL is fine */
void doc_reset(struct doc *doc);

/* One value with nothing but space around it.  text must live as long as the document's values.
 * -EINVAL: it is no JSON, or nested deeper than DOC_DEPTH_MAX; reterr says where.  -ENOMEM. */
int doc_parse(struct doc *doc, struct mg_bytes text, struct doc_value **ret_value,
              struct mg_err *reterr);
/* The payload of an event, which must live as long; errors as above. */
int doc_of_payload(struct doc *doc, const struct mg_host *host, const mg_event *event,
                   struct doc_value **ret_value, struct mg_err *reterr);

/* New values.  NULL: out of memory. */
struct doc_value *doc_null(struct doc *doc);
struct doc_value *doc_bool(struct doc *doc, bool truth);
struct doc_value *doc_int(struct doc *doc, int64_t number);
struct doc_value *doc_uint(struct doc *doc, uint64_t number);
/* In the shortest spelling that reads back as the same.  Infinite or no number: null. */
struct doc_value *doc_double(struct doc *doc, double number);
/* spelling is a number of JSON; copied. */
struct doc_value *doc_number(struct doc *doc, struct mg_str spelling);
struct doc_value *doc_text(struct doc *doc, struct mg_str text); /* copied; well-formed UTF-8 */
struct doc_value *doc_list(struct doc *doc);
struct doc_value *doc_object(struct doc *doc);
struct doc_value *doc_copy(struct doc *doc, const struct doc_value *value); /* all of it */

/* The value of the last member of that name, as most readers see it.  NULL: there is none, or
 * object is NULL or no object. */
struct doc_value *doc_get(const struct doc_value *object, struct mg_str name);
/* NULL: there is none, or list is NULL or no list. */
struct doc_value *doc_at(const struct doc_value *list, size_t index);
/* In the place of the last member of that name, or as a new one at the end.  -ENOMEM. */
int doc_set(struct doc *doc, struct doc_value *object, struct mg_str name, struct doc_value *value);
/* All members of that name.  Returns how many there were. */
size_t doc_remove(struct doc_value *object, struct mg_str name);
/* All members of that name, which keep their places; to must live as long as the document's values.
 * Returns how many there were. */
size_t doc_rename(struct doc_value *object, struct mg_str name, struct mg_str to);
int doc_append(struct doc *doc, struct doc_value *list, struct doc_value *value); /* -ENOMEM */
void doc_remove_at(struct doc_value *list, size_t index);

/* Numbers.  false: it is NULL or no number, or not a whole one (1.0 and 1e2 are), or beyond 64
 * bits. */
bool doc_as_int(const struct doc_value *value, int64_t *ret_number);
/* The nearest double; false: it is NULL or no number, or beyond the largest. */
bool doc_as_double(const struct doc_value *value, double *ret_number);
/* Compares two numbers as they are spelled, without rounding: negative, 0, positive.  Exponents of
 * more than 18 digits count as the same. */
int doc_number_compare(struct mg_str a, struct mg_str b);
/* Equal as JSON Schema has it: 1 and 1.0 are, members in any order (of one name the last counts).
 */
bool doc_equal(const struct doc_value *a, const struct doc_value *b);

/* Without white space; what was not changed as it was written.  malloc'ed, with a NUL behind it
 * that length does not count; NULL: out of memory, or longer than DOC_WRITE_MAX. */
char *doc_write(const struct doc_value *value, size_t *ret_length);
/* A new event: base with that document as its payload.  NULL: out of memory. */
mg_event *doc_event(const struct mg_host *host, const mg_event *base,
                    const struct doc_value *value);
/* The shortest decimal that reads back as the same double; returns its length. */
int doc_format_double(double value, char *out, size_t size);
