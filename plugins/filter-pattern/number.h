/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as patterns compare them: IEEE doubles, where the number is one (in the shortest decimal
 * that means this double); any other number is compared as the text that it is. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Doubles in their order, as integers: the next double is the next integer. */
typedef uint64_t number_key;
#define NUMBER_FIRST UINT64_C(0x0010000000000000) /* -DBL_MAX */
#define NUMBER_LAST  UINT64_C(0xffefffffffffffff) /* DBL_MAX */

/* text is a number of JSON.  false: it is not a double. */
bool number_read(const char *text, size_t length, number_key *ret_number);
/* Is all of it a number in the grammar of JSON? */
bool number_is_json(const char *text, size_t length);
