/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as patterns compare them: exactly, in millionths, from -5e9 to 5e9. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_MOST INT64_C(5000000000000000) /* millionths */

/* text is a number of JSON.  false: it is out of range, or has more than six decimals; such a
 * number is compared as a text. */
bool number_millionths(const char *text, size_t length, int64_t *ret_millionths);
/* Is all of it a number in the grammar of JSON? */
bool number_is_json(const char *text, size_t length);
