/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an expression and a text, parted by a line feed: both kinds of it, and a glob that
 * is escaped letter by letter matches itself alone. */
#include "expression.h"
#include "glob.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct expression_scratch *scratch;

static void try_expression(struct mg_str source, struct mg_str text)
{
    struct expression *e = NULL;
    struct mg_err err = {.text = ""};
    int error = expression_compile(source.at, source.len, &e, &err);
    if (!error != !!e || (error && !err.text[0]))
        abort(); /* an expression, or a reason why there is none */
    if (e)
        expression_matches(e, scratch, text);
    expression_free(e);
}

/* -1: it is no glob. */
static int try_glob(struct mg_str source, struct mg_str text)
{
    uint16_t parts[GLOB_BYTES_MAX];
    struct glob glob;
    struct mg_err err = {.text = ""};
    int error = glob_compile(source, parts, &glob, &err);
    if (error && !err.text[0])
        abort();
    return error ? -1 : glob_matches(&glob, text);
}

static void try_escaped(struct mg_str text)
{
    char escaped[2 * 200];
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        if ((text.at[i] & 0x80) == 0)
            escaped[used++] = '\\';
        escaped[used++] = text.at[i];
    }
    struct mg_str source = {escaped, used};
    if (try_glob(source, text) != 1)
        abort();
    if (text.len && try_glob(source, (struct mg_str){text.at, text.len - 1}) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *feed = size ? memchr(at, '\n', size) : NULL;
    if (!scratch && !(scratch = expression_scratch_create()))
        abort();
    if (!feed)
        return 0;
    struct mg_str source = {at, (size_t)(feed - at)}, text = {feed + 1, size - source.len - 1};
    if (text.len > EXPRESSION_TEXT_MAX)
        return 0;
    try_expression(source, text);
    try_glob(source, text);
    if (text.len <= 200)
        try_escaped(text);
    return 0;
}
