/* SPDX-License-Identifier: Apache-2.0 */
/* How each keyword is compiled, by the kind of value that it speaks of. */
#pragma once
#include "keywords.h"
#include "schema.h"

/* keywords_value.c */
keyword_compile compile_type, compile_const, compile_enum, compile_multiple_of, compile_minimum,
    compile_exclusive_minimum, compile_maximum, compile_exclusive_maximum, compile_min_length,
    compile_max_length, compile_pattern, compile_format;
/* keywords_list.c */
keyword_compile compile_min_items, compile_max_items, compile_items, compile_contains,
    compile_unique_items, compile_unevaluated_items;
/* keywords_object.c */
keyword_compile compile_min_properties, compile_max_properties, compile_required, compile_members,
    compile_property_names, compile_dependents, compile_unevaluated_properties;
/* keywords_logic.c */
keyword_compile compile_ref, compile_dynamic_ref, compile_all_of, compile_any_of, compile_one_of,
    compile_not, compile_if;

/* keywords_value.c: a keyword's value as a count. */
int count_of(struct compiler *c, const struct keyword_place *p, uint64_t *ret_count);
/* A keyword that is a count, looked at in values of these kinds. */
int compile_count(struct compiler *c, const struct keyword_place *p, check_apply *apply,
                  uint32_t kinds);
/* A list of texts. */
int want_names(struct compiler *c, const struct keyword_place *p, const struct doc_value *names);
