/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and CIDR blocks as numbers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip {
    bool v6;
    uint64_t high, low; /* IPv4: in low */
};
struct ip_range {
    struct ip first, last;
};

/* text as in "10.0.0.1", "2001:db8::1"; an IPv4-mapped IPv6 address is the IPv4 one. */
bool ip_parse(const char *text, size_t length, struct ip *ret_ip);
/* The block that has the address, as "10.0.0.5/24".  NULL, or what is wrong. */
const char *ip_parse_cidr(const char *text, size_t length, struct ip_range *ret_range);
int ip_compare(const struct ip *a, const struct ip *b); /* IPv4 before IPv6 */
