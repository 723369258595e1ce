/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of attribute values: each answers NULL, or what is wrong as the end of a sentence
 * that begins with the value. */
#pragma once
#include "meshgate/plugin.h"

/* CloudEvents' String: no control characters, no code points that are none. */
const char *wrong_string(struct mg_str text);
/* RFC 3986, absolute: with a scheme. */
const char *wrong_uri(struct mg_str text);
const char *wrong_uri_reference(struct mg_str text);
/* RFC 3339, with a day that the month has. */
const char *wrong_timestamp(struct mg_str text);
/* RFC 2046: type/subtype and parameters. */
const char *wrong_media_type(struct mg_str text);
/* Digits of a signed integer of 32 bits. */
const char *wrong_integer(struct mg_str text);
