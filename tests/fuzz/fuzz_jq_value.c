/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to libjq's values and back: what is taken comes back equal. */
#include "jq_value.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct doc *in, *out;
    struct doc_value *value, *back;
    struct mg_err err;
    jv jq;
    in = in ? in : doc_create();
    out = out ? out : doc_create();
    if (!in || !out)
        abort();
    doc_reset(in);
    doc_reset(out);
    if (doc_parse(in, (struct mg_bytes){data, size}, &value, &err) ||
        jq_value_of(value, false, &jq, &err))
        return 0;
    if (jq_value_doc(out, NULL, jq, &back, &err) || !doc_equal(value, back))
        abort();
    return 0;
}
