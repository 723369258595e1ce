/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keywords. */
#include "keywords.h"
#include "keywords_compile.h"
#include <string.h>

enum { NEW = 1 << DRAFT_2020_12, OLD = 1 << DRAFT_07, BOTH = NEW | OLD };
#define CORE        VOCABULARY_CORE
#define APPLICATOR  VOCABULARY_APPLICATOR
#define VALIDATION  VOCABULARY_VALIDATION
#define UNEVALUATED VOCABULARY_UNEVALUATED
#define FORMAT      (VOCABULARY_FORMAT_ANNOTATION | VOCABULARY_FORMAT_ASSERTION)
#define CONTENT     VOCABULARY_CONTENT

const struct keyword keywords[] = {
    {"type", BOTH, VALIDATION, HOLDS_NOTHING, compile_type},
    {"const", BOTH, VALIDATION, HOLDS_NOTHING, compile_const},
    {"enum", BOTH, VALIDATION, HOLDS_NOTHING, compile_enum},
    {"multipleOf", BOTH, VALIDATION, HOLDS_NOTHING, compile_multiple_of},
    {"minimum", BOTH, VALIDATION, HOLDS_NOTHING, compile_minimum},
    {"exclusiveMinimum", BOTH, VALIDATION, HOLDS_NOTHING, compile_exclusive_minimum},
    {"maximum", BOTH, VALIDATION, HOLDS_NOTHING, compile_maximum},
    {"exclusiveMaximum", BOTH, VALIDATION, HOLDS_NOTHING, compile_exclusive_maximum},
    {"minLength", BOTH, VALIDATION, HOLDS_NOTHING, compile_min_length},
    {"maxLength", BOTH, VALIDATION, HOLDS_NOTHING, compile_max_length},
    {"pattern", BOTH, VALIDATION, HOLDS_NOTHING, compile_pattern},
    {"format", BOTH, FORMAT, HOLDS_NOTHING, compile_format},
    {"minItems", BOTH, VALIDATION, HOLDS_NOTHING, compile_min_items},
    {"maxItems", BOTH, VALIDATION, HOLDS_NOTHING, compile_max_items},
    {"minProperties", BOTH, VALIDATION, HOLDS_NOTHING, compile_min_properties},
    {"maxProperties", BOTH, VALIDATION, HOLDS_NOTHING, compile_max_properties},
    {"required", BOTH, VALIDATION, HOLDS_NOTHING, compile_required},
    {"dependentRequired", NEW, VALIDATION, HOLDS_NOTHING, compile_dependents},
    {"properties", BOTH, APPLICATOR, HOLDS_MAP, compile_members},
    {"patternProperties", BOTH, APPLICATOR, HOLDS_MAP, compile_members},
    {"additionalProperties", BOTH, APPLICATOR, HOLDS_ONE, compile_members},
    {"propertyNames", BOTH, APPLICATOR, HOLDS_ONE, compile_property_names},
    {"prefixItems", NEW, APPLICATOR, HOLDS_LIST, compile_items},
    {"items", NEW, APPLICATOR, HOLDS_ONE, compile_items},
    {"items", OLD, APPLICATOR, HOLDS_EITHER, compile_items},
    {"additionalItems", OLD, APPLICATOR, HOLDS_ONE, NULL},
    {"contains", BOTH, APPLICATOR, HOLDS_ONE, compile_contains},
    {"minContains", NEW, VALIDATION, HOLDS_NOTHING, NULL},
    {"maxContains", NEW, VALIDATION, HOLDS_NOTHING, NULL},
    {"uniqueItems", BOTH, VALIDATION, HOLDS_NOTHING, compile_unique_items},
    {"$ref", BOTH, CORE, HOLDS_NOTHING, compile_ref},
    {"$dynamicRef", NEW, CORE, HOLDS_NOTHING, compile_dynamic_ref},
    {"allOf", BOTH, APPLICATOR, HOLDS_LIST, compile_all_of},
    {"anyOf", BOTH, APPLICATOR, HOLDS_LIST, compile_any_of},
    {"oneOf", BOTH, APPLICATOR, HOLDS_LIST, compile_one_of},
    {"not", BOTH, APPLICATOR, HOLDS_ONE, compile_not},
    {"if", BOTH, APPLICATOR, HOLDS_ONE, compile_if},
    {"then", BOTH, APPLICATOR, HOLDS_ONE, NULL},
    {"else", BOTH, APPLICATOR, HOLDS_ONE, NULL},
    {"dependentSchemas", NEW, APPLICATOR, HOLDS_MAP, compile_dependents},
    /* Gone from 2020-12, but its metaschema still says how it looks, and nobody means another. */
    {"dependencies", BOTH, APPLICATOR, HOLDS_MAP, compile_dependents},
    {"unevaluatedItems", NEW, UNEVALUATED, HOLDS_ONE, compile_unevaluated_items},
    {"unevaluatedProperties", NEW, UNEVALUATED, HOLDS_ONE, compile_unevaluated_properties},
    {"$defs", NEW, CORE, HOLDS_MAP, NULL},
    {"definitions", BOTH, CORE, HOLDS_MAP, NULL},
    {"contentSchema", NEW, CONTENT, HOLDS_ONE, NULL},
    {NULL, 0, 0, HOLDS_NOTHING, NULL},
};

enum holds keyword_holds(struct mg_str name, enum draft draft)
{
    for (const struct keyword *k = keywords; k->name; k++)
        if ((k->drafts >> draft & 1) && strlen(k->name) == name.len &&
            !memcmp(k->name, name.at, name.len))
            return k->holds;
    return HOLDS_NOTHING;
}
