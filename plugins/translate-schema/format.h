/* SPDX-License-Identifier: Apache-2.0 */
/* What the keyword format names. */
#pragma once
#include "meshgate/plugin.h"

struct format {
    const char *name;
    bool (*is)(struct mg_str text);
};

/* NULL: it is not known here, and says nothing. */
const struct format *format_find(struct mg_str name);

/* format_time.c */
bool is_date(struct mg_str text);
bool is_time(struct mg_str text);
bool is_date_time(struct mg_str text);
bool is_duration(struct mg_str text);
/* format_idn.c */
bool is_hostname(struct mg_str text);
bool is_idn_hostname(struct mg_str text);
/* format_net.c */
bool is_ipv4(struct mg_str text);
bool is_ipv6(struct mg_str text);
bool is_email(struct mg_str text);
bool is_idn_email(struct mg_str text);
/* format_uri.c */
bool is_uri(struct mg_str text);
bool is_uri_reference(struct mg_str text);
bool is_iri(struct mg_str text);
bool is_iri_reference(struct mg_str text);
bool is_uri_template(struct mg_str text);
