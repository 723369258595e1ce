/* SPDX-License-Identifier: Apache-2.0 */
/* A URL with fields of the event in it, whose values can be nothing but values. */
#pragma once
#include "meshgate/plugin.h"

enum { ADDRESS_BYTES_MAX = 8192 };

struct address;

/* http or https; a fixed server, fields behind it.  -EINVAL: reterr says why; -ENOMEM. */
int address_compile(const char *text, struct address **ret_address, struct mg_err *reterr);
void address_free(struct address *address); /* NULL is fine */
/* Each value percent-encoded, but for letters, digits and -._~, into out, which has room for
 * ADDRESS_BYTES_MAX with the NUL.  Returns the length, -ENOENT: a field has no value, or an
 * empty one that would be a whole part of the path; -EINVAL: it is too long, or a value makes a `.`
 * or `..` of a part of the path; -ENOMEM. */
ptrdiff_t address_expand(const struct address *address, const struct mg_host *host,
                         const mg_instance *instance, const struct mg_step_call *call, char *out,
                         struct mg_err *reterr);
