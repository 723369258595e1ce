/* SPDX-License-Identifier: Apache-2.0 */
/* The formats by name, and the smallest of them. */
#include "format.h"
#include "regex.h"
#include <ctype.h>
#include <string.h>

static bool is_uuid(struct mg_str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.at[i] != '-' : !isxdigit((unsigned char)text.at[i]))
            return false;
    }
    return true;
}

/* RFC 6901 */
static bool is_json_pointer(struct mg_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '~' &&
            (i + 1 == text.len || (text.at[i + 1] != '0' && text.at[i + 1] != '1')))
            return false;
    return !text.len || *text.at == '/';
}

static bool is_relative_json_pointer(struct mg_str text)
{
    size_t i = 0;
    while (i < text.len && text.at[i] >= '0' && text.at[i] <= '9')
        i++;
    if (!i || (i > 1 && *text.at == '0'))
        return false;
    if (i + 1 == text.len && text.at[i] == '#')
        return true;
    return is_json_pointer((struct mg_str){text.at + i, text.len - i});
}

static const struct format formats[] = {
    {"date", is_date},
    {"date-time", is_date_time},
    {"duration", is_duration},
    {"email", is_email},
    {"hostname", is_hostname},
    {"idn-email", is_idn_email},
    {"idn-hostname", is_idn_hostname},
    {"ipv4", is_ipv4},
    {"ipv6", is_ipv6},
    {"iri", is_iri},
    {"iri-reference", is_iri_reference},
    {"json-pointer", is_json_pointer},
    {"regex", regex_is_one},
    {"relative-json-pointer", is_relative_json_pointer},
    {"time", is_time},
    {"uri", is_uri},
    {"uri-reference", is_uri_reference},
    {"uri-template", is_uri_template},
    {"uuid", is_uuid},
};

const struct format *format_find(struct mg_str name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strlen(formats[i].name) == name.len && !memcmp(formats[i].name, name.at, name.len))
            return &formats[i];
    return NULL;
}
