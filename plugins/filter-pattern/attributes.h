/* SPDX-License-Identifier: Apache-2.0 */
/* What an event has beside its payload, as values of a set: address, attributes, properties. */
#pragma once
#include "match.h"
#include "meshgate/plugin.h"

enum { ATTRIBUTES_MAX = 16 };
struct attribute_names { /* names of the set; 0: nobody asks */
    uint32_t address, attributes, properties;
    uint32_t by_head[ATTRIBUTES_MAX];
};

void attribute_names_of(const struct set *set, struct attribute_names *ret_names);
void read_attributes(struct scratch *s, const struct attribute_names *names,
                     const struct mg_host *host, const mg_event *event);
